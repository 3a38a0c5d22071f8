//! What Docker knows: names, labels and the lifecycle of containers, gathered beside the reading of the
//! kernel's numbers.
//!
//! No scrape waits for this room. If the daemon is absent, slow or being restarted, the numbers keep coming;
//! only labels and lifecycle series wait for it.

mod action;
mod choice;
mod disk;
mod docker;
mod host;
mod resolver;
mod runs;
mod told;

pub use choice::{Chosen, Filter, Labels, Origin, SelectionError, sanitise};
pub use disk::{DiskReport, DiskUse, FileSystem};
pub use docker::{Docker, check_certificates};
pub use host::{DockerHost, HostError};
pub use resolver::Resolver;

use crate::parse::{CgroupPath, ContainerId};
use std::sync::Arc;

/// What Docker knows of one container.
#[derive(Debug, Clone, PartialEq)]
pub struct Metadata {
    /// The container's ID.
    pub id: ContainerId,
    /// `Name` without its leading slash.
    pub name: String,
    /// `Config.Image`: the image as the user named it.
    pub image: Option<String>,
    /// `Image`: the digest.
    pub image_id: Option<String>,
    /// Chosen labels and environment, sorted by their Prometheus names.
    pub labels: Vec<Chosen>,
    /// `HostConfig.NetworkMode`.
    pub network_mode: Option<String>,
    /// `State.Pid`, in the host's PID namespace, if it runs.
    pub main_pid: Option<u32>,
    /// `HostConfig.CpuShares`; 0 means the default.
    pub cpu_shares: Option<u64>,
    /// `State.Status`.
    pub state: Option<State>,
    /// `State.ExitCode`.
    pub exit_code: Option<i64>,
    /// `Created`, unix s.
    pub created: Option<f64>,
    /// `State.StartedAt`, unix s.
    pub started: Option<f64>,
    /// `State.FinishedAt`, unix s.
    pub finished: Option<f64>,
    /// `RestartCount`: restarts by the restart policy since the last manual start. `None` until an inspection
    /// was answered.
    pub restart_count: Option<u64>,
    /// All starts after the first, as far as they were seen or Docker counted them. `None` until an
    /// inspection was answered.
    pub restarts: Option<u64>,
    /// `State.OOMKilled`. `None` until an inspection was answered.
    pub oom_killed: Option<bool>,
    /// `State.Health.Status`. `None` while it is not known.
    pub health: Option<Health>,
    /// `State.Health.FailingStreak`. `None` while it is not known.
    pub failing_streak: Option<FailingStreak>,
    /// The cgroup that the container has or would have; empty if that is not known.
    pub cgroup: CgroupPath,
    /// Whether `--include` and `--exclude` select it.
    pub included: bool,
}

impl Metadata {
    /// The exit code of the last run, if it does not run.
    #[must_use]
    pub fn code_of_end(&self) -> Option<i64> {
        self.exit_code.filter(|_| self.is_stopped())
    }

    /// Whether it has run and does not run now, as far as is known.
    fn is_stopped(&self) -> bool {
        self.state.is_some_and(State::is_stopped)
    }

    /// A container of which nothing but its ID is known.
    #[must_use]
    pub fn new(id: ContainerId) -> Self {
        Self {
            name: id.short().to_owned(),
            id,
            image: None,
            image_id: None,
            labels: Vec::new(),
            network_mode: None,
            main_pid: None,
            cpu_shares: None,
            state: None,
            exit_code: None,
            created: None,
            started: None,
            finished: None,
            restart_count: None,
            restarts: None,
            oom_killed: None,
            health: None,
            failing_streak: None,
            cgroup: CgroupPath::default(),
            included: true,
        }
    }

    /// Whether it runs in the host's network namespace.
    #[must_use]
    pub fn is_host_network(&self) -> bool {
        self.network_mode.as_deref() == Some("host")
    }

    /// Whether it runs in the network namespace of another container.
    #[must_use]
    pub fn borrows_network(&self) -> bool {
        self.network_mode.as_deref().is_some_and(|mode| mode.starts_with("container:"))
    }
}

/// `State.Status` of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "Docker's own words")]
pub enum State {
    Created,
    Running,
    Paused,
    Restarting,
    Removing,
    Exited,
    Dead,
}

impl State {
    /// Docker's word for this state.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Removing => "removing",
            Self::Exited => "exited",
            Self::Dead => "dead",
        }
    }

    /// Whether the container has run and does not run now, so that its exit code is meaningful.
    #[must_use]
    pub fn is_stopped(self) -> bool {
        matches!(self, Self::Exited | Self::Dead | Self::Restarting)
    }
}

/// What the container's healthcheck says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Health {
    /// It has none.
    #[default]
    None,
    /// It has not passed yet, and may still fail without counting.
    Starting,
    /// Failing.
    Unhealthy,
    /// Passing.
    Healthy,
}

impl Health {
    /// Docker's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Starting => "starting",
            Self::Unhealthy => "unhealthy",
            Self::Healthy => "healthy",
        }
    }
}

/// How many probes of a healthcheck have failed in a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FailingStreak {
    /// `FailingStreak`
    pub count: u64,
    /// When the next probe can have changed it, in Unix seconds. After that it is unknown.
    pub until: f64,
}

/// Identifies the Docker daemon that reported something. There is only one today.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Source(pub u16);

/// Something that a daemon reported.
#[derive(Debug, Clone)]
pub struct MetadataEvent {
    /// The daemon that reported it.
    pub source: Source,
    /// What it reported.
    pub news: News,
}

/// News from Docker.
#[derive(Debug, Clone)]
pub enum News {
    /// The daemon answers.
    Connected,
    /// All containers of this daemon have been reported; any other of its containers is gone. Only sent after
    /// a list that was understood completely.
    Listed(Vec<ContainerId>),
    /// A container is new or has changed.
    Changed(Arc<Metadata>),
    /// A container was removed.
    Removed(ContainerId),
    /// The daemon was asked about a container and has none with that ID (404).
    Unknown(ContainerId),
    /// A process of a container was killed because memory ran out.
    Oom {
        /// The container.
        id: ContainerId,
        /// When Docker heard of it, in Unix seconds, if it said so.
        at: Option<f64>,
    },
    /// The daemon has measured what its containers take up.
    Disk(Arc<DiskReport>),
    /// It was asked to, and there is no answer that can be used; a word why.
    NoDisk(&'static str),
    /// The daemon does not answer.
    Disconnected,
}
