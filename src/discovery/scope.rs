//! The events: cgroups of containers, and directories that could not be listed.

use super::errno::EILSEQ;
use crate::parse::{CgroupPath, ContainerId};
use std::{io, path::Path};

/// A change in the set of container cgroups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScopeEvent {
    /// A container's cgroup was created.
    Appeared(Scope),
    /// A file of a container's cgroup was written to: its limits may have changed.
    Written(Scope),
    /// A container's cgroup was removed.
    Vanished(Scope),
    /// The whole tree was scanned. These are all cgroups of containers, whatever was reported before, except
    /// for those that may be in directories that could not be listed.
    Resync {
        /// The cgroups that were found.
        scopes: Vec<Scope>,
        /// The directories that could not be listed.
        unlisted: Vec<Unlisted>,
    },
}

/// The cgroup of a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    /// Its path.
    pub cgroup: CgroupPath,
    /// The container's ID.
    pub id: ContainerId,
    /// Whether every write to its files is reported as [`ScopeEvent::Written`].
    pub watched: bool,
}

impl Scope {
    /// The scope of a directory below `root`, if its name is that of a container.
    pub(super) fn at(root: &Path, directory: &Path) -> Option<Self> {
        let id = id_of(directory)?;
        // A path that is not UTF-8 could be confused with another one.
        directory.strip_prefix(root).ok()?.to_str()?;
        Some(Self { cgroup: CgroupPath::of(root, directory), id, watched: false })
    }
}

fn id_of(directory: &Path) -> Option<ContainerId> {
    ContainerId::from_directory(directory.file_name()?.to_str()?)
}

/// A directory that exists, as far as is known, but could not be listed. What is below it is unknown, not
/// gone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unlisted {
    /// Its path.
    pub cgroup: CgroupPath,
    /// Why it could not be listed.
    pub errno: i32,
}

impl Unlisted {
    /// The directory of a container that can't be a [`Scope`], because its path is not UTF-8.
    pub(super) fn with_odd_path(root: &Path, directory: &Path) -> Option<Self> {
        id_of(directory)?;
        let error = io::Error::from_raw_os_error(EILSEQ);
        directory.to_str().is_none().then(|| Self::new(root, directory, &error))
    }

    pub(super) fn new(root: &Path, directory: &Path, error: &io::Error) -> Self {
        Self { cgroup: CgroupPath::of(root, directory), errno: error.raw_os_error().unwrap_or_default() }
    }

    /// Whether a cgroup with this path would be below it.
    #[must_use]
    pub fn is_above(&self, cgroup: &str) -> bool {
        self.cgroup.is_above(cgroup)
    }
}
