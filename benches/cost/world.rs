//! A host to measure on.

use docker_stat_prom::sample::Roots;
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Many containers: real cgroups with sleeping processes, or many copies of a recorded tree. Removed when
/// dropped.
pub(super) struct World {
    pub(super) roots: Roots,
    slice: PathBuf,
    processes: Vec<Child>,
    pub(super) real: bool,
}

/// The exporter that is measured.
pub(super) fn binary() -> PathBuf {
    std::env::var_os("DSP_BINARY")
        .map_or_else(|| env!("CARGO_BIN_EXE_docker-stat-prom").into(), PathBuf::from)
}

pub(super) fn fixtures() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    std::env::var_os("DSP_FIXTURES").map_or(here, PathBuf::from)
}

/// The most network namespaces. Each container has its own, as Docker makes them, up to this limit: creating
/// one is slow, and the kernel needs some 100 KB for each.
const NAMESPACES: usize = 1000;

impl World {
    pub(super) fn new(containers: usize) -> Self {
        match writable_cgroup2() {
            Some(mount) => {
                let slice = mount.join(format!("dspbench{}.slice", std::process::id()));
                fs::create_dir(&slice).unwrap();
                enable_controllers(&mount);
                enable_controllers(&slice);
                let roots = Roots { cgroup: mount, proc: "/proc".into(), sys: "/sys".into() };
                let mut world = Self { roots, slice, processes: Vec::new(), real: true };
                for number in 0..containers {
                    world.add(number, 0);
                }
                world
            }
            None => {
                let root = PathBuf::from(format!("/dev/shm/dspbench{}", std::process::id()));
                replicate(containers, &root);
                let roots = Roots {
                    cgroup: root.join("sys/fs/cgroup"),
                    proc: root.join("proc"),
                    sys: root.join("sys"),
                };
                Self { roots, slice: root, processes: Vec::new(), real: false }
            }
        }
    }

    pub(super) fn add(&mut self, number: usize, generation: usize) {
        let scope = self.slice.join(format!("docker-{generation:08x}{number:056x}.scope"));
        fs::create_dir(&scope).unwrap();
        let own_namespace = number < NAMESPACES;
        let mut command = if own_namespace { Command::new("unshare") } else { Command::new("sleep") };
        if own_namespace {
            command.args(["-n", "sleep"]);
        }
        let process = command.arg("infinity").stdin(Stdio::null()).spawn().unwrap();
        fs::write(scope.join("cgroup.procs"), process.id().to_string()).unwrap();
        self.processes.push(process);
    }

    pub(super) fn clear(&mut self) {
        for mut process in self.processes.drain(..) {
            process.kill().unwrap();
            process.wait().unwrap();
        }
        for entry in fs::read_dir(&self.slice).unwrap().flatten() {
            // A cgroup can be removed only a moment after its last process has ended.
            while entry.path().is_dir() && fs::remove_dir(entry.path()).is_err() {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if self.real {
            self.clear();
            let _left_to_the_user = fs::remove_dir(&self.slice);
        } else {
            let _left_to_the_user = fs::remove_dir_all(&self.slice);
        }
    }
}

pub(super) fn writable_cgroup2() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mounts = mounts.lines().filter_map(|line| {
        let words: Vec<_> = line.split(' ').collect();
        (words[2] == "cgroup2").then(|| PathBuf::from(words[1]))
    });
    mounts.into_iter().find(|mount| {
        let probe = mount.join(format!("dspprobe{}", std::process::id()));
        fs::create_dir(&probe).is_ok_and(|()| fs::remove_dir(&probe).is_ok())
    })
}

fn enable_controllers(cgroup: &Path) {
    for controller in
        fs::read_to_string(cgroup.join("cgroup.controllers")).unwrap_or_default().split_whitespace()
    {
        let _not_every_one_can_be =
            fs::write(cgroup.join("cgroup.subtree_control"), format!("+{controller}"));
    }
}

/// Copies a recorded host with its containers many times over, each with its own ID and process.
pub(super) fn replicate(containers: usize, to: &Path) {
    let host = fixtures().join("debian13-docker26.1-linux6.12");
    copy(&host.join("sys/dev"), &to.join("sys/dev"));
    for file in ["proc/stat", "proc/meminfo", "sys/fs/cgroup/cgroup.controllers"] {
        fs::create_dir_all(to.join(file).parent().unwrap()).unwrap();
        fs::copy(host.join(file), to.join(file)).unwrap();
    }
    copy(&host.join("proc/1"), &to.join("proc/1"));
    // The recorded container that writes to a disk and has a network: it has as many series as a container
    // can have.
    let id = "75de56ace1668c8d0ef137edd20e9a1a4ff7ab7f27a928b04eeca5c618b55ed4";
    let scope = host.join(format!("sys/fs/cgroup/system.slice/docker-{id}.scope"));
    for number in 0..containers {
        let new = format!("{number:064x}");
        let target = to.join(format!("sys/fs/cgroup/system.slice/docker-{new}.scope"));
        copy(&scope, &target);
        let process = to.join(format!("proc/{}", 1000 + number));
        copy(&host.join("proc/1382/net"), &process.join("net"));
        fs::create_dir(process.join("ns")).unwrap();
        symlink(format!("net:[{}]", 4_100_000_000 + number), process.join("ns/net")).unwrap();
        fs::write(process.join("cgroup"), format!("0::/system.slice/docker-{new}.scope\n")).unwrap();
        fs::write(target.join("cgroup.procs"), format!("{}\n", 1000 + number)).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => copy(&entry.path(), &target),
            kind if kind.is_symlink() => symlink(fs::read_link(entry.path()).unwrap(), target).unwrap(),
            _ => fs::copy(entry.path(), target).map(|_| ()).unwrap(),
        }
    }
}
