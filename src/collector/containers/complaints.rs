//! Problems that hide numbers and that the operator can fix.

use super::Containers;
use crate::{
    advice::Complaint,
    sample::{KernelFile, Roots},
};

impl Containers {
    /// Problems that hide numbers and that the operator can fix: of one container, or of all of them.
    pub(in crate::collector) fn complaints(&self, roots: &Roots) -> impl Iterator<Item = Complaint> + use<> {
        let live = || self.entries.iter().filter_map(|entry| entry.scope.as_ref());
        let is_empty = live().next().is_none();
        let is_nowhere = |file: KernelFile| {
            self.reading.files.contains(file) && !is_empty && live().all(|live| live.reader.is_absent(file))
        };
        let network = live().find_map(|live| Complaint::of_network(live.problem?));
        // If this is no procfs at all, the processes are not hidden: the root is wrong.
        let network = network.map(|complaint| match roots.instead_of_procfs() {
            Some(found) => Complaint::NoProcfs { root: roots.proc.clone(), found },
            None => complaint,
        });
        let memory = is_nowhere(KernelFile::MemoryCurrent).then_some(Complaint::NoMemoryController);
        let pressure = is_nowhere(KernelFile::CpuPressure).then_some(Complaint::NoPressure);
        let descriptors = live().find_map(|live| live.descriptor_problem).map(Complaint::of_descriptors);
        [network, memory, pressure, descriptors].into_iter().flatten()
    }
}
