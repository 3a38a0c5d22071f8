//! A directory that may be a container's cgroup.

use crate::{advice::Hidden, parse::CgroupPath, sample::Errno};
use std::time::SystemTime;

/// A directory with a container's ID.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) cgroup: CgroupPath,
    /// Whether a write to its files would be told of.
    pub(super) watched: bool,
    /// Whether it is in a subtree that was handed to a user.
    pub(super) delegated: bool,
    /// When it was made or last changed.
    pub(super) born: SystemTime,
    /// What keeps it from being read.
    pub(super) obstacle: Option<Obstacle>,
}

/// Why a directory is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// It has no process.
    Empty,
    /// It can't be opened.
    Unopened(Errno),
    /// A user made it, and Docker's container is not in it.
    Foreign,
}

impl Obstacle {
    pub(super) fn reason(self) -> Hidden {
        match self {
            Self::Empty => Hidden::Empty,
            Self::Unopened(_) => Hidden::Unopened,
            Self::Foreign => Hidden::Foreign,
        }
    }
}
