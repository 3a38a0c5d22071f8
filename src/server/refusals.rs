//! Requests and connections that were refused, timed out or failed. Each one is counted, and each reason is
//! logged at most once a minute.

use super::audit::Audit;
use crate::table::SelfMetrics;
use std::{
    collections::HashMap,
    fmt::Display,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// How often a reason is logged at most.
const SAID_AGAIN: Duration = Duration::from_secs(60);

/// Why a client did not get what it wanted: the reasons of `docker_stat_prom_http_refused_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Connections,
    PeerConnections,
    PushedOut,
    NoRequest,
    Slow,
    Pages,
    PeerPages,
    ConnectionPages,
    Target,
    Host,
    Head,
    Malformed,
    Unauthorized,
    Rate,
    Passwords,
}

impl Reason {
    const ALL: [Self; 15] = [
        Self::Connections,
        Self::PeerConnections,
        Self::PushedOut,
        Self::NoRequest,
        Self::Slow,
        Self::Pages,
        Self::PeerPages,
        Self::ConnectionPages,
        Self::Target,
        Self::Host,
        Self::Head,
        Self::Malformed,
        Self::Unauthorized,
        Self::Rate,
        Self::Passwords,
    ];

    const fn label(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::PeerConnections => "peer_connections",
            Self::PushedOut => "pushed_out",
            Self::NoRequest => "no_request",
            Self::Slow => "slow",
            Self::Pages => "pages",
            Self::PeerPages => "peer_pages",
            Self::ConnectionPages => "connection_pages",
            Self::Target => "target",
            Self::Host => "host",
            Self::Head => "head",
            Self::Malformed => "malformed",
            Self::Unauthorized => "unauthorized",
            Self::Rate => "rate",
            Self::Passwords => "passwords",
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Connections => "closed a new connection: too many are open, and all are in use",
            Self::PeerConnections => "closed a new connection: its address already has a quarter of all",
            Self::PushedOut => "closed an idle connection: a new one needs its place",
            Self::NoRequest => "closed a connection: no complete request came in time",
            Self::Slow => "closed a connection: the client did not read its answer in time",
            Self::Pages => "answered 503: too many pages are being sent",
            Self::PeerPages => "answered 503: half of all pages are being sent to this address",
            Self::ConnectionPages => "answered 503: two pages are being sent on this connection already",
            Self::Target => "answered 400: the request has no path",
            Self::Host => {
                "answered 421: the request is for a host that --allowed_hosts does not name (add it if it is \
                 yours)"
            }
            Self::Head => "answered 431: the head of the request has more than 16 KiB or 64 lines",
            Self::Malformed => "closed a connection: the request is not HTTP",
            Self::Unauthorized => "answered 401: without the right password or token",
            Self::Rate => "answered 429: more requests than rate_limit allows",
            Self::Passwords => "answered 503: too many passwords wait to be checked",
        }
    }
}

/// The counts, and when each reason was logged.
#[derive(Debug)]
pub(super) struct Refusals {
    metrics: SelfMetrics,
    said: Mutex<HashMap<&'static str, Instant>>,
    audit: Audit,
}

impl Refusals {
    pub(super) fn new(metrics: SelfMetrics) -> Arc<Self> {
        for reason in Reason::ALL {
            metrics.http_refused.with_label_values(&[reason.label()]).inc_by(0.0);
        }
        Arc::new(Self { metrics, said: Mutex::default(), audit: Audit::default() })
    }

    pub(super) fn metrics(&self) -> &SelfMetrics {
        &self.metrics
    }

    /// Where requests that were answered with an error of the client are written down.
    pub(super) fn audit(&self) -> &Audit {
        &self.audit
    }

    /// Counts a client that did not get what it wanted.
    pub(super) fn refuse(&self, reason: Reason, peer: impl Display) {
        self.metrics.http_refused.with_label_values(&[reason.label()]).inc();
        let (label, words) = (reason.label(), reason.words());
        self.say(label, || {
            format!(
                "{peer}: {words} (said once a minute; counted in \
                 docker_stat_prom_http_refused_total{{reason=\"{label}\"}})"
            )
        });
    }

    /// Counts a TLS handshake that failed.
    pub(super) fn handshake_failed(&self, peer: impl Display, error: impl Display) {
        self.metrics.tls_handshake_failures.inc();
        self.say("handshake", || {
            format!(
                "{peer}: TLS handshake: {error} (said once a minute; counted in \
                 docker_stat_prom_tls_handshake_failures_total)"
            )
        });
    }

    /// Counts a connection that could not be accepted.
    pub(super) fn accept_failed(&self, error: &io::Error) {
        self.metrics.accept_errors.inc();
        self.say("accept", || {
            format!("accept: {error} (said once a minute; counted in docker_stat_prom_accept_errors_total)")
        });
    }

    fn say(&self, key: &'static str, message: impl FnOnce() -> String) {
        if self.is_due(key) {
            tracing::warn!("{}", message());
        } else {
            tracing::debug!("{}", message());
        }
    }

    fn is_due(&self, key: &'static str) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let due = said.get(key).is_none_or(|last| now.duration_since(*last) >= SAID_AGAIN);
        if due {
            said.insert(key, now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_reason_is_said_once_a_minute_and_counted_each_time() {
        let refusals = Refusals::new(SelfMetrics::new().unwrap());
        assert!(refusals.is_due("pages") && !refusals.is_due("pages") && refusals.is_due("target"));
        tokio::time::advance(SAID_AGAIN).await;
        assert!(refusals.is_due("pages"));
        refusals.refuse(Reason::Pages, "127.0.0.2");
        refusals.refuse(Reason::Pages, "127.0.0.2");
        let count = refusals.metrics().http_refused.with_label_values(&["pages"]).get();
        assert!((count - 2.0).abs() < 0.1);
    }
}
