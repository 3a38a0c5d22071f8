//! The demo's containers, and what each of them demonstrates.

/// A container of the demo.
#[derive(Debug)]
pub(super) struct Role {
    pub(super) name: &'static str,
    /// The recorded container whose answers Docker gives for it. If the names differ, it is an additional
    /// container.
    pub(super) answers_of: &'static str,
    /// The recorded container whose kernel files it has while it runs.
    pub(super) files_of: &'static str,
    /// The image, if it is not the recorded one.
    pub(super) image: Option<&'static str>,
    /// Its project and service, if it belongs to Docker Compose and the recording does not say so.
    pub(super) compose: Option<(&'static str, &'static str)>,
    pub(super) shows: Shows,
}

/// What a container demonstrates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shows {
    /// Its numbers continue as recorded.
    WhatItDid,
    /// Ten busy seconds each minute.
    Bursts,
    /// It waits for the disk half of the time.
    SlowDisk,
    /// It has used up its CPU quota in most periods.
    Throttled,
    /// Its memory is nearly used up, and it waits until some is reclaimed.
    NearLimit,
    /// It takes more and more memory, and is killed after twenty minutes.
    Leak,
    /// It is killed each minute because memory ran out, and started again.
    OomLoop,
    /// Its healthcheck fails after a minute.
    Unhealthy,
    /// It ends as soon as it is started, and Docker waits for a minute before each restart.
    RestartLoop,
    /// It is started every quarter of an hour, and fails.
    FailingJob,
    /// It ends successfully after three minutes, and is removed.
    Removed,
}

/// What happens to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Happening {
    Start,
    /// Its process ends.
    End {
        exit_code: i64,
        oom: bool,
    },
    /// It is started and its process ends at once.
    FailedStart,
    Health(&'static str),
    Removal,
}

/// How a file differs from the recording, whose numbers go on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Change {
    /// The whole file is this number.
    Number(u64),
    /// The number after this key.
    Value(&'static str, u64),
    /// This much is added to the number after this key.
    More(&'static str, u64),
    /// A pressure file: seconds, and the shares of them in which some and all tasks waited.
    Waits { seconds: f64, some: f64, full: f64 },
}

const MIB: u64 = 1 << 20;
/// Longer than any demo runs.
const NEVER_AGAIN: f64 = 1e12;

const fn recorded(name: &'static str) -> Role {
    Role { name, answers_of: name, files_of: name, image: None, compose: None, shows: Shows::WhatItDid }
}

const fn changed(name: &'static str, image: &'static str, shows: Shows) -> Role {
    Role { image: Some(image), shows, ..recorded(name) }
}

/// A container that was not recorded, with the answers and files of one that was.
const fn added(
    name: &'static str,
    like: &'static str,
    image: &'static str,
    project: Option<&'static str>,
    shows: Shows,
) -> Role {
    let compose = match project {
        Some(project) => Some((project, name)),
        None => None,
    };
    Role { answers_of: like, files_of: like, compose, ..changed(name, image, shows) }
}

pub(super) static ROLES: [Role; 21] = [
    recorded("burner"),
    recorded("dead"),
    recorded("frozen"),
    recorded("health"),
    recorded("hostnet"),
    recorded("inslice"),
    recorded("multi"),
    recorded("nested"),
    recorded("nonet"),
    recorded("pinger"),
    recorded("sidecar"),
    changed("web", "nginx:1.27", Shows::Bursts),
    changed("db", "postgres:17", Shows::SlowDisk),
    added("api", "web", "node:22", Some("shop"), Shows::Throttled),
    added("cache", "burner", "redis:7", Some("shop"), Shows::NearLimit),
    added("mailer", "health", "python:3.13", Some("shop"), Shows::Unhealthy),
    added("gallery", "burner", "photos/gallery:2.4", Some("photos"), Shows::Leak),
    Role {
        files_of: "burner",
        ..added("importer", "dead", "photos/importer:2.4", Some("photos"), Shows::RestartLoop)
    },
    // It had just ended when the host was recorded.
    Role { files_of: "web", shows: Shows::OomLoop, ..recorded("oomer") },
    Role { files_of: "db", ..added("backup", "dead", "restic/restic:0.17", None, Shows::FailingJob) },
    added("migrate", "pinger", "shop/migrate:9", None, Shows::Removed),
];

impl Role {
    /// Whether it is an additional container, based on a recorded one.
    pub(super) fn is_added(&self) -> bool {
        self.name != self.answers_of
    }
}

impl Shows {
    /// Whether Docker starts it again when it has ended.
    pub(super) fn is_restarted(self) -> bool {
        matches!(self, Self::Leak | Self::OomLoop | Self::RestartLoop)
    }

    /// Whether it waits for its next start when the demo begins.
    pub(super) fn begins_stopped(self) -> bool {
        matches!(self, Self::RestartLoop)
    }

    /// Whether it runs when the demo begins, although the recorded one did not.
    pub(super) fn begins_running(self) -> bool {
        self == Self::OomLoop
    }

    /// Its memory limit in bytes, if it is not the recorded one.
    pub(super) fn memory_limit(self) -> Option<u64> {
        match self {
            Self::NearLimit => Some(64 * MIB),
            Self::Leak => Some(256 * MIB),
            Self::OomLoop => Some(16 * MIB),
            _ => None,
        }
    }

    /// What happens after one second of the demo, up to and including another, in order.
    pub(super) fn happenings(self, after: f64, until: f64) -> Vec<(f64, Happening)> {
        use Happening::{End, FailedStart, Health, Removal, Start};
        let killed = End { exit_code: 137, oom: true };
        let (period, list): (f64, &[(f64, Happening)]) = match self {
            Self::OomLoop => (60.0, &[(50.0, killed), (51.0, Start)]),
            Self::Leak => (1200.0, &[(1199.0, killed), (1200.0, Start)]),
            Self::RestartLoop => (60.0, &[(30.0, FailedStart)]),
            Self::Unhealthy => (1800.0, &[(60.0, Health("unhealthy")), (1500.0, Health("healthy"))]),
            Self::FailingJob => (900.0, &[(60.0, Start), (90.0, End { exit_code: 1, oom: false })]),
            Self::Removed => (NEVER_AGAIN, &[(180.0, End { exit_code: 0, oom: false }), (180.0, Removal)]),
            Self::WhatItDid | Self::Bursts | Self::SlowDisk | Self::Throttled | Self::NearLimit => {
                return Vec::new();
            }
        };
        let mut found = Vec::new();
        let mut begin = (after / period).floor() * period;
        while begin <= until {
            let times = list.iter().map(|(second, what)| (begin + second, *what));
            found.extend(times.filter(|(time, _)| *time > after && *time <= until));
            begin += period;
        }
        found
    }

    /// How many seconds of the recording have passed after this many seconds of the demo.
    pub(super) fn pace(self, seconds: f64) -> f64 {
        const CALM: f64 = 0.3;
        const BUSY: f64 = 2.5;
        if self != Self::Bursts {
            return seconds;
        }
        let (minutes, second) = ((seconds / 60.0).floor(), seconds.rem_euclid(60.0));
        let busy = minutes * 10.0 + (second - 40.0).clamp(0.0, 10.0);
        CALM * seconds + (BUSY - CALM) * busy
    }

    /// What differs from the recording after this many seconds of a run, by file.
    pub(super) fn changes(self, seconds: f64) -> Vec<(&'static str, Change)> {
        let waits = |some, full| Change::Waits { seconds, some, full };
        let mut changes = match self {
            Self::Throttled => vec![
                ("cpu.stat", Change::More("nr_throttled", whole(6.0 * seconds))),
                ("cpu.stat", Change::More("throttled_usec", whole(300_000.0 * seconds))),
                ("cpu.stat.local", Change::More("throttled_usec", whole(300_000.0 * seconds))),
                ("cpu.pressure", waits(0.8, 0.7)),
            ],
            Self::NearLimit => vec![
                ("memory.events", Change::More("max", whole(2.0 * seconds))),
                ("memory.pressure", waits(0.3, 0.2)),
            ],
            Self::SlowDisk => vec![("io.pressure", waits(0.6, 0.5))],
            _ => Vec::new(),
        };
        if let Some(limit) = self.memory_limit() {
            let part = match self {
                Self::NearLimit => 0.94 + 0.01 * (seconds / 20.0).sin(),
                Self::Leak => 0.2 + 0.8 * (seconds / 1199.0).min(1.0),
                _ => 0.1 + 0.9 * (seconds / 59.0).min(1.0),
            };
            let used = share(limit, part);
            let peak = if self == Self::NearLimit { limit } else { used };
            changes.extend([
                ("memory.max", Change::Number(limit)),
                ("memory.current", Change::Number(used)),
                ("memory.peak", Change::Number(peak)),
                ("memory.stat", Change::Value("anon", share(used, 0.95))),
            ]);
        }
        changes
    }
}

/// Rounds down.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a demo's numbers need no more than 53 bits; what is below zero becomes zero"
)]
pub(super) fn whole(number: f64) -> u64 {
    number as u64
}

/// A share of a number.
#[expect(clippy::cast_precision_loss, reason = "a demo's numbers need no more than 53 bits")]
fn share(number: u64, part: f64) -> u64 {
    whole(number as f64 * part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_happens_once_however_long_the_steps_are() {
        for role in &ROLES {
            let at_once = role.shows.happenings(0.0, 4000.0);
            for step in [1_u32, 7, 600] {
                let times: Vec<_> = (0..=4000 / step).map(|n| f64::from(n * step)).chain([4000.0]).collect();
                let steps: Vec<_> =
                    times.windows(2).flat_map(|pair| role.shows.happenings(pair[0], pair[1])).collect();
                assert_eq!(steps, at_once, "{}", role.name);
            }
        }
        assert_eq!(Shows::OomLoop.happenings(0.0, 600.0).len(), 20);
    }

    #[test]
    fn time_never_goes_back_and_has_its_busy_moments() {
        let pace: Vec<_> = (0..600).map(|second| Shows::Bursts.pace(f64::from(second))).collect();
        let steps: Vec<_> = pace.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(steps.iter().all(|step| *step > 0.0));
        assert_eq!(steps.iter().filter(|step| **step > 2.0).count(), 100);
    }
}
