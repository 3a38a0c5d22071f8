//! Puts the parts together, starts them, and ends them in order.

mod confinement;
mod failure;
mod listening;
mod signals;
mod supervision;
mod targets;
mod threads;

pub use failure::Failure;

use crate::{
    advice,
    collector::{self, Handle, Message},
    demo::Demo,
    encode::Format,
    log::{self, Log},
    metadata::{self, Docker},
    push::{self, Push},
    sample::{
        self, Errno, errno_of,
        limits::{files_that_fit, raise_open_files},
    },
    server::{
        self, Audience, Listener, PageShown,
        access::{self, Access, LoadError, Sources},
    },
    settings::{Bind, Guard, LogSettings, Order, Output, Settings, TlsFiles},
    systemd::{self, Manager},
    table::{Selection, SelfMetrics},
    terminal::{self, Overview},
};
use anyhow::{Context, Error, anyhow};
use confinement::confine;
use failure::no_thread;
use listening::{asked, audience, check_health, listeners};
use signals::{Signals, ignore};
use std::{
    io::{IsTerminal, Write},
    os::unix::net::UnixStream,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use supervision::{LOOK_AGAIN, Start, reload_when_told, supervise, watch_for_hangs};
use threads::start_threads;
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

/// How long `--once` and `--healthcheck` wait before they give up.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long the end waits for the last push. Shorter than the 10 seconds that `docker stop` waits.
const LAST_PUSH: Duration = Duration::from_secs(5);

/// Runs until done or told to stop.
///
/// # Errors
/// [`Failure`], with a hint if something can be done about it.
pub fn run(settings: Settings) -> Result<(), Failure> {
    let serves = settings.order == Order::Serve;
    // They are taken before there is another thread, because this changes the environment.
    let passed = if serves { systemd::sockets() } else { Ok(Vec::new()) };
    let passed =
        passed.map_err(|problem| Failure::new(anyhow!(problem), advice::listening::passed_sockets()))?;
    let metrics = SelfMetrics::new()?;
    let mut log = collect_log(settings.log, &metrics);
    for doubt in &settings.doubts {
        tracing::warn!("{doubt}");
    }
    has_spare_descriptors().context("too few file descriptors are available to start")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if settings.order == Order::HealthCheck {
        let Bind::At(places) = &settings.bind else {
            // A failure would make a container runtime restart an exporter that works.
            writeln!(std::io::stdout(), "{}", advice::push::no_port_to_ask())?;
            return Ok(());
        };
        let sources = sources(settings.tls, settings.guard);
        let reach = access::reach(&sources).map_err(|error| unusable(error, &sources))?;
        let places = asked(places);
        confine(settings.confinement, &confinement::of_health_check(&places), &metrics)?;
        if let Some(remark) = runtime.block_on(check_health(places, reach))? {
            writeln!(std::io::stdout(), "{remark}")?;
        }
        return Ok(());
    }
    // Signals are caught before there is anything to clean up.
    let signals = {
        let _inside = runtime.enter();
        Signals::catch()?
    };
    let mut demo = settings.demo.then(|| runtime.block_on(async { Demo::unpack() })).transpose()?;
    let (roots, host) = match &demo {
        Some(demo) => (demo.roots(), demo.docker_host()),
        None => (settings.roots, settings.docker),
    };
    roots.check(settings.is_sys_root_given && demo.is_none()).map_err(|error| {
        let hint = advice::root(&error);
        Failure::new(error, hint)
    })?;
    let usable = metadata::check_certificates(&host).context("Docker's certificates can't be used");
    usable.map_err(|error| Failure::new(error, advice::docker::certificates()))?;
    let sources = sources(settings.tls, settings.guard);
    let access = Access::load(sources.clone(), metrics.clone()).map_err(|error| unusable(error, &sources))?;
    let max_open_files = raise_open_files().context("the limit on open files can't be read")?;
    metrics.started(max_open_files);
    let fd_budget = settings.fd_budget.unwrap_or_else(files_that_fit);
    if demo.is_some() {
        metrics.demo.with_label_values::<&str>(&[]).set(1.0);
    }
    // The port is opened last: a port that answers belongs to an exporter that works.
    let listeners = if serves {
        runtime.block_on(async { listeners(&settings.bind, settings.is_bind_given, passed) })?
    } else {
        Vec::new()
    };
    let page = PageShown {
        is_on: settings.page,
        demo: settings.demo,
        interval: settings.polling_interval,
        // The demo's host is another one.
        host_name: sample::machine_name().filter(|_| demo.is_none()).map(Into::into),
    };
    let audience = audience(&settings.allowed_hosts, settings.debug_pages, page);
    let traces = settings.selection.reads_descriptors();
    let to_push = settings.push.as_ref();
    to_push.filter(|_| serves).into_iter().for_each(push::make_spool);
    let mut plan = confinement::of_run(&roots, &host, access.files(), to_push, demo.as_ref(), traces);
    if access.trusts_the_system() {
        confinement::add_trusted(&mut plan);
    }
    plan.removed = listening::removed(&settings.bind);
    let sandbox = confine(settings.confinement, &plan, &metrics)?;
    // Threads have the limits of the thread that starts them: from here on they are started.
    log.start_writing().map_err(no_thread)?;
    if let Some(demo) = &mut demo {
        demo.start_moving().map_err(no_thread)?;
    }
    let interval = settings.polling_interval;
    let output = if let Order::Once(output) = settings.order { output } else { Output::Metrics };
    let has_rates = output != Output::Metrics || settings.selection.is_polled();
    let collector = collector::Config {
        roots,
        selection: match settings.order {
            // They show the same whatever is served.
            Order::Once(Output::Table | Output::Json) => Selection::default(),
            _ => settings.selection,
        },
        filter: settings.filter.clone(),
        polling_interval: serves.then_some(interval),
        peak_window: settings.peak_window,
        history: settings.history,
        created_lines: settings.created_lines,
        fd_budget,
        interfaces: settings.interfaces,
        show_unnamed: settings.show_unnamed,
    };
    let cut = metrics.label_values_cut.clone();
    let docker = Docker::new(host, settings.labels, settings.filter, move || cut.inc());
    let docker = match settings.disk_interval {
        Some(interval) => docker.with_sizes(interval, file_system_of),
        None => docker,
    };
    let start = Start {
        cgroup_root: collector.roots.cgroup.clone(),
        docker: docker.host().clone(),
        engine: docker.engine(),
        port: port(&listeners, &access),
        receivers: settings.push.iter().flat_map(push::Config::names).collect(),
        metrics: settings.metrics,
        sandbox,
    };
    let result = runtime.block_on(async {
        if demo.is_some() {
            tracing::warn!(
                "this is a demo: a recorded host whose numbers are made to move, with made-up trouble"
            );
        }
        let mut threads = start_threads(collector, max_open_files, metrics, docker)?;
        let handle = threads.handle.clone();
        let result = if serves {
            let push = settings.push.map(|config| start_push(config, &handle)).transpose()?;
            serve((listeners, audience), access, start, &handle, push, &mut threads.collector, signals).await
        } else {
            once(has_rates.then_some(interval), output, &handle, settings.push.as_ref(), signals).await
        };
        if demo.is_some() {
            // The demo's files and its Docker API are removed now, which must not cause warnings.
            threads.end().await;
        }
        result
    });
    runtime.shutdown_background();
    drop(demo);
    result
}

/// The file system of Docker's root directory.
fn file_system_of(directory: &Path) -> Option<metadata::FileSystem> {
    let sample::FileSystem { bytes, device } = sample::file_system_of(directory)?;
    Some(metadata::FileSystem { bytes, device })
}

/// Checks for free descriptors first, because a runtime without a descriptor for its signals panics.
fn has_spare_descriptors() -> std::io::Result<()> {
    const PAIRS: usize = 4;
    let pairs: std::io::Result<Vec<_>> = (0..PAIRS).map(|_| UnixStream::pair()).collect();
    pairs.map(drop)
}

fn collect_log(settings: LogSettings, metrics: &SelfMetrics) -> Log {
    let LogSettings { level, directives, json, target } = settings;
    let style = log::Style { level, directives, json, target };
    let lost = metrics.log_lines_dropped.clone();
    log::collect(style, move || lost.inc())
}

fn sources(tls: Option<TlsFiles>, guard: Guard) -> Sources {
    let Guard { web_config, auth_token_file, open_health } = guard;
    let identity = tls.map(|files| (files.certificate, files.key));
    Sources { identity, web_config, tokens: auth_token_file, open_health }
}

fn unusable(error: LoadError, sources: &Sources) -> Failure {
    let is_of_tokens = |file: &str| sources.tokens.as_deref().is_some_and(|tokens| tokens == Path::new(file));
    let hint = match &error {
        LoadError::Tls(_) if sources.identity.is_some() => Some(advice::certificate()),
        LoadError::Tls(_) => Some(advice::access::certificates()),
        LoadError::Line { file, .. } | LoadError::File { file, .. } if is_of_tokens(file) => {
            Some(advice::access::tokens())
        }
        LoadError::Line { .. } | LoadError::File { .. } => Some(advice::access::web_config()),
        // It says all there is to say.
        LoadError::System(_) => None,
    };
    Failure { error: error.into(), hint: hint.map(str::to_owned) }
}

/// What [`Order::Once`] prints.
async fn printed(output: Output, handle: &Handle) -> Result<Vec<u8>, Error> {
    if output == Output::Metrics {
        return Ok(in_time(handle.scrape(Format::Text)).await?.text().to_vec());
    }
    let overview = in_time(handle.feed(Overview::default())).await?;
    let text = match output {
        Output::Json => terminal::json(&overview),
        _ => terminal::table(&overview, is_colourful()),
    };
    Ok(text.into_bytes())
}

/// Whether standard output shows colours, and the user wants them (<https://no-color.org>).
fn is_colourful() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    std::io::stdout().is_terminal() && !is_dumb && !is_set("NO_COLOR")
}

fn start_push(config: push::Config, handle: &Handle) -> Result<Push, Failure> {
    // What else can fail is rare.
    let hint = config.spool.is_some().then(|| advice::push::spool().to_owned());
    push::start(config, handle.clone(), push::PROTOCOLS)
        .map_err(|error| Failure { error: anyhow!("nothing can be pushed: {error}"), hint })
}

/// How what is served is served.
fn port(listeners: &[Listener], access: &Access) -> &'static str {
    match access.is_secure() {
        _ if listeners.is_empty() => "no port",
        true => "HTTPS",
        false => "HTTP without TLS",
    }
}

/// Takes two samples, one interval apart, and pushes the second to all targets, or else writes what is asked
/// for to standard output. Where no rate is served, the interval is `None` and one sample is enough.
async fn once(
    interval: Option<Duration>,
    output: Output,
    handle: &Handle,
    push: Option<&push::Config>,
    mut signals: Signals,
) -> Result<(), Failure> {
    if let Some(hangup) = signals.hangup() {
        tokio::spawn(ignore(hangup, "SIGHUP"));
    }
    let done = async {
        let begin = Instant::now();
        while !handle.is_ready() && begin.elapsed() < PATIENCE {
            sleep(LOOK_AGAIN).await;
        }
        if let Some(interval) = interval {
            in_time(handle.tick()).await?;
            sleep(interval).await;
            in_time(handle.tick()).await?;
        }
        if let Some(config) = push {
            return push_once(config, handle).await;
        }
        let text = printed(output, handle).await?;
        let (done, written) = oneshot::channel();
        // A signal must end this even if the reader of standard output is stuck.
        let writing = thread::Builder::new().spawn(move || done.send(std::io::stdout().write_all(&text)));
        writing.map_err(no_thread)?;
        match written.await? {
            // A reader that has gone away (`| head`) has seen what it wanted.
            Err(error) if errno_of(&error) != Errno::EPIPE => Err(error.into()),
            _ => Ok(()),
        }
    };
    tokio::select! {
        result = done => result,
        () = signals.end() => Ok(()),
    }
}

/// Fails if a target has not taken everything.
async fn push_once(config: &push::Config, handle: &Handle) -> Result<(), Failure> {
    let results = push::once(config, handle, push::PROTOCOLS, PATIENCE).await.map_err(Error::from)?;
    let failed = results.into_iter().filter_map(|(name, result)| Some(format!("{name}: {}", result.err()?)));
    let failed: Vec<_> = failed.collect();
    if failed.is_empty() { Ok(()) } else { Err(anyhow!("not pushed to {}", failed.join("; ")).into()) }
}

/// The collector's answer, or an error if it does not come in time.
async fn in_time<T>(answer: impl Future<Output = Result<T, collector::Stopped>>) -> Result<T, Error> {
    let hangs = || anyhow!("no answer within {PATIENCE:?}: reading a file of a container or of /proc hangs");
    Ok(timeout(PATIENCE, answer).await.map_err(|_| hangs())??)
}

/// Serves until told to stop. Without a listener there is no port, and the exporter only pushes.
async fn serve(
    (listeners, audience): (Vec<Listener>, Audience),
    access: Arc<Access>,
    start: Start,
    handle: &Handle,
    push: Option<Push>,
    dead: &mut oneshot::Receiver<()>,
    mut signals: Signals,
) -> Result<(), Failure> {
    let scheme = if access.is_secure() { "https" } else { "http" };
    for listener in &listeners {
        tracing::info!("serving {}", listener.url(scheme));
    }
    if listeners.is_empty() {
        tracing::info!("no port is opened (--bind none): the exporter only pushes");
    }
    let notify = tokio::spawn(supervise(handle.clone(), start));
    let hangs = tokio::spawn(watch_for_hangs(handle.clone()));
    let reload = reload_when_told(&access, handle, &mut signals)?;
    let targets = push.as_ref().map(|push| targets::shown(push.board().clone())).unwrap_or_default();
    let (stop, stopped) = oneshot::channel();
    let serving = async {
        let told = async {
            let _either_way = stopped.await;
        };
        if listeners.is_empty() {
            told.await;
        } else {
            server::serve(listeners, access, handle.clone(), targets, audience, told).await;
        }
    };
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        () = &mut serving => Err(anyhow!("the server has ended").into()),
        _ = dead => Err(anyhow!("the collector has died").into()),
        () = signals.end() => Ok(()),
    };
    notify.abort();
    hangs.abort();
    reload.abort();
    if ended.is_ok() {
        tracing::info!("told to stop");
        let _nobody_listens = Manager::from_environment().tell("STOPPING=1");
        let _still_there = stop.send(());
        let pushed = async {
            if let Some(push) = push {
                push.end(LAST_PUSH).await;
            }
        };
        let all = async { tokio::join!(serving, pushed) };
        tokio::select! {
            ((), ()) = all => {}
            () = signals.end() => {}
        }
        handle.send(Message::Shutdown);
    }
    ended
}
