//! Prometheus' names, units and formats: the joined containers in, the bytes of a response out.
//!
//! [`family::FAMILIES`] is the one table; text, OpenMetrics, `--metrics` and the README's reference all come from
//! it. Rendering is a double loop, family outside and container inside, into a reused buffer.

pub mod family;
mod getters;
mod label_block;
pub mod reference;
mod render;
mod selection;
pub mod self_metrics;
mod text;

pub use label_block::{LabelBlock, LabelValue};
pub use render::{Format, Page, Shown, render, render_own};
pub use selection::{Selection, UnknownMetrics};
pub use self_metrics::{OwnSeries, SelfMetrics};
pub use text::Text;
