//! Why a part of the sandbox is not in force.

use crate::sample::{Errno, errno_of};
use std::fmt;

/// Why a part is not in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// The kernel does not have it, or a filter around this process pretends so.
    Missing,
    /// The kernel has it and it is turned off.
    TurnedOff,
    /// The kernel, or a sandbox around this process, refuses it.
    Refused(Errno),
    /// With Landlock, processes that procfs hides could not be seen, and the descriptors of no process,
    /// whatever the capabilities.
    HiddenProcesses,
    /// It could not be set up.
    Failed(String),
}

impl Lack {
    pub(super) fn of(error: &std::io::Error) -> Self {
        match errno_of(error) {
            Errno::ENOSYS => Self::Missing,
            errno => Self::Refused(errno),
        }
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("not in this kernel, or forbidden by a filter"),
            Self::TurnedOff => f.write_str("turned off in this kernel"),
            Self::Refused(errno) => write!(f, "refused: {}", errno.desc()),
            Self::HiddenProcesses => {
                f.write_str("it would hide the processes of containers, or their descriptors")
            }
            Self::Failed(problem) => f.write_str(problem),
        }
    }
}
