//! Which network namespace a container is in, and the counters of its interfaces.

use super::{
    NetTable, Pass, Reason,
    stat_file::{READ, Scratch},
    tally::Tally,
};
use crate::parse::{ContainerId, Name, net_dev::parse_net_dev, proc_cgroup::unified_path};
use nix::{
    errno::Errno,
    fcntl::{OFlag, open, openat, readlinkat},
    sys::{
        stat::{Mode, stat},
        statfs::{PROC_SUPER_MAGIC, fstatfs},
    },
};
use std::{
    fs::File,
    os::fd::{AsFd, OwnedFd},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// The file with the interface counters, below the directory of a process in the network namespace.
const NET_DEV: &str = "net/dev";

/// A network namespace. It is identified by the number of its `ns/net` link where we may read it (root,
/// `CAP_SYS_PTRACE`, same user), otherwise by the inode of `net/dev`, which is one per namespace and needs no
/// privilege.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Netns {
    link: Option<u64>,
    net_dev_inode: Option<u64>,
}

impl Netns {
    /// The namespace of a process; `None` if neither way works.
    #[must_use]
    pub fn of(process: &Path) -> Option<Self> {
        let link = namespace_number(&process.join("ns/net"));
        let net_dev_inode = stat(&process.join(NET_DEV)).ok().map(|stat| stat.st_ino);
        (link.is_some() || net_dev_inode.is_some()).then_some(Self { link, net_dev_inode })
    }

    /// Whether both are the same namespace. Link numbers are compared only with link numbers, inodes with
    /// inodes.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        match (self.link, other.link) {
            (Some(one), Some(two)) => one == two,
            _ => self.net_dev_inode.is_some() && self.net_dev_inode == other.net_dev_inode,
        }
    }

    /// Whether the number of its link is known.
    #[must_use]
    pub fn has_link(self) -> bool {
        self.link.is_some()
    }

    /// A number that distinguishes namespaces: that of the link, or the inode of `net/dev`. Only numbers of
    /// the same kind can be compared.
    #[must_use]
    pub fn number(self, by_link: bool) -> Option<u64> {
        if by_link { self.link } else { self.net_dev_inode }
    }
}

/// `net:[4026531840]` as a number. A recording may hold the text as a dangling link or as a plain file.
fn namespace_number(link: &Path) -> Option<u64> {
    let text = match readlinkat(nix::fcntl::AT_FDCWD, link) {
        Ok(text) => text.as_bytes().to_vec(),
        Err(Errno::EINVAL) => Scratch::small().read_path(link).ok()?.to_vec(),
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
    /// Its processes are outside our PID namespace, and procfs shows no process that is known to be its own.
    ForeignPids,
    /// Its processes are not in our procfs.
    Hidden,
}

/// Reads the interface counters of one container through one of its processes.
///
/// It keeps a descriptor on `/proc/<pid>`. That pins nothing, and it answers ESRCH after the PID is given to
/// another process. A descriptor on `net/dev` makes the reading a quarter as costly, but it keeps the
/// namespace alive after the container has ended. So it is kept only where the end is told at once: see
/// [`Self::allow_pin`].
#[derive(Debug)]
pub struct NetReader {
    proc_root: PathBuf,
    process: Option<Process>,
    /// The last readings of the namespace in `counted`.
    tally: Tally<Name>,
    counted: Option<Netns>,
    /// Whether a descriptor on the process's directory may be kept.
    keep: bool,
    /// Whether a descriptor on `net/dev` may be kept, which keeps the namespace alive.
    may_pin: bool,
}

#[derive(Debug)]
struct Process {
    pid: u32,
    path: PathBuf,
    /// Kept between readings. If `None`, the directory is opened for each reading, and checked to belong to
    /// the container.
    directory: Option<OwnedFd>,
    /// Kept instead of the directory. It shows the namespace in which the process was when it was opened,
    /// and never another one.
    net_dev: Option<File>,
    netns: Option<Netns>,
}

impl NetReader {
    /// A reader that has no process yet.
    #[must_use]
    pub fn new(proc_root: &Path) -> Self {
        Self {
            proc_root: proc_root.to_owned(),
            process: None,
            tally: Tally::default(),
            counted: None,
            keep: true,
            may_pin: false,
        }
    }

    /// Sets whether the network namespace may be kept alive between readings. If not, it is released. The
    /// caller must release it as soon as the container has no process any more.
    pub fn allow_pin(&mut self, may_pin: bool) {
        self.may_pin = may_pin;
        if let Some(process) = self.process.as_mut().filter(|_| !may_pin) {
            process.net_dev = None;
        }
    }

    /// Whether it keeps a network namespace alive.
    #[must_use]
    pub fn pins(&self) -> bool {
        self.process.as_ref().is_some_and(|process| process.net_dev.is_some())
    }

    /// Sets whether a descriptor may be kept between readings. If not, an open one is closed.
    pub fn keep(&mut self, keep: bool) {
        self.keep = keep;
        if let Some(process) = self.process.as_mut().filter(|_| !keep) {
            process.directory = None;
        }
    }

    /// Descriptors held for this container.
    #[must_use]
    pub fn open_files(&self) -> usize {
        let open = |process: &Process| {
            usize::from(process.directory.is_some()) + usize::from(process.net_dev.is_some())
        };
        self.process.as_ref().map_or(0, open)
    }

    /// The process through which the counters are read.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(|process| process.pid)
    }

    /// The namespace of that process.
    #[must_use]
    pub fn netns(&self) -> Option<Netns> {
        self.process.as_ref().and_then(|process| process.netns)
    }

    /// Chooses a process. The first choice is the container's main process according to Docker (`main_pid`),
    /// if it is among `listed`: a child process may have another network namespace. Otherwise any listed
    /// process. If the listed processes are outside our PID namespace and show as 0, only `main_pid`.
    ///
    /// # Errors
    /// If there is none.
    pub fn locate(
        &mut self,
        id: &ContainerId,
        listed: &[u32],
        main_pid: Option<u32>,
        pass: &mut Pass,
    ) -> Result<(), NetProblem> {
        self.process = None;
        let foreign = listed.contains(&0);
        let main = main_pid.filter(|pid| *pid != 0 && (foreign || listed.contains(pid)));
        let others = listed.iter().copied().filter(|pid| *pid != 0 && Some(*pid) != main_pid);
        for pid in main.into_iter().chain(others) {
            if let Some(process) = Process::open(&self.proc_root, pid, id, pass) {
                if self.counted != process.netns {
                    self.tally = Tally::default();
                    self.counted = process.netns;
                }
                self.process = Some(process);
                self.keep(self.keep);
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

    /// Whether locating again would find the same namespace: it is kept alive here, and the known process is
    /// still in it. Asking this is much cheaper than locating. `false` if it is not certain, or Docker names
    /// another main process by now.
    #[must_use]
    pub fn is_still_there(&self, main_pid: Option<u32>) -> bool {
        let Some(process) = self.process.as_ref().filter(|process| process.net_dev.is_some()) else {
            return false;
        };
        let is_main = main_pid.is_none_or(|main| main == process.pid);
        is_main && process.netns.zip(Netns::of(&process.path)).is_some_and(|(known, now)| known.is(&now))
    }

    /// Reads the counters. `false` if the process is gone and another one must be located.
    pub fn read(&mut self, id: &ContainerId, pass: &mut Pass, table: &mut NetTable) -> bool {
        table.read = false;
        table.sums = None;
        let Some(process) = &mut self.process else { return false };
        match process.read(id, self.keep, self.may_pin, pass, table) {
            Ok(0) => {
                let rows = table.rows.iter();
                table.sums = self
                    .tally
                    .add(rows.map(|row| (row.name, Some(row.receive.bytes), Some(row.transmit.bytes))));
                pass.report.skipped(NET_DEV, self.tally.rows_beyond());
                table.read = true;
                true
            }
            Ok(skipped) => {
                pass.report.skipped(NET_DEV, skipped);
                table.read = true;
                true
            }
            Err(Errno::ESRCH | Errno::ENOENT) => {
                self.process = None;
                false
            }
            Err(errno) => {
                pass.report.failed(&process.path, NET_DEV, Reason::Errno(errno));
                true
            }
        }
    }
}

impl Process {
    fn open(proc_root: &Path, pid: u32, id: &ContainerId, pass: &mut Pass) -> Option<Self> {
        let path = proc_root.join(pid.to_string());
        let directory = match open_directory(&path) {
            Ok(directory) => directory,
            // The process has ended, or is hidden from us.
            Err(Errno::ENOENT | Errno::ESRCH | Errno::EACCES | Errno::EPERM) => return None,
            Err(errno) => {
                pass.report.failed_directory(&path, errno);
                return None;
            }
        };
        if !belongs_to(&directory, id, &mut pass.scratch) {
            return None;
        }
        let netns = Netns::of(&path);
        Some(Self { pid, path, directory: Some(directory), net_dev: None, netns })
    }

    fn read(
        &mut self,
        id: &ContainerId,
        keep: bool,
        may_pin: bool,
        pass: &mut Pass,
        table: &mut NetTable,
    ) -> Result<u64, Errno> {
        if let Some(file) = &self.net_dev {
            let content = pass.scratch.read_records(file)?;
            return Ok(parse_net_dev(content, &mut table.rows, |name| pass.interfaces.excludes(name)));
        }
        let opened;
        let directory = match &self.directory {
            Some(directory) => directory,
            None => {
                opened = open_directory(&self.path)?;
                // The PID may belong to another container's process by now.
                if !belongs_to(&opened, id, &mut pass.scratch) {
                    return Err(Errno::ESRCH);
                }
                if keep { self.directory.insert(opened) } else { &opened }
            }
        };
        // The kind of file is not checked at each reading: a FIFO or a directory can't be read at an offset.
        let file = File::from(openat(directory, NET_DEV, READ, Mode::empty())?);
        let content = pass.scratch.read_records(&file)?;
        let skipped = parse_net_dev(content, &mut table.rows, |name| pass.interfaces.excludes(name));
        // The files of a recording may be replaced by others.
        if may_pin && fstatfs(&file).is_ok_and(|system| system.filesystem_type() == PROC_SUPER_MAGIC) {
            self.net_dev = Some(file);
            self.directory = None;
        }
        Ok(skipped)
    }
}

pub(super) fn open_directory(path: &Path) -> Result<OwnedFd, Errno> {
    open(path, READ.union(OFlag::O_DIRECTORY), Mode::empty())
}

/// Whether the process with this PID belongs to the container. Our procfs may be of another PID namespace
/// than the PIDs from `cgroup.procs` or Docker. `/` is our own cgroup in a private cgroup namespace.
pub(super) fn belongs_to(process: impl AsFd, id: &ContainerId, scratch: &mut Scratch) -> bool {
    let file = match openat(process, c"cgroup", READ, Mode::empty()) {
        Ok(file) => file,
        // A recording may lack the file. A process that has ended shows no interfaces either.
        Err(errno) => return errno == Errno::ENOENT,
    };
    let Ok(content) = scratch.read_records(&File::from(file)) else { return false };
    unified_path(content).is_some_and(|path| path == b"/" || contains(path, id.as_str().as_bytes()))
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    const NET_DEV: &str = "Inter-| Receive | Transmit\neth0: 5 1 0 0 0 0 0 0 7 1 0 0 0 0 0 0\n";

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
        assert_eq!(reader.locate(&id(), &[20, 10], Some(10), &mut Pass::default()), Ok(()));
        assert_eq!(reader.pid(), Some(10));
        assert_eq!(reader.locate(&id(), &[20, 10], None, &mut Pass::default()), Ok(()));
        assert_eq!(reader.pid(), Some(20));
        assert_eq!(reader.locate(&id(), &[0, 0], Some(10), &mut Pass::default()), Ok(()));
        assert_eq!(reader.pid(), Some(10));
        assert_eq!(reader.locate(&id(), &[0], Some(30), &mut Pass::default()), Err(NetProblem::ForeignPids));
        assert_eq!(reader.locate(&id(), &[40], None, &mut Pass::default()), Err(NetProblem::Hidden));
        assert_eq!(reader.locate(&id(), &[], Some(10), &mut Pass::default()), Err(NetProblem::NoProcess));
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
        reader.locate(&id(), &[10], None, &mut Pass::default()).unwrap();
        let (mut pass, mut table) = (Pass::default(), NetTable::default());
        assert!(reader.read(&id(), &mut pass, &mut table));
        assert_eq!(table.bytes(), Some((5, 7)));
        std::fs::remove_dir_all(root.path().join("10")).unwrap();
        assert!(!reader.read(&id(), &mut pass, &mut table));
        assert_eq!(table.bytes(), None);
    }

    #[test]
    fn a_namespace_that_is_kept_is_not_located_again_while_its_process_is_in_it() {
        let root = tempfile::tempdir().unwrap();
        process(root.path(), 10, "/", 7);
        let path = root.path().join("10");
        // Only a file of procfs is kept.
        std::fs::remove_dir_all(path.join("net")).unwrap();
        symlink("/proc/self/net", path.join("net")).unwrap();
        let mut reader = NetReader::new(root.path());
        reader.locate(&id(), &[10], None, &mut Pass::default()).unwrap();
        let (mut pass, mut table) = (Pass::default(), NetTable::default());
        assert!(reader.read(&id(), &mut pass, &mut table) && !reader.is_still_there(None), "it is not kept");
        reader.allow_pin(true);
        assert!(reader.read(&id(), &mut pass, &mut table) && reader.is_still_there(None));
        assert!(reader.is_still_there(Some(10)) && !reader.is_still_there(Some(20)));
        std::fs::remove_file(path.join("ns/net")).unwrap();
        symlink("net:[8]", path.join("ns/net")).unwrap();
        assert!(!reader.is_still_there(None), "it is in another namespace");
        std::fs::remove_file(path.join("ns/net")).unwrap();
        std::fs::remove_file(path.join("net")).unwrap();
        assert!(!reader.is_still_there(None), "that can't be seen any more");
        symlink("/proc/self/net", path.join("net")).unwrap();
        // Where links can't be read, the inode of `net/dev` is compared.
        reader.locate(&id(), &[10], None, &mut Pass::default()).unwrap();
        assert!(reader.read(&id(), &mut pass, &mut table) && reader.is_still_there(Some(10)));
        std::fs::remove_dir_all(path).unwrap();
        assert!(!reader.is_still_there(Some(10)), "it has ended");
    }
}
