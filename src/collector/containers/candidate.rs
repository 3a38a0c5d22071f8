//! A directory that may be a container's cgroup.

use crate::{advice::Hidden, parse::CgroupPath, sample::Errno};
use std::time::SystemTime;

/// A directory whose name contains a container's ID.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) cgroup: CgroupPath,
    /// Whether inotify reports writes to its files.
    pub(super) watched: bool,
    /// Whether it is in a subtree that was delegated to a user.
    pub(super) delegated: bool,
    /// When it was created or last changed.
    pub(super) born: SystemTime,
    /// Why it is not read, if so.
    pub(super) obstacle: Option<Obstacle>,
}

/// Why a directory is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// It has no process.
    Empty,
    /// It can't be opened.
    Unopened(Errno),
    /// A user created it, and Docker's container is not in it.
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
