//! Which containers there are: inotify on the cgroup tree in, [`ScopeEvent`]s out.

mod errno;
mod scan;
mod watcher;

pub use scan::{Scope, Unlisted, resync, scan};
pub use watcher::watch;

/// A change in the set of container cgroups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScopeEvent {
    /// A container's cgroup was made.
    Appeared(Scope),
    /// Something was written to a file of a container's cgroup: its limits may be others.
    Written(Scope),
    /// A container's cgroup was removed.
    Vanished(Scope),
    /// The whole tree was scanned: these are all there are, whatever was said before, but for what may be in directories that
    /// could not be listed.
    Resync {
        /// What was found.
        scopes: Vec<Scope>,
        /// Where nothing could be looked for.
        unlisted: Vec<Unlisted>,
    },
}
