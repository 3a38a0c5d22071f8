//! Which network namespace a container is in, and the counters of its interfaces.

use super::{NetTable, Pass, Reason, stat_file::Scratch};
use crate::parse::{ContainerId, net_dev::parse_net_dev};
use nix::{
    errno::Errno,
    fcntl::{OFlag, open, openat, readlinkat},
    sys::stat::{Mode, stat},
};
use procfs::{FromRead, ProcessCGroups};
use std::{
    fs::File,
    os::fd::OwnedFd,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

const READ: OFlag = OFlag::O_RDONLY.union(OFlag::O_CLOEXEC);

/// A network namespace, known by the number of its `ns/net` link where that may be read (root,
/// `CAP_SYS_PTRACE`, same user), or by the inode of `net/dev`, which is per namespace and needs no privilege.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Netns {
    link: Option<u64>,
    net_dev_inode: Option<u64>,
}

impl Netns {
    /// The namespace of a process, `None` if neither way is open.
    #[must_use]
    pub fn of(process: &Path) -> Option<Self> {
        let link = namespace_number(&process.join("ns/net"));
        let net_dev_inode = stat(&process.join("net/dev")).ok().map(|stat| stat.st_ino);
        (link.is_some() || net_dev_inode.is_some()).then_some(Self { link, net_dev_inode })
    }

    /// Whether both are the same namespace. Links are compared with links, inodes with inodes.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        match (self.link, other.link) {
            (Some(one), Some(two)) => one == two,
            _ => self.net_dev_inode.is_some() && self.net_dev_inode == other.net_dev_inode,
        }
    }
}

impl Netns {
    /// Whether the number of its link is known.
    #[must_use]
    pub fn has_link(self) -> bool {
        self.link.is_some()
    }

    /// A number to tell namespaces apart by: of the link, or of `net/dev`. Only numbers of one kind compare.
    #[must_use]
    pub fn number(self, by_link: bool) -> Option<u64> {
        if by_link { self.link } else { self.net_dev_inode }
    }
}

/// `net:[4026531840]` as a number. A recording may hold the text as a dangling link or as a plain file.
fn namespace_number(link: &Path) -> Option<u64> {
    let text = match readlinkat(nix::fcntl::AT_FDCWD, link) {
        Ok(text) => text.as_bytes().to_vec(),
        Err(Errno::EINVAL) => std::fs::read(link).ok()?,
        Err(_) => return None,
    };
    let number = text.trim_ascii().strip_prefix(b"net:[")?.strip_suffix(b"]")?;
    crate::parse::scan::number(number)
}

/// Why a container's network counters can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetProblem {
    /// It has no process.
    NoProcess,
    /// Its processes are outside our PID namespace and procfs shows none that is known to be its own.
    ForeignPids,
    /// Its processes are not in our procfs.
    Hidden,
}

impl NetProblem {
    /// What to do about it; `None` where nothing is wrong.
    #[must_use]
    pub fn hint(self) -> Option<&'static str> {
        match self {
            Self::NoProcess => None,
            Self::ForeignPids => Some(
                "run this container with --pid=host, or mount the host's /proc and name it with --proc_root",
            ),
            Self::Hidden => Some(
                "processes of containers are hidden from /proc: drop ProtectProc= or hidepid=, or grant CAP_SYS_PTRACE",
            ),
        }
    }
}

/// Reads the interface counters of one container through one of its processes.
///
/// A descriptor on `/proc/<pid>` is kept, which pins nothing and answers ESRCH after the PID is given to
/// another process; one on `net/dev` would keep the namespace of a dead container alive.
#[derive(Debug)]
pub struct NetReader {
    proc_root: PathBuf,
    process: Option<Process>,
}

#[derive(Debug)]
struct Process {
    pid: u32,
    path: PathBuf,
    directory: OwnedFd,
    netns: Option<Netns>,
}

impl NetReader {
    /// A reader that has no process yet.
    #[must_use]
    pub fn new(proc_root: &Path) -> Self {
        Self { proc_root: proc_root.to_owned(), process: None }
    }

    /// The process that is read through.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(|process| process.pid)
    }

    /// The namespace of that process.
    #[must_use]
    pub fn netns(&self) -> Option<Netns> {
        self.process.as_ref().and_then(|process| process.netns)
    }

    /// Chooses a process: the container's first one as Docker knows it (`main_pid`), if it is among `listed` (a
    /// process deeper in may have a namespace of its own), else any listed one; `main_pid` alone when the
    /// listed ones are outside our PID namespace and show as 0.
    ///
    /// # Errors
    /// When none can be had.
    pub fn locate(
        &mut self,
        id: &ContainerId,
        listed: &[u32],
        main_pid: Option<u32>,
    ) -> Result<(), NetProblem> {
        self.process = None;
        let foreign = listed.contains(&0);
        let main = main_pid.filter(|pid| *pid != 0 && (foreign || listed.contains(pid)));
        let others = listed.iter().copied().filter(|pid| *pid != 0 && Some(*pid) != main_pid);
        for pid in main.into_iter().chain(others) {
            if let Some(process) = Process::open(&self.proc_root, pid, id) {
                self.process = Some(process);
                return Ok(());
            }
        }
        Err(if listed.is_empty() {
            NetProblem::NoProcess
        } else if foreign {
            NetProblem::ForeignPids
        } else {
            NetProblem::Hidden
        })
    }

    /// Reads the counters. `false` when the process is gone and another must be located.
    pub fn read(&mut self, pass: &mut Pass, table: &mut NetTable) -> bool {
        table.read = false;
        let Some(process) = &self.process else { return false };
        match process.read(&mut pass.scratch, table) {
            Ok(skipped) => {
                pass.report.skipped("net/dev", skipped);
                table.read = true;
                true
            }
            Err(Errno::ESRCH | Errno::ENOENT) => {
                self.process = None;
                false
            }
            Err(errno) => {
                pass.report.failed(&process.path, "net/dev", Reason::Errno(errno));
                true
            }
        }
    }
}

impl Process {
    fn open(proc_root: &Path, pid: u32, id: &ContainerId) -> Option<Self> {
        let path = proc_root.join(pid.to_string());
        let directory = open(&path, READ.union(OFlag::O_DIRECTORY), Mode::empty()).ok()?;
        if !belongs_to(&path, id) {
            return None;
        }
        let netns = Netns::of(&path);
        Some(Self { pid, path, directory, netns })
    }

    fn read(&self, scratch: &mut Scratch, table: &mut NetTable) -> Result<u64, Errno> {
        let file = openat(&self.directory, c"net/dev", READ, Mode::empty())?;
        let content = scratch.read_records(&File::from(file))?;
        Ok(parse_net_dev(content, &mut table.rows))
    }
}

/// Whether the process with this PID is the container's: our procfs may be of another PID namespace than the
/// one that `cgroup.procs` or Docker counted in. `/` is our own cgroup in a private cgroup namespace.
fn belongs_to(process: &Path, id: &ContainerId) -> bool {
    ProcessCGroups::from_file(process.join("cgroup")).map_or(true, |cgroups| {
        cgroups.0.iter().any(|cgroup| {
            cgroup.hierarchy == 0 && (cgroup.pathname == "/" || cgroup.pathname.contains(id.as_str()))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    const NET_DEV: &str = "eth0: 5 1 0 0 0 0 0 0 7 1 0 0 0 0 0 0\n";

    fn process(root: &Path, pid: u32, cgroup: &str, netns: u64) {
        let path = root.join(pid.to_string());
        std::fs::create_dir_all(path.join("net")).unwrap();
        std::fs::create_dir_all(path.join("ns")).unwrap();
        std::fs::write(path.join("cgroup"), format!("0::{cgroup}\n")).unwrap();
        std::fs::write(path.join("net/dev"), NET_DEV).unwrap();
        symlink(format!("net:[{netns}]"), path.join("ns/net")).unwrap();
    }

    fn id() -> ContainerId {
        ContainerId::new(&"ab".repeat(32)).unwrap()
    }

    #[test]
    fn the_main_process_is_preferred_and_strangers_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let scope = format!("/system.slice/docker-{}.scope", id());
        process(root.path(), 10, &scope, 7);
        process(root.path(), 20, &format!("{scope}/inner"), 8);
        process(root.path(), 30, "/init.scope", 1);
        let mut reader = NetReader::new(root.path());
        assert_eq!(reader.locate(&id(), &[20, 10], Some(10)), Ok(()));
        assert_eq!(reader.pid(), Some(10));
        assert_eq!(reader.locate(&id(), &[20, 10], None), Ok(()));
        assert_eq!(reader.pid(), Some(20));
        assert_eq!(reader.locate(&id(), &[0, 0], Some(10)), Ok(()));
        assert_eq!(reader.pid(), Some(10));
        assert_eq!(reader.locate(&id(), &[0], Some(30)), Err(NetProblem::ForeignPids));
        assert_eq!(reader.locate(&id(), &[40], None), Err(NetProblem::Hidden));
        assert_eq!(reader.locate(&id(), &[], Some(10)), Err(NetProblem::NoProcess));
    }

    #[test]
    fn namespaces_are_compared_by_link_first() {
        let root = tempfile::tempdir().unwrap();
        for (pid, netns) in [(10, 7), (20, 7), (30, 8)] {
            process(root.path(), pid, "/", netns);
        }
        let netns = |pid: u32| Netns::of(&root.path().join(pid.to_string())).unwrap();
        assert!(netns(10).is(&netns(20)));
        assert!(!netns(10).is(&netns(30)));
        let unreadable = |pid| Netns { link: None, ..netns(pid) };
        assert!(unreadable(10).is(&netns(10)));
        assert!(!unreadable(10).is(&netns(20)));
    }

    #[test]
    fn a_process_that_ended_asks_for_another() {
        let root = tempfile::tempdir().unwrap();
        process(root.path(), 10, "/", 7);
        let mut reader = NetReader::new(root.path());
        reader.locate(&id(), &[10], None).unwrap();
        let (mut pass, mut table) = (Pass::default(), NetTable::default());
        assert!(reader.read(&mut pass, &mut table));
        assert_eq!(table.bytes(), Some((5, 7)));
        std::fs::remove_dir_all(root.path().join("10")).unwrap();
        assert!(!reader.read(&mut pass, &mut table));
        assert_eq!(table.bytes(), None);
    }
}
