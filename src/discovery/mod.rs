//! Which containers there are: inotify on the cgroup tree in, [`ScopeEvent`]s out.

mod errno;
mod scan;
mod scope;
mod watcher;

pub use scan::{resync, scan};
pub use scope::{Scope, ScopeEvent, Unlisted};
pub use watcher::watch;
