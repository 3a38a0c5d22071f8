//! Directories that look like a container and are none: empty, another runtime's, a user's, or left behind.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod empty;
mod host;
#[path = "../support/mod.rs"]
mod support;
mod unknown_to_docker;
mod users;
