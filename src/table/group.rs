//! Sets and groups of families, as `--metrics` names them.

/// A set of families, for `--metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Set {
    /// The product's own eleven gauges.
    Core,
    /// cAdvisor's names.
    Cadvisor,
    /// What cgroup v2 offers beyond that.
    V2,
    /// What only Docker knows.
    Lifecycle,
}

impl Set {
    /// All sets.
    pub const ALL: [Self; 4] = [Self::Core, Self::Cadvisor, Self::V2, Self::Lifecycle];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Cadvisor => "cadvisor",
            Self::V2 => "v2",
            Self::Lifecycle => "lifecycle",
        }
    }
}

/// What a family is about, for `--metrics`. [`Self::Host`] has no families of its own: it is the families of
/// other groups for the host, where they have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "named after what they are about")]
pub enum Group {
    Cpu,
    Memory,
    Network,
    Io,
    Pressure,
    Pids,
    Cgroup,
    State,
    Machine,
    Host,
    MemoryStat,
    PressureAverages,
    Hugetlb,
    Peaks,
    Disk,
    Process,
}

impl Group {
    /// All groups.
    pub const ALL: [Self; 16] = [
        Self::Cpu,
        Self::Memory,
        Self::Network,
        Self::Io,
        Self::Pressure,
        Self::Pids,
        Self::Cgroup,
        Self::State,
        Self::Machine,
        Self::Host,
        Self::MemoryStat,
        Self::PressureAverages,
        Self::Hugetlb,
        Self::Peaks,
        Self::Disk,
        Self::Process,
    ];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Network => "network",
            Self::Io => "io",
            Self::Pressure => "pressure",
            Self::Pids => "pids",
            Self::Cgroup => "cgroup",
            Self::State => "state",
            Self::Machine => "machine",
            Self::Host => "host",
            Self::MemoryStat => "memory_stat",
            Self::PressureAverages => "pressure_averages",
            Self::Hugetlb => "hugetlb",
            Self::Peaks => "peaks",
            Self::Disk => "disk",
            Self::Process => "process",
        }
    }

    /// Whether it is served by default.
    #[must_use]
    pub const fn is_default(self) -> bool {
        !matches!(
            self,
            Self::MemoryStat | Self::PressureAverages | Self::Hugetlb | Self::Disk | Self::Process
        )
    }
}
