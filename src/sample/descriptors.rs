//! Open file descriptors of a container's processes, and the limit on them.

use super::{
    Pass, Reason, ScopeSample, Visited,
    below::walk_below,
    netns::{belongs_to, open_directory},
    samples::Descriptors,
    scope_reader::is_worth_telling,
    stat_file::errno_of,
};
use crate::parse::{ContainerId, Limit, cgroup_procs::pids, proc_limits};
use nix::errno::Errno;
use std::{
    collections::BTreeSet,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
};

/// How many processes and child cgroups of one container are visited, and how many of its descriptors are
/// looked at. A process takes some 20 µs, a descriptor 2 µs. Above this, nothing is counted, which is
/// reported.
const MOST: Visited = Visited { places: 4000, descriptors: 100_000 };
/// The same for all containers together in one pass, so that a pass takes no more than a second.
const MOST_PER_PASS: Visited = Visited { places: 20_000, descriptors: 250_000 };

const FD: &str = "fd";
const LIMITS: &str = "limits";
const PROCS: &str = "cgroup.procs";

/// Why the descriptors of a container can't be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DescriptorProblem {
    /// Its processes are outside our PID namespace.
    ForeignPids,
    /// We may not look at one of its processes.
    NotAllowed,
}

/// Why a count ended early.
enum End {
    Problem(DescriptorProblem),
    Failed(PathBuf, &'static str, Reason),
}

impl From<DescriptorProblem> for End {
    fn from(problem: DescriptorProblem) -> Self {
        Self::Problem(problem)
    }
}

/// Where the processes of a container are.
#[derive(Debug, Clone, Copy)]
pub struct Processes<'a> {
    /// The directory of its cgroup.
    pub cgroup: &'a Path,
    /// Where procfs is.
    pub proc_root: &'a Path,
    /// The container.
    pub id: &'a ContainerId,
    /// Its main process according to Docker.
    pub main_pid: Option<u32>,
}

impl Processes<'_> {
    /// Counts their descriptors into `sample`. `sample.cgroup_stat` must be of this pass: it says whether
    /// there are child cgroups.
    ///
    /// # Errors
    /// If something must be changed before they can be counted. Other failures are in the report of the pass.
    pub fn read_descriptors(
        &self,
        pass: &mut Pass,
        sample: &mut ScopeSample,
    ) -> Result<(), DescriptorProblem> {
        let descendants = sample.cgroup_stat.and_then(|stat| stat.nr_descendants).unwrap_or(0);
        sample.descriptors = Descriptors::default();
        match self.count(descendants > 0, pass, &mut sample.descriptors) {
            Ok(()) if sample.descriptors.open.is_some() && sample.descriptors.sockets.is_none() => {
                Err(DescriptorProblem::NotAllowed)
            }
            Ok(()) => Ok(()),
            Err(End::Problem(problem)) => Err(problem),
            Err(End::Failed(directory, file, reason)) => {
                pass.report.failed(&directory, file, reason);
                Ok(())
            }
        }
    }

    fn count(&self, has_children: bool, pass: &mut Pass, found: &mut Descriptors) -> Result<(), End> {
        let mut visited = Visited::default();
        let listed = self.list(has_children, &mut visited, pass)?;
        if listed.contains(&0) {
            return Err(DescriptorProblem::ForeignPids.into());
        }
        let main = self.main_pid.filter(|pid| listed.contains(pid));
        let others = listed.iter().copied().filter(|pid| Some(*pid) != main);
        let (mut open, mut sockets, mut counted) = (0, Some(0), 0);
        let mut missed = Vec::new();
        for pid in main.into_iter().chain(others) {
            let path = self.proc_root.join(pid.to_string());
            let directory = match open_directory(&path) {
                Ok(directory) => directory,
                Err(Errno::ENOENT | Errno::ESRCH) => {
                    missed.push(pid);
                    continue;
                }
                Err(Errno::EACCES | Errno::EPERM) => return Err(DescriptorProblem::NotAllowed.into()),
                Err(errno) => return Err(End::Failed(path, FD, Reason::Errno(errno))),
            };
            if found.max_open_files.is_none() {
                found.max_open_files = self.limit(&path, &directory, pass);
            }
            let Some((own, own_sockets)) = list_descriptors(&path, &mut visited, pass)? else {
                missed.push(pid);
                continue;
            };
            // The descriptor on the directory belongs to this process, not to its PID. So if the process is
            // still there, and in the container, then what was read by its PID was its own.
            if belongs_to(&directory, self.id, &mut pass.scratch) {
                open += own;
                sockets = sockets.zip(own_sockets).map(|(all, own)| all + own);
                counted += 1;
            } else {
                missed.push(pid);
            }
        }
        // A process that was missed must have left. One that is still listed is hidden from us.
        if !missed.is_empty() {
            let still = self.list(has_children, &mut visited, pass)?;
            if missed.iter().any(|pid| still.contains(pid)) {
                return Err(DescriptorProblem::NotAllowed.into());
            }
        }
        if counted > 0 {
            (found.open, found.sockets) = (Some(open), sockets);
        }
        Ok(())
    }

    /// The PIDs in the cgroup and in those below it.
    fn list(&self, has_children: bool, visited: &mut Visited, pass: &mut Pass) -> Result<BTreeSet<u32>, End> {
        let mut listed = BTreeSet::new();
        let Pass { scratch, visited: all, .. } = pass;
        let mut visit = |directory: &Path| {
            match scratch.read_path(&directory.join(PROCS)) {
                Ok(file) => listed.extend(pids(file)),
                Err(reason) if is_worth_telling(&reason) => return Err(reason),
                Err(_) => {}
            }
            visited.places += 1;
            all.places += 1;
            let places = listed.len() as u64;
            let now = Visited { places: visited.places + places, ..*visited };
            let is_too_much = now.is_above(MOST) || all.places + places > MOST_PER_PASS.places;
            if is_too_much { Err(Reason::TooMany) } else { Ok(()) }
        };
        let below = visit(self.cgroup).map_err(|reason| (self.cgroup.to_owned(), reason));
        let below = below.and_then(|()| match has_children {
            true => walk_below(self.cgroup, MOST.places, &mut visit),
            false => Ok(()),
        });
        below.map_err(|(directory, reason)| End::Failed(directory, PROCS, reason))?;
        visited.places += listed.len() as u64;
        all.places += listed.len() as u64;
        Ok(listed)
    }

    /// The soft limit on open files of a process, if it is still the container's.
    fn limit(&self, path: &Path, directory: &OwnedFd, pass: &mut Pass) -> Option<Limit> {
        let read = match pass.scratch.read_path(&path.join(LIMITS)) {
            Ok(file) => proc_limits::max_open_files(file).map_err(Reason::Parse),
            Err(Reason::Errno(Errno::ENOENT | Errno::ESRCH | Errno::EACCES | Errno::EPERM)) => Ok(None),
            Err(reason) => Err(reason),
        };
        let limit = read.unwrap_or_else(|reason| {
            pass.report.failed(path, LIMITS, reason);
            None
        });
        limit.filter(|_| belongs_to(directory, self.id, &mut pass.scratch))
    }
}

/// How many descriptors a process has open, and how many of them are sockets, if we may look at them. `None`
/// if the process has ended.
fn list_descriptors(
    process: &Path,
    visited: &mut Visited,
    pass: &mut Pass,
) -> Result<Option<(u64, Option<u64>)>, End> {
    let end = |error: &std::io::Error| match errno_of(error) {
        Errno::ENOENT | Errno::ESRCH => Ok(None),
        Errno::EACCES | Errno::EPERM => Err(DescriptorProblem::NotAllowed.into()),
        errno => Err(End::Failed(process.to_owned(), FD, Reason::Errno(errno))),
    };
    let entries = match std::fs::read_dir(process.join(FD)) {
        Ok(entries) => entries,
        Err(error) => return end(&error),
    };
    let (mut open, mut sockets) = (0, Some(0));
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => return end(&error),
        };
        open += 1;
        visited.descriptors += 1;
        pass.visited.descriptors += 1;
        if visited.is_above(MOST) || pass.visited.is_above(MOST_PER_PASS) {
            return Err(End::Failed(process.to_owned(), FD, Reason::TooMany));
        }
        sockets = match (std::fs::read_link(entry.path()), sockets) {
            (Ok(target), Some(count)) => {
                let is_socket = target.as_os_str().as_bytes().starts_with(b"socket:[");
                Some(count + u64::from(is_socket))
            }
            (Err(error), known) if errno_of(&error) == Errno::ENOENT => known,
            _ => None,
        };
    }
    Ok(Some((open, sockets)))
}
