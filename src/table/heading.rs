//! What every output says about a family.

/// The type of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricType {
    /// Goes up and down.
    Gauge,
    /// Only goes up, until the container starts again.
    Counter,
    /// Counts observations in buckets. Only the exporter's own series use it.
    Histogram,
}

impl MetricType {
    /// Its Prometheus name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Histogram => "histogram",
        }
    }
}

/// The unit of a family's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "named after what they are")]
pub enum Unit {
    /// A number of things, a state, or a time that is not a number of seconds.
    None,
    Bytes,
    BytesPerSecond,
    BitsPerSecond,
    Cpus,
    Microseconds,
    Pages,
    Ratio,
    Seconds,
}

impl Unit {
    /// Its Prometheus name; empty for [`Self::None`].
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Bytes => "bytes",
            Self::BytesPerSecond => "bytes per second",
            Self::BitsPerSecond => "bits per second",
            Self::Cpus => "CPUs",
            Self::Microseconds => "microseconds",
            Self::Pages => "pages",
            Self::Ratio => "ratio",
            Self::Seconds => "seconds",
        }
    }
}

/// What a family is in OpenTelemetry's semantic conventions for containers
/// (<https://opentelemetry.io/docs/specs/semconv/system/container-metrics/>, version 1.44.0). Several
/// families may be one metric there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Semantic {
    /// The metric's name.
    pub name: &'static str,
    /// The unit's code in UCUM.
    pub unit: &'static str,
    /// How points are added up.
    pub instrument: Instrument,
    /// Attributes that tell this family's points from those of other families of the metric.
    pub attributes: &'static [(&'static str, &'static str)],
    /// If the metric is the time since the family's value: what it means then.
    pub time_since: Option<&'static str>,
}

/// How points are added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Instrument {
    /// Only goes up.
    Counter,
    /// Goes up and down, and sums are meaningful.
    UpDownCounter,
    /// Goes up and down, and sums are not meaningful.
    Gauge,
}

/// What every output says about a family.
#[derive(Debug, Clone, Copy)]
pub struct Heading {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub metric_type: MetricType,
    /// Its unit.
    pub unit: Unit,
    /// What it means, in one sentence.
    pub help: &'static str,
    /// Whether it is a counter that began at 0 with what its labels name: the container's present run, or the
    /// exporter itself. An encoder may then say when that was.
    pub counts_from_start: bool,
    /// What it is in OpenTelemetry's semantic conventions, if they have it.
    pub semantic: Option<Semantic>,
}

impl Heading {
    /// The longest name that a family may have, in bytes: encoders copy names of this fixed length.
    pub const LONGEST_NAME: usize = 64;

    /// Of a series whose family is not known any more.
    pub const UNKNOWN: Self = Self::new("", MetricType::Gauge, Unit::None, "");

    /// A heading. A name that is too long does not compile in a constant, and all headings are constants.
    pub(super) const fn new(
        name: &'static str,
        metric_type: MetricType,
        unit: Unit,
        help: &'static str,
    ) -> Self {
        assert!(name.len() <= Self::LONGEST_NAME, "the name of a family is too long: encoders would cut it");
        Self { name, metric_type, unit, help, counts_from_start: false, semantic: None }
    }
}
