//! What is served, in no output format: takes the joined containers and gives families of samples, with
//! Prometheus' names and units.
//!
//! [`families::FAMILIES`] is the one table. It has one file per set of rows, and each row has a getter. All
//! outputs, `--metrics` and the README's reference come from it. [`feed()`] feeds its samples to a
//! [`ContainerSink`], and [`OwnSeries::feed`] feeds the exporter's own series.

mod cadvisor;
mod core;
pub mod families;
pub mod family;
mod feed;
mod getters;
pub mod group;
mod heading;
mod histogram;
mod label;
mod lifecycle;
pub mod own;
mod peaks;
pub mod reference;
mod row;
mod selection;
mod v2;

pub use feed::feed;
pub use histogram::HistogramReading;
pub use label::{BaseLabels, Label, LabelValue};
pub(crate) use own::float;
pub use own::{OwnSeries, SelfMetrics};
pub use row::{ContainerSink, FamilySink, Number, Page, Row, Shown, Sink};
pub use selection::{Selection, UnknownMetrics};
