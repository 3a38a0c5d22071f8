//! Advice about push.

/// After settings of push without a receiver.
#[must_use]
pub fn nobody_to_push_to() -> &'static str {
    "name a receiver with --remote_write, --otlp, --pushgateway or --push_config"
}

/// After `--bind none` while nothing is pushed.
#[must_use]
pub fn nothing_to_do() -> &'static str {
    "name a receiver with --remote_write, --otlp, --pushgateway or --push_config, or an address with -b"
}

/// After a receiver's URL that is not understood, by the flag that names it.
#[must_use]
pub fn url(flag: &str) -> &'static str {
    match flag {
        "otlp" => {
            "name the whole URL for OTLP over HTTP, such as http://collector:4318/v1/metrics; gRPC (port \
             4317) is not supported; see docker-stat-prom --help"
        }
        "pushgateway" => "name the Pushgateway, such as http://pushgateway:9091",
        _ => "name the whole URL, such as http://prometheus:9090/api/v1/write; see docker-stat-prom --help",
    }
}

/// What a 404 of a receiver of OTLP can mean.
#[must_use]
pub fn otlp_path() -> &'static str {
    "is the path right? Collectors take metrics at /v1/metrics"
}

/// After a spool that can't be used.
#[must_use]
pub fn spool() -> &'static str {
    "name a directory of its own with --push_spool, which the exporter can write to"
}

/// After a file of receivers that is not understood.
#[must_use]
pub fn config() -> &'static str {
    "the keys are those of prometheus.yml's remote_write: the chapter Push of the README lists them"
}

/// After a file of receivers that is no YAML.
#[must_use]
pub fn yaml() -> &'static str {
    "the file is in YAML, as prometheus.yml is: the chapter Push of the README has an example"
}

/// After a file that can't be used: that of receivers, or one that it names.
#[must_use]
pub fn file() -> &'static str {
    "name a file that the exporter can read; a path in a file is relative to the file's folder"
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
