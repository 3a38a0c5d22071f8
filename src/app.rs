//! Puts the parts together, starts them, and ends them in order.

mod signals;
mod supervision;
mod threads;

use crate::{
    advice,
    cli::{Config, LogFormat},
    collector::{self, Handle, Message},
    demo::Demo,
    exposition::{Format, Selection, SelfMetrics},
    log::{self, Log},
    metadata::{Docker, DockerHost, Filter, Labels},
    sample::{Errno, Interfaces, Roots, errno_of, limits::raise_open_files},
    server::{
        self,
        tls::{Tls, load_tls},
    },
    systemd::Manager,
};
use anyhow::{Context, Error, anyhow};
use signals::Signals;
use std::{
    io::Write,
    net::ToSocketAddrs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};
use supervision::{supervise, watch_for_hangs};
use threads::start_threads;
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::oneshot,
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
        Self { error: error.into(), hint: Some(advice::usage().into()), code: 2 }
    }
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { error: error.into(), hint: None, code: 1 }
    }
}

/// `--once` and `--healthcheck` give up after this long.
const PATIENCE: Duration = Duration::from_secs(15);
/// Connections that may wait to be accepted; a scraper whose SYN finds no room tries again only after a second.
const BACKLOG: u32 = 4096;
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
        let hint = advice::root(&error);
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
            tracing::warn!("this is a demo: the numbers are of a recorded host, and made to move");
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
    let hint = advice::resources(errno_of(&error)).map(str::to_owned);
    Failure { error: Error::new(error).context("a thread can't be started"), hint, code: 1 }
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
    load_tls(&config.tls_cert, &config.tls_key).map_err(|error| Failure::start(error, advice::certificate()))
}

fn bind(address: &str) -> Result<TcpListener, Failure> {
    // `:12096` is every address, as elsewhere in Prometheus' world.
    let full = if address.starts_with(':') { format!("0.0.0.0{address}") } else { address.to_owned() };
    // Names are looked up on this thread: the runtime would need one more, and nothing else goes on yet.
    listen(&full).map_err(|error| {
        let hint = advice::listening(&error);
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
