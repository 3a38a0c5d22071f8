//! What holds for every receiver, whether it comes from a flag or from a file.

use super::url::Address;
use crate::push::{Endpoint, Protocol, Queue, Target, Tls, relabel::is_external_label};
use std::time::Duration;

/// The default of the label `job`, and of OpenTelemetry's service name.
pub(super) const JOB: &str = "docker-stat-prom";
/// How long a request may take: Prometheus' default.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);
/// Where a receiver of OTLP takes metrics.
pub(super) const OTLP_PATH: &str = "/v1/metrics";
/// The longest name of a receiver. It becomes a label's value and a file's name.
const MAX_NAME: usize = 200;

/// A receiver of which nothing is known but its URL.
pub(super) fn plain(address: Address, protocol: Protocol, timeout: Duration) -> Target {
    let authorization = address.basic.clone();
    Target {
        name: address.name(),
        protocol,
        endpoint: Endpoint {
            url: address.url,
            timeout,
            headers: Vec::new(),
            authorization: authorization
                .map(|(username, password)| crate::push::Authorization::Basic { username, password }),
            tls: Tls::default(),
            proxy: None,
            follow_redirects: true,
        },
        queue: Queue::default(),
        relabel: Vec::new(),
    }
}

/// Checks the name of a receiver.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let is_fine = name.len() <= MAX_NAME && !name.chars().any(char::is_control);
    is_fine.then_some(()).ok_or_else(|| format!("name: expected {MAX_NAME} characters at most, on one line"))
}

/// Checks the name of an external label.
pub(super) fn check_label(name: &str) -> Result<(), String> {
    let wrong =
        || format!("\"{name}\" can't be a label's name: expected letters, digits and _, not __name__");
    is_external_label(name).then_some(()).ok_or_else(wrong)
}

/// Checks that a Pushgateway's URL has no grouping key: that is made of the labels `job` and `instance`.
pub(super) fn check_pushgateway(address: &Address) -> Result<(), String> {
    let has_key = address.url.path().trim_end_matches('/').split('/').any(|part| part == "metrics");
    let problem = || {
        format!(
            "expected the Pushgateway's own URL, without /metrics and what follows, found \"{}\"",
            address.name()
        )
    };
    (!has_key).then_some(()).ok_or_else(problem)
}
