//! The command line: flags and environment in, [`Config`] out. The flags' texts here are the README's.

mod guard;
mod kept;
mod listening;
mod push;
mod shown;
mod values;

pub use guard::Guard;
pub use kept::Kept;
pub use listening::{Listening, PageMode};
pub use push::{FROM_ENVIRONMENT, OtlpNames, Push};
pub use shown::Shown;
pub use values::{FdBudget, LogFormat, LogLevel, METRICS, OutputFormat, SandboxMode};

use clap::{
    ArgAction, CommandFactory, FromArgMatches, Parser, ValueHint, builder::BoolishValueParser,
    error::ErrorKind, parser::ValueSource,
};
use std::{collections::BTreeSet, ffi::OsString, path::PathBuf, time::Duration};
use values::{count, interval};

/// What one run is to do, as the user said it.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "docker-stat-prom",
    rename_all = "snake_case",
    version = concat!(
        env!("CARGO_PKG_VERSION"), " (", env!("BUILD_REVISION"), ", ", env!("BUILD_RUSTC"), ")"
    ),
    about = "Prometheus exporter for Docker containers that reads cgroup v2 and /proc directly",
    after_long_help = "Examples:\n  \
        docker-stat-prom                                  serve http://0.0.0.0:12096/metrics\n  \
        docker-stat-prom --demo                           serve a recorded host, without Docker\n  \
        docker-stat-prom --once --metrics core            print the eleven core gauges and exit\n  \
        docker-stat-prom -s --tls_cert c.pem --tls_key k.pem -b 127.0.0.1:12096\n  \
        docker-stat-prom -b none --remote_write http://prometheus:9090/api/v1/write\n\n\
        Exit codes: 0 done or told to stop, 1 could not start or died, 2 wrong usage.\n\
        Flags may be written with hyphens too: --polling-interval."
)]
pub struct Config {
    /// Docker API: unix://PATH, tcp://HOST:PORT, http://HOST:PORT or https://HOST:PORT
    ///
    /// tcp:// is TLS when DOCKER_TLS_VERIFY is set; https:// always is. ca.pem, cert.pem and key.pem are
    /// looked for in DOCKER_CERT_PATH, else in ~/.docker. Docker is asked for names, labels and events only,
    /// with GET requests.
    #[arg(
        short = 'H',
        long,
        env = "DOCKER_HOST",
        hide_env_values = true,
        value_hint = ValueHint::Other, value_name = "URL",
        default_value = "unix:///var/run/docker.sock"
    )]
    pub host: String,

    /// What is served where, and to whom.
    #[command(flatten)]
    pub listening: Listening,

    /// Serve HTTPS only
    #[arg(short, long, env = "DOCKER_STAT_PROM_SECURE", value_parser = BoolishValueParser::new())]
    pub secure: bool,

    /// Private key for HTTPS, PEM (PKCS#8, PKCS#1 or SEC1)
    #[arg(
        long,
        alias = "tls-key",
        env = "DOCKER_STAT_PROM_TLS_KEY",
        value_name = "FILE",
        default_value = "./server.key"
    )]
    pub tls_key: PathBuf,

    /// Certificate chain for HTTPS, PEM
    #[arg(
        long,
        alias = "tls-cert",
        env = "DOCKER_STAT_PROM_TLS_CERT",
        value_name = "FILE",
        default_value = "./server.crt"
    )]
    pub tls_cert: PathBuf,

    /// Who may ask.
    #[command(flatten)]
    pub guard: Guard,

    /// Time between two polls for the rate gauges: milliseconds, or with a unit, such as 5s
    ///
    /// Units are ms, s, m and h; at most 24 h. Rates (container_cpu_usage_ratios and those ending in _bps and
    /// _byteps) describe the last completed window of this length, and metrics ending in _peak the highest
    /// window of --peak_window. All other metrics are read at each scrape and do not depend on it.
    #[arg(
        short = 'i',
        long, alias = "polling-interval",
        env = "DOCKER_STAT_PROM_POLLING_INTERVAL",
        value_hint = ValueHint::Other, value_name = "TIME",
        default_value = "2000",
        allow_hyphen_values = true,
        value_parser = interval
    )]
    pub polling_interval: Duration,

    /// How long polls are kept.
    #[command(flatten)]
    pub kept: Kept,

    /// Where the host's cgroup v2 is mounted
    #[arg(
        long,
        alias = "cgroup-root",
        env = "DOCKER_STAT_PROM_CGROUP_ROOT",
        value_name = "DIR",
        default_value = "/sys/fs/cgroup"
    )]
    pub cgroup_root: PathBuf,

    /// Where the host's procfs is mounted
    #[arg(
        long,
        alias = "proc-root",
        env = "DOCKER_STAT_PROM_PROC_ROOT",
        value_name = "DIR",
        default_value = "/proc"
    )]
    pub proc_root: PathBuf,

    /// Where the host's sysfs is mounted (names of block devices)
    #[arg(
        long,
        alias = "sys-root",
        env = "DOCKER_STAT_PROM_SYS_ROOT",
        value_name = "DIR",
        default_value = "/sys"
    )]
    pub sys_root: PathBuf,

    /// What is shown.
    #[command(flatten)]
    pub shown: Shown,

    /// How many files of containers to keep open: a number, or auto
    ///
    /// A file that is kept open saves two system calls per reading and costs some 5 KB of kernel memory,
    /// charged to the exporter. The files that each poll reads, two or three, are always kept open. auto is
    /// what fits into a tenth of the memory that this process may use, and into 64 MB: up to 12800 files.
    #[arg(
        long, alias = "fd-budget",
        env = "DOCKER_STAT_PROM_FD_BUDGET",
        value_hint = ValueHint::Other, value_name = "COUNT",
        default_value = "3000",
        allow_hyphen_values = true,
        value_parser = count
    )]
    pub fd_budget: FdBudget,

    /// What is pushed where.
    #[command(flatten)]
    pub push: Push,

    /// Limit what this process can do: auto (as far as the kernel can), on (in full, or not start), off
    ///
    /// Once started, it gives up its capabilities, and can no longer read or write other files than it needs,
    /// connect to other TCP ports, or run programs. The line of the log about the start says what is in
    /// force, docker_stat_prom_sandbox too.
    #[arg(long, env = "DOCKER_STAT_PROM_SANDBOX", value_name = "MODE", default_value = "auto")]
    pub sandbox: SandboxMode,

    /// Print the metrics once, from two samples one polling interval apart, and exit
    ///
    /// With a receiver to push to, nothing is printed: the metrics are pushed once, and the exit status is 0
    /// only if all receivers took them. Peaks need polls, so they are not among them.
    #[arg(long, env = "DOCKER_STAT_PROM_ONCE", value_parser = BoolishValueParser::new())]
    pub once: bool,

    /// What --once prints: the metrics, or a line per running container for people (table) or scripts (json)
    ///
    /// table and json show what docker stats shows, and health, restarts and pressure, sorted by CPU. They
    /// read what they show, whatever --metrics says.
    #[arg(long, env = "DOCKER_STAT_PROM_OUTPUT", value_name = "FORMAT", default_value = "metrics")]
    pub output: OutputFormat,

    /// Serve a recorded host whose numbers change, to try the exporter without Docker
    #[arg(long, env = "DOCKER_STAT_PROM_DEMO", value_parser = BoolishValueParser::new())]
    pub demo: bool,

    /// Ask the exporter at --bind whether it is ready, and exit 0 or 1
    ///
    /// It needs the same --bind, --secure and --tls_cert as the exporter that it asks; of several addresses,
    /// one has to answer. In a container, set them as environment variables: the health check does not see
    /// the exporter's flags. With socket activation, name the socket with --bind. An exporter that wants a
    /// password or a client certificate counts as healthy when it says so: whether it is ready can't be seen.
    #[arg(long)]
    pub healthcheck: bool,

    /// Log more: -v debug, -vv trace
    ///
    /// -v logs what this program does, -vv also what its libraries do.
    #[arg(short, long, env = "DOCKER_STAT_PROM_VERBOSE", action = ArgAction::Count)]
    pub verbose: u8,

    /// Lowest level of the lines to write to the log [default: info; with --once warn]
    ///
    /// Wins over -v. If neither is given, RUST_LOG is used: a level, or targets with levels, such as
    /// info,docker_stat_prom::collector=debug.
    #[arg(long, alias = "log-level", env = "DOCKER_STAT_PROM_LOG_LEVEL", value_name = "LEVEL")]
    pub log_level: Option<LogLevel>,

    /// Format of the log, which goes to standard error
    #[arg(
        long,
        alias = "log-format",
        env = "DOCKER_STAT_PROM_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text"
    )]
    pub log_format: LogFormat,

    /// Where the values come from that are not defaults.
    #[arg(skip)]
    given: Vec<Given>,
}

/// A value that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Given {
    /// The flag, without dashes.
    flag: String,
    /// The variable, if it comes from the environment.
    variable: Option<String>,
}

/// What came of the arguments besides a [`Config`].
#[derive(Debug, PartialEq, Eq)]
pub enum NoConfig {
    /// Help or version, to be printed.
    Text(String),
    /// Wrong usage: one line, and one hint.
    Usage {
        /// What is wrong.
        problem: String,
        /// What would be right.
        hint: String,
    },
}

/// The command, with environment variables that are set to nothing counted as not set.
#[must_use]
pub fn command() -> clap::Command {
    Config::command().mut_args(|arg| {
        let is_empty = arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
        if is_empty { arg.env(None::<&'static str>) } else { arg }
    })
}

impl Config {
    /// Reads arguments (the first is the program's name) and the environment.
    ///
    /// # Errors
    /// [`NoConfig`] when help or the version was asked for, or the usage is wrong.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, NoConfig> {
        let arguments: Vec<_> = arguments.into_iter().collect();
        let wrong = |error| NoConfig::of(&error, &arguments);
        let matches = command().try_get_matches_from(&arguments).map_err(wrong)?;
        let mut config = Self::from_arg_matches(&matches).map_err(wrong)?;
        for arg in Self::command().get_arguments() {
            let flag = arg.get_id().as_str();
            let variable = match matches.value_source(flag) {
                Some(ValueSource::CommandLine) => None,
                Some(ValueSource::EnvVariable) => {
                    arg.get_env().map(|name| name.to_string_lossy().into_owned())
                }
                _ => continue,
            };
            config.given.push(Given { flag: flag.to_owned(), variable });
        }
        for list in [
            &mut config.shown.container_labels,
            &mut config.shown.container_env,
            &mut config.shown.include,
            &mut config.shown.exclude,
            &mut config.shown.network_exclude,
            &mut config.push.push_label,
            &mut config.listening.allowed_hosts,
        ] {
            list.retain(|item| !item.is_empty());
        }
        Ok(config)
    }

    /// Whether a flag, named without dashes, was given, as an argument or as a variable.
    #[must_use]
    pub fn is_given(&self, flag: &str) -> bool {
        self.given.iter().any(|given| given.flag == flag)
    }

    /// The values of `--bind`. Those of the variable are separated by spaces or commas.
    pub fn places(&self) -> impl Iterator<Item = &str> {
        let is_variable = self.given.iter().any(|given| given.flag == "bind" && given.variable.is_some());
        let is_separator = move |c: char| is_variable && (c == ',' || c.is_whitespace());
        let texts = self.listening.bind.iter().flat_map(move |text| text.split(is_separator));
        texts.filter(|text| !text.is_empty())
    }

    /// What the user knows the value of a flag by: the flag, or the variable that it comes from.
    #[must_use]
    pub fn origin_of(&self, flag: &str) -> String {
        let given = self.given.iter().find(|given| given.flag == flag);
        given.and_then(|given| given.variable.clone()).unwrap_or_else(|| format!("--{flag}"))
    }
}

/// The environment variables that are read for flags.
#[must_use]
pub fn variables() -> BTreeSet<String> {
    let names = |arg: &clap::Arg| arg.get_env().map(|name| name.to_string_lossy().into_owned());
    Config::command().get_arguments().filter_map(names).collect()
}

impl NoConfig {
    fn of(error: &clap::Error, arguments: &[OsString]) -> Self {
        let text = error.render().to_string();
        if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
            return Self::Text(text);
        }
        let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
        let mut problem = lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        if let Some((arg, variable)) = wrong_variable(&text, arguments) {
            let of_flag = format!("for '{arg}'");
            problem = match problem.split_once(&of_flag) {
                Some((before, after)) => format!("{before}for {variable}{after}"),
                None => format!("{variable}: {problem}"),
            };
        }
        let hint = lines()
            .find_map(|line| line.strip_prefix("tip: ").or_else(|| line.strip_prefix("[possible values: ")))
            .map_or_else(
                || "see docker-stat-prom --help".to_owned(),
                |tip| tip.trim_end_matches(']').to_owned(),
            );
        Self::Usage { problem, hint }
    }
}

/// The environment variable that an error is about, if it is about one, with its flag as clap writes it. clap
/// itself does not tell: so the arguments are read again without each, until the error is another one.
fn wrong_variable(error: &str, arguments: &[OsString]) -> Option<(String, String)> {
    // Only a built command knows how its arguments are written.
    let mut built = command();
    built.build();
    built.get_arguments().find_map(|arg| {
        let variable = arg.get_env()?.to_string_lossy().into_owned();
        let without = command().mut_arg(arg.get_id(), |arg| arg.env(None::<&'static str>));
        let read = without.try_get_matches_from(arguments);
        let is_wrong = read.map_or_else(|other| other.render().to_string() != error, |_| true);
        is_wrong.then(|| (arg.to_string(), variable))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<Config, NoConfig> {
        Config::read(std::iter::once("docker-stat-prom").chain(arguments.iter().copied()).map(OsString::from))
    }

    #[test]
    fn the_contract_holds() {
        let config = read(&[]).unwrap();
        assert_eq!(config.host, "unix:///var/run/docker.sock");
        assert_eq!(config.listening.bind, ["0.0.0.0:12096"]);
        assert!(!config.secure);
        assert_eq!(config.tls_key, PathBuf::from("./server.key"));
        assert_eq!(config.tls_cert, PathBuf::from("./server.crt"));
        assert_eq!(config.polling_interval, Duration::from_secs(2));
        let config =
            read(&["-H", "tcp://h:1", "-b", ":9", "-s", "-i", "500", "--tls_key", "k", "--tls_cert", "c"])
                .unwrap();
        assert_eq!((config.host.as_str(), config.secure), ("tcp://h:1", true));
        assert_eq!(config.listening.bind, [":9"]);
        assert_eq!(config.polling_interval, Duration::from_millis(500));
    }

    #[test]
    fn help_comes_short_and_long() {
        let text = |flag| match read(&[flag]) {
            Err(NoConfig::Text(text)) => text,
            other => panic!("{other:?}"),
        };
        let (short, long) = (text("-h"), text("--help"));
        assert!(short.len() < long.len() && long.contains("Examples:") && !short.contains("Examples:"));
        assert!(text("--version").contains(env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn wrong_usage_is_one_line_and_one_hint() {
        for (arguments, problem, hint) in [
            (&["-i", "0"][..], "invalid value '0' for '--polling_interval", "--help"),
            (
                &["-i", "-5"],
                "invalid value '-5' for '--polling_interval <TIME>': expected milliseconds",
                "--help",
            ),
            (
                &["--fd_budget", "-1"],
                "'-1' for '--fd_budget <COUNT>': expected a number from 0 to 10000000",
                "",
            ),
            (&["--fd_budget", "10000001"], "expected a number from 0 to 10000000", ""),
            (&["--fd_budget", "all"], "expected a number from 0 to 10000000, or auto", ""),
            (&["--bnd", "x"], "unexpected argument '--bnd'", "--bind"),
            (&["--log_format", "xml"], "invalid value 'xml'", "text, json"),
            (&["stray"], "unexpected argument 'stray'", ""),
        ] {
            let Err(NoConfig::Usage { problem: found, hint: found_hint }) = read(arguments) else {
                panic!("{arguments:?}")
            };
            assert!(found.contains(problem) && !found.contains('\n'), "{found}");
            assert!(found_hint.contains(hint), "{found_hint}");
        }
    }

    #[test]
    fn lists_may_be_empty_or_begin_with_a_minus() {
        let config = read(&["--container_labels", "", "--metrics", "-network"]).unwrap();
        assert!(config.shown.container_labels.is_empty());
        assert_eq!(config.shown.metrics, "-network");
    }

    #[test]
    fn flags_may_be_written_with_hyphens() {
        let config = read(&["--polling-interval", "5s", "--log-format=json", "--show-unnamed"]).unwrap();
        assert_eq!(config.polling_interval, Duration::from_secs(5));
        assert!(config.log_format == LogFormat::Json && config.shown.show_unnamed);
        assert!(config.is_given("log_format") && !config.is_given("bind"));
    }

    #[test]
    fn every_flag_has_an_environment_variable_or_is_an_order() {
        for arg in Config::command().get_arguments() {
            let name = arg.get_id().as_str();
            let is_order = matches!(name, "help" | "version" | "healthcheck");
            assert!(is_order || arg.get_env().is_some(), "{name}");
            let long = arg.get_long().unwrap_or_default();
            assert!(!long.contains('-'), "{name}");
            let with_hyphens = long.replace('_', "-");
            let aliases = arg.get_all_aliases().unwrap_or_default();
            assert!(with_hyphens == long || aliases.contains(&with_hyphens.as_str()), "{name}");
        }
    }
}
