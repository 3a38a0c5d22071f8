//! Finding container cgroups anywhere in the tree.

use super::{
    errno::ENOENT,
    scope::{Scope, ScopeEvent, Unlisted},
};
use crate::parse::CGROUP_CONTROLLERS;
use std::{
    io,
    path::{Path, PathBuf},
};

/// How deep the scan goes: deeper than any known nesting of slices. There must be a limit, because a
/// container can create directories.
const MAX_DEPTH: usize = 24;

/// The result of a walk.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) scopes: Vec<Scope>,
    pub(super) unlisted: Vec<Unlisted>,
}

impl Found {
    /// Checks the root. An unmounted root is an empty directory, or one of another file system: then
    /// everything below it is unknown.
    pub(super) fn look_at_root(&mut self, root: &Path) {
        if let Err(error) = look_at_root(root) {
            self.unlisted.push(Unlisted::new(root, root, &error));
        }
    }

    pub(super) fn into_resync(mut self) -> ScopeEvent {
        self.scopes.sort();
        self.unlisted.sort();
        ScopeEvent::Resync { scopes: self.scopes, unlisted: self.unlisted }
    }
}

/// All container scopes that can be found below `root`, by path.
#[must_use]
pub fn scan(root: &Path) -> Vec<Scope> {
    let mut found = search(root);
    found.scopes.sort();
    found.scopes
}

/// One scan of the tree below `root`, as a [`ScopeEvent::Resync`].
#[must_use]
pub fn resync(root: &Path) -> ScopeEvent {
    let mut found = search(root);
    found.look_at_root(root);
    found.into_resync()
}

fn search(root: &Path) -> Found {
    let mut found = Found::default();
    walk(root, root, &mut |_| {}, &mut found);
    found
}

/// Walks the directories that can hold containers. Calls `enter` **before** each one is listed, so that a
/// watch added there misses nothing.
pub(super) fn walk(root: &Path, from: &Path, enter: &mut dyn FnMut(&Path), found: &mut Found) {
    let mut queue: Vec<(PathBuf, usize)> = vec![(from.to_owned(), 0)];
    while let Some((directory, depth)) = queue.pop() {
        enter(&directory);
        let children = match list(&directory) {
            Ok(children) => children,
            // Removed meanwhile. This does not apply to the root, which is never removed.
            Err(error) if is_absent(&error) && directory != root => continue,
            Err(error) => {
                found.unlisted.push(Unlisted::new(root, &directory, &error));
                continue;
            }
        };
        for path in children {
            if let Some(scope) = Scope::at(root, &path) {
                found.scopes.push(scope);
            } else if let Some(odd) = Unlisted::with_odd_path(root, &path) {
                found.unlisted.push(odd);
            } else if depth < MAX_DEPTH && can_hold_containers(&path) {
                queue.push((path, depth + 1));
            }
        }
    }
}

/// The directories in a directory.
fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut children = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => children.push(entry.path()),
            Err(error) if !is_absent(&error) => return Err(error),
            _ => {}
        }
    }
    Ok(children)
}

fn is_absent(error: &io::Error) -> bool {
    error.raw_os_error() == Some(ENOENT)
}

/// Fails unless the root is a cgroup v2 root.
pub(super) fn look_at_root(root: &Path) -> io::Result<()> {
    std::fs::metadata(root.join(CGROUP_CONTROLLERS)).map(|_| ())
}

/// Whether a directory can hold containers: slices, the cgroupfs driver's `docker` and whatever
/// `--cgroup-parent` named, and services with child cgroups (`user@1000.service` holds rootless Docker). Not
/// scopes of other runtimes, nor units that systemd never divides.
pub(super) fn can_hold_containers(directory: &Path) -> bool {
    let extension = directory.extension().and_then(|extension| extension.to_str());
    !matches!(
        extension,
        Some("scope" | "mount" | "automount" | "socket" | "swap" | "device" | "timer" | "path")
    )
}

/// Whether new cgroups in a directory are worth a watch. There can be hundreds of services, and except for
/// user managers they create no cgroups for containers. The slow rescan looks into them.
pub(super) fn is_worth_a_watch(directory: &Path) -> bool {
    let name = directory.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    !name.ends_with(".service") || name.starts_with("user@")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn containers_are_found_wherever_their_parent_is() {
        let root = tempfile::tempdir().unwrap();
        let id = |digit: &str| digit.repeat(64);
        let mut expected = vec![
            format!("/system.slice/docker-{}.scope", id("1")),
            format!("/tenant.slice/tenant-a.slice/docker-{}.scope", id("2")),
            format!("/user.slice/user-1000.slice/user@1000.service/user.slice/docker-{}.scope", id("3")),
            format!("/docker/{}", id("4")),
            format!("/custom/parent/{}", id("5")),
        ];
        let not_ours = [
            format!("/machine.slice/libpod-{}.scope", id("6")),
            format!("/system.slice/docker-{}.scope/docker/{}", id("1"), id("7")),
            format!("/docker/buildkit/{}", &id("8")[..25]),
            "/system.slice/ssh.service".to_owned(),
        ];
        for path in expected.iter().chain(&not_ours) {
            std::fs::create_dir_all(root.path().join(&path[1..])).unwrap();
        }
        let found: Vec<_> = scan(root.path()).into_iter().map(|scope| scope.cgroup.to_string()).collect();
        expected.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_container_below_a_path_that_is_not_utf_8_is_told_of() {
        let root = tempfile::tempdir().unwrap();
        let slice = root.path().join(std::ffi::OsStr::from_bytes(b"odd\xff.slice"));
        std::fs::create_dir_all(slice.join("other")).unwrap();
        assert!(search(root.path()).unlisted.is_empty());
        std::fs::create_dir_all(slice.join("1".repeat(64))).unwrap();
        let Found { scopes, unlisted } = search(root.path());
        assert!(scopes.is_empty());
        assert_eq!((unlisted.len(), unlisted[0].errno), (1, 84));
    }

    #[test]
    fn a_root_that_is_not_there_is_not_an_empty_one() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("none");
        let Found { scopes, unlisted } = search(&path);
        assert!(scopes.is_empty());
        assert_eq!(unlisted.len(), 1);
        assert!(unlisted[0].is_above("/docker") && unlisted[0].cgroup.is_empty());
        let slice = Unlisted { cgroup: "/a.slice".into(), errno: 13 };
        assert!(
            slice.is_above("/a.slice/b") && !slice.is_above("/a.slice") && !slice.is_above("/a.slicer/b")
        );
    }
}
