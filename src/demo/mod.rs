//! `--demo`: the program's own pipeline over an embedded recorded host, so that a person without Docker sees the real
//! thing. The recording is unpacked into a temporary folder, its counters are moved on, and its Docker API answers on a
//! unix socket there; all of it goes when the demo ends.

mod dockerd;
mod motion;
mod recording;

use crate::{metadata::DockerHost, sample::Roots};
use anyhow::{Context, Result};
use motion::Motion;
use recording::Recording;
use std::{thread, time::Duration};
use tempfile::TempDir;
use tokio::sync::oneshot;

/// How often the counters move.
const STEP: Duration = Duration::from_millis(500);

/// A running demo.
#[derive(Debug)]
pub struct Demo {
    folder: TempDir,
    /// Dropped with the demo: then the motion stops.
    _running: oneshot::Sender<()>,
}

impl Demo {
    /// Unpacks the recorded host, starts its Docker API and sets it in motion.
    ///
    /// # Errors
    /// When the temporary folder can't be written.
    pub fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("docker-stat-prom-demo-").tempdir()?;
        Recording::read()?.unpack(folder.path()).context("the recorded host can't be written")?;
        dockerd::serve(&folder.path().join("docker.sock"), folder.path().join("docker"))
            .context("the recorded Docker API can't be served")?;
        let mut motion = Motion::new(folder.path())?;
        let (running, mut stopped) = oneshot::channel::<()>();
        let moving = thread::Builder::new().name("demo".into()).spawn(move || {
            while matches!(stopped.try_recv(), Err(oneshot::error::TryRecvError::Empty)) {
                if let Err(error) = motion.step() {
                    // The folder goes when the demo ends.
                    tracing::debug!("the demo stands still: {error:#}");
                    return;
                }
                thread::sleep(STEP);
            }
        });
        moving.context("no thread can be made")?;
        Ok(Self { folder, _running: running })
    }

    /// The recorded host's trees.
    #[must_use]
    pub fn roots(&self) -> Roots {
        let below = |path: &str| self.folder.path().join(path);
        Roots { cgroup: below("sys/fs/cgroup"), proc: below("proc"), sys: below("sys") }
    }

    /// The recorded host's Docker API.
    #[must_use]
    pub fn docker_host(&self) -> DockerHost {
        DockerHost::Unix(self.folder.path().join("docker.sock"))
    }
}
