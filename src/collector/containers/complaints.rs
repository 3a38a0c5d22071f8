//! What keeps numbers from being shown and can be mended.

use super::Containers;
use crate::{
    advice::Complaint,
    sample::{KernelFile, Roots},
};

impl Containers {
    /// What keeps numbers from being shown and can be mended: of any container, or of all of them.
    pub(in crate::collector) fn complaints(&self, roots: &Roots) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        let live = || self.entries.iter().filter_map(|entry| entry.scope.as_ref());
        for complaint in live().filter_map(|live| live.problem).filter_map(Complaint::of_network) {
            if !complaints.contains(&complaint) {
                complaints.push(complaint);
            }
        }
        if !complaints.is_empty() {
            // Nothing hides processes from a directory that never had any.
            if let Some(found) = roots.instead_of_procfs() {
                complaints = vec![Complaint::NoProcfs { root: roots.proc.clone(), found }];
            }
        }
        let everywhere = |file: KernelFile| {
            self.reading.files.contains(file)
                && live().next().is_some()
                && live().all(|live| live.reader.is_absent(file))
        };
        if everywhere(KernelFile::MemoryCurrent) {
            complaints.push(Complaint::NoMemoryController);
        }
        if everywhere(KernelFile::CpuPressure) {
            complaints.push(Complaint::NoPressure);
        }
        if live().next().is_none() && !roots.is_top() {
            complaints.push(Complaint::NotTheTop);
        }
        complaints
    }
}
