//! How the table is written: one encoder per output. Each takes what [`crate::table::feed()`] gives. The
//! table knows none of them.
//!
//! There are Prometheus' text format and OpenMetrics. They differ only in the lines before a family's
//! samples, in the end of the page, and, if that is asked for, in lines that say when counters began. For
//! push, [`Readings`] groups a pass by container, and [`Requests`] writes it as remote write, [`Exports`] as
//! OTLP.

mod label_block;
mod labels;
mod line;
mod openmetrics;
mod otlp;
mod protobuf;
mod readings;
mod text;
mod write_request;
mod written_request;

pub use label_block::LabelBlock;
pub use labels::Labels;
pub use line::Text;
pub use otlp::{Exports, rejected};
pub use readings::{HistogramShown, Readings, Shape, Subject, unix_millis};
pub use text::{Format, Renderer};
pub use write_request::{Message, Relabel, Requests};
pub use written_request::{lost_since, v2_to_v1};
