//! What the history keeps of each container.

/// One number of a container over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// CPUs busy; 1 is one logical CPU
    Cpu,
    /// Share of the quota periods in which it was throttled, 0 to 1; unknown without a quota
    Throttled,
    /// `memory.current`, bytes
    Memory,
    /// Bytes received per second
    NetworkReceived,
    /// Bytes sent per second
    NetworkSent,
    /// Bytes read per second
    BlockRead,
    /// Bytes written per second
    BlockWritten,
    /// `memory.current` without `inactive_file`, bytes
    WorkingSet,
    /// `pids.current`, tasks
    Pids,
    /// Share of the time in which some task waited for a CPU, 0 to 1
    CpuPressure,
    /// Share of the time in which some task waited for memory, 0 to 1
    MemoryPressure,
    /// Share of the time in which some task waited for I/O, 0 to 1
    IoPressure,
}

/// How many quantities each polling tick reads. They are the first of [`Quantity::ALL`].
pub(super) const POLLED: usize = 7;
/// How many only a full pass reads.
pub(super) const PASSED: usize = Quantity::ALL.len() - POLLED;

impl Quantity {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Cpu,
        Self::Throttled,
        Self::Memory,
        Self::NetworkReceived,
        Self::NetworkSent,
        Self::BlockRead,
        Self::BlockWritten,
        Self::WorkingSet,
        Self::Pids,
        Self::CpuPressure,
        Self::MemoryPressure,
        Self::IoPressure,
    ];

    /// Its name, as in `--output json`, with the unit at the end.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu_ratio",
            Self::Throttled => "throttled_ratio",
            Self::Memory => "memory_current_bytes",
            Self::NetworkReceived => "network_receive_byteps",
            Self::NetworkSent => "network_transmit_byteps",
            Self::BlockRead => "blkio_receive_byteps",
            Self::BlockWritten => "blkio_transmit_byteps",
            Self::WorkingSet => "memory_working_set_bytes",
            Self::Pids => "pids",
            Self::CpuPressure => "cpu_pressure_ratio",
            Self::MemoryPressure => "memory_pressure_ratio",
            Self::IoPressure => "io_pressure_ratio",
        }
    }

    /// Whether each polling tick reads it. The others are known only where a scrape has read them: their
    /// files would cost each tick more than all that it reads now.
    #[must_use]
    pub const fn is_polled(self) -> bool {
        (self as usize) < POLLED
    }
}
