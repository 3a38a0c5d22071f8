pub mod discovery;
pub mod metadata;
pub mod model;
pub mod parse;
pub mod sample;
