//! What is told of: containers' cgroups, and directories that could not be looked into.

use crate::parse::{CgroupPath, ContainerId};
use std::{io, path::Path};

/// A change in the set of container cgroups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScopeEvent {
    /// A container's cgroup was made.
    Appeared(Scope),
    /// Something was written to a file of a container's cgroup: its limits may be others.
    Written(Scope),
    /// A container's cgroup was removed.
    Vanished(Scope),
    /// The whole tree was scanned: these are all there are, whatever was said before, but for what may be in
    /// directories that could not be listed.
    Resync {
        /// What was found.
        scopes: Vec<Scope>,
        /// Where nothing could be looked for.
        unlisted: Vec<Unlisted>,
    },
}

/// The cgroup of a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    /// Where it is.
    pub cgroup: CgroupPath,
    /// The container's ID.
    pub id: ContainerId,
    /// Whether every write to its files is told of, as [`ScopeEvent::Written`].
    pub watched: bool,
}

impl Scope {
    /// The scope in a directory below `root`, if its name is that of a container.
    pub(super) fn at(root: &Path, directory: &Path) -> Option<Self> {
        let id = ContainerId::from_directory(directory.file_name()?.to_str()?)?;
        // A path with other than text in it could not be told from another one.
        directory.strip_prefix(root).ok()?.to_str()?;
        Some(Self { cgroup: CgroupPath::of(root, directory), id, watched: false })
    }
}

/// A directory that is there, as far as is known, and could not be listed: what is below it is unknown, and
/// not gone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unlisted {
    /// Which one.
    pub cgroup: CgroupPath,
    /// Why.
    pub errno: i32,
}

impl Unlisted {
    pub(super) fn new(root: &Path, directory: &Path, error: &io::Error) -> Self {
        Self { cgroup: CgroupPath::of(root, directory), errno: error.raw_os_error().unwrap_or_default() }
    }

    /// Whether a cgroup would be below it.
    #[must_use]
    pub fn is_above(&self, cgroup: &str) -> bool {
        self.cgroup.is_above(cgroup)
    }
}
