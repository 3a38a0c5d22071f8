//! Prometheus' text format 0.0.4, and the sink that writes it. OpenMetrics has the same samples with other
//! heads.

use super::{
    LabelBlock,
    label_block::{LabelStart, escaped, labelled},
    line::{Text, written},
    openmetrics,
};
use crate::table::{
    BaseLabels, ContainerSink, FamilySink, HistogramReading, Label, LabelValue, Number, OwnSeries, Page,
    Selection, Shown, Sink,
    family::{Family, Heading},
    feed,
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
            Self::OpenMetrics => openmetrics::CONTENT_TYPE,
        }
    }

    /// Appends the lines before the samples of a family. `served` are the families of the page that could
    /// have its name in OpenMetrics.
    fn push_head(self, heading: &Heading, served: &[&Family], out: &mut Text) {
        if self == Self::OpenMetrics {
            return openmetrics::push_head(heading, served, out);
        }
        let mut line = |word: &str, text: &str| {
            for part in ["# ", word, " ", heading.name, " "] {
                out.push(part.as_bytes());
            }
            escaped(text, false, |piece| out.push(piece));
            out.push(b"\n");
        };
        line("HELP", heading.help);
        line("TYPE", heading.metric_type.name());
    }
}

/// Renders containers as text. Created once: it keeps what is the same on every page.
#[derive(Debug, Clone)]
pub struct Renderer {
    selection: Selection,
    /// One for each family of the selection.
    prepared: Vec<Prepared>,
    created_lines: bool,
}

impl Renderer {
    /// A renderer of the selected families.
    #[must_use]
    pub fn new(selection: &Selection) -> Self {
        let served = selection.families();
        let prepared = served.iter().map(|family| Prepared::new(&family.heading, served)).collect();
        Self { selection: selection.clone(), prepared, created_lines: false }
    }

    /// The same renderer, which in OpenMetrics also writes when counters began, if that is known and wanted.
    #[must_use]
    pub fn with_created_lines(self, wanted: bool) -> Self {
        Self { created_lines: wanted, ..self }
    }

    /// Renders the selected families of some containers, without the end of the page. A family without
    /// samples is left out.
    pub fn render<'a>(
        &self,
        format: Format,
        containers: impl Iterator<Item = Shown<'a, &'a LabelBlock>> + Clone,
        page: &Page<'_>,
        out: &mut Text,
    ) {
        let mut lines = TextSink::new(format, &self.prepared, out);
        if self.writes_created(format) {
            feed(&self.selection, containers, page, &mut CreatedSink::new(lines, None));
        } else {
            feed(&self.selection, containers, page, &mut lines);
        }
    }

    /// Renders the exporter's own families and the end of the page.
    pub fn render_own(&self, own: &OwnSeries, format: Format, out: &mut Text) {
        let mut lines = TextSink::new(format, &[], out);
        if self.writes_created(format) {
            own.feed(&mut CreatedSink::new(lines, own.began()));
        } else {
            own.feed(&mut lines);
        }
        if format == Format::OpenMetrics {
            out.push(openmetrics::END);
        }
    }

    fn writes_created(&self, format: Format) -> bool {
        self.created_lines && format == Format::OpenMetrics
    }
}

/// A family's name, padded so that a fixed number of bytes can be copied.
#[derive(Debug, Clone, Copy)]
struct PaddedName {
    text: [u8; Heading::LONGEST_NAME],
    len: usize,
}

impl PaddedName {
    const EMPTY: Self = Self { text: [0; Heading::LONGEST_NAME], len: 0 };

    fn of(heading: &Heading) -> Self {
        let mut padded = Self::EMPTY;
        for (to, from) in padded.text.iter_mut().zip(heading.name.bytes()) {
            *to = from;
            padded.len += 1;
        }
        padded
    }

    fn as_bytes(&self) -> &[u8] {
        self.text.get(..self.len).unwrap_or_default()
    }
}

/// The parts of a family that are the same on every page.
#[derive(Debug, Clone)]
struct Prepared {
    name: PaddedName,
    text_head: Box<[u8]>,
    openmetrics_head: Box<[u8]>,
    has_created: bool,
}

impl Prepared {
    fn new(heading: &Heading, served: &[&Family]) -> Self {
        let head = |format: Format| {
            let mut out = Text::default();
            format.push_head(heading, served, &mut out);
            out.as_bytes().into()
        };
        Self {
            name: PaddedName::of(heading),
            text_head: head(Format::Text),
            openmetrics_head: head(Format::OpenMetrics),
            has_created: openmetrics::has_created(heading, served),
        }
    }

    fn head(&self, format: Format) -> &[u8] {
        match format {
            Format::Text => &self.text_head,
            Format::OpenMetrics => &self.openmetrics_head,
        }
    }
}

/// Writes lines of text.
#[derive(Debug)]
struct TextSink<'p, 'c> {
    out: &'p mut Text,
    format: Format,
    /// The prepared parts of the families to come. If nothing is prepared for a family, its head is written
    /// when it comes.
    prepared: std::slice::Iter<'p, Prepared>,
    name: PaddedName,
    /// The base labels with their opening brace; empty for samples that belong to no container.
    base: &'c [u8],
    /// Where the family's text begins, and where its head ends.
    begin: usize,
    head_end: usize,
}

impl<'p> TextSink<'p, '_> {
    fn new(format: Format, prepared: &'p [Prepared], out: &'p mut Text) -> Self {
        let prepared = prepared.iter();
        Self { out, format, prepared, name: PaddedName::EMPTY, base: &[], begin: 0, head_end: 0 }
    }

    /// Writes a line of any length, with labels that may need escapes: the lines that the short way can't
    /// take.
    #[inline(never)]
    fn push_long(
        &mut self,
        suffix: &str,
        labels: &[(Label, LabelValue<'_>)],
        bound: Option<&str>,
        value: Number,
    ) {
        self.out.push(self.name.as_bytes());
        self.out.push(suffix.as_bytes());
        self.out.push(self.base);
        let mut separator: &[u8] = if self.base.is_empty() { b"{" } else { b"," };
        let own = labels.iter().map(|(label, value)| (label.name(), value.as_str()));
        for (name, value) in own.chain(bound.map(|bound| ("le", bound))) {
            self.out.push(separator);
            labelled(name, value, |piece| self.out.push(piece));
            separator = b",";
        }
        self.out.push_end(separator == b",", value);
    }

    /// Writes a line in place if it is short and plain, as nearly all are. Returns `false`, and writes
    /// nothing, if it is not.
    #[expect(clippy::inline_always, reason = "once for lines without labels, of which less is left")]
    #[inline(always)]
    fn push_short(&mut self, labels: &[(Label, LabelValue<'_>)], value: Number) -> bool {
        let Some(mut line) = self.out.short_line() else { return false };
        if self.base.is_empty() {
            return false;
        }
        line.push_padded(&self.name.text, self.name.len);
        line.push(self.base);
        for (label, value) in labels {
            let LabelValue::Name(value) = value else { return false };
            if !value.is_plain() {
                return false;
            }
            let (start, len) = LabelStart::of(*label).padded();
            line.push_padded(start, len);
            let (value, len) = value.padded();
            line.push_padded(value, len);
            line.push_padded(b"\"", 1);
        }
        line.push_end(true, value);
        let len = line.len();
        self.out.keep_line(len)
    }
}

impl Sink for TextSink<'_, '_> {
    fn sample(&mut self, labels: &[(Label, LabelValue<'_>)], value: Number) {
        if !self.push_short(labels, value) {
            self.push_long("", labels, None, value);
        }
    }

    fn integer(&mut self, value: u64) {
        if !self.push_short(&[], Number::Int(value)) {
            self.push_long("", &[], None, Number::Int(value));
        }
    }
}

impl FamilySink for TextSink<'_, '_> {
    fn begin(&mut self, heading: &Heading) {
        self.begin = self.out.len();
        match self.prepared.next() {
            Some(prepared) => {
                self.name = prepared.name;
                self.out.push(prepared.head(self.format));
            }
            None => {
                self.name = PaddedName::of(heading);
                self.format.push_head(heading, &[], self.out);
            }
        }
        self.base = &[];
        self.head_end = self.out.len();
    }

    fn histogram(&mut self, labels: &[(Label, LabelValue<'_>)], histogram: HistogramReading<'_>) {
        for (bound, count) in histogram.buckets() {
            self.push_long("_bucket", labels, Some(&written(bound)), Number::Int(count));
        }
        let count = Number::Int(histogram.count());
        self.push_long("_bucket", labels, Some("+Inf"), count);
        self.push_long("_sum", labels, None, Number::Float(histogram.sum()));
        self.push_long("_count", labels, None, count);
    }

    fn end(&mut self) {
        // A family without samples is left out.
        if self.out.len() == self.head_end {
            self.out.truncate(self.begin);
        }
    }
}

impl<'c> ContainerSink<&'c LabelBlock> for TextSink<'_, 'c> {
    #[inline]
    fn container(&mut self, _labels: BaseLabels<'_>, kept: &'c LabelBlock) {
        self.base = kept.as_bytes();
    }
}

/// Writes after each sample of a counter or histogram when it began, if that is known.
#[derive(Debug)]
struct CreatedSink<'p, 'c> {
    lines: TextSink<'p, 'c>,
    /// When the samples of no container began.
    own: Option<f64>,
    /// Whether the family has such lines.
    has_created: bool,
    /// When the next samples began; `None` if that is unknown or not to be written.
    began: Option<f64>,
}

impl<'p, 'c> CreatedSink<'p, 'c> {
    fn new(lines: TextSink<'p, 'c>, own: Option<f64>) -> Self {
        Self { lines, own, has_created: false, began: None }
    }

    fn push_created(&mut self, labels: &[(Label, LabelValue<'_>)]) {
        let Some(began) = self.began else { return };
        let whole = self.lines.name;
        let stem = whole.as_bytes().strip_suffix(openmetrics::TOTAL.as_bytes());
        self.lines.name.len = stem.map_or(whole.len, <[u8]>::len);
        self.lines.push_long(openmetrics::CREATED, labels, None, Number::Float(began));
        self.lines.name = whole;
    }
}

impl Sink for CreatedSink<'_, '_> {
    fn sample(&mut self, labels: &[(Label, LabelValue<'_>)], value: Number) {
        self.lines.sample(labels, value);
        self.push_created(labels);
    }
}

impl FamilySink for CreatedSink<'_, '_> {
    fn begin(&mut self, heading: &Heading) {
        let prepared = self.lines.prepared.as_slice().first();
        self.has_created =
            prepared.map_or_else(|| openmetrics::has_created(heading, &[]), |prepared| prepared.has_created);
        self.began = self.own.filter(|_| self.has_created);
        self.lines.begin(heading);
    }

    fn histogram(&mut self, labels: &[(Label, LabelValue<'_>)], histogram: HistogramReading<'_>) {
        self.lines.histogram(labels, histogram);
        self.push_created(labels);
    }

    fn end(&mut self) {
        self.lines.end();
    }
}

impl<'c> ContainerSink<&'c LabelBlock> for CreatedSink<'_, 'c> {
    fn container(&mut self, labels: BaseLabels<'_>, kept: &'c LabelBlock) {
        self.began = if self.has_created { labels.began() } else { None };
        self.lines.container(labels, kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        parse::Name,
        table::{SelfMetrics, own::OWN_FAMILIES},
    };

    #[test]
    fn a_line_is_the_same_short_or_long_way() {
        let prepared = Renderer::new(&Selection::default()).prepared;
        let family = String::from_utf8(prepared[0].name.as_bytes().to_vec()).unwrap();
        let lines =
            |out: &mut Text, base: &str, own: &[(Label, LabelValue<'_>)], value: Number, times: u8| {
                let mut sink = TextSink::new(Format::Text, &[], out);
                sink.name = prepared[0].name;
                sink.base = base.as_bytes();
                for _ in 0..times {
                    sink.sample(own, value);
                }
            };
        let (vda, odd) = (Name::literal("vda"), Name::literal("a\"b"));
        let plain = (Label::Device, LabelValue::Name(&vda));
        let quoted = (Label::Device, LabelValue::Name(&odd));
        let text = (Label::Device, LabelValue::Text("x\\y"));
        let block = |len: usize| format!("{{id=\"{}\"", "i".repeat(len));
        let device = ",device=\"vda\"";
        for (base, own, shown) in [
            (String::new(), vec![], String::new()),
            (String::new(), vec![plain; 2], format!("{{{}{device}", &device[1..])),
            (block(64), vec![], String::new()),
            (block(64), vec![plain; 2], device.repeat(2)),
            (
                block(64),
                vec![plain, quoted, text],
                ",device=\"vda\",device=\"a\\\"b\",device=\"x\\\\y\"".into(),
            ),
            (block(64), vec![plain; 200], device.repeat(200)),
            (block(900), vec![plain; 20], device.repeat(20)),
            (block(1023), vec![plain], device.into()),
            (block(5000), vec![plain], device.into()),
        ] {
            let brace = if base.is_empty() && own.is_empty() { "" } else { "}" };
            for (value, number) in [(7, "7"), (u64::MAX, "18446744073709551615")] {
                let expected = format!("{family}{base}{shown}{brace} {number}\n");
                let mut out = Text::default();
                // In the first round there is no room for a line yet.
                for _ in 0..3 {
                    out = out.cleared();
                    lines(&mut out, &base, &own, Number::Int(value), 2);
                    assert_eq!(String::from_utf8_lossy(out.as_bytes()), expected.repeat(2));
                }
            }
        }
        // A line may become too long at any of its pieces.
        let mut out = Text::default();
        for len in 900..1100 {
            out = out.cleared();
            let base = block(len);
            lines(&mut out, &base, &[plain], Number::Int(12), 1);
            let expected = format!("{family}{base}{device}}} 12\n");
            assert_eq!(String::from_utf8_lossy(out.as_bytes()), expected);
        }
    }

    #[test]
    fn the_exporters_own_series_are_as_the_encoder_of_prometheus_writes_them() {
        use prometheus::Encoder;
        let metrics = SelfMetrics::new().unwrap();
        metrics.started(1024);
        metrics.containers.with_label_values(&["discovered"]).set(12.0);
        metrics.read_failures.with_label_values(&["io.stat", "a \"quote\", a \\ and a\nnewline"]).inc();
        metrics.docker_reconnects.inc_by(1e15);
        metrics.kept_fds.set(-0.25);
        for seconds in [0.0001, 0.0004, 0.3, 7.0] {
            metrics.scrape_duration.observe(seconds);
        }
        let own = metrics.gather();
        let mut out = Text::default();
        Renderer::new(&Selection::default()).render_own(&own, Format::Text, &mut out);
        let mut expected = Vec::new();
        prometheus::TextEncoder::new().encode(own.as_gathered(), &mut expected).unwrap();
        assert_eq!(String::from_utf8_lossy(out.as_bytes()), String::from_utf8_lossy(&expected));
    }

    #[test]
    fn own_counters_and_histograms_began_with_the_exporter_if_that_is_asked_for() {
        let metrics = SelfMetrics::new().unwrap();
        let renderer = Renderer::new(&Selection::default());
        let page = |renderer: &Renderer, format| {
            let mut out = Text::default();
            renderer.render_own(&metrics.gather(), format, &mut out);
            String::from_utf8(out.as_bytes().to_vec()).unwrap()
        };
        let with_lines = renderer.clone().with_created_lines(true);
        // When it was started is not known yet.
        assert!(!page(&with_lines, Format::OpenMetrics).contains("_created"));
        metrics.started(1024);
        metrics.start_time.set(1_763_563_201.25);
        metrics.skipped_rows.with_label_values(&["io.stat"]).inc();
        metrics.scrape_duration.observe(0.3);
        let created: Vec<String> = page(&with_lines, Format::OpenMetrics)
            .lines()
            .filter(|line| line.contains("_created"))
            .map(str::to_owned)
            .collect();
        for name in [
            "docker_stat_prom_skipped_rows_created{file=\"io.stat\"}",
            "docker_stat_prom_scrape_duration_seconds_created",
            "process_cpu_seconds_created",
        ] {
            let line = format!("{name} 1763563201.25");
            assert!(created.contains(&line), "{line}: {created:?}");
        }
        let counters = OWN_FAMILIES.iter().filter(|own| own.heading.counts_from_start).count();
        assert!(created.len() <= counters, "{created:?}");
        assert!(!page(&with_lines, Format::Text).contains("_created"));
        assert!(!page(&renderer, Format::OpenMetrics).contains("_created"));
    }
}
