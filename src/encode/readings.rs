//! One pass, grouped by container, for outputs that keep what belongs together. It also tells which series
//! have ended since the pass before.

use super::{LabelBlock, labels::Labels, line::written};
use crate::table::{
    BaseLabels, ContainerSink, FamilySink, HistogramReading, Label, LabelValue, Number, Sink, family::Heading,
};
use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, Hash, Hasher, RandomState},
    mem,
    sync::Arc,
};

/// What a series is besides the labels of its subject. Series of many subjects share a shape.
#[derive(Debug)]
pub struct Shape {
    /// Its family.
    pub heading: Heading,
    /// The labels that only some series of a subject have, and `__name__`. Sorted by name.
    pub labels: Vec<(String, String)>,
    /// The last pass that had it.
    seen: u64,
}

/// What some series are about: a container, the host, or (without labels) the machine and the exporter.
#[derive(Debug, Default)]
pub struct Subject {
    /// The labels of all its series. Sorted by name.
    pub labels: Labels,
    /// The ID of the container that it is, if it is one.
    pub container: Option<String>,
    /// Labels that have another name in OpenTelemetry, with that name.
    pub attributes: Labels,
    /// When those counters began that count from the start, in Unix milliseconds.
    pub began_ms: Option<i64>,
    key: u64,
    /// The last pass that had it.
    seen: u64,
    /// The shapes of its series. While a pass fills it, they are those of the pass before, which are nearly
    /// always the same. Most containers have the same, so they share one list.
    shapes: Arc<[u32]>,
    /// The shapes that it has in the pass that fills it, if they are others.
    others: Option<Vec<u32>>,
    values: Vec<f64>,
    /// The shapes of the pass before that it no longer has.
    ended: Vec<u32>,
}

/// A histogram of the exporter, as it is before it becomes series.
#[derive(Debug)]
pub struct HistogramShown {
    /// Its family.
    pub heading: Heading,
    /// Its labels.
    pub labels: Vec<(Label, String)>,
    /// The upper bound of each bucket but the last, which has none, and how many observations are not above
    /// it.
    pub buckets: Vec<(f64, u64)>,
    /// The sum of all observations.
    pub sum: f64,
    /// How many observations there were.
    pub count: u64,
    /// Whether it has ended with the pass before.
    pub has_ended: bool,
}

/// The shapes of one family.
#[derive(Debug)]
struct FamilyShapes {
    heading: Heading,
    /// The last pass that had a series of it.
    seen: u64,
    without_labels: Option<u32>,
    /// By the hash of suffix, labels and bound. The hash has a secret key, so nobody can make two alike.
    others: HashMap<u64, u32>,
}

/// What one pass has read, grouped by subject, and what has ended since the pass before. Reading a pass like
/// the one before allocates nothing.
#[derive(Debug)]
pub struct Readings {
    pass: u64,
    now_ms: i64,
    random: RandomState,
    /// `None` where a shape went; its place is used again.
    shapes: Vec<Option<Shape>>,
    free: Vec<u32>,
    families: Vec<FamilyShapes>,
    family_named: HashMap<&'static str, usize>,
    subjects: Vec<Subject>,
    /// The lists of shapes that subjects have.
    lists: HashSet<Arc<[u32]>>,
    /// Where each subject is, by its key.
    places: HashMap<u64, usize>,
    /// The subjects of containers in the order in which this pass has them, by the address of their label
    /// block, which stays the same during a pass.
    order: Vec<(usize, usize)>,
    order_of: HashMap<usize, usize>,
    /// The family, the subject, and the place in `order` of the samples that come now.
    family: usize,
    subject: usize,
    at: usize,
    histograms: Vec<HistogramShown>,
    /// Whether this pass has other series than the pass before.
    changed: bool,
}

/// The subject without labels.
const OWN: usize = 0;

impl Readings {
    /// No pass yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            pass: 0,
            now_ms: 0,
            random: RandomState::new(),
            shapes: Vec::new(),
            free: Vec::new(),
            families: Vec::new(),
            family_named: HashMap::new(),
            subjects: vec![Subject::default()],
            lists: HashSet::new(),
            places: HashMap::new(),
            order: Vec::new(),
            order_of: HashMap::new(),
            family: 0,
            subject: OWN,
            at: 0,
            histograms: Vec::new(),
            changed: false,
        }
    }

    /// Takes a pass. `now` is its wall clock and `exporter_began` the exporter's start, both in Unix seconds.
    /// `feed` feeds all families to this sink.
    pub fn take(&mut self, now: f64, exporter_began: f64, feed: impl FnOnce(&mut Self)) {
        self.forget();
        self.pass += 1;
        self.now_ms = unix_millis(now);
        if let Some(own) = self.subjects.get_mut(OWN) {
            own.begin(self.pass);
            own.began_ms = Some(unix_millis(exporter_began));
        }
        feed(self);
        self.find_ended();
    }

    /// A pass in which nothing is there any more, so that every series ends. For an orderly end.
    pub fn end(&mut self, now: f64) {
        let mut histograms = mem::take(&mut self.histograms);
        self.forget();
        histograms.retain(|histogram| !histogram.has_ended);
        histograms.iter_mut().for_each(|histogram| histogram.has_ended = true);
        self.histograms = histograms;
        self.pass += 1;
        self.now_ms = unix_millis(now);
        self.find_ended();
    }

    /// The wall clock of the pass, in Unix milliseconds.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// All subjects of this pass and those that ended with it.
    pub fn subjects(&self) -> impl Iterator<Item = &Subject> {
        self.subjects.iter()
    }

    /// The samples of a subject.
    pub fn samples<'a>(&'a self, subject: &'a Subject) -> impl Iterator<Item = (u32, &'a Shape, f64)> {
        // After its last pass a subject keeps its values until they are forgotten.
        let (shapes, values) =
            if subject.seen == self.pass { (&*subject.shapes, &*subject.values) } else { (&[][..], &[][..]) };
        let pairs = shapes.iter().zip(values);
        pairs.filter_map(|(shape, value)| Some((*shape, self.shape(*shape)?, *value)))
    }

    /// The series of a subject that have ended.
    pub fn ended<'a>(&'a self, subject: &'a Subject) -> impl Iterator<Item = (u32, &'a Shape)> {
        subject.ended.iter().filter_map(|shape| Some((*shape, self.shape(*shape)?)))
    }

    /// How many samples and ended series a subject has.
    #[must_use]
    pub fn weight(&self, subject: &Subject) -> usize {
        subject.ended.len() + if subject.seen == self.pass { subject.shapes.len() } else { 0 }
    }

    /// Whether this pass has other series than the pass before.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.changed
    }

    /// The headings of the families that have series in this pass.
    pub fn headings(&self) -> impl Iterator<Item = &Heading> {
        self.families.iter().filter(|family| family.seen == self.pass).map(|family| &family.heading)
    }

    /// The exporter's histograms. Their buckets are among the samples too.
    #[must_use]
    pub fn histograms(&self) -> &[HistogramShown] {
        &self.histograms
    }

    fn shape(&self, number: u32) -> Option<&Shape> {
        self.shapes.get(number as usize)?.as_ref()
    }

    /// Forgets what ended with the last pass, and makes what is left the pass before.
    fn forget(&mut self) {
        let pass = self.pass;
        self.histograms.clear();
        self.order.clear();
        self.order_of.clear();
        self.subject = OWN;
        let mut place = OWN + 1;
        while let Some(subject) = self.subjects.get(place) {
            if subject.seen == pass {
                place += 1;
                continue;
            }
            let gone = self.subjects.swap_remove(place);
            self.places.remove(&gone.key);
            if let Some(moved) = self.subjects.get(place) {
                self.places.insert(moved.key, place);
            }
        }
        for (number, slot) in (0..).zip(&mut self.shapes) {
            if slot.as_ref().is_some_and(|shape| shape.seen != pass) {
                *slot = None;
                self.free.push(number);
            }
        }
        let shapes = &self.shapes;
        let is_there = |number: u32| shapes.get(number as usize).is_some_and(Option::is_some);
        for family in &mut self.families {
            family.without_labels = family.without_labels.filter(|number| is_there(*number));
            family.others.retain(|_, number| is_there(*number));
        }
    }

    fn find_ended(&mut self) {
        let pass = self.pass;
        self.changed = false;
        for subject in &mut self.subjects {
            subject.ended = Vec::new();
            if subject.seen != pass {
                self.changed = true;
                subject.ended = mem::take(&mut subject.shapes).to_vec();
                continue;
            }
            if subject.others.is_none() && subject.values.len() < subject.shapes.len() {
                subject.differ();
            }
            if let Some(shapes) = subject.others.take() {
                self.changed = true;
                let now: HashSet<u32> = shapes.iter().copied().collect();
                subject.ended = subject.shapes.iter().copied().filter(|shape| !now.contains(shape)).collect();
                subject.shapes = shared(&mut self.lists, shapes);
                // There are many containers, and what a list has grown by is up to what it holds. An
                // allocator that is asked to shrink it may leave it where it is.
                subject.values = subject.values.as_slice().to_vec();
            }
        }
        if self.changed {
            self.lists.retain(|list| Arc::strong_count(list) > 1);
        }
    }

    /// The place of a container's subject, new or known.
    #[inline(never)]
    fn place_of(&mut self, labels: BaseLabels<'_>, kept: &LabelBlock) -> usize {
        let key = self.random.hash_one(kept.as_bytes());
        let pass = self.pass;
        if let Some(place) = self.places.get(&key).copied() {
            if let Some(subject) = self.subjects.get_mut(place) {
                subject.begin(pass);
                subject.began_ms = labels.began().map(unix_millis);
            }
            return place;
        }
        let mut sorted: Vec<(&str, &str)> = labels.pairs().collect();
        sorted.sort_unstable();
        let began_ms = labels.began().map(unix_millis);
        let container = labels.container_id().map(str::to_owned);
        let attributes: Vec<(&str, String)> = labels.attributes().collect();
        let attributes: Vec<_> =
            attributes.iter().map(|(name, attribute)| (*name, attribute.as_str())).collect();
        let place = self.subjects.len();
        self.subjects.push(Subject {
            key,
            labels: Labels::new(&sorted),
            container,
            attributes: Labels::new(&attributes),
            began_ms,
            seen: pass,
            ..Subject::default()
        });
        self.places.insert(key, place);
        place
    }

    fn put(&mut self, shape: u32, value: f64) {
        let pass = self.pass;
        if let Some(Some(shape)) = self.shapes.get_mut(shape as usize) {
            shape.seen = pass;
        }
        if let Some(family) = self.families.get_mut(self.family) {
            family.seen = pass;
        }
        if let Some(subject) = self.subjects.get_mut(self.subject) {
            subject.put(shape, value);
        }
    }

    fn series(&mut self, suffix: &str, labels: &[(Label, LabelValue<'_>)], bound: Option<f64>, value: f64) {
        if let Some(shape) = self.known(suffix, labels, bound) {
            return self.put(shape, value);
        }
        let Some(family) = self.families.get_mut(self.family) else { return };
        let heading = family.heading;
        let mut all: Vec<(String, String)> = labels
            .iter()
            .map(|(label, value)| (label.name().to_owned(), value.as_str().to_owned()))
            .collect();
        all.push(("__name__".into(), format!("{}{suffix}", heading.name)));
        all.extend(bound.map(|bound| ("le".into(), written(bound))));
        // An empty value is the same as no label.
        all.retain(|(_, value)| !value.is_empty());
        all.sort_unstable();
        let shape = Some(Shape { heading, labels: all, seen: self.pass });
        let number = match self.free.pop() {
            Some(number) => {
                if let Some(slot) = self.shapes.get_mut(number as usize) {
                    *slot = shape;
                }
                number
            }
            None => {
                let Ok(number) = u32::try_from(self.shapes.len()) else { return };
                self.shapes.push(shape);
                number
            }
        };
        if suffix.is_empty() && labels.is_empty() {
            family.without_labels = Some(number);
        } else {
            family.others.insert(hash(&self.random, suffix, labels, bound), number);
        }
        self.put(number, value);
    }

    fn known(&self, suffix: &str, labels: &[(Label, LabelValue<'_>)], bound: Option<f64>) -> Option<u32> {
        let family = self.families.get(self.family)?;
        if suffix.is_empty() && labels.is_empty() {
            return family.without_labels;
        }
        family.others.get(&hash(&self.random, suffix, labels, bound)).copied()
    }
}

impl Default for Readings {
    fn default() -> Self {
        Self::new()
    }
}

impl Subject {
    fn begin(&mut self, pass: u64) {
        self.seen = pass;
        self.values.clear();
    }

    fn put(&mut self, shape: u32, value: f64) {
        // Nearly always the same as in the pass before.
        if self.others.is_some() || self.shapes.get(self.values.len()) != Some(&shape) {
            self.differ().push(shape);
        }
        self.values.push(value);
    }

    /// The shapes of this pass, apart from those of the pass before.
    fn differ(&mut self) -> &mut Vec<u32> {
        let same = self.shapes.get(..self.values.len()).unwrap_or_default();
        self.others.get_or_insert_with(|| same.to_vec())
    }
}

/// The list that is the same as this one, if there is one.
fn shared(lists: &mut HashSet<Arc<[u32]>>, shapes: Vec<u32>) -> Arc<[u32]> {
    if let Some(list) = lists.get(shapes.as_slice()) {
        return Arc::clone(list);
    }
    let list: Arc<[u32]> = shapes.into();
    lists.insert(Arc::clone(&list));
    list
}

fn hash(random: &RandomState, suffix: &str, labels: &[(Label, LabelValue<'_>)], bound: Option<f64>) -> u64 {
    let mut hasher = random.build_hasher();
    suffix.hash(&mut hasher);
    bound.map(f64::to_bits).hash(&mut hasher);
    for (label, value) in labels {
        (*label as usize).hash(&mut hasher);
        value.as_str().hash(&mut hasher);
    }
    hasher.finish()
}

/// Unix seconds as Unix milliseconds.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "`as` saturates, and no clock is that wrong")]
pub fn unix_millis(seconds: f64) -> i64 {
    (seconds * 1e3).round() as i64
}

impl Sink for Readings {
    fn sample(&mut self, labels: &[(Label, LabelValue<'_>)], value: Number) {
        self.series("", labels, None, value.as_f64());
    }
}

impl FamilySink for Readings {
    fn begin(&mut self, heading: &Heading) {
        self.subject = OWN;
        self.at = 0;
        let next = self.families.len();
        self.family = *self.family_named.entry(heading.name).or_insert(next);
        if self.family == next {
            let (heading, others) = (*heading, HashMap::new());
            self.families.push(FamilyShapes { heading, seen: 0, without_labels: None, others });
        }
    }

    fn histogram(&mut self, labels: &[(Label, LabelValue<'_>)], histogram: HistogramReading<'_>) {
        let Some(heading) = self.families.get(self.family).map(|family| family.heading) else { return };
        let count = Number::Int(histogram.count()).as_f64();
        for (bound, count) in histogram.buckets() {
            self.series("_bucket", labels, Some(bound), Number::Int(count).as_f64());
        }
        self.series("_bucket", labels, Some(f64::INFINITY), count);
        self.series("_sum", labels, None, histogram.sum());
        self.series("_count", labels, None, count);
        self.histograms.push(HistogramShown {
            heading,
            labels: labels.iter().map(|(label, value)| (*label, value.as_str().to_owned())).collect(),
            buckets: histogram.buckets().collect(),
            sum: histogram.sum(),
            count: histogram.count(),
            has_ended: false,
        });
    }

    fn end(&mut self) {}
}

impl ContainerSink<&LabelBlock> for Readings {
    #[inline]
    fn container(&mut self, labels: BaseLabels<'_>, kept: &LabelBlock) {
        let address = std::ptr::from_ref(kept).addr();
        // Nearly always the next one: each family has the containers in the same order.
        if let Some((known, place)) = self.order.get(self.at) {
            if *known == address {
                self.subject = *place;
                self.at += 1;
                return;
            }
        }
        let at = match self.order_of.get(&address) {
            Some(at) => *at,
            None => {
                let place = self.place_of(labels, kept);
                self.order.push((address, place));
                self.order_of.insert(address, self.order.len() - 1);
                self.order.len() - 1
            }
        };
        self.at = at + 1;
        self.subject = self.order.get(at).map_or(OWN, |(_, place)| *place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_with_the_same_series_share_their_list() {
        let mut lists = HashSet::new();
        let [one, same, other] = [vec![1, 2], vec![1, 2], vec![1]].map(|list| shared(&mut lists, list));
        assert!(Arc::ptr_eq(&one, &same) && !Arc::ptr_eq(&one, &other));
    }
}
