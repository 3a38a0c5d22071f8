//! The double loop, and the two text formats.

use super::{
    LabelBlock,
    family::{Family, Kind, Source},
    label_block::{push_escaped, push_label},
    selection::{Chosen, Selection},
};
use crate::{
    model::Container,
    sample::{DeviceNames, Machine},
};
use prometheus::{
    Encoder, TextEncoder,
    proto::{MetricFamily, MetricType},
};
use std::io::Write;

/// A text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text 0.0.4
    Text,
    /// OpenMetrics 1.0
    OpenMetrics,
}

impl Format {
    /// The `Content-Type`.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// What is rendered, besides the containers.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// Names of block devices.
    pub devices: &'a DeviceNames,
    /// The machine.
    pub machine: &'a Machine,
    /// The wall clock at the pass, unix s.
    pub now: f64,
}

/// A container, seen by a family.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// The container.
    pub container: &'a Container,
    /// What is not the container's own.
    pub page: &'a Page<'a>,
}

/// A value with the unit it was counted in, so that it is printed exactly.
#[derive(Debug, Clone, Copy)]
pub enum Number {
    /// An integer.
    Int(u64),
    /// An integer that may be negative.
    Signed(i64),
    /// A decimal fraction: this many of the digits stand behind the point.
    Scaled(u64, u8),
    /// A float.
    Float(f64),
}

/// Where a family writes its samples of one container.
#[derive(Debug)]
pub struct Samples<'a> {
    out: &'a mut Vec<u8>,
    chosen: &'a Chosen,
    format: Format,
    started: bool,
    labels: &'a [u8],
}

impl Samples<'_> {
    /// One sample without labels of its own, if there is a value.
    #[inline]
    pub fn put(&mut self, value: Option<Number>) {
        if let Some(value) = value {
            self.put_with(&[], value);
        }
    }

    /// An integer.
    #[inline]
    pub fn int(&mut self, value: Option<u64>) {
        self.put(value.map(Number::Int));
    }

    /// Microseconds, shown as seconds.
    #[inline]
    pub fn usec(&mut self, value: Option<u64>) {
        self.put(value.map(|usec| Number::Scaled(usec, 6)));
    }

    /// A float.
    #[inline]
    pub fn float(&mut self, value: Option<f64>) {
        self.put(value.map(Number::Float));
    }

    /// One sample with labels of its own.
    pub fn put_with(&mut self, labels: &[(&str, &str)], value: Number) {
        if !self.started {
            self.started = true;
            self.head();
        }
        push_sample(self.out, [self.chosen.family.name, ""], self.labels, labels, value);
    }

    fn head(&mut self) {
        let Family { name, help, .. } = self.chosen.family;
        match self.format {
            Format::Text => {
                let kind = match self.chosen.family.kind {
                    Kind::Gauge => "gauge",
                    Kind::Counter => "counter",
                };
                head(self.out, Format::Text, name, kind, None, help);
            }
            Format::OpenMetrics => {
                let Chosen { openmetrics_name, openmetrics_kind, unit, .. } = *self.chosen;
                head(self.out, Format::OpenMetrics, openmetrics_name, openmetrics_kind, unit, help);
            }
        }
    }
}

fn head(out: &mut Vec<u8>, format: Format, name: &str, kind: &str, unit: Option<&str>, help: &str) {
    let mut line = |word: &str, text: &str, quotes: bool| {
        for part in ["# ", word, " ", name, " "] {
            out.extend_from_slice(part.as_bytes());
        }
        push_escaped(out, text, quotes);
        out.push(b'\n');
    };
    match format {
        Format::Text => {
            line("HELP", help, false);
            line("TYPE", kind, false);
        }
        Format::OpenMetrics => {
            line("TYPE", kind, false);
            if let Some(unit) = unit {
                line("UNIT", unit, false);
            }
            line("HELP", help, true);
        }
    }
}

fn push_number(out: &mut Vec<u8>, value: Number) {
    let mut buffer = itoa::Buffer::new();
    match value {
        Number::Int(value) => out.extend_from_slice(buffer.format(value).as_bytes()),
        Number::Signed(value) => out.extend_from_slice(buffer.format(value).as_bytes()),
        Number::Scaled(value, digits) => {
            let scale = 10_u64.pow(u32::from(digits));
            out.extend_from_slice(buffer.format(value / scale).as_bytes());
            let mut rest = value % scale;
            if rest > 0 {
                out.push(b'.');
                // With a leading 1, so that the zeros behind the point are kept.
                rest += scale;
                while rest % 10 == 0 {
                    rest /= 10;
                }
                let digits = buffer.format(rest).as_bytes();
                out.extend_from_slice(digits.get(1..).unwrap_or_default());
            }
        }
        Number::Float(value) => push_float(out, value),
    }
}

/// As both formats spell it: `+Inf`, `-Inf`, `NaN`, else Rust's shortest form that reads back the same.
fn push_float(out: &mut Vec<u8>, value: f64) {
    if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    } else {
        // Writing into a Vec can't fail.
        let _infallible = write!(out, "{value}");
    }
}

/// Renders the chosen families of some containers, without the end of the page.
pub fn render<'a>(
    selection: &Selection,
    format: Format,
    containers: impl Iterator<Item = (&'a Container, &'a LabelBlock)> + Clone,
    page: &Page<'_>,
    out: &mut Vec<u8>,
) {
    for chosen in selection.chosen() {
        let mut samples = Samples { out, chosen, format, started: false, labels: &[] };
        match chosen.family.source {
            Source::Machine(value) => samples.int(value(page.machine)),
            Source::Container(put) => {
                for (container, labels) in containers.clone() {
                    if container.live || chosen.family.of_stopped {
                        samples.labels = labels.as_bytes();
                        put(Row { container, page }, &mut samples);
                    }
                }
            }
        }
    }
}

/// Renders the exporter's own families and the end of the page.
pub fn render_own(families: &[MetricFamily], format: Format, out: &mut Vec<u8>) {
    match format {
        Format::Text => {
            // Fails only on families without samples, which a registry does not give.
            let _infallible = TextEncoder::new().encode(families, out);
        }
        Format::OpenMetrics => {
            for family in families {
                own_openmetrics(family, out);
            }
            out.extend_from_slice(b"# EOF\n");
        }
    }
}

fn own_openmetrics(family: &MetricFamily, out: &mut Vec<u8>) {
    let (kind, name) = match family.get_field_type() {
        MetricType::COUNTER => ("counter", family.name().trim_end_matches("_total")),
        MetricType::HISTOGRAM => ("histogram", family.name()),
        _ => ("gauge", family.name()),
    };
    head(out, Format::OpenMetrics, name, kind, unit_of(name), family.help());
    for metric in family.get_metric() {
        let labels: Vec<_> = metric.get_label().iter().map(|l| (l.name(), l.value())).collect();
        match family.get_field_type() {
            MetricType::HISTOGRAM => {
                let histogram = metric.get_histogram();
                let count = Number::Int(histogram.get_sample_count());
                for bucket in histogram.get_bucket() {
                    let mut bound = Vec::new();
                    push_float(&mut bound, bucket.upper_bound());
                    let bound = String::from_utf8_lossy(&bound);
                    let value = Number::Int(bucket.cumulative_count());
                    own_sample(out, name, "_bucket", &[&labels[..], &[("le", &bound)]].concat(), value);
                }
                own_sample(out, name, "_bucket", &[&labels[..], &[("le", "+Inf")]].concat(), count);
                let sum = Number::Float(histogram.get_sample_sum());
                own_sample(out, name, "_sum", &labels, sum);
                own_sample(out, name, "_count", &labels, count);
            }
            MetricType::COUNTER => {
                let value = Number::Float(metric.get_counter().get_value());
                own_sample(out, name, "_total", &labels, value);
            }
            _ => {
                own_sample(out, name, "", &labels, Number::Float(metric.get_gauge().get_value()));
            }
        }
    }
}

fn own_sample(out: &mut Vec<u8>, name: &str, suffix: &str, labels: &[(&str, &str)], value: Number) {
    push_sample(out, [name, suffix], &[], labels, value);
}

/// One line: name and suffix, the escaped block of labels, labels of its own, value.
fn push_sample(out: &mut Vec<u8>, name: [&str; 2], block: &[u8], labels: &[(&str, &str)], value: Number) {
    // Once for all that follows, in the usual case.
    out.reserve(block.len() + 256);
    for part in name {
        out.extend_from_slice(part.as_bytes());
    }
    if !(block.is_empty() && labels.is_empty()) {
        out.push(b'{');
        out.extend_from_slice(block);
        for (name, text) in labels {
            push_label(out, name, text);
        }
        out.push(b'}');
    }
    out.push(b' ');
    push_number(out, value);
    out.push(b'\n');
}

/// The unit that a name ends with: OpenMetrics wants UNIT to be a suffix of the family's name.
pub(super) fn unit_of(name: &str) -> Option<&'static str> {
    ["seconds", "bytes"]
        .into_iter()
        .find(|unit| name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact() {
        let shown = |value| {
            let mut out = Vec::new();
            push_number(&mut out, value);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(shown(Number::Int(u64::MAX)), "18446744073709551615");
        assert_eq!(shown(Number::Signed(-1)), "-1");
        assert_eq!(shown(Number::Scaled(1_253_067, 6)), "1.253067");
        assert_eq!(shown(Number::Scaled(2_000_000, 6)), "2");
        assert_eq!(shown(Number::Scaled(10_050, 6)), "0.01005");
        assert_eq!(shown(Number::Scaled(0, 6)), "0");
        assert_eq!(shown(Number::Scaled(u64::MAX, 6)), "18446744073709.551615");
        assert_eq!(shown(Number::Float(0.25)), "0.25");
        assert_eq!(shown(Number::Float(f64::INFINITY)), "+Inf");
    }
}
