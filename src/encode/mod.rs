//! How the table is written: one encoder per output. Each takes what [`crate::table::feed()`] gives. The
//! table knows none of them.
//!
//! There are Prometheus' text format and OpenMetrics. They differ only in the lines before a family's
//! samples, in the end of the page, and, if that is asked for, in lines that say when counters began.

mod label_block;
mod line;
mod openmetrics;
mod text;

pub use label_block::LabelBlock;
pub use line::Text;
pub use text::{Format, Renderer};
