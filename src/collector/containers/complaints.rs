//! What keeps numbers from being shown and can be mended.

use super::Containers;
use crate::sample::{KernelFile, Roots};

/// What shows a program in a container the cgroups of the host.
pub(super) const SEE_THE_HOST: &str = "run with -v /sys/fs/cgroup:/sys/fs/cgroup:ro or --cgroupns=host";

/// Something that is missing for a reason that can be mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::collector) struct Complaint {
    pub(in crate::collector) cause: &'static str,
    pub(in crate::collector) hint: &'static str,
}

impl Containers {
    /// What keeps numbers from being shown and can be mended: of any container, or of all of them.
    pub(in crate::collector) fn complaints(&self, roots: &Roots) -> impl Iterator<Item = Complaint> + use<> {
        let live = || self.entries.iter().filter_map(|entry| entry.scope.as_ref());
        let is_empty = live().next().is_none();
        let is_nowhere = |file: KernelFile| {
            self.reading.files.contains(file) && !is_empty && live().all(|live| live.reader.is_absent(file))
        };
        let network = live()
            .find_map(|live| live.problem?.hint())
            .map(|hint| Complaint { cause: "network counters can't be read", hint });
        let memory = is_nowhere(KernelFile::MemoryCurrent).then_some(Complaint {
            cause: "no container has memory.current",
            hint: "the memory controller is off: boot with cgroup_enable=memory",
        });
        let pressure = is_nowhere(KernelFile::CpuPressure).then_some(Complaint {
            cause: "no container has cpu.pressure",
            hint: "pressure stall information is off: boot with psi=1",
        });
        let nothing = (is_empty && !roots.is_top()).then_some(Complaint {
            cause: "no container can be seen, and the cgroup root is not the top of the hierarchy",
            hint: SEE_THE_HOST,
        });
        [network, memory, pressure, nothing].into_iter().flatten()
    }
}
