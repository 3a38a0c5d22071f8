//! The input of a row's getter, and the sinks that take its samples.

use super::{BaseLabels, HistogramReading, Label, LabelValue, family::Heading};
use crate::{
    model::Container,
    sample::{DeviceNames, Machine},
};

/// What a page needs besides the containers.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// Names of block devices.
    pub devices: &'a DeviceNames,
    /// The machine.
    pub machine: &'a Machine,
    /// The wall clock at the pass, in Unix seconds.
    pub now: f64,
    /// Whether the pass read everything that it needed.
    pub is_complete: bool,
}

/// A container or the host that is served, with what an encoder keeps for it.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a, Kept> {
    /// The container.
    pub container: &'a Container,
    /// Whether its cgroup is read. If not, it has only the families of stopped containers.
    pub is_live: bool,
    /// See [`ContainerSink`].
    pub kept: Kept,
}

/// The input of a getter: a container, and the page.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// The container.
    pub container: &'a Container,
    /// What does not belong to the container.
    pub page: &'a Page<'a>,
}

/// A value in the family's unit. It keeps its decimal digits, so that an encoder can write it exactly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// An integer.
    Int(u64),
    /// An integer that may be negative.
    Signed(i64),
    /// A decimal fraction: the digits, and how many of them are after the point.
    Scaled(u64, u8),
    /// A float.
    Float(f64),
}

impl Number {
    /// The nearest double.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "the formats that need a double lose it too")]
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Int(number) => number as f64,
            Self::Signed(number) => number as f64,
            // Up to 2^53 digits this is the double nearest to the fraction, as a reader of text gets it.
            Self::Scaled(digits, places) => digits as f64 / 10_f64.powi(i32::from(places)),
            Self::Float(number) => number,
        }
    }
}

/// Takes the samples of a row's getter, in no output format.
pub trait Sink {
    /// Takes one sample, with the labels that only some series of the container have.
    fn sample(&mut self, labels: &[(Label, LabelValue<'_>)], value: Number);

    /// Takes one integer without additional labels. Many samples are like this, so an encoder may have a
    /// faster way for it.
    fn integer(&mut self, value: u64) {
        self.sample(&[], Number::Int(value));
    }
}

impl dyn Sink + '_ {
    /// Takes one sample without additional labels, if there is a value.
    #[inline]
    pub fn put(&mut self, value: Option<Number>) {
        if let Some(value) = value {
            self.sample(&[], value);
        }
    }

    /// Takes an integer, if there is one.
    #[inline]
    pub fn int(&mut self, value: Option<u64>) {
        if let Some(value) = value {
            self.integer(value);
        }
    }

    /// Takes microseconds, served as seconds.
    #[inline]
    pub fn usec(&mut self, value: Option<u64>) {
        self.put(value.map(|usec| Number::Scaled(usec, 6)));
    }

    /// Takes a float, if there is one.
    #[inline]
    pub fn float(&mut self, value: Option<f64>) {
        self.put(value.map(Number::Float));
    }
}

/// Takes families one after the other: `begin`, its samples and histograms, `end`. Every encoder implements
/// this.
pub trait FamilySink: Sink {
    /// A family begins. It may turn out to have no samples.
    fn begin(&mut self, heading: &Heading);

    /// One reading of a histogram family. Only the exporter's own families are histograms.
    fn histogram(&mut self, labels: &[(Label, LabelValue<'_>)], histogram: HistogramReading<'_>);

    /// The family has no more samples.
    fn end(&mut self);
}

/// Takes the families of containers. `Kept` is what the encoder keeps for each container between passes, such
/// as its base labels in the encoder's own form. An encoder that keeps nothing implements this for every
/// `Kept`.
pub trait ContainerSink<Kept>: FamilySink {
    /// The following samples belong to this container, until the family ends. Samples before the first such
    /// call belong to the machine.
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
