//! OOM kills, counted across the runs of a container.

/// The kernel counts `oom_kill` per cgroup, and a container gets a new cgroup at each start. This adds up the
/// runs.
///
/// A container that an OOM kill ends is often gone before its file can be read again. So Docker's `oom` event
/// and `State.OOMKilled` also count as evidence of a kill that was not read. Both may be late: their time
/// says which run they are about. All times are in Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OomKills {
    /// Whether any of the sources ever gave a count.
    is_known: bool,
    /// The runs before the last one, taken together.
    earlier: Count,
    /// The run before this one.
    last: Option<Run>,
    this: Run,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Count {
    read: u64,
    events: u64,
    /// Whether a kill ended it: one of those that were read or reported, or one that was neither.
    is_ended_by_kill: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Run {
    began: f64,
    kills: Count,
}

impl Count {
    const NONE: Self = Self { read: 0, events: 0, is_ended_by_kill: false };

    fn kills(self) -> u64 {
        self.read.max(self.events).max(self.is_ended_by_kill.into())
    }
}

impl Run {
    /// A run of which it is not known when it began: everything that is not later is about it.
    const SINCE_EVER: Self = Self { began: f64::NEG_INFINITY, kills: Count::NONE };
}

impl Default for OomKills {
    fn default() -> Self {
        Self { is_known: false, earlier: Count::NONE, last: None, this: Run::SINCE_EVER }
    }
}

impl OomKills {
    /// All kills; `None` if none of the sources ever gave a count.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        let last = self.last.map_or(0, |run| run.kills.kills());
        let before = self.earlier.kills().saturating_add(last);
        self.is_known.then(|| before.saturating_add(self.this.kills.kills()))
    }

    /// The kernel's count of this run.
    pub fn read(&mut self, oom_kill: u64) {
        self.is_known = true;
        self.this.kills.read = oom_kill;
    }

    /// Docker reported a kill and when that was. Without a time it counts for this run.
    pub fn witnessed(&mut self, at: Option<f64>) {
        self.is_known = true;
        let kills = match self.run_at(at) {
            Some(run) => &mut run.kills,
            None => &mut self.earlier,
        };
        kills.events = kills.events.saturating_add(1);
    }

    /// Docker says that a kill ended a run, and when that was. Without a time it counts for this run. Runs
    /// before the last one are left as they are: whether this kill is among theirs can't be told.
    pub fn ended_by_kill(&mut self, at: Option<f64>) {
        let Some(run) = self.run_at(at) else { return };
        run.kills.is_ended_by_kill = true;
        self.is_known = true;
    }

    /// The run of this time: this one or the last; `None` if it is an earlier one.
    fn run_at(&mut self, at: Option<f64>) -> Option<&mut Run> {
        let at = at.unwrap_or(f64::INFINITY);
        if at >= self.this.began {
            return Some(&mut self.this);
        }
        self.last.as_mut().filter(|run| at >= run.began)
    }

    /// When the first run that is seen began.
    pub fn first_run(&mut self, began: Option<f64>) {
        self.this.began = began.unwrap_or(f64::NEG_INFINITY);
    }

    /// What was read was another container's cgroup: its count is dropped. This run began with the directory
    /// that is read from now on.
    pub fn was_not_its_own(&mut self, began: Option<f64>) {
        self.this.kills.read = 0;
        self.first_run(began);
    }

    /// The container was started again.
    pub fn new_run(&mut self, began: Option<f64>) {
        let this = Run { began: began.unwrap_or(self.this.began), ..Run::SINCE_EVER };
        let ended = std::mem::replace(&mut self.this, this);
        if let Some(Run { kills, .. }) = self.last.replace(ended) {
            // Events about it that are still to come add up to this.
            self.earlier.read = self.earlier.read.saturating_add(kills.kills());
            self.earlier.events = self.earlier.events.saturating_add(kills.events);
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
        kills.witnessed(None);
        kills.ended_by_kill(None);
        assert_eq!(kills.total(), Some(1));
        kills.new_run(None);
        assert_eq!(kills.total(), Some(1));
        // The cgroup was gone before it could be read.
        kills.ended_by_kill(None);
        assert_eq!(kills.total(), Some(2));
        kills.new_run(None);
        kills.read(3);
        assert_eq!(kills.total(), Some(5));
    }

    #[test]
    fn a_late_witness_counts_for_the_run_that_it_is_about() {
        let mut kills = OomKills::default();
        kills.first_run(Some(10.0));
        kills.read(1);
        kills.new_run(Some(20.0));
        kills.read(0);
        // Docker tells of the first run's kill after the second run was found.
        kills.witnessed(Some(19.5));
        kills.ended_by_kill(Some(19.6));
        assert_eq!(kills.total(), Some(1));
        kills.witnessed(Some(29.5));
        kills.new_run(Some(30.0));
        assert_eq!(kills.total(), Some(2));
        kills.new_run(Some(40.0));
        // Both ended before they could be read, and Docker tells it last of all.
        kills.witnessed(Some(29.5));
        kills.witnessed(Some(39.5));
        kills.ended_by_kill(Some(39.6));
        assert_eq!(kills.total(), Some(4));
        kills.read(1);
        assert_eq!(kills.total(), Some(5));
    }

    #[test]
    fn a_late_witness_of_a_run_long_ago_is_not_counted_twice() {
        let mut kills = OomKills::default();
        kills.first_run(Some(10.0));
        for run in 1..=5 {
            kills.read(1);
            kills.new_run(Some(10.0 + 10.0 * f64::from(run)));
        }
        for run in 1..=5 {
            kills.witnessed(Some(9.5 + 10.0 * f64::from(run)));
            assert_eq!(kills.total(), Some(5));
        }
    }

    #[test]
    fn a_kill_before_the_first_run_that_is_seen_counts_once() {
        let mut kills = OomKills::default();
        kills.first_run(Some(10.0));
        kills.read(0);
        kills.witnessed(Some(9.5));
        assert_eq!(kills.total(), Some(1));
        kills.ended_by_kill(Some(9.6));
        assert_eq!(kills.total(), Some(1));
        kills.read(1);
        kills.witnessed(Some(12.0));
        assert_eq!(kills.total(), Some(2));
    }

    #[test]
    fn the_order_of_the_witnesses_does_not_matter() {
        let mut kills = OomKills::default();
        kills.ended_by_kill(Some(9.6));
        kills.witnessed(Some(9.5));
        assert_eq!(kills.total(), Some(1));
        kills.new_run(Some(10.0));
        kills.ended_by_kill(Some(19.6));
        kills.new_run(Some(20.0));
        kills.new_run(Some(30.0));
        kills.witnessed(Some(19.5));
        assert_eq!(kills.total(), Some(2));
    }
}
