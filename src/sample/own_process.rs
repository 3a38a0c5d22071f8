//! The resources that this process uses.

use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeVal,
};
use procfs::{WithCurrentSystemInfo, process::Process};
use std::time::Duration;

/// The exporter's own use of resources. A number that is not available is `None`.
#[derive(Debug, Clone, Copy, Default)]
pub struct OwnProcess {
    /// User and system time, s
    pub cpu_seconds: Option<f64>,
    /// Resident memory, bytes
    pub resident_bytes: Option<u64>,
    /// Address space, bytes
    pub virtual_bytes: Option<u64>,
    /// Descriptors open now
    pub open_fds: Option<u64>,
}

impl OwnProcess {
    /// Reads `/proc/self`: always our own process, whatever procfs is used for the containers.
    #[must_use]
    pub fn read() -> Self {
        let process = Process::myself().ok();
        let stat = process.as_ref().and_then(|process| process.stat().ok());
        Self {
            cpu_seconds: cpu_seconds(),
            resident_bytes: stat.as_ref().map(|stat| stat.rss_bytes().get()),
            virtual_bytes: stat.as_ref().map(|stat| stat.vsize),
            open_fds: process
                .and_then(|process| process.fd_count().ok())
                .and_then(|count| u64::try_from(count).ok()),
        }
    }
}

fn cpu_seconds() -> Option<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    Some(seconds(usage.user_time())? + seconds(usage.system_time())?)
}

fn seconds(time: TimeVal) -> Option<f64> {
    let micros = u64::try_from(time.tv_sec()).ok()? * 1_000_000 + u64::try_from(time.tv_usec()).ok()?;
    Some(Duration::from_micros(micros).as_secs_f64())
}
