//! What a session knows about its daemon, and where it stores the daemon's version.

use super::{convert::Converter, sizes::Wish};
use crate::metadata::DockerHost;
use std::sync::{Arc, OnceLock};

/// How many characters of the daemon's version are kept.
const MAX_VERSION: usize = 40;

/// One daemon: where it is, how its answers are converted, and its version.
pub(super) struct Daemon {
    pub(super) host: DockerHost,
    pub(super) converter: Converter,
    /// The version of the first daemon that reported one.
    pub(super) engine: Arc<OnceLock<String>>,
    /// Whether the sizes of containers are wanted, and how.
    pub(super) wish: Option<Wish>,
}

impl Daemon {
    pub(super) fn new(host: DockerHost, converter: Converter) -> Self {
        Self { host, converter, engine: Arc::default(), wish: None }
    }

    /// Stores the version of the first daemon that reported one. It is cut, because a daemon can answer
    /// anything, at any length.
    pub(super) fn note_engine(&self, version: Option<String>) {
        if let Some(version) = version {
            let _already_known = self.engine.set(version.chars().take(MAX_VERSION).collect());
        }
    }
}
