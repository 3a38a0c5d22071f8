//! The directories below a cgroup.

use super::{Reason, errno_of};
use nix::errno::Errno;
use std::path::{Path, PathBuf};

/// Visits at most `most` directories below one. Directories that were removed meanwhile are skipped.
pub(super) fn walk_below(
    top: &Path,
    most: u64,
    visit: &mut dyn FnMut(&Path) -> Result<(), Reason>,
) -> Result<(), (PathBuf, Reason)> {
    let mut queue = vec![top.to_owned()];
    let mut seen = 0;
    while let Some(directory) = queue.pop() {
        let list = || -> std::io::Result<Vec<PathBuf>> {
            let mut children = Vec::new();
            for entry in std::fs::read_dir(&directory)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    children.push(entry.path());
                }
            }
            Ok(children)
        };
        let children = match list().map_err(|error| errno_of(&error)) {
            Ok(children) => children,
            Err(Errno::ENOENT | Errno::ENODEV) => continue,
            Err(errno) => return Err((directory, Reason::Errno(errno))),
        };
        for child in children {
            seen += 1;
            if seen > most {
                return Err((directory, Reason::TooMany));
            }
            visit(&child).map_err(|reason| (child.clone(), reason))?;
            queue.push(child);
        }
    }
    Ok(())
}
