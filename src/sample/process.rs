//! The cgroup of a process.

use super::stat_file::Scratch;
use crate::parse::proc_cgroup::unified_path;
use std::path::Path;

/// The cgroup v2 path of a process, as in `/proc/<pid>/cgroup`. It is relative to our own cgroup namespace,
/// so a path outside its root begins with `/..`. `None` if there is no such process or the path is not known.
#[must_use]
pub fn cgroup_of(proc_root: &Path, pid: u32) -> Option<String> {
    let mut scratch = Scratch::small();
    let file = scratch.read_path(&proc_root.join(pid.to_string()).join("cgroup")).ok()?;
    std::str::from_utf8(unified_path(file)?).ok().map(str::to_owned)
}

/// Whether a process with this cgroup path (see [`cgroup_of`]) is in a container's cgroup or below it; `None`
/// if the path does not show this. `cgroup` is below the cgroup root and ends in a directory named after the
/// container's ID.
#[must_use]
pub fn is_in_cgroup(path: &str, cgroup: &str, id: &str) -> Option<bool> {
    let named = path.find(id)?;
    let end = path.get(named..)?.find('/').map_or(path.len(), |slash| named + slash);
    let scope = path.get(..end)?;
    let below_ours = scope.trim_start_matches("/..");
    Some(if below_ours.len() == scope.len() { scope == cgroup } else { cgroup.ends_with(below_ours) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_found_in_its_cgroup_from_within_a_namespace_too() {
        let id = "1".repeat(64);
        let cgroup = format!("/system.slice/docker-{id}.scope");
        for (path, expected) in [
            (cgroup.clone(), Some(true)),
            (format!("{cgroup}/init.scope"), Some(true)),
            (format!("/../docker-{id}.scope/below"), Some(true)),
            (format!("/../../system.slice/docker-{id}.scope"), Some(true)),
            (format!("/docker/{id}"), Some(false)),
            (format!("/user.slice/docker-{id}.scope"), Some(false)),
            ("/".to_owned(), None),
            ("/init.scope".to_owned(), None),
        ] {
            assert_eq!(is_in_cgroup(&path, &cgroup, &id), expected, "{path}");
        }
    }

    #[test]
    fn the_cgroup_is_that_of_version_2() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("7")).unwrap();
        std::fs::write(root.path().join("7/cgroup"), b"1:name=systemd:/\xff\nodd\n0::/docker/1\n").unwrap();
        assert_eq!(cgroup_of(root.path(), 7).as_deref(), Some("/docker/1"));
        assert_eq!(cgroup_of(root.path(), 8), None);
    }
}
