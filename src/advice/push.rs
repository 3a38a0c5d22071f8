//! Advice about push.

/// After `--bind none` while nothing is pushed.
#[must_use]
pub fn nothing_to_do() -> &'static str {
    "name a receiver with --remote_write, --otlp, --pushgateway or --push_config, or an address with -b"
}

/// After a receiver's URL that is not understood.
#[must_use]
pub fn url() -> &'static str {
    "name the whole URL, such as http://prometheus:9090/api/v1/write; see docker-stat-prom --help"
}

/// After a file of receivers that is not understood.
#[must_use]
pub fn config() -> &'static str {
    "the keys are those of prometheus.yml's remote_write: the chapter Push of the README lists them"
}

/// After a label for push that is not understood.
#[must_use]
pub fn label() -> &'static str {
    "name a label and its value, such as --push_label datacenter=eu1"
}

/// After a variable of OpenTelemetry that is not understood.
#[must_use]
pub fn otel() -> &'static str {
    "change or unset the variable, or name the receiver under otlp: in a file, with --push_config"
}

/// After two receivers with the same name.
#[must_use]
pub fn names() -> &'static str {
    "name a receiver once, or give each a name: of its own in a file, with --push_config"
}

/// What a health check says of an exporter that has no port.
#[must_use]
pub fn no_port_to_ask() -> &'static str {
    "not asked: with --bind none the exporter has no port; watch at the receiver whether it pushes"
}
