//! Which cgroup directories belong to Docker containers, and how they are named.

use std::{fmt, sync::Arc};

/// What the names of systemd's scopes of Docker containers have before and after the ID.
const PREFIX: &str = "docker-";
const SUFFIX: &str = ".scope";

/// A container's full ID: 64 lowercase hex digits. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerId(Arc<str>);

impl ContainerId {
    /// The ID; `None` for anything except 64 lowercase hex digits.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == 64 && text.bytes().all(hex)).then(|| Self(text.into()))
    }

    /// 64 zeros, which stand for no container.
    #[must_use]
    pub fn of_none() -> Self {
        Self("0".repeat(64).into())
    }

    /// The name of its cgroup directory with the systemd driver: `docker-<id>.scope`.
    #[must_use]
    pub fn scope_name(&self) -> String {
        format!("{PREFIX}{self}{SUFFIX}")
    }

    /// The ID of the container whose cgroup directory has this name: `docker-<id>.scope` (systemd driver) or
    /// only the ID (cgroupfs driver, whatever its parent). Podman's `libpod-…` and `buildkit` are not Docker
    /// containers.
    #[must_use]
    pub fn from_directory(name: &str) -> Option<Self> {
        let scope = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX));
        Self::new(scope.unwrap_or(name))
    }

    /// All 64 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits, as the docker CLI shows them.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_read_as_it_is_named() {
        let id = ContainerId::new(&"0123456789abcdef".repeat(4)).unwrap();
        assert_eq!(id.scope_name(), format!("docker-{}.scope", "0123456789abcdef".repeat(4)));
        assert_eq!(ContainerId::from_directory(&id.scope_name()), Some(id));
    }

    #[test]
    fn both_drivers_are_recognised_and_nothing_else() {
        let id = "0123456789abcdef".repeat(4);
        let accepted = [format!("docker-{id}.scope"), id.clone()];
        for name in &accepted {
            assert_eq!(ContainerId::from_directory(name).unwrap().as_str(), id);
        }
        let refused = [
            format!("libpod-{id}.scope"),
            format!("docker-{id}"),
            format!("{id}.scope"),
            id.to_uppercase(),
            "docker".into(),
            id[..63].to_owned(),
            format!("docker-{}.scope", "g".repeat(64)),
        ];
        for name in &refused {
            assert_eq!(ContainerId::from_directory(name), None, "{name}");
        }
    }
}
