//! The exporter's own series, kept in a registry of the `prometheus` crate.

use crate::sample::own_process::OwnProcess;
use prometheus::{
    Counter, CounterVec, Gauge, GaugeVec, Histogram, HistogramOpts, Opts, Registry, core::Collector,
    proto::MetricFamily,
};
use std::time::{SystemTime, UNIX_EPOCH};

/// One of the exporter's own families, for the reference.
#[derive(Debug, Clone, Copy)]
pub struct OwnFamily {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: &'static str,
    /// What it means.
    pub help: &'static str,
    /// Its labels.
    pub labels: &'static [&'static str],
}

macro_rules! own_families {
    ($($field:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        /// The exporter's own families.
        pub const OWN_FAMILIES: &[OwnFamily] = &[$(OwnFamily {
            name: $name,
            kind: own_families!(@kind $kind),
            help: $help,
            labels: &[$($label),*],
        }),*];

        /// Handles on the exporter's own series. Cheap to clone; every clone counts into the same series.
        #[derive(Debug, Clone)]
        pub struct SelfMetrics {
            registry: Registry,
            $(#[doc = $help] pub $field: own_families!(@type $kind),)*
        }

        impl SelfMetrics {
            /// Registers all families.
            ///
            /// # Errors
            /// If the table has a name twice or an illegal one.
            pub fn new() -> prometheus::Result<Self> {
                let registry = Registry::new();
                $(let $field = register(&registry, own_families!(@new $kind $name $help [$($label),*])?)?;)*
                Ok(Self { registry, $($field),* })
            }
        }
    };
    (@kind gauge) => { "gauge" };
    (@kind gauges) => { "gauge" };
    (@kind counter) => { "counter" };
    (@kind counters) => { "counter" };
    (@kind histogram) => { "histogram" };
    (@type gauge) => { Gauge };
    (@type gauges) => { GaugeVec };
    (@type counter) => { Counter };
    (@type counters) => { CounterVec };
    (@type histogram) => { Histogram };
    (@new gauge $name:literal $help:literal []) => { Gauge::new($name, $help) };
    (@new counter $name:literal $help:literal []) => { Counter::new($name, $help) };
    (@new gauges $name:literal $help:literal [$($label:literal),*]) => {
        GaugeVec::new(Opts::new($name, $help), &[$($label),*])
    };
    (@new counters $name:literal $help:literal [$($label:literal),*]) => {
        CounterVec::new(Opts::new($name, $help), &[$($label),*])
    };
    (@new histogram $name:literal $help:literal []) => {
        Histogram::with_opts(HistogramOpts::new($name, $help).buckets(SCRAPE_BUCKETS.to_vec()))
    };
}

/// A scrape takes some 50 µs per container.
const SCRAPE_BUCKETS: [f64; 9] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5];

own_families! {
    build_info: gauges "docker_stat_prom_build_info" ["version", "revision", "rustc"] "1, with what the exporter was built from";
    up: gauge "docker_stat_prom_up" [] "Whether the last pass read every file it meant to";
    docker_up: gauge "docker_stat_prom_docker_up" [] "Whether the Docker API answers";
    docker_reconnects: counter "docker_stat_prom_docker_reconnects_total" [] "Connections to Docker after the first";
    label_values_cut: counter "docker_stat_prom_label_values_cut_total" [] "Label values from Docker cut to 1 KiB, and labels left out, since their name is longer or a container has more than 16 KiB of labels";
    containers: gauges "docker_stat_prom_containers" ["state"] "Containers with a cgroup: discovered; of those: named by Docker, and without a name (unnamed)";
    missing_flags: gauges "docker_stat_prom_missing_flags" ["flags"] "1, with the flags of docker run without which no container, or no network counter, can be seen";
    scrape_duration: histogram "docker_stat_prom_scrape_duration_seconds" [] "Time to read and render all containers";
    read_failures: counters "docker_stat_prom_read_failures_total" ["file", "reason"] "Files of containers that were there and could not be used";
    skipped_rows: counters "docker_stat_prom_skipped_rows_total" ["file"] "Rows of io.stat and net/dev that could not be used";
    discovery_resyncs: counter "docker_stat_prom_discovery_resyncs_total" [] "Scans of the whole cgroup tree";
    kept_fds: gauge "docker_stat_prom_open_fds" [] "Descriptors kept open on files of containers";
    http_requests: counters "docker_stat_prom_http_requests_total" ["code"] "Answers, by status";
    http_connections: gauges "docker_stat_prom_http_connections" ["state"] "Open connections: new (no whole request yet), active (a request is being answered), idle";
    http_refused: counters "docker_stat_prom_http_refused_total" ["reason"] "Requests and connections that were refused, or ended because a bound was reached";
    tls_handshake_failures: counter "docker_stat_prom_tls_handshake_failures_total" [] "TLS handshakes of clients that came to nothing";
    accept_errors: counter "docker_stat_prom_accept_errors_total" [] "Connections that could not be accepted";
    log_lines_dropped: counter "docker_stat_prom_log_lines_dropped_total" [] "Log lines that were lost because nobody read standard error";
    tls_expiry: gauges "docker_stat_prom_tls_certificate_expiry_timestamp_seconds" [] "When the served certificate ends, unix time";
    demo: gauges "docker_stat_prom_demo" [] "1 if all numbers are of a recorded host, made to move";
    cpu_seconds: counter "process_cpu_seconds_total" [] "User and system CPU time spent by the exporter";
    resident_bytes: gauge "process_resident_memory_bytes" [] "Resident memory of the exporter";
    virtual_bytes: gauge "process_virtual_memory_bytes" [] "Address space of the exporter";
    open_fds: gauge "process_open_fds" [] "Open descriptors of the exporter";
    max_fds: gauge "process_max_fds" [] "Descriptors that the exporter may open";
    start_time: gauge "process_start_time_seconds" [] "When the exporter was started, unix time";
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> prometheus::Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

impl SelfMetrics {
    /// All series as they are now.
    #[must_use]
    pub fn gather(&self) -> Vec<MetricFamily> {
        self.read_own_process();
        self.registry.gather()
    }

    /// Sets what does not change while the exporter runs.
    pub fn started(&self, max_fds: u64) {
        let labels = [env!("CARGO_PKG_VERSION"), env!("BUILD_REVISION"), env!("BUILD_RUSTC")];
        self.build_info.with_label_values(&labels).set(1.0);
        self.max_fds.set(float(max_fds));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.start_time.set(now.as_secs_f64());
    }

    fn read_own_process(&self) {
        let own = OwnProcess::read();
        if let Some(seconds) = own.cpu_seconds {
            self.cpu_seconds.inc_by((seconds - self.cpu_seconds.get()).max(0.0));
        }
        for (gauge, value) in [
            (&self.resident_bytes, own.resident_bytes),
            (&self.virtual_bytes, own.virtual_bytes),
            (&self.open_fds, own.open_fds),
        ] {
            if let Some(value) = value {
                gauge.set(float(value));
            }
        }
    }
}

/// Numbers of this process are far below 2⁵³.
#[expect(clippy::cast_precision_loss, reason = "see above")]
pub(crate) fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_registers() {
        let metrics = SelfMetrics::new().unwrap();
        metrics.started(1024);
        let families = metrics.gather();
        for family in &families {
            assert!(OWN_FAMILIES.iter().any(|own| own.name == family.name()), "{}", family.name());
        }
        assert!(families.iter().any(|family| family.name() == "docker_stat_prom_build_info"));
    }
}
