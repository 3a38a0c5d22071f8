//! What is wrong with the settings of push.

use crate::{advice::push as advice, yaml::About};

/// One line that says what is wrong, and one with what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::settings) struct Fault {
    pub(in crate::settings) problem: String,
    pub(in crate::settings) hint: &'static str,
}

impl Fault {
    pub(super) fn of_environment(problem: String) -> Self {
        Self { problem, hint: advice::otel() }
    }

    /// For the receiver that a flag names.
    pub(super) fn of_url(flag: &str, problem: String) -> Self {
        Self { problem, hint: advice::url(flag) }
    }

    /// For the file of receivers.
    pub(super) fn of_file(problem: String, about: About) -> Self {
        let hint = match about {
            About::Yaml => advice::yaml(),
            About::Keys => advice::config(),
            About::File => advice::file(),
        };
        Self { problem, hint }
    }

    pub(super) fn of_label(problem: String) -> Self {
        Self { problem, hint: advice::label() }
    }
}
