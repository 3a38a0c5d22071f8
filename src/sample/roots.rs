//! Where the host's file systems are mounted.

use crate::parse::proc_cgroup::unified_path;
use nix::sys::statfs::{self, statfs};
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// The three trees that are read; each can be a mount elsewhere or a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    /// cgroup v2, `/sys/fs/cgroup`
    pub cgroup: PathBuf,
    /// procfs, `/proc`
    pub proc: PathBuf,
    /// sysfs, `/sys`
    pub sys: PathBuf,
}

/// What a process in a container does not see of its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seclusion {
    /// The cgroup root is not the top of the hierarchy: no other container can be seen.
    Cgroups,
    /// Besides, procfs has only the container's own processes.
    CgroupsAndProcesses,
}

/// Why the trees can't be used, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootError {
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub hint: String,
}

impl fmt::Display for RootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for RootError {}

impl Roots {
    /// Checks that the cgroup root is cgroup v2 and that procfs and sysfs are directories.
    ///
    /// # Errors
    /// A root that is missing, or that is cgroup v1 or hybrid, with a hint.
    pub fn check(&self) -> Result<(), RootError> {
        for (root, flag) in [(&self.cgroup, "--cgroup_root"), (&self.proc, "--proc_root")] {
            if let Err(error) = std::fs::read_dir(root) {
                return Err(RootError {
                    problem: format!("{}: {error}", root.display()),
                    hint: format!("mount the host's tree there, or say with {flag} where it is"),
                });
            }
        }
        if self.cgroup.join("cgroup.controllers").exists() {
            return Ok(());
        }
        let problem = |what: &str| format!("{} is {what}", self.cgroup.display());
        let unified = self.cgroup.join("unified");
        if unified.join("cgroup.controllers").exists() {
            return Err(RootError {
                problem: problem("cgroup v1 with a bare cgroup v2 beside it (hybrid)"),
                hint: "boot the host with systemd.unified_cgroup_hierarchy=1: only cgroup v2 is read".into(),
            });
        }
        if ["memory", "cpu", "cpuacct", "cpu,cpuacct", "blkio"]
            .iter()
            .any(|controller| self.cgroup.join(controller).is_dir())
        {
            return Err(RootError {
                problem: problem("cgroup v1"),
                hint: "boot the host with systemd.unified_cgroup_hierarchy=1: only cgroup v2 is read".into(),
            });
        }
        Err(RootError {
            problem: format!(
                "{} is not a cgroup v2 root: no cgroup.controllers in {}",
                self.cgroup.display(),
                file_system(&self.cgroup)
            ),
            hint: "mount the host's /sys/fs/cgroup there, or say with --cgroup_root where cgroup v2 is"
                .into(),
        })
    }

    /// Whether the cgroup root is the top of the hierarchy. Below it (a private cgroup namespace without the
    /// host's tree mounted) no other container can be seen. The real root has no `cgroup.events`.
    #[must_use]
    pub fn is_top(&self) -> bool {
        !self.cgroup.join("cgroup.events").exists()
    }

    /// What of the host is out of sight if not even the top of its cgroups is there. PID 1 of a container is in the same
    /// cgroup as this process, that of the host is not.
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
        Err(errno) => format!("what can't be examined ({})", errno.desc()),
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
        assert_eq!(roots(dir.path()).check(), Ok(()));
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
        let error = roots(dir.path()).check().unwrap_err();
        assert!(error.problem.contains("not a cgroup v2 root"), "{error}");
        std::fs::create_dir(dir.path().join("memory")).unwrap();
        let error = roots(dir.path()).check().unwrap_err();
        assert!(error.problem.ends_with("is cgroup v1"), "{error}");
        std::fs::create_dir(dir.path().join("unified")).unwrap();
        std::fs::write(dir.path().join("unified/cgroup.controllers"), "").unwrap();
        let error = roots(dir.path()).check().unwrap_err();
        assert!(error.problem.contains("hybrid"), "{error}");
        let error = roots(&dir.path().join("none")).check().unwrap_err();
        assert!(error.hint.contains("--cgroup_root"), "{error:?}");
    }
}
