//! The process's own limits.

use crate::parse::{meminfo::parse_meminfo, proc_cgroup::unified_path, single_value::parse_limit};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Component, Path, PathBuf},
};

/// Raises the soft limit on open files to the hard one and returns what is now allowed.
///
/// Kept descriptors make reads cheap. The soft default of 1,024 is meant for programs that use `select`.
///
/// # Errors
/// The errno of `getrlimit`. A refused raise is no error: the current limit is returned.
pub fn raise_open_files() -> nix::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() {
        return Ok(hard);
    }
    Ok(soft)
}

/// What a kept file takes of the kernel's memory, bytes. See benches/README.md.
const KEPT_FILE: u64 = 5_000;
/// The share of the memory that kept files may take, and the most of it, bytes.
const SHARE: u64 = 10;
const MOST: u64 = 64_000_000;

/// How many files can be kept open in a tenth of the memory that this process may use, and in 64 MB: the
/// lowest of the machine's memory and of the limits on its cgroup and on those above, as far as they can be
/// seen.
#[must_use]
pub fn files_that_fit() -> usize {
    let total = std::fs::read("/proc/meminfo").ok().and_then(|file| parse_meminfo(&file).0.mem_total);
    let own = std::fs::read("/proc/self/cgroup").unwrap_or_default();
    let own = unified_path(&own).map(|path| Path::new(OsStr::from_bytes(path)));
    fitting(total, own.into_iter().flat_map(|own| limits(Path::new(CGROUP_ROOT), own)))
}

/// Where this process sees its own cgroup, whatever tree the containers are in.
const CGROUP_ROOT: &str = "/sys/fs/cgroup";

fn fitting(total: Option<u64>, limits: impl Iterator<Item = u64>) -> usize {
    let memory = limits.chain(total).min().unwrap_or(u64::MAX);
    usize::try_from((memory / SHARE).min(MOST) / KEPT_FILE).unwrap_or(usize::MAX)
}

/// `memory.max` and `memory.high` of a cgroup and of those above it, bytes.
fn limits(root: &Path, own: &Path) -> Vec<u64> {
    let own = own.strip_prefix("/").unwrap_or(own);
    // A path out of the namespace begins with `..`, and is not seen.
    let is_seen = own.components().all(|part| matches!(part, Component::Normal(_)));
    let directories = own.ancestors().filter(|_| is_seen).map(|path| root.join(path));
    let files = directories.flat_map(|path| [path.join("memory.max"), path.join("memory.high")]);
    let read = |file: PathBuf| parse_limit(&std::fs::read(file).ok()?).ok()?.value();
    files.filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_limit_says_how_many_files_fit() {
        let root = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| std::fs::write(root.path().join(file), text).unwrap();
        std::fs::create_dir_all(root.path().join("a.slice/b.service")).unwrap();
        let fit = |total, own: &str| fitting(total, limits(root.path(), Path::new(own)).into_iter());
        assert_eq!(fit(Some(8 << 30), "/a.slice/b.service"), 12_800, "no limit");
        assert_eq!(fit(None, "/a.slice/b.service"), 12_800, "nothing is known");
        write("a.slice/b.service/memory.max", "max\n");
        write("a.slice/b.service/memory.high", "400000000\n");
        assert_eq!(fit(Some(8 << 30), "/a.slice/b.service"), 8000);
        write("a.slice/memory.max", "100000000\n");
        assert_eq!(fit(Some(8 << 30), "/a.slice/b.service"), 2000);
        assert_eq!(fit(Some(50_000_000), "/a.slice/b.service"), 1000);
        // In a cgroup namespace of its own.
        write("memory.max", "150000000\n");
        assert_eq!(fit(Some(8 << 30), "/"), 3000);
        assert_eq!(fit(Some(8 << 30), "/../../a.slice"), 12_800, "its own cgroup can't be seen");
        assert!(files_that_fit() > 0);
    }
}
