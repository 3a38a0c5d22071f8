//! What the settings say that can't be meant.

use super::push;
use std::{fmt, path::PathBuf, time::Duration};

/// Settings that are understood and have no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// Certificate or key are named by these flags or variables, and plain HTTP is served.
    TlsWithoutSecure(Vec<String>),
    /// These flags or variables name a host or a Docker, and the demo has its own.
    ReplacedByDemo(Vec<String>),
    /// This flag or variable sets how often sizes are requested, and none are shown.
    IntervalWithoutDisk(String),
    /// The first flag or variable asks for peaks, and the second one for no polling, from which they come.
    PeaksWithoutPolls(String, String),
    /// This flag or variable sets how long peaks count, and none are served.
    WindowWithoutPeaks(String),
    /// This flag or variable sets an interval between polls that is too short for rates that are worth much.
    ShortInterval(String, Duration),
    /// A variable that looks like one of ours and is not.
    UnknownVariable(String),
    /// So many more of those.
    MoreUnknownVariables(usize),
    /// HTTPS, and no port.
    SecureWithoutPort(String),
    /// These flags or variables are about push, and nothing is pushed.
    NothingToPushTo(Vec<String>),
    /// The size of a spool, and no spool.
    SpoolBytesWithoutSpool(String),
    /// These keys of a file are Prometheus' and do nothing here.
    KeysWithoutEffect {
        /// The file.
        file: PathBuf,
        /// Its keys.
        keys: Vec<String>,
    },
    /// A receiver's password is among the arguments.
    PasswordInArguments(String),
    /// A receiver of remote write whose URL has no path.
    RemoteWriteWithoutPath {
        /// The flag or variable.
        origin: String,
        /// The URL.
        url: String,
    },
    /// A file with a secret that every user of the host can read.
    SecretForAll(PathBuf),
    /// The label `instance` would be this name, which Docker made up for a container.
    InstanceOfContainer(String),
}

fn were_given(given: &[String]) -> String {
    let verb = if given.len() > 1 { "were" } else { "was" };
    format!("{} {verb} given", given.join(" and "))
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TlsWithoutSecure(given) => write!(
                f,
                "plain HTTP is served, although {}: add -s (DOCKER_STAT_PROM_SECURE=1) for HTTPS",
                were_given(given)
            ),
            Self::ReplacedByDemo(given) => write!(
                f,
                "--demo serves a recorded host with its own Docker, and ignores {}",
                given.join(", ")
            ),
            Self::IntervalWithoutDisk(given) => {
                write!(f, "{given} has no effect, because no sizes are shown: add --metrics +disk")
            }
            Self::PeaksWithoutPolls(asks, forbids) => {
                write!(
                    f,
                    "{asks} asks for peaks, and none are served: they come from the polling that {forbids} \
                     switches off"
                )
            }
            Self::WindowWithoutPeaks(given) => {
                write!(f, "{given} has no effect, because no peaks are served")
            }
            Self::ShortInterval(given, interval) => {
                let millis = interval.as_millis();
                write!(
                    f,
                    "{given} polls every {millis} ms, which costs much CPU and gives coarse rates (a number \
                     without a unit is milliseconds: seconds are written as in 5s)"
                )
            }
            Self::UnknownVariable(name) => {
                write!(
                    f,
                    "{name} is not a setting of docker-stat-prom and has no effect: --help lists the settings"
                )
            }
            Self::MoreUnknownVariables(count) => {
                write!(f, "{count} more DOCKER_STAT_PROM_ variables are not settings and have no effect")
            }
            Self::SecureWithoutPort(origin) => {
                write!(f, "{origin} has no effect: with --bind none there is no port")
            }
            Self::NothingToPushTo(given) => {
                write!(f, "nothing is pushed, although {}: {}", were_given(given), push::nobody_to_push_to())
            }
            Self::SpoolBytesWithoutSpool(origin) => {
                write!(f, "{origin} has no effect without --push_spool: what waits is kept in memory")
            }
            Self::KeysWithoutEffect { file, keys } => {
                write!(f, "{}: these keys have no effect here: {}", file.display(), keys.join(", "))
            }
            Self::PasswordInArguments(origin) => write!(
                f,
                "the password in {origin} is shown to everybody who may list processes: put it into a file, \
                 with password_file and --push_config"
            ),
            Self::RemoteWriteWithoutPath { origin, url } => {
                write!(f, "{origin}: {url} has no path: Prometheus takes remote write at {url}/api/v1/write")
            }
            Self::SecretForAll(path) => {
                write!(f, "{}: every user of this host can read the secret in it: chmod o-r", path.display())
            }
            Self::InstanceOfContainer(host) => write!(
                f,
                "what is pushed is labelled instance=\"{host}\", the name of this container: name the host \
                 with --push_label instance=HOST"
            ),
        }
    }
}
