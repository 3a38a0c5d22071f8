//! What is served, under Prometheus' names and in Prometheus' units: the joined containers in, families of samples out.
//!
//! [`family::FAMILIES`] is the one table; text, OpenMetrics, `--metrics` and the README's reference all come from it.

pub mod family;
mod getters;
pub mod own;
pub mod reference;
pub(crate) mod selection;

pub use crate::encode::Page;
pub use own::SelfMetrics;
pub use selection::{Selection, UnknownMetrics};
