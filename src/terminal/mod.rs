//! What `--once` prints besides the metrics: what runs now, as a table for people or as JSON for scripts.

mod json;
mod overview;
mod size;
mod table;

pub use json::json;
pub use overview::Overview;
pub use size::{binary, decimal};
pub use table::table;
