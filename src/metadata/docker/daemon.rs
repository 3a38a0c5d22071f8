//! What a session has to know of its daemon, and the version that it notes of it.

use super::convert::Converter;
use crate::metadata::DockerHost;
use std::sync::{Arc, OnceLock};

/// Characters of the daemon's version that are kept.
const MAX_VERSION: usize = 40;

/// One daemon: where it is, how its answers are converted, and its version.
pub(super) struct Daemon {
    pub(super) host: DockerHost,
    pub(super) converter: Converter,
    /// The version of the first daemon that told one.
    pub(super) engine: Arc<OnceLock<String>>,
}

impl Daemon {
    pub(super) fn new(host: DockerHost, converter: Converter) -> Self {
        Self { host, converter, engine: Arc::default() }
    }

    /// Notes the version of the first daemon that told one. A daemon can be made to say anything at any
    /// length.
    pub(super) fn note_engine(&self, version: Option<String>) {
        if let Some(version) = version {
            let _already_known = self.engine.set(version.chars().take(MAX_VERSION).collect());
        }
    }
}
