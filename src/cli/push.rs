//! The flags of push.

use super::values::{bytes, push_interval};
use clap::{Args, ValueEnum, ValueHint};
use std::{path::PathBuf, time::Duration};

/// The value of `--otlp` that means the variables of OpenTelemetry; also what the flag means without a value.
pub const FROM_ENVIRONMENT: &str = "env";

/// What is pushed where, as the user said it.
#[derive(Debug, Clone, Args)]
#[command(rename_all = "snake_case")]
pub struct Push {
    /// Push to a receiver of Prometheus remote write, such as http://prometheus:9090/api/v1/write
    ///
    /// Can be given several times; in the variable, URLs are separated by spaces or commas. user:password@ in
    /// the URL becomes basic authentication, but is seen by everybody who may list processes: better put
    /// passwords into files, with --push_config.
    #[arg(
        long, alias = "remote-write", env = "DOCKER_STAT_PROM_REMOTE_WRITE", hide_env_values = true,
        value_hint = ValueHint::Url, value_name = "URL"
    )]
    pub remote_write: Vec<String>,

    /// Push to an OpenTelemetry collector, in OTLP over HTTP, such as http://collector:4318
    ///
    /// /v1/metrics is added to a URL without a path. Without a URL, or with env, the URL is that of
    /// OTEL_EXPORTER_OTLP_METRICS_ENDPOINT, else that of OTEL_EXPORTER_OTLP_ENDPOINT with /v1/metrics. These
    /// variables alone do not make the exporter push: they are often set for all programs of a host. Headers,
    /// timeout, compression, certificates and resource attributes are taken from OpenTelemetry's variables.
    #[arg(
        long, env = "DOCKER_STAT_PROM_OTLP", hide_env_values = true, num_args = 0..=1,
        default_missing_value = FROM_ENVIRONMENT, value_hint = ValueHint::Url, value_name = "URL"
    )]
    pub otlp: Vec<String>,

    /// Names of metrics in OTLP: OpenTelemetry's (semconv) where there is one, or Prometheus' for all
    #[arg(
        long,
        alias = "otlp-names",
        env = "DOCKER_STAT_PROM_OTLP_NAMES",
        value_name = "NAMES",
        default_value = "semconv"
    )]
    pub otlp_names: OtlpNames,

    /// Push to a Prometheus Pushgateway, such as http://pushgateway:9091
    #[arg(
        long, env = "DOCKER_STAT_PROM_PUSHGATEWAY", hide_env_values = true,
        value_hint = ValueHint::Url, value_name = "URL"
    )]
    pub pushgateway: Vec<String>,

    /// Push to what a YAML file lists, in the words of prometheus.yml
    ///
    /// A remote_write: block of prometheus.yml can be copied into it. otlp: and pushgateway: are lists with
    /// the same keys. external_labels: has the same meaning as --push_label. The README lists all keys.
    #[arg(
        long, alias = "push-config", env = "DOCKER_STAT_PROM_PUSH_CONFIG", value_hint = ValueHint::FilePath,
        value_name = "FILE"
    )]
    pub push_config: Option<PathBuf>,

    /// Time between two pushes: from 1s to 24h
    #[arg(
        long, alias = "push-interval", env = "DOCKER_STAT_PROM_PUSH_INTERVAL",
        value_hint = ValueHint::Other, value_name = "TIME", default_value = "15s",
        value_parser = push_interval
    )]
    pub push_interval: Duration,

    /// A label for every series that is pushed: NAME=VALUE [default: instance=HOST, job=docker-stat-prom]
    ///
    /// Can be given several times; several are separated by commas.
    #[arg(
        long, alias = "push-label", env = "DOCKER_STAT_PROM_PUSH_LABEL", value_hint = ValueHint::Other,
        value_name = "NAME=VALUE", value_delimiter = ','
    )]
    pub push_label: Vec<String>,

    /// Directory for what waits to be pushed, so that it survives a restart of the exporter
    ///
    /// Without it, what waits is in memory.
    #[arg(
        long, alias = "push-spool", env = "DOCKER_STAT_PROM_PUSH_SPOOL", value_hint = ValueHint::DirPath,
        value_name = "DIR"
    )]
    pub push_spool: Option<PathBuf>,

    /// How much may wait in --push_spool, for each receiver: bytes, or with a unit, such as 1GB
    #[arg(
        long, alias = "push-spool-bytes", env = "DOCKER_STAT_PROM_PUSH_SPOOL_BYTES",
        value_hint = ValueHint::Other, value_name = "SIZE", default_value = "256MiB", value_parser = bytes
    )]
    pub push_spool_bytes: u64,
}

/// Whose names metrics get in OTLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OtlpNames {
    /// Those of OpenTelemetry's semantic conventions where there is one, else Prometheus'.
    Semconv,
    /// As on /metrics.
    Prometheus,
}
