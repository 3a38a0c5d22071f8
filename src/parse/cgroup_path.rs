//! The path of a cgroup.

use std::{
    fmt,
    ops::Deref,
    path::{Path, PathBuf},
};

/// The path of a cgroup below the cgroup root, as the kernel writes it: it begins with a slash. Empty for the
/// root itself, and if the path is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CgroupPath(String);

impl CgroupPath {
    /// The path of a directory below `root`. Bytes that are not UTF-8 are replaced, because the path is only
    /// shown.
    #[must_use]
    pub fn of(root: &Path, directory: &Path) -> Self {
        let below = directory.strip_prefix(root).unwrap_or(directory);
        Self(if below.as_os_str().is_empty() { String::new() } else { format!("/{}", below.display()) })
    }

    /// Its directory.
    #[must_use]
    pub fn directory(&self, root: &Path) -> PathBuf {
        root.join(self.0.trim_start_matches('/'))
    }

    /// Whether another cgroup is, or would be, below this one.
    #[must_use]
    pub fn is_above(&self, other: &str) -> bool {
        other.strip_prefix(self.as_str()).is_some_and(|rest| rest.starts_with('/'))
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for CgroupPath {
    fn from(path: String) -> Self {
        Self(path)
    }
}

impl From<&str> for CgroupPath {
    fn from(path: &str) -> Self {
        Self(path.to_owned())
    }
}

impl Deref for CgroupPath {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<&str> for CgroupPath {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl fmt::Display for CgroupPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_back_to_its_directory() {
        let root = Path::new("/sys/fs/cgroup");
        for (below, path) in [("", ""), ("docker", "/docker"), ("a.slice/b.scope", "/a.slice/b.scope")] {
            let directory = root.join(below);
            let cgroup = CgroupPath::of(root, &directory);
            assert_eq!(cgroup, path);
            assert_eq!(
                cgroup.directory(root).components().collect::<PathBuf>(),
                directory.components().collect::<PathBuf>()
            );
        }
    }

    #[test]
    fn only_what_has_all_of_its_names_is_above() {
        let above = |path: &str, other: &str| CgroupPath::from(path).is_above(other);
        assert!(above("", "/docker") && above("/a.slice", "/a.slice/docker-1.scope"));
        assert!(!above("/a.slice", "/a.slice") && !above("/a.slice", "/a.slices/b") && !above("", ""));
    }
}
