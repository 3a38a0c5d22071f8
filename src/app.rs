//! Puts the parts together, starts them, and ends them in order.

use crate::{
    cli::{Config, LogFormat},
    collector::{self, Collector, Handle, Message},
    demo::Demo,
    discovery::{self, ScopeEvent},
    exposition::{Format, Selection, SelfMetrics},
    log::{self, Log},
    metadata::{Docker, DockerHost, Filter, Labels},
    parse::ContainerId,
    sample::{Errno, Interfaces, Roots, errno_of, limits::raise_open_files},
    server::{
        self,
        tls::{Tls, load_tls},
    },
    systemd::{self, Manager},
};
use anyhow::{Context, Error, anyhow};
use std::{
    io::Write,
    net::ToSocketAddrs,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};
use tokio::{
    net::{TcpListener, TcpSocket},
    signal::unix::{Signal, SignalKind, signal},
    sync::{
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot,
    },
    time::{sleep, timeout},
};

/// Why the program ends without success.
#[derive(Debug)]
pub struct Failure {
    /// What happened.
    pub error: Error,
    /// What can be done about it.
    pub hint: Option<String>,
    /// The exit code.
    pub code: u8,
}

impl Failure {
    /// Could not start, or died.
    fn start(error: impl Into<Error>, hint: impl Into<String>) -> Self {
        Self { error: error.into(), hint: Some(hint.into()), code: 1 }
    }

    /// The user asked for something that does not exist.
    fn usage(error: impl Into<Error>) -> Self {
        Self { error: error.into(), hint: Some("see docker-stat-prom --help".into()), code: 2 }
    }
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { error: error.into(), hint: None, code: 1 }
    }
}

/// `--once` and `--healthcheck` give up after this long.
const PATIENCE: Duration = Duration::from_secs(15);
/// A collector that is in one pass for so long is said to hang.
const HUNG: Duration = Duration::from_secs(60);
/// One that has turned a round within this goes on again.
const GOES_ON: Duration = Duration::from_secs(2);
/// Connections that may wait to be accepted; a scraper whose SYN finds no room tries again only after a second.
const BACKLOG: u32 = 4096;
/// How long the end waits for threads.
const END: Duration = Duration::from_secs(2);
/// How often readiness is looked at until it is there.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Runs until done or told to stop.
///
/// # Errors
/// [`Failure`] with an exit code, and a hint where something can be done.
pub fn run(config: &Config) -> Result<(), Failure> {
    let metrics = SelfMetrics::new()?;
    let _log = start_log(config, &metrics)?;
    // What is wrong with the command line is said before anything is touched.
    let labels = Labels::new(&config.container_labels, &config.container_env).map_err(Failure::usage)?;
    let filter = Filter::new(&config.include, &config.exclude).map_err(Failure::usage)?;
    let selection = Selection::parse(&config.metrics).map_err(Failure::usage)?;
    let interfaces = Interfaces::excluding(config.network_exclude.iter().map(String::as_str));
    let interfaces = interfaces.map_err(Failure::usage)?;
    let host = docker_host(config).map_err(Failure::usage)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if config.healthcheck {
        return runtime.block_on(server::healthcheck::check(config)).map_err(Failure::from);
    }
    // Caught before there is anything to clean up.
    let signals = {
        let _inside = runtime.enter();
        Signals::catch()?
    };
    let demo = config.demo.then(|| runtime.block_on(async { Demo::start() })).transpose()?;
    let (roots, host) = match &demo {
        Some(demo) => (demo.roots(), demo.docker_host()),
        None => (roots(config), host),
    };
    roots.check().map_err(|error| {
        let hint = error.hint.clone();
        Failure::start(error, hint)
    })?;
    let tls = config.secure.then(|| tls(config)).transpose()?;
    let max_open_files = raise_open_files().context("the limit on open files can't be read")?;
    metrics.started(max_open_files);
    if let Some(expiry) = tls.as_ref().and_then(|tls| tls.expiry) {
        metrics.tls_expiry.with_label_values::<&str>(&[]).set(expiry.as_secs_f64());
    }
    if demo.is_some() {
        metrics.demo.with_label_values::<&str>(&[]).set(1.0);
    }
    let collector = collector::Config {
        roots,
        selection,
        filter: filter.clone(),
        polling_interval: (!config.once).then(|| config.polling_interval()),
        fd_budget: usize::try_from(config.fd_budget).unwrap_or(usize::MAX),
        interfaces,
        show_unnamed: config.show_unnamed,
    };
    let cut = metrics.label_values_cut.clone();
    let docker = Docker::new(host, labels, filter, move || cut.inc());
    let result = runtime.block_on(async {
        // Bound last: a port that answers belongs to an exporter that works.
        let listener = if config.once { None } else { Some(bind(&config.bind)?) };
        if config.demo {
            tracing::warn!(
                "this is a demo: a recorded host whose numbers are made to move, with made-up trouble"
            );
        }
        let mut threads = start_threads(collector, max_open_files, metrics, docker)?;
        let handle = threads.handle.clone();
        let result = match listener {
            None => once(config, &handle, signals).await,
            Some(listener) => serve(listener, tls, &handle, &mut threads.collector, signals).await,
        };
        if demo.is_some() {
            // Its files and its Docker API go now, which is nothing to warn of.
            threads.end().await;
        }
        result
    });
    runtime.shutdown_background();
    drop(demo);
    result
}

fn start_log(config: &Config, metrics: &SelfMetrics) -> Result<Log, Failure> {
    let level = match (config.verbose, config.once) {
        (0, false) => tracing::Level::INFO,
        (0, true) => tracing::Level::WARN,
        (1, _) => tracing::Level::DEBUG,
        _ => tracing::Level::TRACE,
    };
    let json = config.log_format == LogFormat::Json;
    let style = log::Style { level, json, target: config.verbose > 0 };
    let lost = metrics.log_lines_dropped.clone();
    log::start(style, move || lost.inc()).map_err(no_thread)
}

/// Without its threads the exporter does not start.
fn no_thread(error: std::io::Error) -> Failure {
    Failure::start(
        Error::new(error).context("no thread can be made"),
        "raise the limit on processes and threads (ulimit -u, TasksMax=, pids.max)",
    )
}

/// What ends the program, and what is sent to daemons for other reasons.
struct Signals {
    ends: [Signal; 3],
}

impl Signals {
    /// Catches what would end the program at once, and leave the demo's folder behind. Needs a runtime around it.
    fn catch() -> std::io::Result<Self> {
        for (kind, name) in [
            (SignalKind::hangup(), "SIGHUP"),
            (SignalKind::user_defined1(), "SIGUSR1"),
            (SignalKind::user_defined2(), "SIGUSR2"),
        ] {
            let mut ignored = signal(kind)?;
            tokio::spawn(async move {
                while ignored.recv().await.is_some() {
                    tracing::info!(
                        "{name} is ignored: there is nothing to reload, restart to change the settings"
                    );
                }
            });
        }
        let ends = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::quit()];
        let [terminate, interrupt, quit] = ends.map(signal);
        Ok(Self { ends: [terminate?, interrupt?, quit?] })
    }

    /// Resolves when the program is told to end.
    async fn end(&mut self) {
        let [terminate, interrupt, quit] = &mut self.ends;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = quit.recv() => {}
        }
    }
}

fn roots(config: &Config) -> Roots {
    Roots { cgroup: config.cgroup_root.clone(), proc: config.proc_root.clone(), sys: config.sys_root.clone() }
}

fn docker_host(config: &Config) -> Result<DockerHost, crate::metadata::HostError> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let certificates = variable("DOCKER_CERT_PATH").map_or_else(
        || Path::new(&variable("HOME").unwrap_or_else(|| "/root".into())).join(".docker"),
        PathBuf::from,
    );
    DockerHost::parse(&config.host, variable("DOCKER_TLS_VERIFY").is_some(), &certificates)
}

fn tls(config: &Config) -> Result<Tls, Failure> {
    load_tls(&config.tls_cert, &config.tls_key).map_err(|error| {
        Failure::start(error, "name a certificate and its key with --tls_cert and --tls_key, both in PEM")
    })
}

fn bind(address: &str) -> Result<TcpListener, Failure> {
    // `:12096` is every address, as elsewhere in Prometheus' world.
    let full = if address.starts_with(':') { format!("0.0.0.0{address}") } else { address.to_owned() };
    // Names are looked up on this thread: the runtime would need one more, and nothing else goes on yet.
    listen(&full).map_err(|error| {
        let hint = match errno_of(&error) {
            Errno::EADDRINUSE => {
                "another program, perhaps another exporter, listens there: name another with -b"
            }
            Errno::EACCES => "ports below 1024 need CAP_NET_BIND_SERVICE: name another with -b",
            _ => "name an address of this machine and a port with -b, such as 127.0.0.1:12096",
        };
        Failure::start(anyhow!("{full}: {error}"), hint)
    })
}

fn listen(address: &str) -> std::io::Result<TcpListener> {
    let mut problem = None;
    for address in address.to_socket_addrs()? {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        match socket.bind(address).and_then(|()| socket.listen(BACKLOG)) {
            Ok(listener) => return Ok(listener),
            Err(error) => problem = Some(error),
        }
    }
    Err(problem.unwrap_or_else(|| Errno::EADDRNOTAVAIL.into()))
}

/// The threads that read and ask.
struct Threads {
    handle: Handle,
    /// Resolves when the collector has ended.
    collector: oneshot::Receiver<()>,
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
    /// Ends those that would warn of what goes next, and waits until they have ended, though not for one that hangs.
    async fn end(self) {
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

/// Starts the threads that read and ask.
fn start_threads(
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
        // Dropped when the thread ends, whatever ends it.
        let _alive = alive;
        // Made here, since it reads: /proc/meminfo of lxcfs may hang, and whoever asks is to hear of it.
        Collector::new(config, collectors, max_open_files, lookups).run(&receiver);
    });
    started.map_err(no_thread)?;
    let events = handle.clone();
    match interval {
        None => {
            events.send(Message::Scope(discovery::resync(&root)));
        }
        Some(interval) => {
            // Each is taken before the next is looked for: what a stuck collector makes wait is left to the kernel's queue,
            // which is bounded.
            let mut send =
                move |event: ScopeEvent| events.send(Message::Scope(event)) && events.wait_until_taken();
            let started = thread("discovery").spawn(move || {
                if let Err(error) = discovery::watch(&root, interval, &mut send) {
                    tracing::error!("containers can't be looked for: {error}");
                }
            });
            started.map_err(no_thread)?;
        }
    }
    let docker = follow_docker(docker, wanted, handle.clone()).map_err(no_thread)?;
    Ok(Threads { handle, collector: dead, docker })
}

/// Threads that look up the daemon's host name. One that hangs keeps its thread for a while.
const RESOLVING_THREADS: usize = 4;

/// Asks Docker on a thread of its own: decoding a long list delays no answer to a client.
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
            let tell = |event| {
                events.send(Message::Metadata(event));
            };
            tokio::select! {
                // First: whoever ends this may end what is asked right after.
                biased;
                _ = stopped => {}
                () = docker.follow(wanted, &tell) => {}
            }
        });
        // A look-up that hangs is not waited for.
        runtime.shutdown_background();
    })?;
    Ok(DockerThread { running, ended })
}

/// Two samples one interval apart, and the page on standard output.
async fn once(config: &Config, handle: &Handle, mut signals: Signals) -> Result<(), Failure> {
    let printed = async {
        let begin = Instant::now();
        while !handle.is_ready() && begin.elapsed() < PATIENCE {
            sleep(LOOK_AGAIN).await;
        }
        in_time(handle.tick()).await?;
        sleep(config.polling_interval()).await;
        in_time(handle.tick()).await?;
        let page = in_time(handle.scrape(Format::Text)).await?;
        let (done, written) = oneshot::channel();
        // A reader that is stuck must not keep a signal from ending this.
        let writing =
            thread::Builder::new().spawn(move || done.send(std::io::stdout().write_all(page.text())));
        writing.map_err(no_thread)?;
        match written.await? {
            // A reader that went away (`| head`) has seen what it wanted.
            Err(error) if errno_of(&error) != Errno::EPIPE => Err(error.into()),
            _ => Ok(()),
        }
    };
    tokio::select! {
        result = printed => result,
        () = signals.end() => Ok(()),
    }
}

/// What the collector answers, if it does.
async fn in_time<T>(answer: impl Future<Output = Result<T, collector::Stopped>>) -> Result<T, Error> {
    let hangs = || anyhow!("no answer in {PATIENCE:?}: a file of a container or of /proc does not answer");
    Ok(timeout(PATIENCE, answer).await.map_err(|_| hangs())??)
}

async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    handle: &Handle,
    dead: &mut oneshot::Receiver<()>,
    mut signals: Signals,
) -> Result<(), Failure> {
    let scheme = if tls.is_some() { "https" } else { "http" };
    let address = listener.local_addr()?;
    tracing::info!("serving {scheme}://{address}/metrics");
    let notify = tokio::spawn(supervise(handle.clone()));
    let hangs = tokio::spawn(watch_for_hangs(handle.clone()));
    let (stop, stopped) = oneshot::channel();
    let serving = server::serve(listener, tls, handle.clone(), async {
        let _either_way = stopped.await;
    });
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        () = &mut serving => Err(anyhow!("the server has ended").into()),
        _ = dead => Err(anyhow!("the collector has died").into()),
        () = signals.end() => Ok(()),
    };
    notify.abort();
    hangs.abort();
    if ended.is_ok() {
        tracing::info!("told to stop");
        let _nobody_listens = Manager::from_environment().tell("STOPPING=1");
        let _still_there = stop.send(());
        tokio::select! {
            () = &mut serving => {}
            () = signals.end() => {}
        }
        handle.send(Message::Shutdown);
    }
    ended
}

/// Says in the log, once each time, that the collector hangs, and that it does no longer.
async fn watch_for_hangs(handle: Handle) {
    let mut hung = false;
    loop {
        sleep(Duration::from_secs(1)).await;
        let silence = handle.silence();
        if !hung && silence > HUNG {
            hung = true;
            tracing::error!(
                "the collector has been in one pass for {} s: a file of a container or of /proc does not answer \
                 (a FUSE file system, or lxcfs); nothing can be scraped until it does, and /healthz says so",
                silence.as_secs()
            );
        } else if hung && silence < GOES_ON {
            hung = false;
            tracing::info!("the collector goes on");
        }
    }
}

/// Tells systemd when the exporter is ready, and, as long as the collector answers, that it lives.
async fn supervise(handle: Handle) {
    while !handle.is_ready() {
        sleep(LOOK_AGAIN).await;
    }
    let manager = Manager::from_environment();
    while let Err(error) = manager.tell("READY=1") {
        if errno_of(&error) != Errno::EAGAIN {
            tracing::warn!("the service manager can't be told: {error}");
            break;
        }
        sleep(LOOK_AGAIN).await;
    }
    let Some(beat) = systemd::watchdog() else { return };
    loop {
        match timeout(beat, handle.ping()).await {
            Ok(Ok(_)) => {
                let _told_the_next_time = manager.tell("WATCHDOG=1");
            }
            Ok(Err(_)) => return,
            // It hangs: if that lasts, systemd does what the unit says.
            Err(_) => {}
        }
        sleep(beat).await;
    }
}
