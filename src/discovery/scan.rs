//! Finding container cgroups anywhere in the tree.

use crate::parse::ContainerId;
use std::path::{Path, PathBuf};

/// Deeper than any slice nesting seen; a bound against a tree that a container shapes.
const MAX_DEPTH: usize = 24;

/// The cgroup of a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    /// Path below the cgroup root, with a leading slash.
    pub cgroup: String,
    /// The container's ID.
    pub id: ContainerId,
    /// Whether every write to its files is told of, as [`ScopeEvent::Written`](super::ScopeEvent::Written).
    pub watched: bool,
}

impl Scope {
    /// The scope in a directory below `root`, if its name is that of a container.
    pub(super) fn at(root: &Path, directory: &Path) -> Option<Self> {
        let id = ContainerId::from_directory(directory.file_name()?.to_str()?)?;
        let below = directory.strip_prefix(root).ok()?.to_str()?;
        Some(Self { cgroup: format!("/{below}"), id, watched: false })
    }
}

/// All container scopes below `root`, by path.
#[must_use]
pub fn scan(root: &Path) -> Vec<Scope> {
    let mut scopes = Vec::new();
    walk(root, root, &mut |_| {}, &mut scopes);
    scopes.sort();
    scopes
}

/// Walks the directories that can hold containers, calling `enter` **before** each is listed, so that a
/// watch put there misses nothing.
pub(super) fn walk(root: &Path, from: &Path, enter: &mut dyn FnMut(&Path), scopes: &mut Vec<Scope>) {
    let mut queue: Vec<(PathBuf, usize)> = vec![(from.to_owned(), 0)];
    while let Some((directory, depth)) = queue.pop() {
        enter(&directory);
        let Ok(entries) = std::fs::read_dir(&directory) else { continue };
        for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|t| t.is_dir())) {
            let path = entry.path();
            if let Some(scope) = Scope::at(root, &path) {
                scopes.push(scope);
            } else if depth < MAX_DEPTH && can_hold_containers(&path) {
                queue.push((path, depth + 1));
            }
        }
    }
}

/// Slices, the cgroupfs driver's `docker` and whatever `--cgroup-parent` named, and services with groups of their own
/// (`user@1000.service` holds rootless Docker). Not other runtimes' scopes, nor what systemd never divides.
pub(super) fn can_hold_containers(directory: &Path) -> bool {
    let extension = directory.extension().and_then(|extension| extension.to_str());
    !matches!(
        extension,
        Some("scope" | "mount" | "automount" | "socket" | "swap" | "device" | "timer" | "path")
    )
}

/// Whether new groups in a directory are worth a watch: services come by the hundred and, but for user
/// managers, do not make groups for containers; the slow rescan looks into them.
pub(super) fn is_worth_a_watch(directory: &Path) -> bool {
    let name = directory.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    !name.ends_with(".service") || name.starts_with("user@")
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let found: Vec<_> = scan(root.path()).into_iter().map(|scope| scope.cgroup).collect();
        expected.sort();
        assert_eq!(found, expected);
    }
}
