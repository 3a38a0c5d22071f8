//! What is served, in no format: the joined containers in, families of samples out, under Prometheus' names
//! and in Prometheus' units.
//!
//! [`families::FAMILIES`] is the one table: a file of rows per set, each row with its getter. All outputs,
//! `--metrics` and the README's reference come from it. [`feed()`] gives a pass over it to a
//! [`ContainerSink`], and [`OwnSeries::feed`] what the exporter says of itself.

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
pub mod reference;
mod row;
mod selection;
mod v2;

pub use feed::feed;
pub use histogram::HistogramReading;
pub use label::{BaseLabels, Label, LabelValue};
pub use own::{OwnSeries, SelfMetrics};
pub use row::{ContainerSink, FamilySink, Number, Page, Row, Shown, Sink};
pub use selection::{Selection, UnknownMetrics};
