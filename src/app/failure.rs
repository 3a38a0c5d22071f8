//! Why the program ends without success.

use crate::{advice, sample::errno_of};
use anyhow::Error;

/// Why the program ends without success.
#[derive(Debug)]
pub struct Failure {
    /// What happened.
    pub error: Error,
    /// What can be done about it.
    pub hint: Option<String>,
}

impl Failure {
    /// For something that the user named and that can't be used.
    pub(super) fn new(error: impl Into<Error>, hint: impl Into<String>) -> Self {
        Self { error: error.into(), hint: Some(hint.into()) }
    }
}

/// A failure that a system limit caused gets a hint about that limit.
impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        let cause = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>()).map(errno_of);
        let hint = cause.and_then(advice::resources).map(str::to_owned);
        Self { error, hint }
    }
}

/// For a thread that could not be created: the exporter does not start without it.
pub(super) fn no_thread(error: std::io::Error) -> Failure {
    Error::new(error).context("a thread can't be started").into()
}
