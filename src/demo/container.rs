//! The files of a container: its cgroup, and the network counters of its process.

use super::{
    motion::{Motion, averaged, changed},
    recording::{Entry, Recording},
    rewritten::Rewritten,
    roles::{Change, Happening, Role},
    root::Numbers,
    state::State,
};
use anyhow::{Context, Result};
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

/// A recorded file whose numbers move.
#[derive(Debug)]
pub(super) struct Moving {
    file: Rewritten,
    name: String,
    recorded: String,
    motion: Option<Motion>,
}

impl Moving {
    /// A file that was recorded twice, and that still has its first content.
    pub(super) fn open(path: &Path, name: &str, first: &str, second: Option<&str>) -> Result<Self> {
        let file = Rewritten::open(path, first)?;
        let motion = Motion::new(name.rsplit('/').next().unwrap_or(name), first, second);
        Ok(Self { file, name: name.to_owned(), recorded: first.to_owned(), motion })
    }

    pub(super) fn write(&mut self, progress: f64) -> Result<()> {
        let text = self.text(progress, false, &[]);
        self.file.put(text)
    }

    fn text(&self, progress: f64, new_run: bool, changes: &[(&'static str, Change)]) -> String {
        let own: Vec<_> = changes.iter().filter(|(file, _)| *file == self.name).collect();
        // Who waits a given share of the time does not wait as recorded too.
        let waits = own.iter().any(|(_, change)| matches!(change, Change::Waits { .. }));
        let progress = if waits { 0.0 } else { progress };
        let motion = self.motion.as_ref();
        let text = motion.map_or_else(|| self.recorded.clone(), |motion| motion.text(progress, new_run));
        own.into_iter().fold(text, |text, (_, change)| changed(&text, *change))
    }
}

/// A container of the demo.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) role: &'static Role,
    pub(super) state: State,
    /// The recorded container that its files come from, and the process of that container.
    template: (String, u32),
    /// Its cgroup, below the root. `None` if it never runs.
    scope: Option<String>,
    run: Option<Run>,
    runs: u32,
    /// The PID of its first new run.
    first_pid: u32,
    /// What the runs that have ended had counted.
    ended: Numbers,
}

/// One run: from the start to the end of the process.
#[derive(Debug)]
struct Run {
    pid: u32,
    /// When it began, in seconds of the demo.
    began: f64,
    /// Whether it began during the demo, so that its counters began at 0.
    is_new: bool,
    files: Vec<Moving>,
}

impl Run {
    fn numbers(&self) -> Numbers {
        let mut numbers = Numbers::default();
        self.files.iter().for_each(|moving| numbers.read(&moving.name, moving.file.text()));
        numbers
    }
}

impl Container {
    /// A container at the start of the demo, with its files below `root`. `template` is the recorded
    /// container that its files come from.
    pub(super) fn new(
        role: &'static Role,
        state: State,
        template: (String, u32),
        number: u32,
        recording: &Recording,
        root: &Path,
    ) -> Result<Self> {
        let scope = recording.scope(&template.0).map(|scope| scope.replace(&template.0, &state.id));
        let first_pid = 20_000 + 1000 * number;
        let mut container =
            Self { role, state, template, scope, run: None, runs: 0, first_pid, ended: Numbers::default() };
        if container.state.pid() != 0 {
            let pid = if role.is_added() { first_pid } else { container.state.pid() };
            container.state.has_process(pid);
            container.begin(0.0, pid, false, recording, root)?;
        }
        Ok(container)
    }

    /// Applies what happens to it at this second of the demo; `now` is that time in Unix seconds. Returns the
    /// events that Docker sends.
    pub(super) fn take(
        &mut self,
        happening: Happening,
        second: f64,
        now: f64,
        recording: &Recording,
        root: &Path,
    ) -> Result<Vec<String>> {
        let mut events = Vec::new();
        let is_restarted = self.role.shows.is_restarted();
        match happening {
            Happening::Start => {
                let pid = self.next_pid();
                self.begin(second, pid, true, recording, root)?;
                self.state.start(now, pid);
                events.push(self.state.event("start", now));
            }
            Happening::End { exit_code, oom } => {
                self.write(second, recording.seconds_apart)?;
                self.end(root)?;
                self.state.end(now, exit_code, oom, is_restarted);
                if oom {
                    events.push(self.state.event("oom", now));
                }
                events.push(self.state.event("die", now));
            }
            Happening::FailedStart => {
                // Its cgroup is gone before it can be seen.
                let pid = self.next_pid();
                self.state.start(now, pid);
                events.push(self.state.event("start", now));
                self.state.end(now, 1, false, is_restarted);
                events.push(self.state.event("die", now));
            }
            Happening::Health(health) => {
                self.state.become_health(health);
                events.push(self.state.event(&format!("health_status: {health}"), now));
            }
            Happening::Removal => events.push(self.state.event("destroy", now)),
        }
        Ok(events)
    }

    fn next_pid(&mut self) -> u32 {
        self.runs += 1;
        self.first_pid + self.runs % 1000
    }

    /// Creates the files of a run. The cgroup is a new directory. While the one before still exists
    /// somewhere, the new one has another inode.
    fn begin(
        &mut self,
        second: f64,
        pid: u32,
        is_new: bool,
        recording: &Recording,
        root: &Path,
    ) -> Result<()> {
        let (template, template_pid) = &self.template;
        let is_other = is_new || self.role.is_added();
        let scope =
            recording.scope(template).with_context(|| format!("{} had no cgroup", self.role.files_of))?;
        let process = format!("proc/{template_pid}/");
        let staging = root.join("coming").join(&self.state.id);
        let own_process = root.join(format!("proc/{pid}"));
        let changing: Vec<_> = self.role.shows.changes(0.0).into_iter().map(|(file, _)| file).collect();
        let mut files = Vec::new();
        for (from, to) in [(scope, &staging), (process.as_str(), &own_process)] {
            for (name, entry) in recording.below(from) {
                let path = to.join(name);
                make_parent(&path)?;
                match entry {
                    Entry::Link(target) if !is_other => symlink(target, &path)?,
                    // It has its own network namespace.
                    Entry::Link(_) => symlink(format!("net:[{}]", 4_026_600_000 + u64::from(pid)), &path)?,
                    Entry::File(first, second) => {
                        // Its own process is in its own cgroup.
                        let own = match name {
                            "cgroup.procs" if is_other => format!("{pid}\n"),
                            _ => first.replace(template, &self.state.id),
                        };
                        fs::write(&path, own)?;
                        let moving = Moving::open(&path, name, first, second)?;
                        if moving.motion.is_some() || changing.contains(&name) {
                            files.push(moving);
                        }
                    }
                }
            }
        }
        self.run = Some(Run { pid, began: second, is_new, files });
        self.write(second, recording.seconds_apart)?;
        let path = self.directory(root)?;
        make_parent(&path)?;
        fs::rename(staging, path)?;
        remove(&self.former(root))
    }

    fn directory(&self, root: &Path) -> Result<PathBuf> {
        let scope = self.scope.as_ref().with_context(|| format!("{} never runs", self.role.name))?;
        Ok(root.join(scope))
    }

    /// Where the cgroup of an ended container is moved, until the next one exists.
    fn former(&self, root: &Path) -> PathBuf {
        root.join("gone").join(&self.state.id)
    }

    fn end(&mut self, root: &Path) -> Result<()> {
        let Some(run) = self.run.take() else { return Ok(()) };
        self.ended.add_counters(&run.numbers());
        let (scope, former) = (self.directory(root)?, self.former(root));
        // As in the kernel, readers that have the file open see that the cgroup is empty.
        fs::write(scope.join("cgroup.events"), "populated 0\nfrozen 0\n")?;
        make_parent(&former)?;
        fs::rename(scope, former)?;
        remove(&root.join(format!("proc/{}", run.pid)))
    }

    /// What all its runs have counted, and the memory that it has now.
    pub(super) fn numbers(&self) -> Numbers {
        let mut numbers = self.run.as_ref().map(Run::numbers).unwrap_or_default();
        numbers.add_counters(&self.ended);
        numbers
    }

    /// Writes the numbers for this second of the demo.
    pub(super) fn write(&mut self, second: f64, seconds_apart: f64) -> Result<()> {
        let Some(run) = &mut self.run else { return Ok(()) };
        let shows = self.role.shows;
        let (began, is_new) = (run.began, run.is_new);
        for moving in &mut run.files {
            let at = |second: f64| {
                let progress = (shows.pace(second) - shows.pace(began)) / seconds_apart;
                moving.text(progress, is_new, &shows.changes(second - began))
            };
            let text = match moving.name.ends_with(".pressure") {
                true => averaged(&at(second), second - began, |before| at(second - before)),
                false => at(second),
            };
            moving.file.put(text)?;
        }
        Ok(())
    }
}

pub(super) fn make_parent(path: &Path) -> Result<()> {
    Ok(path.parent().map_or(Ok(()), fs::create_dir_all)?)
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    Ok(())
}
