//! What the files of containers take up, as Docker measured it.

use crate::parse::ContainerId;
use std::time::{Duration, Instant};

/// What the files of one container take up, in bytes. `None` if Docker does not know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskUse {
    /// `SizeRw`: the files that the container has created or changed.
    pub rw_bytes: Option<u64>,
    /// `SizeRootFs`: these and the files of its image.
    pub root_bytes: Option<u64>,
}

/// The file system of Docker's root directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileSystem {
    /// Its size in bytes.
    pub bytes: u64,
    /// Major and minor number of its block device; `None` if it has none of its own, as with btrfs or ZFS.
    pub device: Option<(u32, u32)>,
}

/// A list of containers with their sizes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskReport {
    /// The containers that were listed.
    pub sizes: Vec<(ContainerId, DiskUse)>,
    /// The file system that they are on, if it can be seen.
    pub file_system: Option<FileSystem>,
    /// When Docker was asked. No size is older than this.
    pub asked: Instant,
    /// How long after that the sizes are worth showing.
    pub lasts: Duration,
}
