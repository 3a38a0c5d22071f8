//! Containers that run according to Docker, but whose cgroup is not found: it is deeper than the scan goes,
//! below another root, or hidden by our own cgroup namespace.

use super::{Containers, entry::Entry};
use crate::advice;
use std::time::{Duration, Instant};

/// How long a container may be missing before it counts. Docker and the cgroups report a start or an end
/// within seconds of each other.
pub(super) const UNREAD: Duration = Duration::from_secs(30);
/// How many warnings are logged. Where one container is not found, often none is.
const MOST_SAID: usize = 20;

impl Entry {
    /// Whether Docker has said for a while that it runs, and no cgroup of it was read. `is_told` says whether
    /// the daemon that reported it still answers. If not, the container may have ended meanwhile.
    fn is_unread(&mut self, is_told: bool, now: Instant) -> bool {
        if !is_told || self.is_live() || self.is_excluded() || !self.has_told_process() {
            self.unread_since = None;
            return false;
        }
        let since = *self.unread_since.get_or_insert(now);
        now.saturating_duration_since(since) > UNREAD
    }
}

impl Containers {
    /// Counts these containers. Returns a warning if there are some without an earlier warning.
    pub(in crate::collector) fn look_for_unread(&mut self) -> Option<String> {
        let now = Instant::now();
        let mut first = None;
        let mut others = 0_u64;
        self.unread = 0;
        for entry in &mut self.entries {
            let is_told = entry.told_by.is_some_and(|source| self.sources.is_up(source));
            if !entry.is_unread(is_told, now) {
                continue;
            }
            self.unread += 1;
            if std::mem::replace(&mut entry.is_unread_said, true) {
                continue;
            }
            match first {
                None => first = Some(&**entry),
                Some(_) => others += 1,
            }
        }
        let entry = first?;
        if self.unread_said >= MOST_SAID {
            return None;
        }
        self.unread_said += 1;
        let obstacle = entry.candidates.iter().find_map(|candidate| candidate.obstacle);
        let expected = self.reading.directory_of(&entry.container.cgroup);
        let why = obstacle.map_or(advice::Hidden::NoCgroup, |obstacle| obstacle.reason());
        Some(advice::unread(entry.container.name(), others, &expected, why))
    }

    /// The number of containers that run according to Docker, and whose cgroup was not found for a while.
    pub(in crate::collector) fn unread(&self) -> u64 {
        self.unread
    }
}

#[cfg(test)]
impl Containers {
    /// Pretends that the containers that are not read now have been unread for long.
    pub(in crate::collector) fn seem_unread_for_long(&mut self) {
        let past = Instant::now().checked_sub(UNREAD + Duration::from_secs(1));
        for entry in &mut self.entries {
            entry.unread_since = entry.unread_since.and(past);
        }
    }
}
