//! The demo's host as a function of time: its files, its containers, and the answers of its Docker.

use super::{
    container::{Container, Moving, make_parent},
    dockerd::Daemon,
    recording::{Entry, Recording},
    roles::{Happening, ROLES},
    root::{Numbers, RootCgroup, shifted_stat},
    state::{State, rfc3339},
};
use anyhow::{Context, Result};
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The host at one second of the demo.
#[derive(Debug)]
pub(super) struct Host {
    root: PathBuf,
    recording: Recording,
    /// When the demo began, in Unix seconds.
    began: f64,
    /// The current second of the demo.
    second: f64,
    containers: Vec<Container>,
    /// What the removed containers had counted.
    removed: Vec<Numbers>,
    cgroup: RootCgroup,
    /// Files that belong to no container.
    others: Vec<Moving>,
    daemon: Arc<Daemon>,
}

impl Host {
    /// Writes the recorded host below `root`, and gives `daemon` its answers. The recording is treated as if
    /// it was made at `began`, in Unix seconds.
    pub(super) fn new(root: &Path, began: f64, recording: Recording, daemon: Arc<Daemon>) -> Result<Self> {
        let Value::Array(rows) = recording.json("docker/containers.json")? else {
            anyhow::bail!("containers.json is no list");
        };
        let states: Vec<State> =
            ROLES.iter().map(|role| State::new(role, &recording, &rows, began)).collect::<Result<_>>()?;
        let recorded: Vec<(&str, String, u32)> = ROLES
            .iter()
            .zip(&states)
            .filter(|(role, _)| !role.is_added())
            .map(|(role, state)| (role.name, state.id.clone(), state.pid()))
            .collect();
        let others = unpack_others(&recording, &recorded, began, root)?;
        let cgroup = RootCgroup::new(root, &recording)?;
        let mut containers = Vec::new();
        for ((role, state), number) in ROLES.iter().zip(states).zip(1_u32..) {
            let template = recorded.iter().find(|(name, ..)| *name == role.files_of);
            let (_, id, pid) = template.with_context(|| format!("{} is not recorded", role.files_of))?;
            containers.push(Container::new(role, state, (id.clone(), *pid), number, &recording, root)?);
        }
        let mut host = Self {
            root: root.to_owned(),
            recording,
            began,
            second: 0.0,
            containers,
            removed: Vec::new(),
            cgroup,
            others,
            daemon,
        };
        host.begin()?;
        Ok(host)
    }

    /// Applies what differs from the recording at the beginning.
    fn begin(&mut self) -> Result<()> {
        for index in 0..self.containers.len() {
            let shows = self.containers.get(index).map(|container| container.role.shows);
            if shows.is_some_and(|shows| shows.begins_stopped()) {
                self.take(index, Happening::FailedStart, 0.0)?;
            }
            if shows.is_some_and(|shows| shows.begins_running()) {
                self.take(index, Happening::Start, 0.0)?;
            }
        }
        for container in &self.containers {
            self.daemon.set(&container.state.id, container.state.inspection().to_string());
        }
        self.go_to(0.0)
    }

    /// Advances to this second of the demo: applies everything that happens until then, and writes the
    /// numbers.
    pub(super) fn go_to(&mut self, second: f64) -> Result<()> {
        let second = second.max(self.second);
        let mut happenings = Vec::new();
        for (index, container) in self.containers.iter().enumerate() {
            let list = container.role.shows.happenings(self.second, second);
            happenings.extend(list.into_iter().map(|(time, what)| (time, index, what)));
        }
        happenings.sort_by(|(one, ..), (other, ..)| one.total_cmp(other));
        let removed: Vec<_> = happenings
            .iter()
            .filter(|(.., what)| *what == Happening::Removal)
            .map(|(_, index, _)| *index)
            .collect();
        for (time, index, what) in happenings {
            self.take(index, what, time)?;
        }
        for index in removed.into_iter().rev() {
            self.removed.push(self.containers.remove(index).numbers());
        }
        let apart = self.recording.seconds_apart;
        self.containers.iter_mut().try_for_each(|container| container.write(second, apart))?;
        let progress = second / apart;
        self.others.iter_mut().try_for_each(|file| file.write(progress))?;
        let of_containers = self.containers.iter().map(Container::numbers);
        self.cgroup.write(second, of_containers.chain(self.removed.iter().cloned()))?;
        self.second = second;
        let now = self.began + second;
        let rows = self.containers.iter().map(|container| container.state.row(now)).collect();
        self.daemon.tick(rows, rfc3339(now));
        Ok(())
    }

    fn take(&mut self, index: usize, what: Happening, second: f64) -> Result<()> {
        let Some(container) = self.containers.get_mut(index) else { return Ok(()) };
        let now = self.began + second;
        let events = container.take(what, second, now, &self.recording, &self.root)?;
        if what == Happening::Removal {
            self.daemon.remove(&container.state.id);
        } else {
            self.daemon.set(&container.state.id, container.state.inspection().to_string());
        }
        for event in events {
            self.daemon.tell(now, event);
        }
        Ok(())
    }
}

/// Writes the files that belong to no container, for a demo that begins at `began`.
fn unpack_others(
    recording: &Recording,
    recorded: &[(&str, String, u32)],
    began: f64,
    root: &Path,
) -> Result<Vec<Moving>> {
    let of_containers: Vec<String> = recorded
        .iter()
        .flat_map(|(_, id, pid)| [format!("docker-{id}.scope/"), format!("proc/{pid}/")])
        .collect();
    let mut moving = Vec::new();
    for folder in ["proc/", "sys/"] {
        for (name, entry) in recording.below(folder) {
            let name = format!("{folder}{name}");
            if of_containers.iter().any(|of_container| name.contains(of_container)) {
                continue;
            }
            let path = root.join(&name);
            make_parent(&path)?;
            match entry {
                // The link dangles, because its target exists only on the recorded host.
                Entry::Link(target) => symlink(target, &path)?,
                Entry::File(stat, _) if name == "proc/stat" => {
                    fs::write(&path, shifted_stat(stat, began - recording.at)?)?;
                }
                Entry::File(first, second) => {
                    fs::write(&path, first)?;
                    if second.is_some() {
                        moving.push(Moving::open(&path, &name, first, second)?);
                    }
                }
            }
        }
    }
    Ok(moving)
}
