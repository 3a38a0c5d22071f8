//! OOM kills, counted across the runs of a container.

/// The kernel counts `oom_kill` per cgroup, and a container gets a new cgroup at each start. This adds up the
/// runs.
///
/// A container that an OOM kill ends is often gone before its file can be read again. So Docker's `oom` event
/// and `State.OOMKilled` also count as evidence of a kill that was not read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OomKills {
    earlier_runs: u64,
    read: Option<u64>,
    events: u64,
}

impl OomKills {
    /// All kills; `None` if none of the sources ever gave a count.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        let known = self.read.is_some() || self.events > 0 || self.earlier_runs > 0;
        known.then(|| self.earlier_runs.saturating_add(self.this_run()))
    }

    fn this_run(&self) -> u64 {
        self.read.unwrap_or(0).max(self.events)
    }

    /// The kernel's count of this run.
    pub fn read(&mut self, oom_kill: u64) {
        self.read = Some(oom_kill);
    }

    /// Docker reported a kill in this run.
    pub fn witnessed(&mut self) {
        self.events = self.events.saturating_add(1);
    }

    /// Docker says that a kill ended the last run.
    pub fn ended_by_kill(&mut self) {
        if self.this_run() == 0 {
            self.events = 1;
        }
    }

    /// What was read was another container's cgroup: its count is dropped.
    pub fn was_not_its_own(&mut self) {
        self.read = self.read.map(|_| 0);
    }

    /// The container was started again.
    pub fn new_run(&mut self) {
        self.earlier_runs = self.earlier_runs.saturating_add(self.this_run());
        self.events = 0;
        if self.read.is_some() {
            self.read = Some(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_add_up_and_witnesses_are_not_counted_twice() {
        let mut kills = OomKills::default();
        assert_eq!(kills.total(), None);
        kills.read(0);
        assert_eq!(kills.total(), Some(0));
        kills.read(1);
        kills.witnessed();
        kills.ended_by_kill();
        assert_eq!(kills.total(), Some(1));
        kills.new_run();
        assert_eq!(kills.total(), Some(1));
        // The cgroup was gone before it could be read.
        kills.ended_by_kill();
        assert_eq!(kills.total(), Some(2));
        kills.new_run();
        kills.read(3);
        assert_eq!(kills.total(), Some(5));
    }
}
