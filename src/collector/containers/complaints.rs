//! What keeps numbers from being shown and can be mended.

use super::Containers;
use crate::sample::KernelFile;

/// Something that is missing for a reason that can be mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::collector) struct Complaint {
    pub(in crate::collector) cause: &'static str,
    pub(in crate::collector) hint: &'static str,
}

impl Containers {
    /// What keeps numbers from being shown and can be mended: of any container, or of all of them.
    pub(in crate::collector) fn complaints(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        let live = || self.entries.iter().filter_map(|entry| entry.scope.as_ref());
        for problem in live().filter_map(|live| live.problem) {
            let complaint =
                problem.hint().map(|hint| Complaint { cause: "network counters can't be read", hint });
            if complaint.is_some_and(|complaint| !complaints.contains(&complaint)) {
                complaints.extend(complaint);
            }
        }
        let everywhere = |file: KernelFile| {
            self.reading.files.contains(file)
                && live().next().is_some()
                && live().all(|live| live.reader.is_absent(file))
        };
        if everywhere(KernelFile::MemoryCurrent) {
            complaints.push(Complaint {
                cause: "no container has memory.current",
                hint: "the memory controller is off: boot with cgroup_enable=memory",
            });
        }
        if everywhere(KernelFile::CpuPressure) {
            complaints.push(Complaint {
                cause: "no container has cpu.pressure",
                hint: "pressure stall information is off: boot with psi=1",
            });
        }
        complaints
    }
}
