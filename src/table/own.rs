//! The exporter's own series, kept in a registry of the `prometheus` crate.

use super::{
    FamilySink, Label, LabelValue, Number,
    family::{Heading, MetricType, Unit},
    histogram::HistogramReading,
};
use crate::sample::own_process::OwnProcess;
use prometheus::{
    Counter, CounterVec, Gauge, GaugeVec, Histogram, HistogramOpts, Opts, Registry,
    core::Collector,
    proto::{Metric, MetricFamily},
};
use std::time::{SystemTime, UNIX_EPOCH};

/// One of the exporter's own families.
#[derive(Debug, Clone, Copy)]
pub struct OwnFamily {
    /// Name, type, unit and help.
    pub heading: Heading,
    /// Its labels.
    pub labels: &'static [Label],
}

macro_rules! own_families {
    ($($field:ident: $kind:ident $name:literal [$($label:ident),*] $help:literal;)*) => {
        /// The exporter's own families.
        pub const OWN_FAMILIES: &[OwnFamily] = &[$(OwnFamily {
            heading: own_heading($name, own_families!(@metric_type $kind), $help),
            labels: &[$(Label::$label),*],
        }),*];

        /// Handles on the exporter's own series. Cheap to clone; all clones count into the same series.
        #[derive(Debug, Clone)]
        pub struct SelfMetrics {
            registry: Registry,
            $(#[doc = $help] pub $field: own_families!(@type $kind),)*
        }

        impl SelfMetrics {
            /// Registers all families.
            ///
            /// # Errors
            /// If a name in the table is used twice or not legal.
            pub fn new() -> prometheus::Result<Self> {
                let registry = Registry::new();
                $(let $field = register(&registry, own_families!(@new $kind $name $help [$($label),*])?)?;)*
                Ok(Self { registry, $($field),* })
            }
        }
    };
    (@metric_type gauge) => { MetricType::Gauge };
    (@metric_type gauges) => { MetricType::Gauge };
    (@metric_type counter) => { MetricType::Counter };
    (@metric_type counters) => { MetricType::Counter };
    (@metric_type histogram) => { MetricType::Histogram };
    (@type gauge) => { Gauge };
    (@type gauges) => { GaugeVec };
    (@type counter) => { Counter };
    (@type counters) => { CounterVec };
    (@type histogram) => { Histogram };
    (@new gauge $name:literal $help:literal []) => { Gauge::new($name, $help) };
    (@new counter $name:literal $help:literal []) => { Counter::new($name, $help) };
    (@new gauges $name:literal $help:literal [$($label:ident),*]) => {
        GaugeVec::new(Opts::new($name, $help), &[$(Label::$label.name()),*])
    };
    (@new counters $name:literal $help:literal [$($label:ident),*]) => {
        CounterVec::new(Opts::new($name, $help), &[$(Label::$label.name()),*])
    };
    (@new histogram $name:literal $help:literal []) => {
        Histogram::with_opts(HistogramOpts::new($name, $help).buckets(SCRAPE_BUCKETS.to_vec()))
    };
}

/// The family that says when the exporter was started.
const START_TIME: &str = "process_start_time_seconds";

/// Buckets in seconds: from a host with a few containers to one with thousands (see benches/README.md).
const SCRAPE_BUCKETS: [f64; 9] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5];

own_families! {
    build_info: gauges "docker_stat_prom_build_info" [Version, Revision, Rustc] "1, with what the exporter \
        was built from";
    up: gauge "docker_stat_prom_up" [] "Whether the last pass read every file that it needed";
    docker_up: gauge "docker_stat_prom_docker_up" [] "Whether the Docker API answers";
    docker_reconnects: counter "docker_stat_prom_docker_reconnects_total" [] "Connections to Docker after \
        the first";
    label_values_cut: counter "docker_stat_prom_label_values_cut_total" [] "Label values from Docker cut to \
        1 KiB, and labels left out because their name is longer or the container has more than 16 KiB of \
        labels";
    containers: gauges "docker_stat_prom_containers" [State] "Containers with a cgroup (discovered); of \
        these, with a name from Docker (named) and without (unnamed). And containers that run according to \
        Docker, but whose cgroup is not found (unread)";
    missing_flags: gauges "docker_stat_prom_missing_flags" [Flags] "1, with the missing flags of docker run: \
        without them no container, or no network counter, can be seen";
    scrape_duration: histogram "docker_stat_prom_scrape_duration_seconds" [] "Time to read and render all \
        containers";
    read_failures: counters "docker_stat_prom_read_failures_total" [File, Reason] "Files of containers that \
        exist and could not be used, and failed requests for their sizes (docker_sizes)";
    skipped_rows: counters "docker_stat_prom_skipped_rows_total" [File] "Rows of io.stat and net/dev that \
        could not be used";
    discovery_resyncs: counter "docker_stat_prom_discovery_resyncs_total" [] "Scans of the whole cgroup tree";
    kept_fds: gauge "docker_stat_prom_open_fds" [] "Descriptors kept open on files of containers";
    http_requests: counters "docker_stat_prom_http_requests_total" [Code] "HTTP answers, by status";
    http_connections: gauges "docker_stat_prom_http_connections" [State] "Open connections: new (no whole \
        request yet), active (a request is being answered), idle";
    live_viewers: gauge "docker_stat_prom_live_viewers" [] "Browsers and others that \
        are told of each polling tick (/live)";
    http_refused: counters "docker_stat_prom_http_refused_total" [Reason] "Requests and connections that \
        were refused, or ended because a limit was reached";
    tls_handshake_failures: counter "docker_stat_prom_tls_handshake_failures_total" [] "TLS handshakes of \
        clients that failed";
    accept_errors: counter "docker_stat_prom_accept_errors_total" [] "Connections that could not be accepted";
    log_lines_dropped: counter "docker_stat_prom_log_lines_dropped_total" [] "Log lines that were lost \
        because nobody read standard error";
    tls_expiry: gauges "docker_stat_prom_tls_certificate_expiry_timestamp_seconds" [] "When the served \
        certificate expires, unix time";
    config_reloads: counters "docker_stat_prom_config_reloads_total" [Result] "How often certificates, \
        passwords and tokens were read again, by what came of it";
    config_last_reload: gauges "docker_stat_prom_config_last_reload_successful" [] "Whether the last \
        state of certificates, passwords and tokens is in force";
    push_samples: counters "docker_stat_prom_push_samples_total" [Target] "Samples that a receiver took";
    push_requests: counters "docker_stat_prom_push_requests_total" [Target] "Requests to a receiver, also \
        those that failed";
    push_failures: counters "docker_stat_prom_push_failures_total" [Reason, Target] "Requests that a \
        receiver did not take, by the status of its answer or by why there was none";
    push_dropped_samples: counters "docker_stat_prom_push_dropped_samples_total" [Reason, Target] "Samples \
        that will not be sent (again)";
    push_skipped_passes: counters "docker_stat_prom_push_skipped_passes_total" [] "Pushes left out because \
        reading all series took longer than the interval";
    push_queue_bytes: gauges "docker_stat_prom_push_queue_bytes" [Target] "Compressed requests that wait for \
        a receiver";
    push_lag: gauges "docker_stat_prom_push_lag_seconds" [Target] "Age of the oldest samples that wait for a \
        receiver; 0 if none do";
    push_last_success: gauges "docker_stat_prom_push_last_success_timestamp_seconds" [Target] "When a \
        receiver last took a request, unix time";
    sandbox: gauges "docker_stat_prom_sandbox" [Part] "Whether the exporter has put this part of its \
        sandbox in force (--sandbox)";
    demo: gauges "docker_stat_prom_demo" [] "1 if all numbers come from a recorded host and are made to \
        change";
    cpu_seconds: counter "process_cpu_seconds_total" [] "User and system CPU time spent by the exporter";
    resident_bytes: gauge "process_resident_memory_bytes" [] "Resident memory of the exporter";
    virtual_bytes: gauge "process_virtual_memory_bytes" [] "Address space of the exporter";
    open_fds: gauge "process_open_fds" [] "Open descriptors of the exporter";
    max_fds: gauge "process_max_fds" [] "Descriptors that the exporter may open";
    start_time: gauge "process_start_time_seconds" [] "When the exporter was started, unix time";
}

const fn own_heading(name: &'static str, metric_type: MetricType, help: &'static str) -> Heading {
    let mut heading = Heading::new(name, metric_type, unit_in(name), help);
    heading.counts_from_start = !matches!(metric_type, MetricType::Gauge);
    heading
}

/// The unit at the end of a name, before `_total`.
const fn unit_in(name: &str) -> Unit {
    let name = name.as_bytes();
    match name {
        [stem @ .., b'_', b't', b'o', b't', b'a', b'l'] | stem => match stem {
            [.., b'_', b's', b'e', b'c', b'o', b'n', b'd', b's'] => Unit::Seconds,
            [.., b'_', b'b', b'y', b't', b'e', b's'] => Unit::Bytes,
            _ => Unit::None,
        },
    }
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> prometheus::Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

impl SelfMetrics {
    /// All series as they are now.
    #[must_use]
    pub fn gather(&self) -> OwnSeries {
        self.read_own_process();
        OwnSeries(self.registry.gather())
    }

    /// Sets the series that do not change while the exporter runs.
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

/// The exporter's own series at one moment.
#[derive(Debug)]
pub struct OwnSeries(Vec<MetricFamily>);

impl OwnSeries {
    /// Feeds all families that have series to a sink, in the order of their names.
    pub fn feed(&self, sink: &mut impl FamilySink) {
        for family in &self.0 {
            // The registry has no other families, because the macro above creates both.
            let Some(own) = OWN_FAMILIES.iter().find(|own| own.heading.name == family.name()) else {
                continue;
            };
            sink.begin(&own.heading);
            for metric in family.get_metric() {
                let labels = labels_of(metric, own.labels);
                match own.heading.metric_type {
                    MetricType::Gauge => sink.sample(&labels, Number::Float(metric.get_gauge().get_value())),
                    MetricType::Counter => {
                        sink.sample(&labels, Number::Float(metric.get_counter().get_value()))
                    }
                    MetricType::Histogram => {
                        sink.histogram(&labels, HistogramReading(metric.get_histogram()))
                    }
                }
            }
            sink.end();
        }
    }

    /// When the exporter's own counters began, in Unix seconds: with its start. `None` if that is not known.
    #[must_use]
    pub fn began(&self) -> Option<f64> {
        let family = self.0.iter().find(|family| family.name() == START_TIME)?;
        let began = family.get_metric().first()?.get_gauge().get_value();
        (began > 0.0).then_some(began)
    }

    /// The registry's own form, to compare with the encoder of the `prometheus` crate.
    #[cfg(test)]
    pub(crate) fn as_gathered(&self) -> &[MetricFamily] {
        &self.0
    }
}

/// A metric's labels in the registry's order, which is by name.
fn labels_of<'a>(metric: &'a Metric, column: &[Label]) -> Vec<(Label, LabelValue<'a>)> {
    let find = |name: &str| column.iter().copied().find(|label| label.name() == name);
    let pairs = metric.get_label().iter();
    pairs.filter_map(|pair| Some((find(pair.name())?, LabelValue::Text(pair.value())))).collect()
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
    fn every_family_and_label_of_the_registry_is_in_the_table() {
        let metrics = SelfMetrics::new().unwrap();
        metrics.started(1024);
        metrics.read_failures.with_label_values(&["io.stat", "EIO"]).inc();
        let OwnSeries(families) = metrics.gather();
        for family in &families {
            let own = OWN_FAMILIES.iter().find(|own| own.heading.name == family.name());
            let own = own.unwrap_or_else(|| panic!("{}", family.name()));
            for metric in family.get_metric() {
                assert_eq!(
                    labels_of(metric, own.labels).len(),
                    metric.get_label().len(),
                    "{}",
                    family.name()
                );
                assert_eq!(own.labels.len(), metric.get_label().len(), "{}", family.name());
            }
        }
        assert!(families.iter().any(|family| family.name() == "docker_stat_prom_build_info"));
    }

    #[test]
    fn a_unit_is_the_end_of_a_name() {
        for (name, unit) in [
            ("process_cpu_seconds_total", Unit::Seconds),
            ("process_resident_memory_bytes", Unit::Bytes),
            ("seconds", Unit::None),
            ("seconds_up", Unit::None),
            ("megabytes_total", Unit::None),
        ] {
            assert_eq!(unit_in(name), unit, "{name}");
        }
    }
}
