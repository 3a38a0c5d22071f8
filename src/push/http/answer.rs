//! What a receiver answered, and why there is no answer.

use super::masks::Masks;
use hyper::{
    HeaderMap, StatusCode,
    body::Bytes,
    header::{CONTENT_TYPE, DATE, HeaderName, RETRY_AFTER},
};
use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Samples that a receiver of remote write 2.0 has written.
const WRITTEN: HeaderName = HeaderName::from_static("x-prometheus-remote-write-samples-written");

/// The answer to a request.
#[derive(Debug, Clone)]
pub(in crate::push) struct Answer {
    pub(in crate::push) status: StatusCode,
    /// How long the receiver wants not to be asked again.
    pub(in crate::push) retry_after: Option<Duration>,
    /// How many samples the receiver says that it has written. Only receivers of remote write 2.0 say so.
    pub(in crate::push) samples_written: Option<u64>,
    pub(in crate::push) content_type: Option<String>,
    /// The body, or its beginning.
    pub(in crate::push) body: Bytes,
    /// Whether there may be more of the body.
    pub(in crate::push) is_cut: bool,
    /// What must not be shown of it.
    pub(in crate::push) masks: Masks,
}

impl Answer {
    pub(super) fn new(
        status: StatusCode,
        head: &HeaderMap,
        (body, is_cut): (Bytes, bool),
        masks: Masks,
    ) -> Self {
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
        let content_type = text(CONTENT_TYPE).map(str::to_owned);
        Self { status, retry_after, samples_written, content_type, body, is_cut, masks }
    }

    /// The first line of a text of the receiver, without secrets.
    pub(in crate::push) fn shown(&self, text: &str) -> String {
        self.masks.line(text.as_bytes(), self.is_cut)
    }

    /// Status and first line of the body.
    pub(in crate::push) fn said(&self) -> String {
        let line = self.masks.line(&self.body, self.is_cut);
        if line.is_empty() { self.status.to_string() } else { format!("{}: {line}", self.status) }
    }
}

/// An HTTP date, in Unix seconds.
fn unix_seconds(date: &str) -> Option<i64> {
    Some(chrono::DateTime::parse_from_rfc2822(date).ok()?.timestamp())
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
    /// The proxy wants another user or password, or does not let us go there.
    Denied(String),
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
    /// The same without secrets. Other kinds have nothing in them from outside.
    pub(super) fn hidden(self, masks: &Masks) -> Self {
        let line = |said: String| masks.line(said.as_bytes(), false);
        match self {
            Self::Proxy(said) => Self::Proxy(line(said)),
            Self::Denied(said) => Self::Denied(line(said)),
            Self::Tls(said) => Self::Tls(line(said)),
            Self::Closed(said) => Self::Closed(line(said)),
            Self::Redirect(said) => Self::Redirect(line(said)),
            Self::Credentials(_) | Self::Resolve(_) | Self::Connect(_) | Self::Late(_) => self,
        }
    }

    /// Whether a person has to do something about it, so that there is no hurry to try again.
    pub(in crate::push) fn needs_a_person(&self) -> bool {
        matches!(self, Self::Denied(_) | Self::Redirect(_))
    }

    /// The value of the label `reason`.
    pub(in crate::push) fn label(&self) -> &'static str {
        match self {
            Self::Credentials(_) => "credentials",
            Self::Resolve(_) => "resolve",
            Self::Connect(_) => "connect",
            Self::Proxy(_) | Self::Denied(_) => "proxy",
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
            Self::Proxy(said) | Self::Denied(said) => write!(f, "the proxy does not connect: {said}"),
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
        let body = (Bytes::from_static(body.as_bytes()), false);
        Answer::new(StatusCode::BAD_REQUEST, &head, body, Masks::default())
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
    }
}
