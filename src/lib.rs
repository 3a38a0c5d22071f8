pub mod collector;
pub mod discovery;
pub mod exposition;
pub mod metadata;
pub mod model;
pub mod parse;
pub mod sample;
