//! Finds containers: watches the cgroup tree with inotify and sends [`ScopeEvent`]s.

mod errno;
mod scan;
mod scope;
mod watcher;

pub use scan::{resync, scan};
pub use scope::{Scope, ScopeEvent, Unlisted};
pub use watcher::watch;
