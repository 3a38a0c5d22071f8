//! What of its host the exporter does not see, for want of flags that its container should have been started with.

use std::fmt;

/// What is out of sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// All cgroups but its own, and so all containers.
    Cgroups,
    /// All cgroups and processes but its own.
    CgroupsAndProcesses,
    /// The processes of containers, and so their network counters.
    Processes,
}

impl Missing {
    /// The flags of `docker run` that would show it.
    #[must_use]
    pub fn flags(self) -> &'static str {
        match self {
            Self::Cgroups => "-v /sys/fs/cgroup:/sys/fs/cgroup:ro",
            Self::CgroupsAndProcesses => "--pid host -v /sys/fs/cgroup:/sys/fs/cgroup:ro",
            Self::Processes => "--pid host",
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = self.flags();
        match self {
            Self::Processes => {
                write!(f, "network counters can't be read: start the exporter's container with {flags}")
            }
            Self::Cgroups | Self::CgroupsAndProcesses => write!(
                f,
                "no container can be seen, since the cgroup root is not the host's: start the exporter's container with {flags} \
                 (--cgroupns=host does instead of -v)"
            ),
        }
    }
}
