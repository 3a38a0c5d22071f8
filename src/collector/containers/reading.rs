//! What is read of each container, and how many of its files stay open.

use crate::collector::config::Config;
use crate::{
    metadata::Filter,
    model::Bursts,
    parse::CGROUP_CONTROLLERS,
    sample::{FileSet, Keep, KernelFile, ScopeReader},
    table::Selection,
};
use std::{path::PathBuf, time::Duration};

/// Descriptors reserved for sockets, inotify, the log and directory listings.
const RESERVED_FILES: u64 = 256;
/// Descriptors per container besides files: its cgroup directory and a process directory.
const DIRECTORIES: u64 = 2;

/// What is read of each container.
#[derive(Debug)]
pub(in crate::collector) struct Reading {
    pub(super) cgroup_root: PathBuf,
    /// A file that only a mounted cgroup v2 tree has, if it was there at the start.
    mark_of_root: Option<PathBuf>,
    /// The owner of the cgroup root, and so of everything that is not delegated to a user.
    pub(super) root_owner: Option<u32>,
    pub(super) proc_root: PathBuf,
    pub(super) files: FileSet,
    /// The files of the polling tick.
    pub(super) rate_files: FileSet,
    /// How long a window counts for the peaks, and how long windows are; `None` if there are no peaks.
    peaks: Option<(Duration, Duration)>,
    /// The files of the polling tick while a subscriber takes ticks.
    pub(super) heard_files: FileSet,
    pub(super) network: bool,
    pub(super) hugetlb: bool,
    /// Whether the descriptors of processes are counted.
    pub(super) descriptors: bool,
    /// Whether Docker's sizes are shown.
    pub(super) disk: bool,
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
        let peaks = config.polling_interval.filter(|_| selection.has_peaks());
        let is_kept = config.polling_interval.is_some() && !config.history.is_zero();
        let heard = FileSet::RATES.union(FileSet::of(&[KernelFile::MemoryCurrent]));
        Self {
            cgroup_root: roots.cgroup.clone(),
            mark_of_root: Some(roots.cgroup.join(CGROUP_CONTROLLERS)).filter(|mark| mark.exists()),
            proc_root: roots.proc.clone(),
            root_owner: ScopeReader::open(&roots.cgroup).ok().and_then(|root| root.owner()),
            // Always read, because it says whether the container has a process.
            files: selection.files().union(FileSet::of(&[KernelFile::CgroupEvents])),
            rate_files: selection.files().intersection(match peaks {
                None if !is_kept => FileSet::RATES,
                _ => heard,
            }),
            peaks: peaks.map(|interval| (config.peak_window, interval)),
            heard_files: selection.files().intersection(heard),
            network: selection.reads_network(),
            hugetlb: selection.reads_hugetlb(),
            descriptors: selection.reads_descriptors(),
            disk: selection.shows_disk(),
            core_only: selection.is_core_only(),
            serves_stopped: Selection::serves_stopped(selection),
            show_unnamed: config.show_unnamed,
            filter: filter.clone(),
            fd_budget: *fd_budget,
            max_open_files,
        }
    }

    /// What is kept of a run that begins for its peaks.
    pub(super) fn bursts(&self) -> Option<Bursts> {
        self.peaks.map(|(span, interval)| Bursts::new(span, interval))
    }

    /// Which descriptors of each container stay open: its directories and the files of the polling tick, as
    /// long as there are enough descriptors, and more files within the budget. If there are too few,
    /// everything is opened and closed at each reading, so that the reserved descriptors stay free.
    pub(super) fn kept(&self, containers: usize) -> Keep {
        let containers = containers.max(1);
        let per_container = self.max_open_files.saturating_sub(RESERVED_FILES) / containers as u64;
        let Some(possible) = per_container.checked_sub(DIRECTORIES) else {
            return Keep { directory: false, files: 0 };
        };
        let possible = usize::try_from(possible).unwrap_or(usize::MAX);
        let wanted = (self.fd_budget / containers).max(self.rate_files.len());
        Keep { directory: true, files: wanted.min(possible).min(KernelFile::COUNT) }
    }

    /// Whether the cgroup root is still mounted, if it was at the start: after an unmount an empty directory
    /// is left.
    pub(super) fn root_is_there(&self) -> bool {
        match &self.mark_of_root {
            Some(mark) => mark.exists(),
            None => true,
        }
    }
}
