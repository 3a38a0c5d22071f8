//! How the table is written: an encoder per output, each of which takes what [`crate::table::feed()`] gives.
//! The table knows none of them.
//!
//! Today there are Prometheus' text format and OpenMetrics, which differ only in the lines before a family's
//! samples and in the end of the page.

mod label_block;
mod line;
mod openmetrics;
mod text;

pub use label_block::LabelBlock;
pub use line::Text;
pub use text::{Format, Renderer, render_own};
