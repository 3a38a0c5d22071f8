//! The spool's directory, which one exporter uses at a time.

use crate::sample::{Errno, errno_of};
use nix::fcntl::{Flock, FlockArg};
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// How much of a target's name is in the name of its directory.
const NAME_CHARS: usize = 40;

/// Why the directory can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{said}")]
pub(in crate::push) struct DirectoryError {
    said: String,
    /// Whether there is no room, which may be over later.
    pub(in crate::push) is_full: bool,
}

/// The directory, locked. The kernel takes the lock back when the process ends in any way.
#[derive(Debug)]
pub(in crate::push) struct Directory {
    path: PathBuf,
    _lock: Flock<File>,
}

impl Directory {
    /// Makes the directory if it is not there, and locks it.
    ///
    /// # Errors
    /// If it can't be used, or another exporter uses it.
    pub(in crate::push) fn open(path: &Path) -> Result<Self, DirectoryError> {
        let failed = |errno: Errno, said: &str| DirectoryError {
            said: format!("{}: {said}", path.display()),
            is_full: matches!(errno, Errno::ENOSPC | Errno::EDQUOT),
        };
        let unusable = |error: io::Error| failed(errno_of(&error), &error.to_string());
        if fs::metadata(path).is_ok_and(|found| !found.is_dir()) {
            return Err(failed(Errno::ENOTDIR, "expected a directory, found a file"));
        }
        make(path).map_err(unusable)?;
        must_be_file(&path.join("lock")).map_err(unusable)?;
        let mut options = OpenOptions::new();
        let lock = options.write(true).create(true).truncate(false).mode(0o600).open(path.join("lock"));
        match Flock::lock(lock.map_err(unusable)?, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err((_, errno @ Errno::EWOULDBLOCK)) => {
                Err(failed(errno, "another docker-stat-prom uses it: each needs a directory of its own"))
            }
            Err((_, errno)) => Err(failed(errno, errno.desc())),
        }
    }

    /// The directory of a target, which is made if it is not there.
    pub(super) fn folder(&self, target: &str) -> io::Result<PathBuf> {
        let path = self.path.join(folder_name(target));
        make(&path)?;
        Ok(path)
    }

    /// Directories of targets that are not among these: what waits in them is not sent.
    pub(in crate::push) fn strangers<'a>(&self, targets: impl Iterator<Item = &'a str>) -> Vec<PathBuf> {
        let known: Vec<_> = targets.map(folder_name).collect();
        let Ok(entries) = fs::read_dir(&self.path) else { return Vec::new() };
        let folders = entries.flatten().filter(|entry| entry.path().is_dir());
        let is_unknown = |name: &str| is_folder_name(name) && !known.iter().any(|known| known == name);
        let unknown = folders.filter(|entry| entry.file_name().to_str().is_some_and(is_unknown));
        unknown.map(|entry| entry.path()).collect()
    }
}

/// Fails if there is something that is no file: opening a FIFO would block, and a link leads elsewhere.
pub(in crate::push) fn must_be_file(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => Err(io::Error::other("not a regular file")),
        _ => Ok(()),
    }
}

pub(in crate::push) fn make(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The name of a target's directory: the same at each start, and good for any file system. Its end tells
/// targets apart whose names differ only in what is left out.
pub(super) fn folder_name(target: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    let readable: String = target.chars().take(NAME_CHARS).map(plain).collect();
    format!("{}-{:016x}", readable.trim_matches(['.', '-']), hash(target))
}

/// Whether it is the name of some target's directory. A file system has others, such as `lost+found`.
fn is_folder_name(name: &str) -> bool {
    let end = name.rsplit_once('-').map(|(_, end)| end);
    end.is_some_and(|end| end.len() == 16 && end.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// FNV-1a, which will be the same in all versions.
fn hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_targets_directory_has_a_safe_name_that_stays() {
        assert_eq!(
            folder_name("https://prom.example:9090/api/v1/write"),
            "https---prom.example-9090-api-v1-write-04bb0785fb2cfb4b"
        );
        for odd in ["", "..", "../../etc", "a\0b", "ü", &"x".repeat(5000)] {
            let name = folder_name(odd);
            assert!(name.len() < 64 && !name.starts_with('.') && !name.contains('/'), "{name}");
            assert!(name.is_ascii(), "{name}");
        }
        assert_ne!(folder_name("a/b"), folder_name("a-b"));
    }

    #[test]
    fn two_exporters_do_not_share_a_directory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/spool");
        let first = Directory::open(&path).unwrap();
        let error = Directory::open(&path).unwrap_err().to_string();
        assert!(error.contains("deep/spool: another docker-stat-prom uses it"), "{error}");
        drop(first);
        Directory::open(&path).unwrap();
    }

    #[test]
    fn only_the_owner_can_look_into_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::open(&folder.path().join("spool")).unwrap();
        let target = directory.folder("a").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&directory.path), mode(&target)), (0o700, 0o700));
        assert_eq!(mode(&directory.path.join("lock")), 0o600);
        fs::create_dir(directory.path.join("lost+found")).unwrap();
        let strangers = directory.strangers(["b"].into_iter());
        assert_eq!(strangers, [target]);
        assert!(directory.strangers(["a"].into_iter()).is_empty());
    }
}
