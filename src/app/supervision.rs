//! Reports on the running exporter: to systemd, and in the log when the collector hangs.

use super::{
    failure::{Failure, no_thread},
    signals::Signals,
};
use crate::{
    advice,
    collector::Handle,
    metadata::DockerHost,
    sample::{Errno, errno_of},
    server::access::{self, Access},
    systemd::{self, Manager},
};
use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

/// How often readiness is checked until the exporter is ready.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How often the collector is looked at while it hangs.
const LOOK: Duration = Duration::from_secs(5);
/// A collector that has been silent for this long is reported to hang.
const HUNG: Duration = Duration::from_secs(60);
/// A collector that has started a round within this time works again.
const GOES_ON: Duration = Duration::from_secs(2);

/// Logs, once each time, that the collector hangs, and that it works again.
pub(super) async fn watch_for_hangs(handle: Handle) {
    let mut hung = false;
    loop {
        sleep(until_next_look(hung, handle.silence())).await;
        let silence = handle.silence();
        if !hung && silence > HUNG {
            hung = true;
            tracing::error!(
                "the collector has been in one pass for {} s: reading a file of a container or of /proc \
                 hangs (perhaps on FUSE or lxcfs); until it ends, nothing can be scraped and /healthz \
                 fails",
                silence.as_secs()
            );
        } else if hung && silence < GOES_ON {
            hung = false;
            tracing::info!("the collector works again");
        }
    }
}

/// Each look wakes a processor, so there is none before it could find a hang.
fn until_next_look(hung: bool, silence: Duration) -> Duration {
    if hung { LOOK } else { HUNG.saturating_sub(silence).max(LOOK) }
}

/// How long the log line about the start waits for the number of containers.
const COUNTED: Duration = Duration::from_secs(5);

/// The content of the log line about the start.
#[derive(Debug)]
pub(super) struct Start {
    /// Where cgroup v2 is mounted.
    pub(super) cgroup_root: PathBuf,
    /// Where the Docker API is.
    pub(super) docker: DockerHost,
    /// The daemon's version, once it is known.
    pub(super) engine: Arc<OnceLock<String>>,
    /// What is served over: `HTTPS`, `HTTP without TLS`, or `no port`.
    pub(super) port: &'static str,
    /// The names of the receivers of push.
    pub(super) receivers: Vec<String>,
    /// What is served, in the user's words.
    pub(super) metrics: String,
    /// What is in force.
    pub(super) sandbox: String,
}

impl Start {
    async fn say(&self, handle: &Handle) {
        let containers = match timeout(COUNTED, handle.report()).await {
            Ok(Ok(report)) => {
                let running = report.containers.iter().filter(|container| container.live).count();
                format!("{running} running containers")
            }
            // `watch_for_hangs` says more about a collector that hangs.
            _ => "containers not counted".to_owned(),
        };
        let docker = match self.engine.get() {
            _ if handle.metrics().docker_up.get() < 1.0 => {
                format!("no answer from Docker at {}", self.docker)
            }
            Some(version) => format!("Docker {version} at {}", self.docker),
            None => format!("Docker (version unknown) at {}", self.docker),
        };
        tracing::info!(
            "ready: docker-stat-prom {} ({}), cgroup root {}, {containers}, {docker}, {}{}, metrics \
             {}, sandbox: {}",
            env!("CARGO_PKG_VERSION"),
            env!("BUILD_REVISION"),
            self.cgroup_root.display(),
            self.port,
            pushed_to(&self.receivers),
            self.metrics,
            self.sandbox
        );
    }
}

/// How many receivers are named when the exporter is ready.
const NAMED: usize = 3;

/// Where to is pushed, as a part of a line.
fn pushed_to(receivers: &[String]) -> String {
    let more = receivers.len().saturating_sub(NAMED);
    let named: Vec<_> = receivers.iter().take(NAMED).map(String::as_str).collect();
    match (named.join(" and "), more) {
        (named, _) if named.is_empty() => String::new(),
        (named, 0) => format!(", push to {named}"),
        (named, more) => format!(", push to {named} and {more} more"),
    }
}

/// Reads certificates, passwords and tokens again when they change or the process gets SIGHUP, and tells
/// systemd.
///
/// # Errors
/// If the thread for it can't be started.
pub(super) fn reload_when_told(
    access: &Arc<Access>,
    handle: &Handle,
    signals: &mut Signals,
) -> Result<JoinHandle<()>, Failure> {
    let watch =
        access.has_files().then(|| access::watch(Arc::clone(access))).transpose().map_err(no_thread)?;
    let (hangup, handle) = (signals.hangup(), handle.clone());
    Ok(tokio::spawn(async move {
        let Some(mut hangup) = hangup else { return };
        let manager = Manager::from_environment();
        while hangup.recv().await.is_some() {
            let _nobody_listens = manager.tell(&systemd::reloading());
            match &watch {
                Some(watch) => watch.reload().await,
                None => tracing::info!("SIGHUP is ignored: {}", advice::ignored_signal()),
            }
            // Before it is ready, `supervise` tells so.
            if handle.is_ready() {
                let _nobody_listens = manager.tell("READY=1");
            }
        }
    }))
}

/// Reports to the log and to systemd when the exporter is ready, and reports to systemd that it is alive as
/// long as the collector answers.
pub(super) async fn supervise(handle: Handle, start: Start) {
    while !handle.is_ready() {
        sleep(LOOK_AGAIN).await;
    }
    let manager = Manager::from_environment();
    while let Err(error) = manager.tell("READY=1") {
        if errno_of(&error) != Errno::EAGAIN {
            tracing::warn!("the service manager can't be notified: {error}");
            break;
        }
        sleep(LOOK_AGAIN).await;
    }
    start.say(&handle).await;
    let Some(beat) = systemd::watchdog() else { return };
    loop {
        match timeout(beat, handle.ping()).await {
            Ok(Ok(_)) => {
                let _told_the_next_time = manager.tell("WATCHDOG=1");
            }
            Ok(Err(_)) => return,
            // The collector hangs. If that lasts, systemd does what the unit says.
            Err(_) => {}
        }
        sleep(beat).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hang_is_found_soon_after_its_minute_and_its_end_within_seconds() {
        for silent in 0..=HUNG.as_secs() {
            let silence = Duration::from_secs(silent);
            let at = silence + until_next_look(false, silence);
            assert!(at >= HUNG && at <= HUNG + LOOK, "{silent}: {at:?}");
        }
        assert_eq!(until_next_look(true, HUNG * 2), LOOK);
    }
}
