//! What a run needs after its start.

use std::path::PathBuf;

/// What a run opens and connects to after its start. Everything else is refused.
///
/// A directory stands for everything below it. It must exist when the sandbox is entered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Where the host's procfs is.
    pub proc: PathBuf,
    /// Whether the descriptors of other processes are counted. The kernel asks for the right to trace them.
    pub traces: bool,
    /// Directories that are read.
    pub read: Vec<PathBuf>,
    /// Files that are read again later, such as certificates. Their directories are read too, because a file
    /// that is replaced is another file.
    pub files: Vec<PathBuf>,
    /// Directories that are written to.
    pub written: Vec<PathBuf>,
    /// A directory that is written to, and removed at the end.
    pub temporary: Option<PathBuf>,
    /// Files that are removed at the end. In a directory that has much more than what belongs to one program
    /// they stay.
    pub removed: Vec<PathBuf>,
    /// Unix sockets that are connected to.
    pub sockets: Vec<PathBuf>,
    /// TCP ports that are connected to.
    pub ports: Vec<u16>,
    /// Whether host names are resolved.
    pub names: bool,
    /// Whether the service manager listens on an abstract socket.
    pub abstract_sockets: bool,
}

impl Plan {
    pub(super) fn writes(&self) -> bool {
        !self.written.is_empty() || !self.removed.is_empty() || self.temporary.is_some()
    }

    pub(super) fn uses_tcp(&self) -> bool {
        !self.ports.is_empty() || self.names
    }
}
