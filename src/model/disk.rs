//! What a container's files take up, and how old that knowledge is.

use crate::metadata::{DiskReport, DiskUse, FileSystem};
use std::time::{Duration, Instant};

/// What a container's files take up, as a daemon measured it some time ago.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Disk {
    /// The sizes; at least one of them is known.
    pub sizes: DiskUse,
    /// The file system that they are on.
    pub file_system: Option<FileSystem>,
    /// How old the sizes were at the last full pass, in seconds.
    pub age_seconds: f64,
    asked: Instant,
    lasts: Duration,
}

impl Disk {
    /// The sizes of one container in a report; `None` if the daemon does not know any.
    #[must_use]
    pub fn new(report: &DiskReport, sizes: DiskUse) -> Option<Self> {
        let DiskReport { file_system, asked, lasts, .. } = *report;
        (sizes != DiskUse::default()).then_some(Self { sizes, file_system, age_seconds: 0.0, asked, lasts })
    }

    /// The same at a later time; `None` if it is too old by then.
    #[must_use]
    pub fn aged(self, now: Instant) -> Option<Self> {
        let age = now.saturating_duration_since(self.asked);
        (age <= self.lasts).then_some(Self { age_seconds: age.as_secs_f64(), ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_grow_old_and_are_dropped_at_last() {
        let asked = Instant::now();
        let lasts = Duration::from_secs(60);
        let report = DiskReport { sizes: Vec::new(), file_system: None, asked, lasts };
        assert_eq!(Disk::new(&report, DiskUse::default()), None);
        let disk = Disk::new(&report, DiskUse { rw_bytes: Some(0), root_bytes: None }).unwrap();
        let age = |seconds| disk.aged(asked + Duration::from_secs(seconds)).map(|disk| disk.age_seconds);
        assert_eq!((age(0), age(60), age(61)), (Some(0.0), Some(60.0), None));
    }
}
