//! A container as a row sees it, and where its samples go.

use super::{BaseLabels, HistogramReading, Label, LabelValue, family::Heading};
use crate::{
    model::Container,
    sample::{DeviceNames, Machine},
};

/// What is served, besides the containers.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// Names of block devices.
    pub devices: &'a DeviceNames,
    /// The machine.
    pub machine: &'a Machine,
    /// The wall clock at the pass, unix s.
    pub now: f64,
}

/// A container that is served, with what an encoder keeps of it.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a, Kept> {
    /// The container.
    pub container: &'a Container,
    /// Whether its cgroup is read. Else it has only the families of stopped containers.
    pub is_live: bool,
    /// See [`ContainerSink`].
    pub kept: Kept,
}

/// A container, seen by a family.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// The container.
    pub container: &'a Container,
    /// What is not the container's own.
    pub page: &'a Page<'a>,
}

/// A value in the family's unit. It keeps the digits it was counted in, so that an encoder can write it
/// exactly.
#[derive(Debug, Clone, Copy, PartialEq)]
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

/// Where a row's getter puts its samples, whatever becomes of them.
pub trait Sink {
    /// One sample with the labels that not every series of the container has.
    fn sample(&mut self, labels: &[(Label, LabelValue<'_>)], value: Number);

    /// One integer without labels of its own, as half of all samples are: an encoder may have a shorter way
    /// for it.
    fn integer(&mut self, value: u64) {
        self.sample(&[], Number::Int(value));
    }
}

impl dyn Sink + '_ {
    /// One sample without labels of its own, if there is a value.
    #[inline]
    pub fn put(&mut self, value: Option<Number>) {
        if let Some(value) = value {
            self.sample(&[], value);
        }
    }

    /// An integer.
    #[inline]
    pub fn int(&mut self, value: Option<u64>) {
        if let Some(value) = value {
            self.integer(value);
        }
    }

    /// Microseconds, served as seconds.
    #[inline]
    pub fn usec(&mut self, value: Option<u64>) {
        self.put(value.map(|usec| Number::Scaled(usec, 6)));
    }

    /// A float.
    #[inline]
    pub fn float(&mut self, value: Option<f64>) {
        self.put(value.map(Number::Float));
    }
}

/// Takes families one after the other: `begin`, its samples and histograms, `end`. This is what an encoder of
/// an output implements.
pub trait FamilySink: Sink {
    /// A family begins. It may turn out to have no samples.
    fn begin(&mut self, heading: &Heading);

    /// One reading of a family that is a histogram. Only the exporter's own are.
    fn histogram(&mut self, labels: &[(Label, LabelValue<'_>)], histogram: HistogramReading<'_>);

    /// The family has no more samples.
    fn end(&mut self);
}

/// Takes the families of containers. `Kept` is what the encoder keeps of each container from pass to pass,
/// such as its base labels in its own form. An encoder that keeps nothing implements this for every `Kept`.
pub trait ContainerSink<Kept>: FamilySink {
    /// The samples that follow are of this container, until the family ends. Before the first such call,
    /// samples are of the machine.
    fn container(&mut self, labels: BaseLabels<'_>, kept: Kept);
}

impl<T: Sink + ?Sized> Sink for &mut T {
    fn sample(&mut self, labels: &[(Label, LabelValue<'_>)], value: Number) {
        (**self).sample(labels, value);
    }

    fn integer(&mut self, value: u64) {
        (**self).integer(value);
    }
}

impl<T: FamilySink + ?Sized> FamilySink for &mut T {
    fn begin(&mut self, heading: &Heading) {
        (**self).begin(heading);
    }

    fn histogram(&mut self, labels: &[(Label, LabelValue<'_>)], histogram: HistogramReading<'_>) {
        (**self).histogram(labels, histogram);
    }

    fn end(&mut self) {
        (**self).end();
    }
}

impl<Kept, T: ContainerSink<Kept> + ?Sized> ContainerSink<Kept> for &mut T {
    fn container(&mut self, labels: BaseLabels<'_>, kept: Kept) {
        (**self).container(labels, kept);
    }
}
