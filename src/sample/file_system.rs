//! The size of a file system.

use nix::sys::{
    stat::{major, minor, stat},
    statvfs::statvfs,
};
use std::path::Path;

/// The file system that a directory is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileSystem {
    /// Its size, bytes.
    pub bytes: u64,
    /// Major and minor number of its block device; `None` for a file system that has no device of its own.
    pub device: Option<(u32, u32)>,
}

/// The file system of a directory. `None` if the directory can't be seen, or if its file system has no size,
/// as procfs. Waits as long as the file system does.
#[must_use]
pub fn file_system_of(directory: &Path) -> Option<FileSystem> {
    if !directory.is_dir() {
        return None;
    }
    let space = statvfs(directory).ok()?;
    let bytes = space.blocks().checked_mul(space.fragment_size()).filter(|bytes| *bytes > 0)?;
    let device = stat(directory).ok()?.st_dev;
    let number = u32::try_from(major(device)).ok().zip(u32::try_from(minor(device)).ok());
    // The kernel gives major number 0 to what is not a block device.
    Some(FileSystem { bytes, device: number.filter(|(major, _)| *major != 0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_or_has_no_size_is_unknown() {
        assert!(file_system_of(Path::new("/")).unwrap().bytes > 1 << 20);
        assert_eq!(file_system_of(Path::new("/proc")), None);
        assert_eq!(file_system_of(Path::new("/nonexistent")), None);
        assert_eq!(file_system_of(Path::new("/proc/self/status")), None);
    }
}
