//! Puts the parts together, starts them, and ends them in order.

use crate::{
    cli::{Config, LogFormat},
    collector::{self, Collector, Handle, Message},
    demo::Demo,
    discovery::{self, ScopeEvent},
    exposition::{Format, Selection, SelfMetrics},
    metadata::{Docker, DockerHost, Filter, Labels},
    parse::ContainerId,
    sample::{Errno, Interfaces, Roots, errno_of, limits::raise_open_files},
    server::{
        self,
        tls::{Tls, load_tls},
    },
};
use anyhow::{Context, Error, anyhow};
use sd_notify::NotifyState;
use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot,
    },
    time::{interval, sleep, timeout},
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
/// How often readiness is looked at until it is there.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Runs until done or told to stop.
///
/// # Errors
/// [`Failure`] with an exit code, and a hint where something can be done.
pub fn run(config: &Config) -> Result<(), Failure> {
    start_log(config);
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
    let metrics = SelfMetrics::new()?;
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
    let docker = Docker::new(host, labels, filter);
    let result = runtime.block_on(async {
        // Bound last: a port that answers belongs to an exporter that works.
        let listener = if config.once { None } else { Some(bind(&config.bind).await?) };
        let (handle, dead) = start_collector(collector, max_open_files, metrics, docker);
        match listener {
            None => once(config, &handle).await,
            Some(listener) => serve(config, listener, tls, &handle, dead).await,
        }
    });
    // A blocking task may still compress a page for somebody who no longer waits.
    runtime.shutdown_background();
    drop(demo);
    result
}

fn start_log(config: &Config) {
    let level = match (config.verbose, config.once) {
        (0, false) => tracing::Level::INFO,
        (0, true) => tracing::Level::WARN,
        (1, _) => tracing::Level::DEBUG,
        _ => tracing::Level::TRACE,
    };
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_target(config.verbose > 0);
    // Only a second call could fail, in a test that runs the program twice in one process.
    let _already_started = match config.log_format {
        LogFormat::Text => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
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

async fn bind(address: &str) -> Result<TcpListener, Failure> {
    // `:12096` is every address, as elsewhere in Prometheus' world.
    let full = if address.starts_with(':') { format!("0.0.0.0{address}") } else { address.to_owned() };
    TcpListener::bind(&full).await.map_err(|error| {
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

/// Starts the threads and tasks that read and ask. The receiver resolves when the collector has ended.
fn start_collector(
    config: collector::Config,
    max_open_files: u64,
    metrics: SelfMetrics,
    docker: Docker,
) -> (Handle, oneshot::Receiver<()>) {
    let (sender, receiver) = mpsc::channel();
    let (lookups, wanted): (UnboundedSender<ContainerId>, UnboundedReceiver<ContainerId>) =
        unbounded_channel();
    let handle = Handle::new(sender, metrics);
    let root = config.roots.cgroup.clone();
    let interval = config.polling_interval;
    let collectors = handle.clone();
    let (alive, dead) = oneshot::channel::<()>();
    thread::spawn(move || {
        // Dropped when the thread ends, whatever ends it.
        let _alive = alive;
        // Made here, since it reads: /proc/meminfo of lxcfs may hang, and whoever asks is to hear of it.
        Collector::new(config, collectors, max_open_files, lookups).run(&receiver);
    });
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
            thread::spawn(move || {
                if let Err(error) = discovery::watch(&root, interval, &mut send) {
                    tracing::error!("containers can't be looked for: {error}");
                }
            });
        }
    }
    let events = handle.clone();
    tokio::spawn(async move {
        docker
            .follow(wanted, &move |event| {
                events.send(Message::Metadata(event));
            })
            .await;
    });
    (handle, dead)
}

/// Two samples one interval apart, and the page on standard output.
async fn once(config: &Config, handle: &Handle) -> Result<(), Failure> {
    let begin = Instant::now();
    while !handle.is_ready() && begin.elapsed() < PATIENCE {
        sleep(LOOK_AGAIN).await;
    }
    in_time(handle.tick()).await?;
    sleep(config.polling_interval()).await;
    in_time(handle.tick()).await?;
    let page = in_time(handle.scrape(Format::Text)).await?;
    match std::io::stdout().write_all(page.text()) {
        // A reader that went away (`| head`) has seen what it wanted.
        Err(error) if errno_of(&error) != Errno::EPIPE => Err(error.into()),
        _ => Ok(()),
    }
}

/// What the collector answers, if it does.
async fn in_time<T>(answer: impl Future<Output = Result<T, collector::Stopped>>) -> Result<T, Error> {
    let hangs = || anyhow!("no answer in {PATIENCE:?}: a file of a container or of /proc does not answer");
    Ok(timeout(PATIENCE, answer).await.map_err(|_| hangs())??)
}

async fn serve(
    config: &Config,
    listener: TcpListener,
    tls: Option<Tls>,
    handle: &Handle,
    dead: oneshot::Receiver<()>,
) -> Result<(), Failure> {
    let scheme = if tls.is_some() { "https" } else { "http" };
    let address = listener.local_addr()?;
    if config.demo {
        tracing::warn!("this is a demo: the numbers are of a recorded host, and made to move");
    }
    tracing::info!("serving {scheme}://{address}/metrics");
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let notify = tokio::spawn(supervise(handle.clone()));
    let hangs = tokio::spawn(watch_for_hangs(handle.clone()));
    let (stop, stopped) = oneshot::channel();
    let routes = server::routes(handle.clone());
    let serving = server::serve(listener, tls, routes, async {
        let _either_way = stopped.await;
    });
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        () = &mut serving => Err(anyhow!("the server has ended").into()),
        _ = dead => Err(anyhow!("the collector has died").into()),
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    notify.abort();
    hangs.abort();
    if ended.is_ok() {
        tracing::info!("told to stop");
        let _no_supervisor = sd_notify::notify(&[NotifyState::Stopping]);
        let _still_there = stop.send(());
        tokio::select! {
            () = &mut serving => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
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
        } else if hung && silence < LOOK_AGAIN * 100 {
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
    if let Err(error) = sd_notify::notify(&[NotifyState::Ready]) {
        tracing::debug!("sd_notify: {error}");
    }
    let Some(watchdog) = sd_notify::watchdog_enabled() else { return };
    let mut beat = interval(watchdog / 2);
    loop {
        beat.tick().await;
        match timeout(watchdog / 2, handle.ping()).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return,
            // It hangs: if that lasts, systemd does what the unit says.
            Err(_) => continue,
        }
        let _no_supervisor = sd_notify::notify(&[NotifyState::Watchdog]);
    }
}
