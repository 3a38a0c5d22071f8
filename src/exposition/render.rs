//! The double loop, and the two text formats.

use super::{
    LabelBlock,
    family::Source,
    label_block::{LabelValue, escaped, labelled},
    selection::{Chosen, Selection},
    text::{Number, Text},
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

/// A container that is on the page.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The container.
    pub container: &'a Container,
    /// The labels of each of its series.
    pub labels: &'a LabelBlock,
    /// Whether its cgroup is read; else it has only the families of stopped containers.
    pub is_live: bool,
}

/// A container, seen by a family.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// The container.
    pub container: &'a Container,
    /// What is not the container's own.
    pub page: &'a Page<'a>,
}

/// Where a family writes its samples of one container.
#[derive(Debug)]
pub struct Samples<'a> {
    out: &'a mut Text,
    chosen: &'a Chosen,
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
    #[inline(never)]
    pub fn put_with(&mut self, labels: &[(&Name, LabelValue<'_>)], value: Number) {
        let (chosen, own) = (self.chosen, self.labels);
        let written = self.out.push_short(|line| {
            let (name, len) = chosen.padded_name();
            line.push_padded(name, len);
            line.push(own);
            for (label, value) in labels {
                let LabelValue::Name(value) = value else { return false };
                if !value.is_plain() {
                    return false;
                }
                let (label, len) = label.padded();
                line.push_padded(label, len);
                let (value, len) = value.padded();
                line.push_padded(value, len);
                line.push_padded(b"\"", 1);
            }
            line.push_end(!own.is_empty(), value);
            true
        });
        if !written {
            self.put_long(labels, value);
        }
    }

    /// The same for labels that are long, or may have to be escaped.
    #[inline(never)]
    fn put_long(&mut self, labels: &[(&Name, LabelValue<'_>)], value: Number) {
        self.out.push(self.chosen.family.name.as_bytes());
        self.out.push(self.labels);
        for (label, value) in labels {
            self.out.push(label.as_bytes());
            let value = match value {
                LabelValue::Name(name) => name.as_str(),
                LabelValue::Text(text) => text,
            };
            escaped(value, true, |piece| self.out.push(piece));
            self.out.push(b"\"");
        }
        self.out.push_end(!self.labels.is_empty(), value);
    }
}

/// The lines before the samples of a family.
pub(super) fn head(out: &mut Text, format: Format, name: &str, kind: &str, unit: Option<&str>, help: &str) {
    let mut line = |word: &str, text: &str, quotes: bool| {
        for part in ["# ", word, " ", name, " "] {
            out.push(part.as_bytes());
        }
        escaped(text, quotes, |piece| out.push(piece));
        out.push(b"\n");
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

/// Renders the chosen families of some containers, without the end of the page.
pub fn render<'a>(
    selection: &Selection,
    format: Format,
    containers: impl Iterator<Item = Shown<'a>> + Clone,
    page: &Page<'_>,
    out: &mut Text,
) {
    for chosen in selection.chosen() {
        let before = out.len();
        out.push(chosen.head(format));
        let after_head = out.len();
        let mut samples = Samples { out, chosen, labels: &[] };
        match chosen.family.source {
            Source::Machine(value) => samples.int(value(page.machine)),
            Source::Container(put) => {
                for shown in containers.clone() {
                    if shown.is_live || chosen.family.of_stopped {
                        samples.labels = shown.labels.as_bytes();
                        put(Row { container: shown.container, page }, &mut samples);
                    }
                }
            }
        }
        // A family without samples is not there.
        if out.len() == after_head {
            out.truncate(before);
        }
    }
}

/// Renders the exporter's own families and the end of the page.
pub fn render_own(families: &[MetricFamily], format: Format, out: &mut Text) {
    match format {
        Format::Text => {
            // Fails only on families without samples, which a registry does not give.
            let _infallible = TextEncoder::new().encode(families, out);
        }
        Format::OpenMetrics => {
            for family in families {
                own_openmetrics(family, out);
            }
            out.push(b"# EOF\n");
        }
    }
}

fn own_openmetrics(family: &MetricFamily, out: &mut Text) {
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
                let mut bound = Text::default();
                for bucket in histogram.get_bucket() {
                    bound.truncate(0);
                    bound.push_end(false, Number::Float(bucket.upper_bound()));
                    let bound = String::from_utf8_lossy(bound.as_bytes().trim_ascii());
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

fn own_sample(out: &mut Text, name: &str, suffix: &str, labels: &[(&str, &str)], value: Number) {
    out.push(name.as_bytes());
    out.push(suffix.as_bytes());
    let mut separator = b"{";
    for (name, value) in labels {
        out.push(separator);
        labelled(name, value, |piece| out.push(piece));
        separator = b",";
    }
    out.push_end(!labels.is_empty(), value);
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
    fn a_line_is_the_same_short_or_long_way() {
        let selection = Selection::default();
        let chosen = selection.chosen().first().unwrap();
        let label = &Name::literal(",device=\"");
        let (vda, odd) = (Name::literal("vda"), Name::literal("a\"b"));
        let plain = (label, LabelValue::Name(&vda));
        let quoted = (label, LabelValue::Name(&odd));
        let text = (label, LabelValue::Text("x\\y"));
        let block = |len: usize| format!("{{id=\"{}\"", "i".repeat(len));
        for (base, own, shown) in [
            (String::new(), vec![], String::new()),
            (block(64), vec![], String::new()),
            (block(64), vec![plain; 2], ",device=\"vda\"".repeat(2)),
            (
                block(64),
                vec![plain, quoted, text],
                ",device=\"vda\",device=\"a\\\"b\",device=\"x\\\\y\"".into(),
            ),
            (block(64), vec![plain; 200], ",device=\"vda\"".repeat(200)),
            (block(900), vec![plain; 20], ",device=\"vda\"".repeat(20)),
            (block(1023), vec![plain], ",device=\"vda\"".into()),
            (block(5000), vec![plain], ",device=\"vda\"".into()),
        ] {
            let brace = if base.is_empty() { "" } else { "}" };
            for (value, number) in [(7, "7"), (u64::MAX, "18446744073709551615")] {
                let expected = format!("{}{base}{shown}{brace} {number}\n", chosen.family.name);
                let mut out = Text::default();
                // The first time there is no room for a line yet.
                for _ in 0..3 {
                    out = out.cleared();
                    let mut samples = Samples { out: &mut out, chosen, labels: base.as_bytes() };
                    samples.put_with(&own, Number::Int(value));
                    samples.put_with(&own, Number::Int(value));
                    assert_eq!(String::from_utf8_lossy(out.as_bytes()), expected.repeat(2));
                }
            }
        }
        // Wherever a line becomes too long to be short.
        let mut out = Text::default();
        for len in 900..1100 {
            out = out.cleared();
            let base = block(len);
            Samples { out: &mut out, chosen, labels: base.as_bytes() }.put_with(&[plain], Number::Int(12));
            let expected = format!("{}{base},device=\"vda\"}} 12\n", chosen.family.name);
            assert_eq!(String::from_utf8_lossy(out.as_bytes()), expected);
        }
    }
}
