//! The threads that read the kernel's files and ask Docker.

use super::failure::{Failure, no_thread};
use crate::{
    collector::{self, Collector, Handle, Message},
    discovery::{self, ScopeEvent},
    metadata::{Docker, MetadataEvent, News, State},
    parse::ContainerId,
    table::SelfMetrics,
};
use std::{sync::mpsc, thread, time::Duration};
use tokio::{
    sync::{
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot,
    },
    time::timeout,
};

/// How long the end of the program waits for threads.
const END: Duration = Duration::from_secs(2);
/// How many threads resolve the daemon's host name. A look-up that hangs blocks its thread for a while.
const RESOLVING_THREADS: usize = 4;

/// The threads that read the kernel's files and ask Docker.
pub(super) struct Threads {
    pub(super) handle: Handle,
    /// Resolves when the collector has ended.
    pub(super) collector: oneshot::Receiver<()>,
    docker: DockerThread,
}

/// The thread that asks Docker.
struct DockerThread {
    /// Dropped to end it.
    running: oneshot::Sender<()>,
    /// Resolves when it has ended.
    ended: oneshot::Receiver<()>,
}

impl Threads {
    /// Ends the threads that would warn about what is removed next, and waits until they have ended, but not
    /// for one that hangs.
    pub(super) async fn end(self) {
        drop(self.docker.running);
        self.handle.send(Message::Shutdown);
        let ended = async {
            let _it_has = self.docker.ended.await;
            if !self.collector.is_terminated() {
                let _it_has = self.collector.await;
            }
        };
        let _hangs = timeout(END, ended).await;
    }
}

/// Starts the threads.
pub(super) fn start_threads(
    config: collector::Config,
    max_open_files: u64,
    metrics: SelfMetrics,
    docker: Docker,
) -> Result<Threads, Failure> {
    let (sender, receiver) = mpsc::channel();
    let (lookups, wanted): (UnboundedSender<ContainerId>, UnboundedReceiver<ContainerId>) =
        unbounded_channel();
    let handle = Handle::new(sender, metrics);
    let root = config.roots.cgroup.clone();
    let interval = config.polling_interval;
    let collectors = handle.clone();
    let (alive, dead) = oneshot::channel::<()>();
    let thread = |name: &str| thread::Builder::new().name(name.into());
    let started = thread("collector").spawn(move || {
        // Dropped when the thread ends for any reason.
        let _alive = alive;
        // Created on this thread, because it reads files: /proc/meminfo of lxcfs may hang, and then requests
        // must still get an error.
        Collector::new(config, collectors, max_open_files, lookups).run(&receiver);
    });
    started.map_err(no_thread)?;
    let events = handle.clone();
    match interval {
        None => {
            events.send(Message::Scope(discovery::resync(&root)));
        }
        Some(interval) => {
            // The collector takes each event before the next one is read. If it is stuck, further events wait
            // in the kernel's queue, which is bounded.
            let mut send = move |event: ScopeEvent| {
                say_scope(&event);
                events.send(Message::Scope(event)) && events.wait_until_taken()
            };
            let started = thread("discovery").spawn(move || {
                if let Err(error) = discovery::watch(&root, interval, &mut send) {
                    tracing::error!("containers can't be discovered: {error}");
                }
            });
            started.map_err(no_thread)?;
        }
    }
    let docker = follow_docker(docker, wanted, handle.clone()).map_err(no_thread)?;
    Ok(Threads { handle, collector: dead, docker })
}

/// Logs what was found in cgroups, for debugging.
fn say_scope(event: &ScopeEvent) {
    match event {
        ScopeEvent::Resync { scopes, unlisted } => tracing::debug!(
            "cgroup tree scanned: {} cgroups of containers, {} directories could not be listed",
            scopes.len(),
            unlisted.len()
        ),
        ScopeEvent::Appeared(scope) => tracing::debug!("cgroup appeared: {}", scope.cgroup),
        ScopeEvent::Vanished(scope) => tracing::debug!("cgroup vanished: {}", scope.cgroup),
        // Some cgroups are written to all the time.
        ScopeEvent::Written(scope) => tracing::trace!("cgroup written to: {}", scope.cgroup),
    }
}

/// Logs what Docker reported, for debugging.
fn say_news(news: &News) {
    match news {
        News::Connected => tracing::debug!("connected to docker"),
        News::Listed(containers) => tracing::debug!("docker has listed {} containers", containers.len()),
        News::Changed(metadata) => tracing::debug!(
            "docker reports {} ({}): {}",
            metadata.id.short(),
            metadata.name,
            metadata.state.map_or("state unknown", State::as_str)
        ),
        News::Removed(id) => tracing::debug!("docker has removed {}", id.short()),
        News::Unknown(id) => tracing::debug!("docker does not know {}", id.short()),
        News::Oom { id, .. } => tracing::debug!("docker reports an OOM kill in {}", id.short()),
        News::Disk(report) => tracing::debug!("docker has measured {} containers", report.sizes.len()),
        News::NoDisk(reason) => tracing::debug!("docker has not measured its containers: {reason}"),
        News::Disconnected => tracing::debug!("disconnected from docker"),
    }
}

/// Asks Docker on its own thread: decoding a long list must not delay answers to clients.
fn follow_docker(
    docker: Docker,
    wanted: UnboundedReceiver<ContainerId>,
    events: Handle,
) -> std::io::Result<DockerThread> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(RESOLVING_THREADS)
        .build()?;
    let (running, stopped) = oneshot::channel::<()>();
    let (alive, ended) = oneshot::channel::<()>();
    thread::Builder::new().name("docker".into()).spawn(move || {
        let _alive = alive;
        runtime.block_on(async {
            let tell = |event: MetadataEvent| {
                say_news(&event.news);
                events.send(Message::Metadata(event));
            };
            tokio::select! {
                // The end comes first: the daemon may be ended right after it.
                biased;
                _ = stopped => {}
                () = docker.follow(wanted, &tell) => {}
            }
        });
        // Does not wait for a look-up that hangs.
        runtime.shutdown_background();
    })?;
    Ok(DockerThread { running, ended })
}
