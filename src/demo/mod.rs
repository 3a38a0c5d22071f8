//! `--demo`: the program's own pipeline over an embedded recorded host, so that a person without Docker sees
//! the real thing. The recording is unpacked into a temporary folder, its numbers are moved on, and its
//! Docker API answers on a Unix socket in that folder. All of it is removed when the demo ends.
//!
//! Most containers do what they did when they were recorded. Some have problems, so that each alert fires for
//! one of them: `roles.rs` says which. Everything is a function of the time since the demo began.

mod container;
mod dockerd;
mod host;
mod motion;
mod recording;
mod rewritten;
mod roles;
mod root;
mod state;

use crate::{metadata::DockerHost, sample::Roots};
use anyhow::{Context, Result};
use dockerd::Daemon;
use host::Host;
use recording::Recording;
use serde_json::{Value, json};
use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tempfile::TempDir;
use tokio::sync::oneshot;

/// How often the numbers move.
const STEP: Duration = Duration::from_millis(500);

/// A demo's host.
#[derive(Debug)]
pub struct Demo {
    folder: TempDir,
    host: Arc<Mutex<Host>>,
    /// Dropped with the demo, which stops the motion.
    running: Option<oneshot::Sender<()>>,
}

impl Demo {
    /// Unpacks the recorded host and starts its Docker API. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// If the temporary folder can't be written.
    pub fn unpack() -> Result<Self> {
        Self::standing_still(SystemTime::now())
    }

    /// Sets it in motion.
    ///
    /// # Errors
    /// If no thread can be created.
    pub fn start_moving(&mut self) -> std::io::Result<()> {
        let (running, mut stopped) = oneshot::channel::<()>();
        let (host, start) = (Arc::clone(&self.host), Instant::now());
        thread::Builder::new().name("demo".into()).spawn(move || {
            while matches!(stopped.try_recv(), Err(oneshot::error::TryRecvError::Empty)) {
                if let Err(error) = go_to(&host, start.elapsed()) {
                    // This happens when the demo ends, because its folder is removed.
                    tracing::debug!("the demo's numbers no longer change: {error:#}");
                    return;
                }
                thread::sleep(STEP);
            }
        })?;
        self.running = Some(running);
        Ok(())
    }

    /// A host that stays as recorded until [`Self::go_to`] sets the time. Its Docker reports times as if the
    /// host had been recorded at `began`. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// If the temporary folder can't be written.
    pub fn standing_still(began: SystemTime) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("docker-stat-prom-demo-").tempdir()?;
        let recording = Recording::read()?;
        let daemon = Daemon::new(recording.text("docker/version.json")?.to_owned(), info(&recording)?);
        let daemon = Arc::new(daemon);
        let began = began.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let host = Host::new(folder.path(), began, recording, Arc::clone(&daemon))
            .context("the recorded host can't be written")?;
        dockerd::serve(&folder.path().join("docker.sock"), daemon)
            .context("the recorded Docker API can't be served")?;
        Ok(Self { folder, host: Arc::new(Mutex::new(host)), running: None })
    }

    /// Applies everything that happens until this time after the beginning. Time does not go back.
    ///
    /// # Errors
    /// If the temporary folder can't be written.
    pub fn go_to(&self, since_began: Duration) -> Result<()> {
        go_to(&self.host, since_began)
    }

    /// The recorded host's trees.
    #[must_use]
    pub fn roots(&self) -> Roots {
        let below = |path: &str| self.folder.path().join(path);
        Roots { cgroup: below("sys/fs/cgroup"), proc: below("proc"), sys: below("sys") }
    }

    /// The folder that everything is in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The recorded host's Docker API.
    #[must_use]
    pub fn docker_host(&self) -> DockerHost {
        DockerHost::Unix(self.folder.path().join("docker.sock"))
    }
}

/// What Docker says about the host.
fn info(recording: &Recording) -> Result<Value> {
    let mut info = recording.json("docker/info.json")?;
    if let Some(info) = info.as_object_mut() {
        // The exporter would look at the directory of this machine, which has nothing to do with the demo.
        info.remove("DockerRootDir");
        let cpus = info.get("NCPU").and_then(Value::as_u64).unwrap_or_default();
        info.insert("NCPU".into(), json!(2 * cpus));
    }
    Ok(info)
}

fn go_to(host: &Mutex<Host>, since_began: Duration) -> Result<()> {
    host.lock().unwrap_or_else(PoisonError::into_inner).go_to(since_began.as_secs_f64())
}
