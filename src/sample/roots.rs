//! Where the host's file systems are mounted.

use super::{KernelFile, errno_of};
use crate::parse::{CGROUP_CONTROLLERS, proc_cgroup::unified_path};
use nix::{
    errno::Errno,
    sys::statfs::{self, statfs},
};
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// The three trees that are read. Each can be mounted elsewhere or be a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    /// cgroup v2, `/sys/fs/cgroup`
    pub cgroup: PathBuf,
    /// procfs, `/proc`
    pub proc: PathBuf,
    /// sysfs, `/sys`
    pub sys: PathBuf,
}

/// The parts of the host that a process in a container can't see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seclusion {
    /// The cgroup root is not the top of the hierarchy: no other container can be seen.
    Cgroups,
    /// In addition, procfs has only the container's own processes.
    CgroupsAndProcesses,
}

/// The trees without which the exporter does not start. Without sysfs only device names are missing, so it
/// must exist only if it was named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tree {
    /// cgroup v2
    Cgroup,
    /// procfs
    Proc,
    /// sysfs
    Sys,
}

/// Why a tree can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootError {
    /// Which tree.
    pub tree: Tree,
    /// Where it should be.
    pub path: PathBuf,
    /// What is wrong.
    pub problem: RootProblem,
}

/// What is wrong with a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootProblem {
    /// Its directory can't be listed.
    Unreadable(Errno),
    /// It is cgroup v1.
    CgroupV1,
    /// It is cgroup v1, and cgroup v2 without controllers is mounted below it.
    Hybrid,
    /// It is not cgroup v2; the file system that it is.
    NotCgroup2(String),
}

impl fmt::Display for RootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.problem {
            RootProblem::Unreadable(errno) => write!(f, "{path}: {}", errno.desc()),
            RootProblem::CgroupV1 => write!(f, "{path} is cgroup v1"),
            RootProblem::Hybrid => {
                write!(f, "{path} is cgroup v1 beside a cgroup v2 without controllers (hybrid)")
            }
            RootProblem::NotCgroup2(found) => write!(
                f,
                "{path} is not a cgroup v2 root: expected a cgroup2 file system with a file \
                 {CGROUP_CONTROLLERS}, found {found}"
            ),
        }
    }
}

impl std::error::Error for RootError {}

impl Roots {
    /// Checks that the cgroup root is cgroup v2 and that procfs is a directory, and sysfs if it is needed.
    ///
    /// # Errors
    /// If a root is missing, or is cgroup v1 or hybrid.
    pub fn check(&self, needs_sys: bool) -> Result<(), RootError> {
        let sys = needs_sys.then_some((Tree::Sys, &self.sys));
        for (tree, path) in [(Tree::Cgroup, &self.cgroup), (Tree::Proc, &self.proc)].into_iter().chain(sys) {
            if let Err(error) = std::fs::read_dir(path) {
                let problem = RootProblem::Unreadable(errno_of(&error));
                return Err(RootError { tree, path: path.clone(), problem });
            }
        }
        if self.cgroup.join(CGROUP_CONTROLLERS).exists() {
            return Ok(());
        }
        let is_v1 = ["memory", "cpu", "cpuacct", "cpu,cpuacct", "blkio"]
            .iter()
            .any(|controller| self.cgroup.join(controller).is_dir());
        let problem = if self.cgroup.join("unified").join(CGROUP_CONTROLLERS).exists() {
            RootProblem::Hybrid
        } else if is_v1 {
            RootProblem::CgroupV1
        } else {
            RootProblem::NotCgroup2(file_system(&self.cgroup))
        };
        Err(RootError { tree: Tree::Cgroup, path: self.cgroup.clone(), problem })
    }

    /// What the proc root is, if it is not procfs: a recording, or another directory by mistake.
    #[must_use]
    pub fn instead_of_procfs(&self) -> Option<String> {
        let is_procfs =
            statfs(&self.proc).is_ok_and(|found| found.filesystem_type() == statfs::PROC_SUPER_MAGIC);
        (!is_procfs).then(|| file_system(&self.proc))
    }

    /// Whether the cgroup root is the top of the hierarchy. Below the top (in a private cgroup namespace
    /// without the host's tree mounted) no other container can be seen. The top has no `cgroup.events`.
    #[must_use]
    pub fn is_top(&self) -> bool {
        !self.cgroup.join(KernelFile::CgroupEvents.name()).exists()
    }

    /// The parts of the host that can't be seen, if not even the top of its cgroups can be. The PID 1 of a
    /// container is in the same cgroup as this process; the host's PID 1 is not.
    #[must_use]
    pub fn seclusion(&self) -> Option<Seclusion> {
        if self.is_top() {
            return None;
        }
        let cgroup_of = |process: &str| {
            let file = std::fs::read(self.proc.join(process).join("cgroup")).ok()?;
            unified_path(&file).map(<[u8]>::to_vec)
        };
        let own = cgroup_of("self");
        let is_alone = own.is_some() && own == cgroup_of("1");
        Some(if is_alone { Seclusion::CgroupsAndProcesses } else { Seclusion::Cgroups })
    }
}

fn file_system(path: &Path) -> String {
    let known = [
        (statfs::CGROUP2_SUPER_MAGIC, "a cgroup2 file system"),
        (statfs::CGROUP_SUPER_MAGIC, "a cgroup v1 file system"),
        (statfs::TMPFS_MAGIC, "a tmpfs"),
        (statfs::PROC_SUPER_MAGIC, "a procfs"),
        (statfs::SYSFS_MAGIC, "a sysfs"),
        (statfs::EXT4_SUPER_MAGIC, "an ext4 file system"),
        (statfs::OVERLAYFS_SUPER_MAGIC, "an overlay file system"),
    ];
    match statfs(path) {
        Ok(found) => known.iter().find(|(magic, _)| *magic == found.filesystem_type()).map_or_else(
            || format!("a file system of type {:#x}", found.filesystem_type().0),
            |(_, name)| (*name).to_owned(),
        ),
        Err(errno) => format!("a file system of unknown type ({})", errno.desc()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roots(path: &Path) -> Roots {
        Roots { cgroup: path.into(), proc: "/proc".into(), sys: "/sys".into() }
    }

    #[test]
    fn a_recorded_tree_needs_no_special_case() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("cgroup.controllers"), "cpu memory\n").unwrap();
        assert_eq!(roots(dir.path()).check(false), Ok(()));
    }

    #[test]
    fn what_a_container_does_not_see_is_told_by_its_first_process() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots { proc: dir.path().join("proc"), ..roots(dir.path()) };
        assert_eq!(roots.seclusion(), None);
        std::fs::write(dir.path().join("cgroup.events"), "populated 1\n").unwrap();
        assert_eq!(roots.seclusion(), Some(Seclusion::Cgroups), "nothing is known of processes");
        for (own, first, expected) in [
            ("0::/\n", "0::/\n", Seclusion::CgroupsAndProcesses),
            ("0::/\n", "0::/../../init.scope\n", Seclusion::Cgroups),
            ("0::/system.slice/docker-1.scope\n", "0::/init.scope\n", Seclusion::Cgroups),
        ] {
            for (process, cgroup) in [("self", own), ("1", first)] {
                std::fs::create_dir_all(roots.proc.join(process)).unwrap();
                std::fs::write(roots.proc.join(process).join("cgroup"), cgroup).unwrap();
            }
            assert_eq!(roots.seclusion(), Some(expected), "{own} {first}");
        }
    }

    #[test]
    fn each_wrong_root_has_its_own_words() {
        let dir = tempfile::tempdir().unwrap();
        let error = || roots(dir.path()).check(false).unwrap_err();
        assert!(
            error().to_string().contains("not a cgroup v2 root: expected a cgroup2 file system"),
            "{}",
            error()
        );
        std::fs::create_dir(dir.path().join("memory")).unwrap();
        assert!(error().to_string().ends_with("is cgroup v1"), "{}", error());
        std::fs::create_dir(dir.path().join("unified")).unwrap();
        std::fs::write(dir.path().join("unified/cgroup.controllers"), "").unwrap();
        assert_eq!(error().problem, RootProblem::Hybrid);
        let error = roots(&dir.path().join("none")).check(true).unwrap_err();
        assert_eq!((error.tree, error.problem), (Tree::Cgroup, RootProblem::Unreadable(Errno::ENOENT)));
    }

    #[test]
    fn what_is_no_procfs_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let roots = |proc: &Path| Roots { cgroup: "/".into(), proc: proc.into(), sys: "/sys".into() };
        assert!(roots(dir.path()).instead_of_procfs().is_some());
        assert_eq!(roots(Path::new("/proc")).instead_of_procfs(), None);
    }
}
