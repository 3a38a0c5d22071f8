//! How the table is written: a page of text.
//!
//! Rendering is a double loop, family outside and container inside, into a reused buffer.

mod label_block;
mod line;
mod text;

pub use label_block::{LabelBlock, LabelValue};
pub use line::{Number, Text};
pub use text::{Format, Page, Row, Samples, render, render_own};
pub(crate) use text::{head, unit_of};
