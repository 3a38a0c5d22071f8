//! The double loop, and the two text formats.

use super::{
    LabelBlock,
    family::{Family, Kind, Source},
    label_block::{LabelValue, push_escaped, push_label},
    selection::{Chosen, Selection},
};
use crate::{
    model::Container,
    parse::Name,
    sample::{DeviceNames, Machine},
};
use prometheus::{
    Encoder, TextEncoder,
    proto::{MetricFamily, MetricType},
};

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

    /// One sample with labels of its own, each as `label!` writes it.
    #[inline]
    pub fn put_with(&mut self, labels: &[(&Name, LabelValue<'_>)], value: Number) {
        if !self.started {
            self.head();
        }
        let (name, len) = self.chosen.padded_name();
        push_padded(self.out, name, len);
        self.out.extend_from_slice(self.labels);
        for (label, value) in labels {
            let (label, len) = label.padded();
            push_padded(self.out, label, len);
            match value {
                LabelValue::Name(name) if name.is_plain() => {
                    let (name, len) = name.padded();
                    push_padded(self.out, name, len);
                }
                LabelValue::Name(name) => push_escaped(self.out, name.as_str(), true),
                LabelValue::Text(text) => push_escaped(self.out, text, true),
            }
            self.out.push(b'"');
        }
        push_end(self.out, !self.labels.is_empty(), value);
    }

    #[cold]
    fn head(&mut self) {
        self.started = true;
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

/// Text of which all but the first `len` bytes is padding: a copy of fixed length takes some moves and no call, a third
/// of the instructions.
#[inline]
fn push_padded<const N: usize>(out: &mut Vec<u8>, text: &[u8; N], len: usize) {
    let end = out.len() + len.min(N);
    out.extend_from_slice(text);
    out.truncate(end);
}

/// The end of a line: the brace that closes the labels, if there are any, the value and the newline.
#[inline]
fn push_end(out: &mut Vec<u8>, labels: bool, value: Number) {
    match value {
        // Half of all values are as short as this.
        Number::Int(value @ 0..=9) | Number::Scaled(value @ 0, _) => {
            #[expect(clippy::cast_possible_truncation, reason = "a digit")]
            let digit = b'0' + value as u8;
            if labels {
                out.extend_from_slice(&[b'}', b' ', digit, b'\n']);
            } else {
                out.extend_from_slice(&[b' ', digit, b'\n']);
            }
        }
        value => push_long_end(out, labels, value),
    }
}

#[inline(never)]
fn push_long_end(out: &mut Vec<u8>, labels: bool, value: Number) {
    let mut end = LineEnd::default();
    match value {
        Number::Int(value) => end.push_digits(value),
        Number::Signed(value) => {
            end.push_digits(value.unsigned_abs());
            if value < 0 {
                end.push(b'-');
            }
        }
        Number::Scaled(value, places) => end.push_scaled(value, places),
        Number::Float(value) => {
            out.extend_from_slice(if labels { b"} " } else { b" " });
            push_float(out, value);
            return out.push(b'\n');
        }
    }
    end.push(b' ');
    if labels {
        end.push(b'}');
    }
    end.append_to(out);
}

/// The end of a line, written from its newline to its beginning, as digits come.
struct LineEnd {
    text: [u8; 64],
    start: u8,
}

impl Default for LineEnd {
    fn default() -> Self {
        Self { text: [b'\n'; 64], start: Self::ROOM }
    }
}

#[expect(clippy::indexing_slicing, reason = "masked, or below 200")]
impl LineEnd {
    /// More than `} `, twenty digits and a point.
    const ROOM: u8 = 31;
    const PAIRS: &[u8; 200] = b"0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849\
                               5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

    #[inline]
    fn push(&mut self, byte: u8) {
        self.start = self.start.wrapping_sub(1);
        self.text[usize::from(self.start % 64)] = byte;
    }

    /// The last two digits.
    #[inline]
    fn push_pair(&mut self, value: u64) {
        let pair = 2 * (value % 100) as usize;
        self.start = self.start.wrapping_sub(2);
        let start = usize::from(self.start % 32);
        self.text[start] = Self::PAIRS[pair];
        self.text[start + 1] = Self::PAIRS[pair + 1];
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "a digit")]
    fn push_digits(&mut self, mut value: u64) {
        while value >= 100 {
            self.push_pair(value);
            value /= 100;
        }
        if value >= 10 {
            self.push_pair(value);
        } else {
            self.push(b'0' + value as u8);
        }
    }

    /// A decimal fraction with this many digits behind the point, those that are zero at its end left out.
    #[inline]
    fn push_scaled(&mut self, mut value: u64, mut places: u8) {
        while places > 0 && value.is_multiple_of(10) {
            value /= 10;
            places -= 1;
        }
        if places > 0 {
            if places % 2 == 1 {
                self.push(b'0' + (value % 10) as u8);
                value /= 10;
            }
            for _ in 0..places / 2 {
                self.push_pair(value);
                value /= 100;
            }
            self.push(b'.');
        }
        self.push_digits(value);
    }

    #[inline]
    fn append_to(&self, out: &mut Vec<u8>) {
        let text = self.text.get(usize::from(self.start)..).and_then(|text| text.first_chunk::<32>());
        if let Some(text) = text {
            push_padded(out, text, usize::from(Self::ROOM - self.start) + 1);
        }
    }
}

/// As both formats spell it: `+Inf`, `-Inf`, `NaN`, else the shortest digits that read back the same.
fn push_float(out: &mut Vec<u8>, value: f64) {
    if value.is_finite() {
        // A sixth of the instructions of Rust's own formatting.
        let mut buffer = zmij::Buffer::new();
        let digits = buffer.format_finite(value);
        out.extend_from_slice(digits.strip_suffix(".0").unwrap_or(digits).as_bytes());
    } else {
        let word: &[u8] = if value.is_nan() { b"NaN" } else { b"+Inf" };
        out.extend_from_slice(if value == f64::NEG_INFINITY { b"-Inf" } else { word });
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
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(suffix.as_bytes());
    let mut separator = b'{';
    for (name, value) in labels {
        out.push(separator);
        push_label(out, name, value);
        separator = b',';
    }
    push_end(out, !labels.is_empty(), value);
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
            push_end(&mut out, false, value);
            String::from_utf8(out).unwrap().trim().to_owned()
        };
        assert_eq!(shown(Number::Int(u64::MAX)), "18446744073709551615");
        assert_eq!(shown(Number::Int(0)), "0");
        assert_eq!(shown(Number::Signed(-1)), "-1");
        assert_eq!(shown(Number::Signed(i64::MIN)), "-9223372036854775808");
        assert_eq!(shown(Number::Scaled(1_253_067, 6)), "1.253067");
        assert_eq!(shown(Number::Scaled(2_000_000, 6)), "2");
        assert_eq!(shown(Number::Scaled(10_050, 6)), "0.01005");
        assert_eq!(shown(Number::Scaled(0, 6)), "0");
        assert_eq!(shown(Number::Scaled(1, 6)), "0.000001");
        assert_eq!(shown(Number::Scaled(u64::MAX, 6)), "18446744073709.551615");
        assert_eq!(shown(Number::Float(0.25)), "0.25");
        assert_eq!(shown(Number::Float(1_763_563_201.0)), "1763563201");
        assert_eq!(shown(Number::Float(0.000_001_25)), "1.25e-6");
        assert_eq!(shown(Number::Float(f64::INFINITY)), "+Inf");
        assert_eq!(shown(Number::Float(f64::NEG_INFINITY)), "-Inf");
        assert_eq!(shown(Number::Float(f64::NAN)), "NaN");
    }
}
