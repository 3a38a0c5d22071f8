//! OpenTelemetry's OTLP in protobuf: `ExportMetricsServiceRequest`, with one resource for each container and
//! one for the host and the exporter. Field numbers are those of opentelemetry-proto 1.

use super::{
    labels::Labels,
    protobuf::{Field, Reader, Writer},
    readings::{HistogramShown, Readings, Subject},
};
use crate::table::family::{Heading, Instrument, MetricType, Semantic, Unit};

/// Each sample counts from a fixed start, not from the sample before.
const CUMULATIVE: u64 = 2;
/// The flag of a point that says: this series has ended.
const NO_RECORDED_VALUE: u64 = 1;

/// Writes a pass as requests. Keeps its memory for the next pass.
#[derive(Debug)]
pub struct Exports {
    /// Attributes of every resource: those of the host, and whatever the user gave.
    resource: Vec<(String, String)>,
    /// Whether metrics of containers get the names of the semantic conventions, where there are any.
    semantic_names: bool,
    /// The most data points in one request.
    most: usize,
    body: Writer,
    points: usize,
}

/// A data point before it is written.
struct Point<'a> {
    metric: Metric<'a>,
    attributes: Vec<(&'a str, &'a str)>,
    value: f64,
    began_ms: Option<i64>,
    has_ended: bool,
}

/// What all points of a metric share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Metric<'a> {
    name: &'a str,
    unit: &'static str,
    instrument: Instrument,
    help: &'a str,
}

impl Exports {
    /// For resources with these attributes, and at most so many data points in a request.
    #[must_use]
    pub fn new(resource: Vec<(String, String)>, semantic_names: bool, most: usize) -> Self {
        Self { resource, semantic_names, most: most.max(1), body: Writer::default(), points: 0 }
    }

    /// Writes all samples of a pass, and for each series that has ended a point that says so. Each request,
    /// not compressed, is given to `send` with the number of its data points. The points of a container are
    /// in one request.
    pub fn write(&mut self, readings: &Readings, send: &mut dyn FnMut(&[u8], usize)) {
        let mut next = Some(0);
        while let Some(from) = next {
            next = self.write_next(from, readings, send);
        }
    }

    /// Writes the next request of a pass. `from` is 0 for the first, and for the others what the call before
    /// has returned: the number of the subject that comes next, or `None` after the last request.
    pub fn write_next(
        &mut self,
        from: usize,
        readings: &Readings,
        send: &mut dyn FnMut(&[u8], usize),
    ) -> Option<usize> {
        self.body.clear();
        self.points = 0;
        let mut points: Vec<Point<'_>> = Vec::new();
        if from == 0 {
            for subject in readings.subjects().filter(|subject| subject.container.is_none()) {
                self.collect(readings, subject, &mut points);
            }
            self.add(&[], &mut points, readings, readings.histograms());
        }
        let containers = readings.subjects().enumerate().skip(from);
        for (number, subject) in containers.filter(|(_, subject)| subject.container.is_some()) {
            if self.points > 0 && self.points + readings.weight(subject) > self.most {
                self.finish(send);
                return Some(number);
            }
            points.clear();
            self.collect(readings, subject, &mut points);
            self.add(&resource_of(subject), &mut points, readings, &[]);
        }
        self.finish(send);
        None
    }

    fn finish(&mut self, send: &mut dyn FnMut(&[u8], usize)) {
        if self.points > 0 {
            send(self.body.as_bytes(), self.points);
        }
        self.body.clear();
        self.points = 0;
    }

    /// The points of a subject. What its resource does not say is an attribute of each point.
    fn collect<'a>(&self, readings: &'a Readings, subject: &'a Subject, points: &mut Vec<Point<'a>>) {
        let is_container = subject.container.is_some();
        let semantic_names = self.semantic_names && is_container;
        let common = (!is_container).then_some(&subject.labels);
        let now_ms = readings.now_ms();
        let live = readings.samples(subject).map(|(_, shape, value)| (shape, value, false));
        let ended = readings.ended(subject).map(|(_, shape)| (shape, 0.0, true));
        let first = points.len();
        for (shape, value, has_ended) in live.chain(ended) {
            let heading = &shape.heading;
            // Histograms are written whole.
            if heading.metric_type == MetricType::Histogram {
                continue;
            }
            let semantic = heading.semantic.filter(|_| semantic_names);
            let own = shape.labels.iter().filter(|(name, _)| name != "__name__");
            let own = own.map(|(name, value)| (attribute(name, semantic.is_some()), value.as_str()));
            let common = common.into_iter().flat_map(Labels::iter);
            let fixed = semantic.into_iter().flat_map(|semantic| semantic.attributes.iter().copied());
            let began_ms = subject.began_ms.filter(|began| heading.counts_from_start && *began < now_ms);
            points.push(Point {
                metric: metric(heading, semantic),
                attributes: common.chain(own).chain(fixed).collect(),
                value: if semantic.is_some_and(|semantic| semantic.time_since.is_some()) {
                    seconds_between(value, now_ms)
                } else {
                    value
                },
                began_ms,
                has_ended,
            });
        }
        if semantic_names {
            split_faults(points.get_mut(first..).unwrap_or_default());
            points.extend(available(readings, subject));
        }
        points.sort_by_key(|point| point.metric);
    }

    /// Writes a resource with its metrics. `points` are sorted by metric.
    fn add(
        &mut self,
        attributes: &[(&str, &str)],
        points: &mut [Point<'_>],
        readings: &Readings,
        histograms: &[HistogramShown],
    ) {
        points.sort_by_key(|point| point.metric);
        if points.is_empty() && histograms.is_empty() {
            return;
        }
        self.points += points.len() + histograms.len();
        let at = nanos(readings.now_ms());
        let exporter_began = readings.subjects().next().and_then(|own| own.began_ms);
        let Self { body, resource, .. } = self;
        body.message(1, |resource_metrics| {
            resource_metrics.message(1, |message| {
                let own = |name: &str| attributes.iter().any(|(other, _)| *other == name);
                for (name, value) in resource.iter().filter(|(name, _)| !own(name)) {
                    key_value(message, 1, name, value);
                }
                for (name, value) in attributes {
                    match *name {
                        // The convention has a list of tags.
                        IMAGE_TAGS => list(message, 1, name, value),
                        _ => key_value(message, 1, name, value),
                    }
                }
            });
            resource_metrics.message(2, |scope_metrics| {
                scope_metrics.message(1, |scope| {
                    scope.bytes(1, env!("CARGO_PKG_NAME").as_bytes());
                    scope.bytes(2, env!("CARGO_PKG_VERSION").as_bytes());
                });
                for group in points.chunk_by(|one, next| one.metric.name == next.metric.name) {
                    write_metric(scope_metrics, group, at);
                }
                for histogram in histograms {
                    write_histogram(scope_metrics, histogram, at, exporter_began);
                }
            });
        });
    }
}

const IMAGE_TAGS: &str = "container.image.tags";

/// The attributes of a container's resource. Its ID also names the instance, so that receivers which look at
/// nothing else keep containers apart.
fn resource_of(subject: &Subject) -> Vec<(&str, &str)> {
    let Some(id) = subject.container.as_deref() else { return Vec::new() };
    let mut all =
        vec![("container.id", id), ("service.instance.id", id), ("container.runtime.name", "docker")];
    for (name, value) in subject.labels.iter() {
        match name {
            "name" => all.push(("container.name", value)),
            "image" => {
                let (image, tag) = image_and_tag(value);
                all.push(("container.image.name", image));
                all.extend(tag.map(|tag| (IMAGE_TAGS, tag)));
            }
            "id" => all.push(("container.cgroup.path", value)),
            name => {
                let known = subject.attributes.iter().find(|(label, _)| *label == name);
                all.push((known.map_or(name, |(_, attribute)| attribute), value));
            }
        }
    }
    all
}

/// Parts a reference such as `registry:5000/team/app:1.2@sha256:…`.
fn image_and_tag(reference: &str) -> (&str, Option<&str>) {
    let name = reference.split_once('@').map_or(reference, |(name, _digest)| name);
    match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (name, None),
    }
}

/// The conventions' name of a label.
fn attribute(label: &str, semantic: bool) -> &str {
    match label {
        "device" if semantic => "system.device",
        "interface" if semantic => "network.interface.name",
        _ => label,
    }
}

fn metric<'a>(heading: &'a Heading, semantic: Option<Semantic>) -> Metric<'a> {
    match semantic {
        Some(Semantic { name, unit, instrument, .. }) => {
            Metric { name, help: heading.help, unit, instrument }
        }
        None => Metric {
            name: heading.name,
            help: heading.help,
            unit: ucum(heading.unit),
            instrument: match heading.metric_type {
                MetricType::Counter => Instrument::Counter,
                MetricType::Gauge | MetricType::Histogram => Instrument::Gauge,
            },
        },
    }
}

/// The unit's code in UCUM, which OpenTelemetry uses.
fn ucum(unit: Unit) -> &'static str {
    match unit {
        Unit::None => "",
        Unit::Bytes => "By",
        Unit::BytesPerSecond => "By/s",
        Unit::BitsPerSecond => "bit/s",
        Unit::Cpus => "{cpu}",
        Unit::Microseconds => "us",
        Unit::Pages => "{page}",
        Unit::Ratio => "1",
        Unit::Seconds => "s",
    }
}

/// Page faults are `minor` and `major` in the conventions; the kernel counts all, and those that were major.
fn split_faults(points: &mut [Point<'_>]) {
    const LABEL: &str = "failure_type";
    let of = |point: &Point<'_>, kind: &str| {
        point.metric.name == PAGING_FAULTS && point.attributes.contains(&(LABEL, kind))
    };
    let major = points.iter().find(|point| of(point, "pgmajfault")).map(|point| point.value);
    for point in points.iter_mut().filter(|point| point.metric.name == PAGING_FAULTS) {
        let is_major = of(point, "pgmajfault");
        if !is_major {
            point.value = (point.value - major.unwrap_or(0.0)).max(0.0);
        }
        point.attributes = vec![("system.paging.fault.type", if is_major { "major" } else { "minor" })];
    }
}

/// The conventions' name of page faults.
const PAGING_FAULTS: &str = "container.paging.faults";

/// `container.memory.available`: what is left of the limit, if there is one. It ends with either of the two.
fn available<'a>(readings: &'a Readings, subject: &'a Subject) -> Option<Point<'a>> {
    const LIMIT: &str = "container_spec_memory_limit_bytes";
    const WORKING_SET: &str = "container_memory_working_set_bytes";
    let value_of = |name: &str| {
        let mut samples = readings.samples(subject);
        samples.find_map(|(_, shape, value)| (shape.heading.name == name).then_some(value))
    };
    let limit = value_of(LIMIT).filter(|limit| *limit > 0.0);
    let value = limit.zip(value_of(WORKING_SET)).map(|(limit, working_set)| (limit - working_set).max(0.0));
    let mut ended = readings.ended(subject);
    let has_ended =
        value.is_none() && ended.any(|(_, shape)| [LIMIT, WORKING_SET].contains(&shape.heading.name));
    if value.is_none() && !has_ended {
        return None;
    }
    Some(Point {
        metric: Metric {
            name: "container.memory.available",
            help: "Memory limit without the working set",
            unit: "By",
            instrument: Instrument::UpDownCounter,
        },
        attributes: Vec::new(),
        value: value.unwrap_or_default(),
        began_ms: None,
        has_ended,
    })
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^53")]
fn seconds_between(since: f64, now_ms: i64) -> f64 {
    (now_ms as f64 / 1e3 - since).max(0.0)
}

fn nanos(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(0).saturating_mul(1_000_000)
}

fn write_metric(scope_metrics: &mut Writer, points: &[Point<'_>], at: u64) {
    let Some(Metric { name, help, unit, instrument }) = points.first().map(|point| point.metric) else {
        return;
    };
    scope_metrics.message(2, |metric| {
        metric.bytes(1, name.as_bytes());
        metric.bytes(2, help.as_bytes());
        metric.bytes(3, unit.as_bytes());
        let field = if instrument == Instrument::Gauge { 5 } else { 7 };
        metric.message(field, |data| {
            for point in points {
                data.message(1, |message| write_point(message, point, at));
            }
            if instrument != Instrument::Gauge {
                data.uint(2, CUMULATIVE);
                data.uint(3, u64::from(instrument == Instrument::Counter));
            }
        });
    });
}

fn write_point(message: &mut Writer, point: &Point<'_>, at: u64) {
    if let Some(began_ms) = point.began_ms {
        message.fixed64(2, nanos(began_ms));
    }
    message.fixed64(3, at);
    if point.has_ended {
        message.uint(8, NO_RECORDED_VALUE);
    } else {
        message.fixed64(4, point.value.to_bits());
    }
    for (name, value) in &point.attributes {
        key_value(message, 7, name, value);
    }
}

fn write_histogram(scope_metrics: &mut Writer, histogram: &HistogramShown, at: u64, began_ms: Option<i64>) {
    let heading = &histogram.heading;
    scope_metrics.message(2, |metric| {
        metric.bytes(1, heading.name.as_bytes());
        metric.bytes(2, heading.help.as_bytes());
        metric.bytes(3, ucum(heading.unit).as_bytes());
        metric.message(9, |data| {
            data.message(1, |point| {
                if let Some(began_ms) = began_ms {
                    point.fixed64(2, nanos(began_ms));
                }
                point.fixed64(3, at);
                if histogram.has_ended {
                    return point.uint(10, NO_RECORDED_VALUE);
                }
                point.fixed64(4, histogram.count);
                point.fixed64(5, histogram.sum.to_bits());
                // Here a bucket does not count what is in the buckets before it.
                point.message(6, |counts| {
                    let mut before = 0;
                    for (_, count) in &histogram.buckets {
                        counts.packed64(count.saturating_sub(before));
                        before = *count;
                    }
                    counts.packed64(histogram.count.saturating_sub(before));
                });
                point.message(7, |bounds| {
                    histogram.buckets.iter().for_each(|(bound, _)| bounds.packed64(bound.to_bits()));
                });
                for (label, value) in &histogram.labels {
                    key_value(point, 9, label.name(), value);
                }
            });
            data.uint(2, CUMULATIVE);
        });
    });
}

fn key_value(message: &mut Writer, field: u32, name: &str, value: &str) {
    message.message(field, |pair| {
        pair.bytes(1, name.as_bytes());
        pair.message(2, |any| any.bytes(1, value.as_bytes()));
    });
}

/// An attribute that is a list with one text.
fn list(message: &mut Writer, field: u32, name: &str, value: &str) {
    message.message(field, |pair| {
        pair.bytes(1, name.as_bytes());
        pair.message(2, |any| any.message(5, |array| array.message(1, |any| any.bytes(1, value.as_bytes()))));
    });
}

/// What a receiver did not take although it answered with success: the number of data points, and why. `None`
/// if it took all, or the answer is not an `ExportMetricsServiceResponse`.
#[must_use]
pub fn rejected(answer: &[u8]) -> Option<(u64, String)> {
    let mut fields = Reader(answer);
    while let Some(Ok(field)) = fields.next() {
        if let (1, Field::Bytes(partial)) = field {
            let (mut points, mut message) = (0, String::new());
            let mut fields = Reader(partial);
            while let Some(Ok(field)) = fields.next() {
                match field {
                    (1, Field::Int(read)) => points = read,
                    (2, Field::Bytes(read)) => message = String::from_utf8_lossy(read).into_owned(),
                    _ => {}
                }
            }
            return (points > 0 || !message.is_empty()).then_some((points, message));
        }
    }
    None
}
