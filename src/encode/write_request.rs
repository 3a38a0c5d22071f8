//! Prometheus remote write: `prometheus.WriteRequest` (1.0) and `io.prometheus.write.v2.Request` (2.0,
//! release candidate 4). Field numbers are those of the two specifications.

use super::{
    labels::Labels,
    openmetrics,
    protobuf::Writer,
    readings::{Readings, Shape, Subject},
};
use crate::table::family::{Heading, MetricType};
use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, RandomState},
};

/// The value that ends a series, so that queries do not show it any longer: a NaN with these bits.
const STALE: u64 = 0x7ff0_0000_0000_0002;

/// The largest request, before it is compressed: a series more may be in it. Only very long labels or very
/// many samples in a request reach it.
const LARGEST_BODY: usize = 4 << 20;

/// The message of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    /// `prometheus.WriteRequest`
    V1,
    /// `io.prometheus.write.v2.Request`
    V2,
}

/// Changes the labels of a series, sorted by name; `false` drops the series.
pub type Relabel<'a> = &'a dyn Fn(&mut Vec<(String, String)>) -> bool;

/// Writes a pass as requests. Keeps its memory for the next pass.
#[derive(Debug)]
pub struct Requests {
    /// Labels that every series gets unless it has them. Sorted by name.
    external: Vec<(String, String)>,
    /// What rules have made of the series of this pass. They can make one series of two, and only the first
    /// is sent.
    relabelled: HashSet<u64>,
    draft: Draft,
}

/// The request that is being written.
#[derive(Debug)]
struct Draft {
    /// The most samples in one request.
    most: usize,
    message: Message,
    body: Writer,
    symbols: Symbols,
    samples: usize,
    /// The place in the request's symbols of each label of a shape, by the shape's number.
    refs_of_shapes: Vec<Refs>,
    /// Counts requests, so that `refs_of_shapes` of an earlier one are not used.
    request: u64,
}

/// The strings of a 2.0 request, each written once. A string's place is found by a hash with a secret key.
#[derive(Debug)]
struct Symbols {
    written: Writer,
    random: RandomState,
    places: HashMap<u64, u32>,
}

/// Places in the symbols, valid for one request.
#[derive(Debug, Default, Clone)]
struct Refs {
    request: u64,
    labels: Vec<(u32, u32)>,
    help: u32,
    unit: u32,
}

/// The time and value of a sample, and when its counter began.
#[derive(Clone, Copy)]
struct Sample {
    bits: u64,
    at_ms: i64,
    began_ms: Option<i64>,
}

impl Symbols {
    const FIELD: u32 = 4;

    /// Begins a request. The first symbol is the empty string.
    fn clear(&mut self) {
        self.written.clear();
        self.places.clear();
        self.place("");
    }

    fn place(&mut self, text: &str) -> u32 {
        let next = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        let place = *self.places.entry(self.random.hash_one(text)).or_insert(next);
        if place == next {
            self.written.bytes(Self::FIELD, text.as_bytes());
        }
        place
    }

    fn pair(&mut self, (name, value): (&str, &str)) -> (u32, u32) {
        (self.place(name), self.place(value))
    }
}

impl Requests {
    /// For series with these external labels, sorted by name, and at most so many samples in a request.
    #[must_use]
    pub fn new(message: Message, external: Vec<(String, String)>, most: usize) -> Self {
        let random = RandomState::new();
        let symbols = Symbols { written: Writer::default(), random, places: HashMap::new() };
        let draft = Draft {
            most: most.max(1),
            message,
            body: Writer::default(),
            symbols,
            samples: 0,
            refs_of_shapes: Vec::new(),
            request: 0,
        };
        Self { external, relabelled: HashSet::new(), draft }
    }

    /// Writes another message from now on.
    pub fn set_message(&mut self, message: Message) {
        self.draft.message = message;
    }

    /// The message that is written.
    #[must_use]
    pub fn message(&self) -> Message {
        self.draft.message
    }

    /// Writes all samples of a pass, and a stale marker for each series that has ended. Each request, not
    /// compressed, is given to `send` with the number of its samples. The series of a container are in one
    /// request unless there are more than fit into one. `lost` are series of an earlier run of the exporter
    /// that have ended, see [`super::lost_since`].
    pub fn write(
        &mut self,
        readings: &Readings,
        lost: &[Vec<(String, String)>],
        relabel: Option<Relabel<'_>>,
        send: &mut dyn FnMut(&[u8], usize),
    ) {
        let mut next = Some(0);
        while let Some(from) = next {
            next = self.write_next(from, readings, lost, relabel, send);
        }
    }

    /// Writes the next request of a pass, or some if a subject has more samples than fit into one. `from` is
    /// 0 for the first, and for the others what the call before has returned: the number of the subject that
    /// comes next, or `None` after the last request.
    pub fn write_next(
        &mut self,
        from: usize,
        readings: &Readings,
        lost: &[Vec<(String, String)>],
        relabel: Option<Relabel<'_>>,
        send: &mut dyn FnMut(&[u8], usize),
    ) -> Option<usize> {
        let Self { external, relabelled, draft } = self;
        draft.begin();
        if from == 0 {
            relabelled.clear();
        }
        for (number, subject) in readings.subjects().enumerate().skip(from) {
            if draft.samples > 0 && draft.samples + readings.weight(subject) > draft.most {
                draft.finish(send);
                return Some(number);
            }
            let all = with_defaults(&subject.labels, external);
            let Some(relabel) = relabel else {
                draft.subject(readings, subject, &all, send);
                continue;
            };
            for (_, shape, sample) in samples(readings, subject) {
                let mut labels = merged(&all, &shape.labels);
                if relabel(&mut labels) && relabelled.insert(draft.symbols.random.hash_one(&labels)) {
                    draft.series(&labels, &shape.heading, sample, send);
                }
            }
        }
        for lost in lost {
            let mut labels = merged(&pairs(external), lost);
            let stale = Sample { bits: STALE, at_ms: readings.now_ms(), began_ms: None };
            if relabel.is_none_or(|relabel| relabel(&mut labels)) {
                draft.series(&labels, &Heading::UNKNOWN, stale, send);
            }
        }
        draft.finish(send);
        *relabelled = HashSet::new();
        None
    }

    /// Writes the type, help and unit of each family. 1.0 sends them apart from samples; 2.0 has them with
    /// each series, so nothing is written.
    pub fn write_metadata(&mut self, readings: &Readings, send: &mut dyn FnMut(&[u8], usize)) {
        let Draft { message: Message::V1, body, .. } = &mut self.draft else { return };
        body.clear();
        for heading in readings.headings() {
            body.message(3, |metadata| {
                metadata.uint(1, type_number(heading));
                metadata.bytes(2, heading.name.as_bytes());
                metadata.bytes(4, heading.help.as_bytes());
                if let Some(unit) = unit(heading) {
                    metadata.bytes(5, unit.as_bytes());
                }
            });
        }
        if !body.as_bytes().is_empty() {
            send(body.as_bytes(), 0);
        }
    }
}

impl Draft {
    fn begin(&mut self) {
        self.request += 1;
        self.samples = 0;
        self.body.clear();
        self.symbols.clear();
    }

    fn is_full(&self) -> bool {
        self.samples >= self.most || self.body.as_bytes().len() >= LARGEST_BODY
    }

    fn finish(&mut self, send: &mut dyn FnMut(&[u8], usize)) {
        if self.samples > 0 {
            if self.message == Message::V2 {
                self.symbols.written.append(self.body.as_bytes());
                send(self.symbols.written.as_bytes(), self.samples);
            } else {
                send(self.body.as_bytes(), self.samples);
            }
        }
        self.begin();
    }

    /// Writes the series of a subject as they are; `all` are the labels of each.
    fn subject(
        &mut self,
        readings: &Readings,
        subject: &Subject,
        all: &[(&str, &str)],
        send: &mut dyn FnMut(&[u8], usize),
    ) {
        let mut of_request = 0;
        let mut places: Vec<(u32, u32)> = Vec::new();
        // Written once for all series of the subject.
        let (mut written, mut ends) = (Writer::default(), Vec::new());
        if self.message == Message::V1 {
            ends.extend(all.iter().map(|pair| {
                v1_label(&mut written, Some(*pair));
                written.as_bytes().len()
            }));
        }
        let written_label = |at: usize| {
            let begin = at.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
            ends.get(at).and_then(|end| written.as_bytes().get(begin..*end)).unwrap_or_default()
        };
        for (number, shape, sample) in samples(readings, subject) {
            if self.is_full() {
                self.finish(send);
            }
            self.samples += 1;
            let own = &shape.labels;
            let Self { message, body, symbols, refs_of_shapes, request, .. } = self;
            match message {
                Message::V1 => body.message(1, |series| {
                    merge(all, own, |label| match label {
                        Side::Subject(at) => series.append(written_label(at)),
                        Side::Own(_) => v1_label(series, label.of(all, own)),
                    });
                    v1_sample(series, sample);
                }),
                Message::V2 => {
                    if of_request != *request {
                        of_request = *request;
                        places.clear();
                        places.extend(all.iter().map(|pair| symbols.pair(*pair)));
                    }
                    let refs = refs_of(refs_of_shapes, number, shape, *request, symbols);
                    body.message(5, |series| {
                        series.message(1, |list| {
                            merge(all, own, |label| {
                                let place = match label {
                                    Side::Subject(at) => places.get(at),
                                    Side::Own(at) => refs.labels.get(at),
                                };
                                v2_label(list, place.copied());
                            });
                        });
                        v2_rest(series, &shape.heading, sample, refs.help, refs.unit);
                    });
                }
            }
        }
    }

    /// Writes one series with any labels.
    fn series(
        &mut self,
        labels: &[(String, String)],
        heading: &Heading,
        sample: Sample,
        send: &mut dyn FnMut(&[u8], usize),
    ) {
        if self.is_full() {
            self.finish(send);
        }
        self.samples += 1;
        let Self { message, body, symbols, .. } = self;
        match message {
            Message::V1 => body.message(1, |series| {
                pairs(labels).into_iter().for_each(|pair| v1_label(series, Some(pair)));
                v1_sample(series, sample);
            }),
            Message::V2 => body.message(5, |series| {
                series.message(1, |list| {
                    pairs(labels).into_iter().for_each(|pair| v2_label(list, Some(symbols.pair(pair))));
                });
                let (help, unit) = (symbols.place(heading.help), symbols.place(unit(heading).unwrap_or("")));
                v2_rest(series, heading, sample, help, unit);
            }),
        }
    }
}

/// Which list a merged label comes from, and where it is there.
#[derive(Clone, Copy)]
enum Side {
    Subject(usize),
    Own(usize),
}

impl Side {
    fn of<'a>(
        self,
        subject: &[(&'a str, &'a str)],
        own: &'a [(String, String)],
    ) -> Option<(&'a str, &'a str)> {
        match self {
            Self::Subject(at) => subject.get(at).copied(),
            Self::Own(at) => own.get(at).map(|(name, value)| (name.as_str(), value.as_str())),
        }
    }
}

/// Merges two lists that are sorted by name. If both have a name, the own label counts.
fn merge(subject: &[(&str, &str)], own: &[(String, String)], mut take: impl FnMut(Side)) {
    let mut at = 0;
    for (place, (name, _)) in own.iter().enumerate() {
        while let Some((other, _)) = subject.get(at) {
            if *other < name.as_str() {
                take(Side::Subject(at));
            } else if *other > name.as_str() {
                break;
            }
            at += 1;
        }
        take(Side::Own(place));
    }
    (at..subject.len()).for_each(|at| take(Side::Subject(at)));
}

/// The labels of a subject with those external labels that it lacks.
fn with_defaults<'a>(labels: &'a Labels, external: &'a [(String, String)]) -> Vec<(&'a str, &'a str)> {
    let mut all: Vec<_> = labels.iter().collect();
    let is_lacking = |name: &str| labels.iter().all(|(own, _)| own != name);
    all.extend(pairs(external).into_iter().filter(|(name, _)| is_lacking(name)));
    all.sort_by_key(|(name, _)| *name);
    all
}

pub(super) fn merged(subject: &[(&str, &str)], own: &[(String, String)]) -> Vec<(String, String)> {
    let mut all = Vec::with_capacity(subject.len() + own.len());
    merge(subject, own, |side| {
        let label = side.of(subject, own);
        all.extend(label.map(|(name, value)| (name.to_owned(), value.to_owned())));
    });
    all
}

fn pairs(labels: &[(String, String)]) -> Vec<(&str, &str)> {
    labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// The samples of a subject, and a stale one for each of its series that has ended.
fn samples<'a>(
    readings: &'a Readings,
    subject: &'a Subject,
) -> impl Iterator<Item = (u32, &'a Shape, Sample)> {
    let at_ms = readings.now_ms();
    let live = readings.samples(subject).map(move |(number, shape, value)| {
        // A time that is not before the sample would be refused.
        let began_ms = subject.began_ms.filter(|began| shape.heading.counts_from_start && *began < at_ms);
        (number, shape, Sample { bits: value.to_bits(), at_ms, began_ms })
    });
    let stale = Sample { bits: STALE, at_ms, began_ms: None };
    live.chain(readings.ended(subject).map(move |(number, shape)| (number, shape, stale)))
}

fn refs_of<'a>(
    all: &'a mut Vec<Refs>,
    number: u32,
    shape: &Shape,
    request: u64,
    symbols: &mut Symbols,
) -> &'a Refs {
    let place = number as usize;
    if all.len() <= place {
        all.resize_with(place + 1, Refs::default);
    }
    #[expect(clippy::indexing_slicing, reason = "resized above")]
    let refs = &mut all[place];
    if refs.request != request {
        refs.request = request;
        refs.labels.clear();
        let labels = shape.labels.iter();
        refs.labels.extend(labels.map(|(name, value)| symbols.pair((name, value))));
        refs.help = symbols.place(shape.heading.help);
        refs.unit = symbols.place(unit(&shape.heading).unwrap_or(""));
    }
    refs
}

fn v1_label(series: &mut Writer, label: Option<(&str, &str)>) {
    if let Some((name, value)) = label {
        series.message(1, |label| {
            label.bytes(1, name.as_bytes());
            label.bytes(2, value.as_bytes());
        });
    }
}

fn v1_sample(series: &mut Writer, sample: Sample) {
    series.message(2, |message| {
        message.fixed64(1, sample.bits);
        message.int(2, sample.at_ms);
    });
}

fn v2_label(list: &mut Writer, places: Option<(u32, u32)>) {
    if let Some((name, value)) = places {
        list.packed(name);
        list.packed(value);
    }
}

/// What follows the labels.
fn v2_rest(series: &mut Writer, heading: &Heading, sample: Sample, help: u32, unit: u32) {
    series.message(2, |message| {
        message.fixed64(1, sample.bits);
        message.int(2, sample.at_ms);
        message.int(3, sample.began_ms.unwrap_or(0));
    });
    series.message(5, |metadata| {
        metadata.uint(1, type_number(heading));
        metadata.uint(3, u64::from(help));
        metadata.uint(4, u64::from(unit));
    });
}

/// The same number in both versions.
fn type_number(heading: &Heading) -> u64 {
    if heading.name.is_empty() {
        return 0;
    }
    match heading.metric_type {
        MetricType::Counter => 1,
        MetricType::Gauge => 2,
        MetricType::Histogram => 3,
    }
}

/// The unit that a scrape would show.
fn unit(heading: &Heading) -> Option<&'static str> {
    let stem = heading.name.strip_suffix("_total").unwrap_or(heading.name);
    openmetrics::unit(stem, heading.unit)
}
