//! The state of an outage of the daemon, and what was logged about it.

use super::problem::Problem;
use crate::{
    advice::{docker_socket, docker_socket_is_another, docker_socket_missing},
    metadata::DockerHost,
};
use std::{
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::Path,
    time::Duration,
};
use tokio::time::Instant;

/// A connection that lasted this long does not count as coming and going. At most one outage per minute is
/// logged.
pub(super) const LASTING: Duration = Duration::from_secs(60);

/// Decides which outages are logged: each one that lasts, but at most one warning a minute about a daemon
/// that comes and goes.
#[derive(Default)]
pub(super) struct Outage {
    /// Why there is no answer, for the log; `None` while there is one.
    cause: Option<String>,
    /// A warning about it has been logged, so its end is logged too.
    is_said: bool,
    last_said: Option<Instant>,
}

impl Outage {
    /// Notes that an attempt failed. Returns whether this is the beginning of an outage.
    pub(super) fn begins(&mut self, cause: String) -> bool {
        self.cause.replace(cause).is_none()
    }

    /// When a warning is due, if nothing changes until then.
    pub(super) fn due(&self) -> Option<Instant> {
        let is_unsaid = self.cause.is_some() && !self.is_said;
        is_unsaid.then(|| self.last_said.map_or_else(Instant::now, |said| said + LASTING))
    }

    /// The cause, if a warning is due now. It then counts as logged.
    pub(super) fn take_warning(&mut self, now: Instant) -> Option<&str> {
        let is_too_soon = self.last_said.is_some_and(|said| now < said + LASTING);
        if self.is_said || is_too_soon {
            return None;
        }
        let cause = self.cause.as_deref()?;
        (self.is_said, self.last_said) = (true, Some(now));
        Some(cause)
    }

    /// Notes that the daemon answers. Returns whether to log that.
    pub(super) fn ends(&mut self) -> bool {
        self.cause = None;
        std::mem::take(&mut self.is_said)
    }
}

/// Words why the daemon does not answer, and what can be done about it.
pub(super) fn cause(host: &DockerHost, problem: &Problem) -> String {
    match problem {
        Problem::Denied(_) => match host {
            DockerHost::Unix(path) => {
                format!("can't connect to docker at {host} ({problem}): {}", group(path))
            }
            _ => format!("can't connect to docker at {host} ({problem})"),
        },
        Problem::Refused { .. } => format!("docker at {host} refuses to answer ({problem})"),
        Problem::Odd(_) => format!("docker at {host} gives {problem}"),
        Problem::Late(_) | Problem::Silent(_) => {
            let said = format!("docker at {host} does not answer ({problem})");
            let hint = match host {
                DockerHost::Unix(path) => no_socket(path),
                _ => None,
            };
            hint.map_or(said.clone(), |hint| format!("{said}: {hint}"))
        }
    }
}

/// What to do where there is no socket; `None` if there is one, or that can't be seen.
fn no_socket(path: &Path) -> Option<String> {
    if let Ok(false) = path.try_exists() {
        return Some(docker_socket_missing(path));
    }
    let found = std::fs::metadata(path).ok().filter(|found| !found.file_type().is_socket())?;
    Some(docker_socket_is_another(found.is_dir()))
}

/// How to get the permission to use a socket.
fn group(socket: &Path) -> String {
    docker_socket(std::fs::metadata(socket).map(|file| file.gid()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn what_is_there_instead_of_the_socket_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let cause = |name: &str| {
            let host = DockerHost::Unix(folder.path().join(name));
            cause(&host, &Problem::Silent("no connection".into()))
        };
        std::fs::create_dir(folder.path().join("folder")).unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
        assert!(cause("none").contains("-v "), "{}", cause("none"));
        assert!(cause("folder").contains("expected a socket, found a directory"), "{}", cause("folder"));
        assert!(cause("file").ends_with("expected a socket, found another file"), "{}", cause("file"));
        assert!(cause("socket").ends_with("(no connection)"), "{}", cause("socket"));
    }

    #[test]
    fn an_outage_soon_after_another_is_said_once_it_lasts() {
        let mut outage = Outage::default();
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert!(outage.begins("first".into()));
        assert_eq!(outage.take_warning(at(0)), Some("first"));
        assert!(outage.ends());
        assert!(outage.begins("second".into()));
        assert_eq!(outage.due(), Some(at(60)));
        assert_eq!(outage.take_warning(at(5)), None);
        assert!(!outage.begins("third".into()));
        assert_eq!(outage.take_warning(at(59)), None);
        assert_eq!(outage.take_warning(at(60)), Some("third"));
        assert!([61, 600].into_iter().all(|second| outage.take_warning(at(second)).is_none()));
        assert_eq!(outage.due(), None);
        assert!(outage.ends());
    }

    #[test]
    fn a_daemon_that_comes_and_goes_is_warned_of_once_a_minute() {
        let mut outage = Outage::default();
        let begin = Instant::now();
        let mut warnings = 0;
        for second in 0..300 {
            outage.begins("gone".into());
            warnings += usize::from(outage.take_warning(begin + Duration::from_secs(second)).is_some());
            outage.ends();
            assert_eq!(
                (outage.due(), outage.take_warning(begin + Duration::from_secs(second))),
                (None, None)
            );
        }
        assert_eq!(warnings, 5);
    }

    #[test]
    fn an_end_that_was_said_is_never_the_last_word_on_a_dead_daemon() {
        for down_at in 1..180 {
            let mut outage = Outage::default();
            let begin = Instant::now();
            let at = |seconds| begin + Duration::from_secs(seconds);
            outage.begins("gone".into());
            outage.take_warning(at(0));
            assert!(outage.ends());
            outage.begins("gone".into());
            let said = (down_at..300).find(|second| outage.take_warning(at(*second)).is_some());
            assert_eq!(said, Some(down_at.max(60)));
        }
    }

    #[test]
    fn a_missing_permission_is_no_silence() {
        let host = DockerHost::Unix("/nonexistent/docker.sock".into());
        let denied = Problem::from(io::Error::from_raw_os_error(13));
        assert!(denied.is_silence());
        let text = cause(&host, &denied);
        assert!(text.contains("Permission denied") && !text.contains("does not answer"), "{text}");
        assert!(text.contains("group docker") && text.contains("--group-add"), "{text}");
        assert!(text.contains("SupplementaryGroups="), "{text}");
        let tcp = cause(&DockerHost::Http("h:1".into()), &denied);
        assert!(!tcp.contains("socket") && !tcp.contains("does not answer"), "{tcp}");
        let absent = cause(&host, &Problem::from(io::Error::from_raw_os_error(2)));
        assert!(absent.contains("does not answer (No such file"), "{absent}");
    }
}
