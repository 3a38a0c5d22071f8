//! What a receiver answered, and why there is no answer.

use hyper::{
    HeaderMap, StatusCode,
    body::Bytes,
    header::{DATE, HeaderName, RETRY_AFTER},
};
use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Samples that a receiver of remote write 2.0 has written.
const WRITTEN: HeaderName = HeaderName::from_static("x-prometheus-remote-write-samples-written");
/// The longest text of a receiver that is repeated in the log.
const LINE_CHARS: usize = 200;
/// How much of a body is looked at for that line.
const LOOK_BYTES: usize = 4 << 10;

/// Shorter texts are not masked: they are part of too many words.
const SECRET_BYTES: usize = 4;
/// What stands in place of a secret.
const MASK: &str = "<secret>";

/// Secrets that were sent with a request. A receiver may repeat them in its answer.
#[derive(Clone, Default)]
pub(in crate::push) struct Masks(Arc<[String]>);

impl Masks {
    pub(super) fn new(mut secrets: Vec<String>) -> Self {
        secrets.retain(|secret| secret.len() >= SECRET_BYTES);
        // One may be a part of another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self(secrets.into())
    }

    fn hide(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), MASK))
    }
}

impl fmt::Debug for Masks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// The answer to a request.
#[derive(Debug, Clone)]
pub(in crate::push) struct Answer {
    pub(in crate::push) status: StatusCode,
    /// How long the receiver wants not to be asked again.
    pub(in crate::push) retry_after: Option<Duration>,
    /// How many samples the receiver says that it has written. Only receivers of remote write 2.0 say so.
    pub(in crate::push) samples_written: Option<u64>,
    /// The body, or its beginning.
    pub(in crate::push) body: Bytes,
    /// What must not be shown of it.
    pub(in crate::push) masks: Masks,
}

impl Answer {
    pub(super) fn new(status: StatusCode, head: &HeaderMap, body: Bytes, masks: Masks) -> Self {
        let text = |name| head.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let now = || {
            // The receiver's own clock, if it tells it: ours may be wrong.
            let said = text(DATE).and_then(unix_seconds);
            said.or_else(|| {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
                i64::try_from(now.as_secs()).ok()
            })
        };
        let retry_after = text(RETRY_AFTER).and_then(|wait| match wait.parse() {
            Ok(seconds) => Some(Duration::from_secs(seconds)),
            Err(_) => {
                let seconds = unix_seconds(wait)?.saturating_sub(now()?);
                Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
            }
        });
        let samples_written = text(WRITTEN).and_then(|count| count.parse().ok());
        Self { status, retry_after, samples_written, body, masks }
    }

    /// The first line of a text of the receiver, without secrets.
    pub(in crate::push) fn shown(&self, text: &str) -> String {
        first_line(&self.masks.hide(text))
    }

    /// Status and first line of the body.
    pub(in crate::push) fn said(&self) -> String {
        let beginning = self.body.get(..LOOK_BYTES).unwrap_or(&self.body);
        let line = self.shown(&String::from_utf8_lossy(beginning));
        if line.is_empty() { self.status.to_string() } else { format!("{}: {line}", self.status) }
    }
}

/// An HTTP date, in Unix seconds.
fn unix_seconds(date: &str) -> Option<i64> {
    Some(chrono::DateTime::parse_from_rfc2822(date).ok()?.timestamp())
}

/// The first line of a text that can have any content and length, fit for a log line.
pub(in crate::push) fn first_line(text: &str) -> String {
    let line = text.trim_start().lines().next().unwrap_or_default().trim_end();
    let mut shown: String = line
        .chars()
        .take(LINE_CHARS)
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    if line.chars().nth(LINE_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

/// Why there is no answer. No text has a secret in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::push) enum Failure {
    /// A file with a secret or a certificate can't be used, or a secret can't stand in a header.
    Credentials(String),
    /// The host's name has no address, or the look-up failed.
    Resolve(String),
    /// No connection.
    Connect(String),
    /// The proxy did not connect us.
    Proxy(String),
    /// No TLS, or not with a receiver that we trust.
    Tls(String),
    /// The exchange began, and ended before the end of the answer.
    Closed(String),
    /// The answer leads elsewhere, and we do not follow.
    Redirect(String),
    /// The whole exchange took too long.
    Late(Duration),
}

impl Failure {
    /// The value of the label `reason`.
    pub(in crate::push) fn label(&self) -> &'static str {
        match self {
            Self::Credentials(_) => "credentials",
            Self::Resolve(_) => "resolve",
            Self::Connect(_) => "connect",
            Self::Proxy(_) => "proxy",
            Self::Tls(_) => "tls",
            Self::Closed(_) => "closed",
            Self::Redirect(_) => "redirect",
            Self::Late(_) => "timeout",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credentials(said) | Self::Redirect(said) => f.write_str(said),
            Self::Resolve(said) => write!(f, "its name can't be resolved: {said}"),
            Self::Connect(said) => write!(f, "no connection: {said}"),
            Self::Proxy(said) => write!(f, "the proxy does not connect: {said}"),
            Self::Tls(said) => write!(f, "TLS fails: {said}"),
            Self::Closed(said) => write!(f, "no whole answer: {said}"),
            Self::Late(wait) => write!(f, "no whole answer within {wait:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(head: &[(HeaderName, &str)], body: &'static str) -> Answer {
        let head = head.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        Answer::new(StatusCode::BAD_REQUEST, &head, Bytes::from_static(body.as_bytes()), Masks::default())
    }

    #[test]
    fn a_pause_is_told_in_seconds_or_as_a_date() {
        let pause = |head: &[_]| answer(head, "").retry_after;
        assert_eq!(pause(&[(RETRY_AFTER, "120")]), Some(Duration::from_secs(120)));
        let date = (DATE, "Mon, 23 Nov 2026 23:35:58 GMT");
        let later = (RETRY_AFTER, "Mon, 23 Nov 2026 23:36:58 GMT");
        assert_eq!(pause(&[date.clone(), later]), Some(Duration::from_secs(60)));
        let earlier = (RETRY_AFTER, "Mon, 23 Nov 2026 23:30:00 GMT");
        assert_eq!(pause(&[date, earlier]), Some(Duration::ZERO));
        for nonsense in ["-1", "soon", "99999999999999999999999", ""] {
            assert_eq!(pause(&[(RETRY_AFTER, nonsense)]), None, "{nonsense}");
        }
    }

    #[test]
    fn what_a_receiver_says_is_one_short_line() {
        assert_eq!(answer(&[], "out of bounds\nmore").said(), "400 Bad Request: out of bounds");
        assert_eq!(answer(&[], "\n \x1b[31mred\r\n").said(), "400 Bad Request: \u{fffd}[31mred");
        assert_eq!(answer(&[], "").said(), "400 Bad Request");
        assert_eq!(first_line(&"é".repeat(1000)).chars().count(), LINE_CHARS + 1);
    }
}
