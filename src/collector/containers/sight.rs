//! The parts of the host that the exporter can't see.

use super::Containers;
use crate::{
    advice::Missing,
    sample::{NetProblem, Roots, Seclusion},
};

impl Containers {
    /// The part of the host that the exporter can't see, if that hides numbers of containers.
    pub(in crate::collector) fn missing(&mut self, roots: &Roots) -> Option<Missing> {
        let mut live = self.entries.iter().filter_map(|entry| entry.scope.as_ref()).peekable();
        if live.peek().is_some() {
            self.has_seen = true;
            let is_foreign = live.any(|live| live.problem == Some(NetProblem::ForeignPids));
            return is_foreign.then_some(Missing::Processes);
        }
        if self.has_seen {
            return None;
        }
        // If Docker says that nothing runs, nothing is missing.
        let may_run = match self.docker_is_up()? {
            true => self.entries.iter().any(|entry| entry.has_told_process()),
            false => true,
        };
        if !may_run {
            return None;
        }
        Some(match roots.seclusion()? {
            Seclusion::Cgroups => Missing::Cgroups,
            Seclusion::CgroupsAndProcesses => Missing::CgroupsAndProcesses,
        })
    }
}
