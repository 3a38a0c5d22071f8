//! What is read of each container, and how many of its files stay open.

use crate::collector::config::Config;
use crate::{
    metadata::Filter,
    parse::CGROUP_CONTROLLERS,
    sample::{FileSet, Keep, KernelFile, ScopeReader},
    table::Selection,
};
use std::path::PathBuf;

/// Descriptors left to sockets, inotify, the log and directories being listed.
const RESERVED_FILES: u64 = 256;
/// Per container, besides files: its cgroup directory and a process directory.
const DIRECTORIES: u64 = 2;

/// What is read of each container.
#[derive(Debug)]
pub(in crate::collector) struct Reading {
    pub(super) cgroup_root: PathBuf,
    /// What only the root of cgroup v2 has, if it was there at the start.
    mark_of_root: Option<PathBuf>,
    /// Who owns the cgroup root, and what is not handed to a user.
    pub(super) root_owner: Option<u32>,
    pub(super) proc_root: PathBuf,
    pub(super) files: FileSet,
    /// The files of the polling tick.
    pub(super) rate_files: FileSet,
    /// The same while somebody is told of each tick.
    pub(super) heard_files: FileSet,
    pub(super) network: bool,
    pub(super) hugetlb: bool,
    pub(super) core_only: bool,
    pub(super) serves_stopped: bool,
    /// Whether containers that Docker does not know are shown.
    pub(super) show_unnamed: bool,
    pub(super) filter: Filter,
    pub(super) fd_budget: usize,
    pub(super) max_open_files: u64,
}

impl Reading {
    pub(in crate::collector) fn new(config: &Config, max_open_files: u64) -> Self {
        let Config { roots, selection, filter, fd_budget, .. } = config;
        let heard = FileSet::RATES.union(FileSet::of(&[KernelFile::MemoryCurrent]));
        Self {
            cgroup_root: roots.cgroup.clone(),
            mark_of_root: Some(roots.cgroup.join(CGROUP_CONTROLLERS)).filter(|mark| mark.exists()),
            proc_root: roots.proc.clone(),
            root_owner: ScopeReader::open(&roots.cgroup).ok().and_then(|root| root.owner()),
            // Always: it tells whether the container has a process.
            files: selection.files().union(FileSet::of(&[KernelFile::CgroupEvents])),
            rate_files: selection.files().intersection(FileSet::RATES),
            heard_files: selection.files().intersection(heard),
            network: selection.reads_network(),
            hugetlb: selection.reads_hugetlb(),
            core_only: selection.is_core_only(),
            serves_stopped: Selection::serves_stopped(selection),
            show_unnamed: config.show_unnamed,
            filter: filter.clone(),
            fd_budget: *fd_budget,
            max_open_files,
        }
    }

    /// What of each container stays open: its directories and the files of the polling tick as long as there
    /// are descriptors, and more files within the budget. Else all of it is opened anew at each reading, so
    /// that what is reserved is there when it is needed.
    pub(super) fn kept(&self, containers: usize) -> Keep {
        let containers = containers.max(1);
        let per_container = self.max_open_files.saturating_sub(RESERVED_FILES) / containers as u64;
        let Some(possible) = per_container.checked_sub(DIRECTORIES) else {
            return Keep { directory: false, files: 0 };
        };
        let possible = usize::try_from(possible).unwrap_or(usize::MAX);
        let wanted = (self.fd_budget / containers).max(FileSet::RATES.len());
        Keep { directory: true, files: wanted.min(possible).min(KernelFile::COUNT) }
    }

    /// Whether the cgroup root is what it was at the start: an unmounted one is a directory with nothing in
    /// it.
    pub(super) fn root_is_there(&self) -> bool {
        match &self.mark_of_root {
            Some(mark) => mark.exists(),
            None => true,
        }
    }
}
