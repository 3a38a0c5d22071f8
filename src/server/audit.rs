//! A line of the log for each request that was refused: who asked for what. There is a limit, so that a flood
//! fills no disk.

use super::peer::Origin;
use hyper::{Method, Request, StatusCode, Uri, header};
use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// How many lines may be written at once.
const BURST: u32 = 10;
/// After that, one line in this time.
const EVERY: Duration = Duration::from_secs(10);
/// How much of a path or a host is written.
const SHOWN: usize = 100;

/// What was asked, and by whom.
#[derive(Debug)]
pub(super) struct Asked {
    origin: Origin,
    method: Method,
    target: Uri,
    host: Option<header::HeaderValue>,
}

impl Asked {
    pub(super) fn of<B>(request: &Request<B>, origin: Origin) -> Self {
        // Three counters go up, and nothing is copied.
        let (method, target) = (request.method().clone(), request.uri().clone());
        Self { origin, method, target, host: request.headers().get(header::HOST).cloned() }
    }
}

impl fmt::Display for Asked {
    /// What the client chose is quoted, escaped and cut. A query is left out, because it may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = |text: &str| text.chars().take(SHOWN).collect::<String>();
        let method = cut(self.method.as_str());
        let host = self.target.authority().map(|authority| {
            let authority = authority.as_str();
            authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_owned()
        });
        let host =
            host.or_else(|| Some(String::from_utf8_lossy(self.host.as_ref()?.as_bytes()).into_owned()));
        write!(f, "{}: {method:?} {:?}", self.origin, cut(self.target.path()))?;
        host.map_or(Ok(()), |host| write!(f, " at host {:?}", cut(&host)))
    }
}

/// Writes the lines, and counts those that are left out.
#[derive(Debug, Default)]
pub(super) struct Audit {
    lines: Mutex<Lines>,
}

#[derive(Debug, Default)]
struct Lines {
    /// Lines that were written, less those that time has forgiven.
    written: u32,
    /// Since when nothing was forgiven.
    since: Option<Instant>,
    left_out: u64,
}

impl Audit {
    /// Notes a request that was answered with an error of the client.
    pub(super) fn refused(&self, status: StatusCode, asked: impl fmt::Display) {
        match self.line() {
            Some(0) => tracing::info!("refused with {}: {asked}", status.as_u16()),
            Some(others) => tracing::info!(
                "refused with {}: {asked} (and {others} more requests, not shown one by one)",
                status.as_u16()
            ),
            None => {}
        }
    }

    /// How many requests were left out before this one, if it may be written.
    fn line(&self) -> Option<u64> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let since = *lines.since.get_or_insert(now);
        let forgiven = now.duration_since(since).as_secs() / EVERY.as_secs();
        if forgiven > 0 {
            lines.written = lines.written.saturating_sub(u32::try_from(forgiven).unwrap_or(u32::MAX));
            lines.since = Some(now);
        }
        if lines.written < BURST {
            lines.written += 1;
            return Some(std::mem::take(&mut lines.left_out));
        }
        lines.left_out += 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_writes_few_lines_and_none_is_forgotten() {
        let audit = Audit::default();
        let written = (0..1000).filter(|_| audit.line().is_some()).count();
        assert_eq!(written, 10);
        tokio::time::advance(EVERY).await;
        assert_eq!((audit.line(), audit.line()), (Some(990), None));
        tokio::time::advance(EVERY * 100).await;
        assert_eq!(audit.line(), Some(1));
        assert_eq!((0..20).filter(|_| audit.line().is_some()).count(), 9);
    }

    #[test]
    fn what_a_client_chose_is_quoted_and_cut_and_has_no_secret() {
        let origin = Origin::between(([192, 0, 2, 1], 5).into(), [192, 0, 2, 2].into());
        let shown = |target: &str, host: &'static [u8]| {
            let mut request = Request::get(target).body(()).unwrap();
            let host = header::HeaderValue::from_bytes(host).unwrap();
            request.headers_mut().insert(header::HOST, host);
            Asked::of(&request, origin).to_string()
        };
        let line = shown("/metrics?token=hunter2", b"a\" \xff");
        assert_eq!(line, "192.0.2.1:5: \"GET\" \"/metrics\" at host \"a\\\" \u{fffd}\"");
        let line = shown("http://user:hunter2@evil.example/x", b"other");
        assert_eq!(line, "192.0.2.1:5: \"GET\" \"/x\" at host \"evil.example\"");
        assert!(shown(&format!("/{}", "x".repeat(5000)), b"h").len() < 200);
    }
}
