//! The settings of one run: flags and environment as typed values. Every usage error is found here, before
//! anything is opened, bound or started.

mod bind;
mod hosts;
mod push;

pub use bind::{Address, Bind, BindError, Endpoint, SocketPath};

use crate::{
    advice::{self, Doubt},
    cli::{self, Config, FdBudget, LogFormat, LogLevel, NoConfig, OutputFormat, PageMode, SandboxMode},
    metadata::{DockerHost, Filter, Labels},
    push::Config as Push,
    sample::{Interfaces, Roots, host_name},
    table::Selection,
};
use std::{
    ffi::OsString,
    fmt::Display,
    path::{Path, PathBuf},
    time::Duration,
};

/// The settings of one run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Serve, print once, or ask a running exporter.
    pub order: Order,
    /// Whether a recorded host replaces this host and its Docker.
    pub demo: bool,
    /// Where the server listens, and where a health check asks.
    pub bind: Bind,
    /// Whether the user said so. If not, sockets that the service manager passes take its place.
    pub is_bind_given: bool,
    /// Whether the sys root was named, so that it must exist.
    pub is_sys_root_given: bool,
    /// Host names that requests may be for besides those that are always allowed; `*` means any.
    pub allowed_hosts: Vec<String>,
    /// Whether `/debug/containers` is served, and cgroup paths are shown.
    pub debug_pages: bool,
    /// Whether the page at `/` shows numbers.
    pub page: bool,
    /// The files of HTTPS; `None` for plain HTTP, and where nothing is served.
    pub tls: Option<TlsFiles>,
    /// Who may ask; everybody where nothing is served.
    pub guard: Guard,
    /// Where the Docker API is.
    pub docker: DockerHost,
    /// Where the host's file systems are mounted.
    pub roots: Roots,
    /// Time between two polls for the rate gauges, and between the two samples of [`Order::Once`].
    pub polling_interval: Duration,
    /// How long a polling window counts for the peaks.
    pub peak_window: Duration,
    /// How much of the polling ticks is kept for a live page; zero for nothing.
    pub history: Duration,
    /// Which metrics are served.
    pub selection: Selection,
    /// The same as the user wrote it.
    pub metrics: String,
    /// Whether OpenMetrics says when counters began.
    pub created_lines: bool,
    /// How long to pause between two requests for the sizes of containers; `None` if they are not shown.
    pub disk_interval: Option<Duration>,
    /// Which container labels and environment variables become Prometheus labels.
    pub labels: Labels,
    /// Which containers are read at all.
    pub filter: Filter,
    /// Which interfaces of containers are counted.
    pub interfaces: Interfaces,
    /// Whether containers that Docker does not know are shown, under their short IDs.
    pub show_unnamed: bool,
    /// How many descriptors to keep open on container files; `None` for as many as the memory allows.
    pub fd_budget: Option<usize>,
    /// What is pushed where; `None` if nothing is pushed.
    pub push: Option<Push>,
    /// How much the exporter limits itself.
    pub confinement: Confinement,
    /// How the log is written.
    pub log: LogSettings,
    /// Settings that are valid but have no effect. They are logged once, at the start.
    pub doubts: Vec<Doubt>,
}

/// The task of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Serve until told to stop.
    Serve,
    /// Print what runs now, in one of these forms, and exit.
    Once(Output),
    /// Ask the exporter at [`Settings::bind`] whether it is ready, and exit.
    HealthCheck,
}

/// What [`Order::Once`] prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// The metrics, as a scrape gets them.
    Metrics,
    /// A table for people.
    Table,
    /// JSON for scripts.
    Json,
}

impl From<OutputFormat> for Output {
    fn from(format: OutputFormat) -> Self {
        match format {
            OutputFormat::Metrics => Self::Metrics,
            OutputFormat::Table => Self::Table,
            OutputFormat::Json => Self::Json,
        }
    }
}

/// How much the exporter limits itself once it has started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confinement {
    /// Not at all.
    None,
    /// As far as the kernel can.
    Possible,
    /// In full; it does not start without.
    Full,
}

/// The files of HTTPS, both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and its chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// The files that say who may ask.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guard {
    /// A file in the format of exporter-toolkit.
    pub web_config: Option<PathBuf>,
    /// A file with one bearer token per line.
    pub auth_token_file: Option<PathBuf>,
    /// Whether `/healthz` and `/readyz` answer to everybody.
    pub open_health: bool,
}

/// How the log is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// The least important level that is written.
    pub level: tracing::Level,
    /// The value of `RUST_LOG`, if no flag sets the level. It takes precedence over `level`.
    pub directives: Option<String>,
    /// Whether each line is a JSON object.
    pub json: bool,
    /// Whether each line names the part of the program that logged it.
    pub target: bool,
}

/// How many unknown variables are named one by one.
const MAX_UNKNOWN: usize = 10;
/// Below this, rates show the steps in which the kernel adds up CPU time.
const SHORT: Duration = Duration::from_millis(100);

impl Settings {
    /// Reads arguments (the first is the program's name) and the environment.
    ///
    /// # Errors
    /// [`NoConfig`] if help or the version was requested, or the usage is wrong.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, NoConfig> {
        Self::new(Config::read(arguments)?)
    }

    fn new(config: Config) -> Result<Self, NoConfig> {
        let wrong = Wrong { config: &config };
        let bind = Bind::read(config.places())
            .map_err(|error| wrong.say("bind", &error, advice::listening::bind()))?;
        wrong.of("allowed_hosts", hosts::check(&config.listening.allowed_hosts))?;
        let docker =
            docker_host(&config.host).map_err(|error| wrong.say("host", &error, advice::docker::host()))?;
        let selection = wrong.of("metrics", Selection::parse(&config.shown.metrics))?;
        let selection = if config.kept.no_poll { selection.without_polled() } else { selection };
        // Check each list alone first, so that the error names the right one.
        wrong.of("container_env", Labels::new(&[], &config.shown.container_env))?;
        let labels = Labels::new(&config.shown.container_labels, &config.shown.container_env);
        let labels = wrong.of("container_labels", labels)?;
        wrong.of("exclude", Filter::new(&[], &config.shown.exclude))?;
        let filter = wrong.of("include", Filter::new(&config.shown.include, &config.shown.exclude))?;
        let interfaces = Interfaces::excluding(config.shown.network_exclude.iter().map(String::as_str));
        let interfaces = wrong.of("network_exclude", interfaces)?;
        let order = match config {
            Config { healthcheck: true, .. } => Order::HealthCheck,
            Config { once: true, output, .. } => Order::Once(output.into()),
            _ => Order::Serve,
        };
        if order == Order::Serve && config.output != OutputFormat::Metrics {
            return Err(wrong.say("output", &"only --once prints anything", advice::usage()));
        }
        // A health check pushes nothing, and runs often.
        let (push, doubts) = if order == Order::HealthCheck {
            (None, Vec::new())
        } else {
            let read = push::read(&config, &text_of, &host_name());
            let (push, of_push) = read.map_err(|push::Fault { problem, hint }| NoConfig::Usage {
                problem,
                hint: hint.to_owned(),
            })?;
            let mut doubts = doubts(&config, &bind, &selection);
            doubts.extend(of_push);
            (push, doubts)
        };
        if order == Order::Serve && bind == Bind::Nowhere && push.is_none() {
            let problem = "no port is opened, and nothing is pushed";
            return Err(wrong.say("bind", &problem, advice::push::nothing_to_do()));
        }
        let log = LogSettings::new(&config);
        let is_bind_given = config.is_given("bind");
        let is_sys_root_given = config.is_given("sys_root");
        // With --once nothing is served.
        let serves = bind != Bind::Nowhere && !matches!(order, Order::Once(_));
        let has_tls = config.secure && serves;
        let cli::Guard { web_config, auth_token_file, open_health } = config.guard;
        let guard = Guard { web_config, auth_token_file, open_health };
        let tls = TlsFiles { certificate: config.tls_cert, key: config.tls_key };
        Ok(Self {
            order,
            demo: config.demo,
            bind,
            is_bind_given,
            allowed_hosts: config.listening.allowed_hosts,
            debug_pages: config.listening.debug_pages,
            page: config.listening.page == PageMode::On,
            tls: has_tls.then_some(tls),
            guard: if serves { guard } else { Guard::default() },
            docker,
            is_sys_root_given,
            roots: Roots { cgroup: config.cgroup_root, proc: config.proc_root, sys: config.sys_root },
            polling_interval: config.polling_interval,
            peak_window: config.kept.peak_window,
            history: config.kept.history,
            disk_interval: selection.shows_disk().then_some(config.shown.disk_interval),
            selection,
            metrics: config.shown.metrics,
            created_lines: config.shown.created_lines,
            labels,
            filter,
            interfaces,
            show_unnamed: config.shown.show_unnamed,
            fd_budget: match config.fd_budget {
                FdBudget::Count(count) => Some(usize::try_from(count).unwrap_or(usize::MAX)),
                FdBudget::Auto => None,
            },
            push,
            confinement: match config.sandbox {
                SandboxMode::Auto => Confinement::Possible,
                SandboxMode::On => Confinement::Full,
                SandboxMode::Off => Confinement::None,
            },
            log,
            doubts,
        })
    }
}

impl LogSettings {
    fn new(config: &Config) -> Self {
        let level = match (config.log_level, config.verbose) {
            (Some(LogLevel::Error), _) => tracing::Level::ERROR,
            (Some(LogLevel::Warn), _) => tracing::Level::WARN,
            (Some(LogLevel::Info), _) => tracing::Level::INFO,
            (Some(LogLevel::Debug), _) | (None, 1) => tracing::Level::DEBUG,
            (Some(LogLevel::Trace), _) | (None, 2..) => tracing::Level::TRACE,
            // Standard error then usually goes to the same terminal as the page.
            (None, 0) if config.once => tracing::Level::WARN,
            (None, 0) => tracing::Level::INFO,
        };
        let is_said = config.log_level.is_some() || config.verbose > 0;
        let directives = variable("RUST_LOG").filter(|_| !is_said);
        Self {
            level,
            directives: directives.map(|text| text.to_string_lossy().into_owned()),
            json: config.log_format == LogFormat::Json,
            target: level >= tracing::Level::DEBUG,
        }
    }
}

/// Words an error with the flag or the variable that it comes from.
struct Wrong<'a> {
    config: &'a Config,
}

impl Wrong<'_> {
    fn of<T>(&self, flag: &str, result: Result<T, impl Display>) -> Result<T, NoConfig> {
        result.map_err(|error| self.say(flag, &error, advice::usage()))
    }

    fn say(&self, flag: &str, error: &dyn Display, hint: &str) -> NoConfig {
        let problem = format!("{}: {error}", self.config.origin_of(flag));
        NoConfig::Usage { problem, hint: hint.to_owned() }
    }
}

/// An environment variable, if it is set and not empty.
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The same as text.
fn text_of(name: &str) -> Option<String> {
    variable(name).map(|value| value.to_string_lossy().into_owned())
}

fn docker_host(host: &str) -> Result<DockerHost, crate::metadata::HostError> {
    let certificates = variable("DOCKER_CERT_PATH").map_or_else(
        || Path::new(&variable("HOME").unwrap_or_else(|| "/root".into())).join(".docker"),
        PathBuf::from,
    );
    DockerHost::parse(host, variable("DOCKER_TLS_VERIFY").is_some(), &certificates)
}

/// Settings that have no effect.
fn doubts(config: &Config, bind: &Bind, selection: &Selection) -> Vec<Doubt> {
    let given = |flag: &&str| config.is_given(flag).then(|| config.origin_of(flag));
    let all_given = |flags: &[&str]| flags.iter().filter_map(given).collect::<Vec<_>>();
    let tls = all_given(&["tls_cert", "tls_key"]);
    let tls = (!config.once && !config.secure && !tls.is_empty()).then_some(Doubt::TlsWithoutSecure(tls));
    let of_port = ["secure", "web_config", "auth_token_file", "open_health"];
    let of_port: Vec<_> = of_port.iter().filter(|flag| config.is_given(flag)).collect();
    let no_port = of_port.into_iter().filter(|_| *bind == Bind::Nowhere);
    let no_port = no_port.map(|flag| Doubt::SecureWithoutPort(config.origin_of(flag)));
    let interval =
        given(&"disk_interval").filter(|_| !selection.shows_disk()).map(Doubt::IntervalWithoutDisk);
    let no_polls = (config.kept.no_poll && selection.asks_for_peaks())
        .then(|| Doubt::PeaksWithoutPolls(config.origin_of("metrics"), config.origin_of("no_poll")));
    let window = given(&"peak_window").filter(|_| !selection.has_peaks()).map(Doubt::WindowWithoutPeaks);
    let short = (!config.once && config.polling_interval < SHORT)
        .then(|| Doubt::ShortInterval(config.origin_of("polling_interval"), config.polling_interval));
    let mut replaced = all_given(&["host", "cgroup_root", "proc_root", "sys_root"]);
    // This one is set for other programs, and says nothing about what the user wants of the demo.
    replaced.retain(|name| name != "DOCKER_HOST");
    let demo = (config.demo && !replaced.is_empty()).then_some(Doubt::ReplacedByDemo(replaced));
    let mut unknown = unknown_variables(std::env::vars_os().map(|(name, _)| name));
    let more = unknown.len().saturating_sub(MAX_UNKNOWN);
    unknown.truncate(MAX_UNKNOWN);
    let unknown = unknown.into_iter().map(Doubt::UnknownVariable);
    tls.into_iter()
        .chain(no_port)
        .chain(demo)
        .chain(interval)
        .chain(no_polls)
        .chain(window)
        .chain(short)
        .chain(unknown)
        .chain((more > 0).then_some(Doubt::MoreUnknownVariables(more)))
        .collect()
}

/// The names that look like our variables but are not, sorted.
fn unknown_variables(names: impl Iterator<Item = OsString>) -> Vec<String> {
    const OURS: &str = "DOCKER_STAT_PROM_";
    let known = cli::variables();
    let mut unknown: Vec<_> = names
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| name.strip_prefix(OURS).is_some_and(|rest| !is_of_kubernetes(rest)))
        .filter(|name| !known.contains(name))
        .collect();
    unknown.sort_unstable();
    unknown
}

/// Kubernetes sets variables for each service of a namespace: `<SERVICE>_SERVICE_HOST`,
/// `<SERVICE>_PORT_80_TCP_ADDR`…
fn is_of_kubernetes(rest: &str) -> bool {
    rest == "PORT" || rest.starts_with("PORT_") || rest.starts_with("SERVICE_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn read(arguments: &[&str]) -> Result<Settings, NoConfig> {
        Settings::read(
            std::iter::once("docker-stat-prom").chain(arguments.iter().copied()).map(OsString::from),
        )
    }

    #[test]
    fn each_usage_error_names_its_flag() {
        for (arguments, problem) in [
            (["-b", "nowhere"], "--bind: expected ADDRESS:PORT, found \"nowhere\""),
            (["-H", "ssh://h"], "--host: expected unix://"),
            (["--metrics", "all"], "--metrics: expected sets"),
            (["--container_labels", "a.b,a-b"], "--container_labels: \"a.b\" and \"a-b\""),
            (["--container_env", "A-B,A_B"], "--container_env: \"A-B\" and \"A_B\""),
            (["--include", "owner=x"], "--include: expected name=GLOB"),
            (["--exclude", "owner=x"], "--exclude: expected name=GLOB"),
            (["--network_exclude", "eth["], "--network_exclude: \"eth[\" is not a glob"),
        ] {
            let Err(NoConfig::Usage { problem: found, .. }) = read(&arguments) else {
                panic!("{arguments:?}")
            };
            assert!(found.starts_with(problem), "{found}");
        }
    }

    #[test]
    fn a_certificate_without_https_is_doubted() {
        let doubts = |arguments: &[&str]| read(arguments).unwrap().doubts;
        let doubt = doubts(&["--tls_cert", "./server.crt"]);
        assert_eq!(doubt, [Doubt::TlsWithoutSecure(vec!["--tls_cert".to_owned()])]);
        assert_eq!(doubts(&[]), []);
        assert_eq!(doubts(&["-s", "--tls_cert", "c", "--tls_key", "k"]), []);
        assert_eq!(doubts(&["--healthcheck", "--tls_cert", "c"]), []);
        // Nothing is served.
        assert_eq!(doubts(&["--once", "--tls_cert", "c"]), []);
        assert_eq!(read(&["--once", "-s"]).unwrap().tls, None);
        assert!(read(&["--healthcheck", "-s"]).unwrap().tls.is_some());
    }

    #[test]
    fn who_gives_a_polling_interval_without_unit_may_have_meant_seconds() {
        let doubts = |arguments: &[&str]| read(arguments).unwrap().doubts;
        let five = Doubt::ShortInterval("--polling_interval".into(), Duration::from_millis(5));
        assert_eq!(doubts(&["-i", "5"]), [five]);
        assert!(doubts(&["-i", "100"]).is_empty() && doubts(&["-i", "5", "--once"]).is_empty());
    }

    #[test]
    fn what_the_demo_replaces_is_doubted_in_one_line() {
        let doubts = |arguments: &[&str]| read(arguments).unwrap().doubts;
        let given = ["-H", "tcp://h", "--proc_root", "/p", "--cgroup_root", "/c", "--sys_root", "/s"];
        let names = ["--host", "--cgroup_root", "--proc_root", "--sys_root"].map(str::to_owned).to_vec();
        let with_demo: Vec<_> = ["--demo"].into_iter().chain(given).collect();
        assert_eq!(doubts(&with_demo), [Doubt::ReplacedByDemo(names)]);
        assert_eq!(doubts(&given), []);
        assert_eq!(doubts(&["--demo"]), []);
    }

    #[test]
    fn peaks_without_polls_are_doubted() {
        let doubts = |arguments: &[&str]| read(arguments).unwrap().doubts;
        let doubt = Doubt::PeaksWithoutPolls("--metrics".to_owned(), "--no_poll".to_owned());
        for list in ["core,+peaks", "peaks,core", "v2, +peaks"] {
            assert_eq!(doubts(&["--no_poll", "--metrics", list]), std::slice::from_ref(&doubt), "{list}");
            assert_eq!(doubts(&["--metrics", list]), [], "{list}");
        }
        assert!(doubt.to_string().starts_with("--metrics asks for peaks, and none are served"), "{doubt}");
        // Nobody asked for them.
        assert_eq!(doubts(&["--no_poll"]), []);
        assert_eq!(doubts(&["--no_poll", "--metrics", "core,-peaks"]), []);
        let window = [Doubt::WindowWithoutPeaks("--peak_window".to_owned())];
        assert_eq!(doubts(&["--no_poll", "--peak_window", "5m"]), window);
        assert_eq!(doubts(&["--metrics", "-peaks", "--peak_window", "5m"]), window);
        assert_eq!(doubts(&["--peak_window", "5m"]), []);
    }

    #[test]
    fn misspelt_variables_are_found_and_those_of_kubernetes_are_not() {
        let names = [
            "DOCKER_STAT_PROM_BIND",
            "DOCKER_STAT_PROM_BINDS",
            "DOCKER_STAT_PROM_SERVICE_HOST",
            "DOCKER_STAT_PROM_SERVICE_PORT_HTTP",
            "DOCKER_STAT_PROM_PORT",
            "DOCKER_STAT_PROM_PORT_12096_TCP_ADDR",
            "DOCKER_STAT_PROMOTION",
            "DOCKER_HOST",
            "DOCKER_STAT_PROM_ADDRESS",
        ];
        let unknown = unknown_variables(names.into_iter().map(OsString::from));
        assert_eq!(unknown, ["DOCKER_STAT_PROM_ADDRESS", "DOCKER_STAT_PROM_BINDS"]);
    }

    #[test]
    fn the_level_is_the_flags_before_the_variables() {
        let level = |arguments: &[&str]| read(arguments).unwrap().log.level;
        assert_eq!(level(&[]), tracing::Level::INFO);
        assert_eq!(level(&["--once"]), tracing::Level::WARN);
        assert_eq!(level(&["-v", "--once"]), tracing::Level::DEBUG);
        assert_eq!(level(&["-vvv"]), tracing::Level::TRACE);
        assert_eq!(level(&["-v", "--log_level", "error"]), tracing::Level::ERROR);
    }

    #[test]
    fn what_completions_offer_for_metrics_is_what_can_be_served() {
        for word in cli::METRICS {
            assert!(Selection::parse(word).is_ok(), "{word}");
        }
        let error = Selection::parse("none").unwrap_err().to_string();
        // Both lists are in parentheses.
        let lists = error.split(['(', ')']).skip(1).step_by(2);
        let named: BTreeSet<_> = lists.flat_map(|list| list.split(", ")).collect();
        let offered = cli::METRICS.iter().map(|word| word.trim_start_matches(['+', '-'])).collect();
        assert_eq!(named, offered);
    }
}
