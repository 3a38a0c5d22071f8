//! Live cgroups for a test, in a folder of their own on a cgroup2 mount, if this user may create one.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
};

/// A folder on a cgroup2 mount that contains only the test's own cgroups, and nothing else that runs on this
/// machine. Meant as `--cgroup_root`. It is removed with its processes when the test ends.
pub struct LiveCgroups {
    root: PathBuf,
    processes: Vec<Child>,
}

/// Each of several tests in one process has its own folder.
static NUMBER: AtomicUsize = AtomicUsize::new(0);

impl LiveCgroups {
    /// Creates the folder, or reports that `test` is skipped because it can't be created.
    pub fn new(test: &str) -> Option<Self> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("docker-stat-prom-test-{}-{number}", std::process::id());
        let root =
            mounts().into_iter().map(|mount| mount.join(&name)).find(|root| fs::create_dir(root).is_ok());
        if root.is_none() {
            super::skip(test, "no cgroup2 mount may be written to");
        }
        Some(Self { root: root?, processes: Vec::new() })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Creates a cgroup with one busy process in it.
    pub fn container(&mut self, name: &str) -> PathBuf {
        self.container_with(name, "while :; do :; done")
    }

    /// Creates a cgroup with a shell in it that does this.
    pub fn container_with(&mut self, name: &str, work: &str) -> PathBuf {
        let path = self.root.join(name);
        fs::create_dir(&path).unwrap();
        // It waits until it is in the cgroup, so that all its children are.
        let work = format!("read go; {work}");
        let mut process = Command::new("sh").args(["-c", &work]).stdin(Stdio::piped()).spawn().unwrap();
        fs::write(path.join("cgroup.procs"), process.id().to_string()).unwrap();
        process.stdin.take().unwrap().write_all(b"\n").unwrap();
        self.processes.push(process);
        path
    }

    /// Ends all processes.
    pub fn kill(&mut self) {
        for entry in fs::read_dir(&self.root).into_iter().flatten().flatten() {
            // The children of a shell too.
            let _no_cgroup = fs::write(entry.path().join("cgroup.kill"), "1");
        }
        for mut process in self.processes.drain(..) {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }
}

impl Drop for LiveCgroups {
    fn drop(&mut self) {
        self.kill();
        // Children that were killed stay for a moment.
        let begin = std::time::Instant::now();
        while self.root.exists() && begin.elapsed() < super::PATIENCE {
            remove(&self.root);
        }
    }
}

/// Removes a cgroup and those below it. The files in it belong to the kernel.
fn remove(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    let _somebody_is_still_in_it = fs::remove_dir(path);
}

/// The folders to try: in each cgroup2 mount first the cgroup of this process, which may be delegated to the
/// user, then the top.
fn mounts() -> Vec<PathBuf> {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default().to_owned();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let paths = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (_, path, kind) = (words.next()?, words.next()?, words.next()?);
        (kind == "cgroup2").then(|| PathBuf::from(path))
    });
    paths.flat_map(|path| [path.join(&own), path]).collect()
}
