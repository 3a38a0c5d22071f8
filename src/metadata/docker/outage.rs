//! The state of an outage of the daemon, and what was logged about it.

use super::problem::Problem;
use crate::{
    advice::docker::{Socket, no_socket},
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
    let (path, trouble) = match host {
        DockerHost::Unix(path) if problem.is_silence() => (path.as_path(), trouble(path, problem)),
        _ => (Path::new(""), None),
    };
    match (problem, trouble) {
        (_, Some(found @ (Socket::Directory | Socket::NoSocket))) => {
            format!("can't connect to docker at {host} ({problem}): {}", no_socket(path, found))
        }
        (Problem::Denied(_), Some(trouble)) => {
            format!("can't connect to docker at {host} ({problem}): {trouble}")
        }
        (Problem::Denied(_), None) => format!("can't connect to docker at {host} ({problem})"),
        (Problem::Refused { .. }, _) => format!("docker at {host} refuses to answer ({problem})"),
        (Problem::Odd(_), _) => format!("docker at {host} gives {problem}"),
        (_, Some(trouble)) => format!("docker at {host} does not answer ({problem}): {trouble}"),
        (_, None) => format!("docker at {host} does not answer ({problem})"),
    }
}

/// What is wrong with a socket, if that can be seen.
fn trouble(path: &Path, problem: &Problem) -> Option<Socket> {
    let is_denied = matches!(problem, Problem::Denied(_));
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => Some(Socket::Directory),
        Ok(found) if !found.file_type().is_socket() => Some(Socket::NoSocket),
        Ok(found) => is_denied.then(|| Socket::Denied(Some(found.gid()))),
        Err(_) if is_denied => Some(Socket::Denied(None)),
        Err(_) => matches!(path.try_exists(), Ok(false)).then_some(Socket::Missing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

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
        assert!(absent.contains("-v /var/run/docker.sock:/var/run/docker.sock"), "{absent}");
    }

    #[test]
    fn what_is_no_socket_is_named_as_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let of = |path: &Path, problem| cause(&DockerHost::Unix(path.into()), &problem);
        let refused = || Problem::from(io::Error::from_raw_os_error(111));
        let directory = of(folder.path(), refused());
        assert!(directory.contains("is a directory, not a socket (docker run -v makes one"), "{directory}");
        let regular = of(&file, refused());
        assert!(regular.contains("file is no socket"), "{regular}");
        // A daemon that has gone leaves its socket behind.
        let socket = folder.path().join("socket");
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        let gone = of(&socket, refused());
        assert!(gone.ends_with("does not answer (Connection refused (os error 111))"), "{gone}");
        // What answers is a socket, whatever is there now.
        let odd = of(folder.path(), Problem::Odd("this".into()));
        assert!(!odd.contains("directory"), "{odd}");
    }
}
