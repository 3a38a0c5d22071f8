//! One container's cgroup directory and the descriptors kept on it.

use super::{
    FileSet, KernelFile, Pass, PassReport, Reason, ScopeSample,
    below::walk_below,
    changes::Told,
    hugetlb::{HugetlbFiles, hugetlb_files},
    samples::Hugetlb,
    slot::{Outcome, Slot},
    stat_file::{READ, Scratch, errno_of, open_regular},
    tally::Tally,
};
use crate::parse::{
    self, IoRow,
    scan::{FlatKey, flat_keyed_value},
};
use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    sys::stat::{Mode, fstat},
};
use std::{
    ffi::CStr,
    os::fd::{AsFd, OwnedFd},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// How many child cgroups of one container are visited. A container may create any number. Above this, its
/// processes are not counted, which is reported.
const MAX_CHILDREN: u64 = 10_000;
/// The same for all containers together in one pass, so that a pass stays short.
const MAX_CHILDREN_PER_PASS: u64 = 20_000;

/// Why a scope could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenError {
    /// It does not exist any more. This is not reported.
    Gone,
    /// It exists, but can't be opened.
    Failed(Errno),
}

/// A container's cgroup directory.
#[derive(Debug)]
pub struct ScopeReader {
    path: PathBuf,
    /// A descriptor kept between readings. If `None`, the directory is opened for each reading.
    directory: Option<OwnedFd>,
    identity: Identity,
    slots: [Slot; KernelFile::COUNT],
    told: Told,
    hugetlb: Option<Vec<HugetlbFiles>>,
    io: Tally<(u32, u32)>,
}

/// The identity of a directory: its file system and its inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

/// How many descriptors a reader may keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Keep {
    /// Whether to keep one on the directory. Without it, keeping descriptors on files is useless.
    pub directory: bool,
    /// How many to keep on files.
    pub files: usize,
}

impl ScopeReader {
    /// Opens a cgroup directory.
    ///
    /// # Errors
    /// [`OpenError::Gone`] if there is none, otherwise the errno.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let (directory, identity) = open_directory(path)?;
        Ok(Self {
            path: path.to_owned(),
            directory: Some(directory),
            identity,
            slots: std::array::from_fn(|_| Slot::default()),
            told: Told::default(),
            hugetlb: None,
            io: Tally::default(),
        })
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Identifies this run of the container: the directory's inode number and, on file systems that use
    /// numbers again, when it was created. (cgroup2 never uses a number again, and has no creation time.)
    #[must_use]
    pub fn run(&self) -> (u64, Option<SystemTime>) {
        let born = std::fs::metadata(&self.path).and_then(|metadata| metadata.created());
        (self.identity.inode, born.ok())
    }

    /// Descriptors held for this container.
    #[must_use]
    pub fn open_files(&self) -> usize {
        usize::from(self.directory.is_some()) + self.slots.iter().filter(|slot| slot.kept.is_some()).count()
    }

    /// The wanted files that this kernel does not offer for this container.
    pub fn absent_files(&self, wanted: FileSet) -> impl Iterator<Item = KernelFile> {
        KernelFile::ALL
            .iter()
            .copied()
            .zip(&self.slots)
            .filter_map(move |(file, slot)| (slot.absent && wanted.contains(file)).then_some(file))
    }

    /// Whether a file was looked for and is not offered for this container.
    #[must_use]
    pub fn is_absent(&self, file: KernelFile) -> bool {
        self.slots.get(file as usize).is_some_and(|slot| slot.absent)
    }

    /// Whether the directory on disk is still the one that was opened. Also `true` if this is not known: a
    /// path that can't be examined does not prove that the cgroup was removed.
    #[must_use]
    pub fn is_current(&self) -> bool {
        !is_gone(&self.path, self.identity)
    }

    /// Closes descriptors above the limit.
    pub fn close_above(&mut self, keep: Keep) {
        if !keep.directory {
            self.directory = None;
        }
        let open = self.slots.iter_mut().filter(|slot| slot.kept.is_some());
        open.skip(keep.files).for_each(Slot::close);
    }

    /// Whether a file is kept open.
    #[must_use]
    pub fn keeps(&self, file: KernelFile) -> bool {
        self.slots.get(file as usize).is_some_and(|slot| slot.kept.is_some())
    }

    /// Whether a file is kept open and tells of its changes.
    #[must_use]
    pub fn tells_of(&self, file: KernelFile) -> bool {
        self.slots.get(file as usize).is_some_and(Slot::tells)
    }

    /// Whether any file has told of a change since the last reading.
    #[must_use]
    pub fn has_told(&self) -> bool {
        self.told.is_told()
    }

    /// The sample does not hold any more what was read: the next reading reads every file.
    pub fn forget(&mut self) {
        self.slots.iter_mut().for_each(|slot| slot.is_known = false);
    }

    /// When the directory was created or last changed, if the file system reports it: the start of the run as
    /// far as the kernel knows it.
    #[must_use]
    pub fn created(&self) -> Option<SystemTime> {
        let metadata = std::fs::metadata(&self.path).ok()?;
        metadata.created().or_else(|_| metadata.modified()).ok()
    }

    /// Reads the wanted files into `sample`. The first `keep` of the existing files stay open, but no
    /// settings, which are rarely read. A file that tells of its changes, and has told of none, is not read:
    /// `sample` must be the one of the last reading, or [`Self::forget`] must be called before. `false` if
    /// the container is gone.
    pub fn sample(&mut self, wanted: FileSet, keep: Keep, pass: &mut Pass, sample: &mut ScopeSample) -> bool {
        if self.told.take() || pass.recheck_absent {
            self.forget();
        }
        let opened;
        let directory = match &self.directory {
            Some(kept) => kept,
            None => match open_directory(&self.path) {
                Ok((directory, identity)) if identity == self.identity => {
                    opened = directory;
                    if keep.directory { self.directory.insert(opened) } else { &opened }
                }
                Ok(_) | Err(OpenError::Gone) => return false,
                Err(OpenError::Failed(errno)) => {
                    pass.report.failed_directory(&self.path, errno);
                    take_nothing(wanted, sample);
                    self.forget();
                    return true;
                }
            },
        };
        let mut kept = 0;
        let recheck = pass.recheck_absent;
        let mut has_lost = false;
        for (file, slot) in KernelFile::ALL.iter().zip(&mut self.slots) {
            if !wanted.contains(*file) {
                continue;
            }
            let keep = kept < keep.files && !FileSet::SETTINGS.contains(*file);
            if std::mem::take(&mut slot.is_known) && keep && !has_lost {
                slot.is_known = true;
                kept += 1;
                continue;
            }
            let outcome = slot.read(directory.as_fd(), *file, keep, recheck, &mut pass.scratch);
            kept += usize::from(keep && matches!(outcome, Outcome::Content(_)));
            let content = match outcome {
                Outcome::Content(content) => Some(content),
                Outcome::Absent => None,
                // Pressure was switched off for this cgroup, or its parent disabled a controller.
                Outcome::Went if !is_gone(&self.path, self.identity) => {
                    slot.absent = true;
                    has_lost = true;
                    None
                }
                Outcome::Went => return false,
                Outcome::Failed(reason) => {
                    pass.report.failed(&self.path, file.name(), reason);
                    None
                }
            };
            match sample.take(*file, content) {
                Ok(0) if content.is_some() => slot.taken(*file, &self.told, &mut pass.changes),
                Ok(0) => {}
                Ok(skipped) => pass.report.skipped(file.name(), skipped),
                Err(error) => {
                    pass.report.failed(&self.path, file.name(), Reason::Parse(error));
                }
            }
        }
        if has_lost {
            // The other files of its controller have gone too, and a file tells nothing of its own end.
            self.forget();
        }
        // Every cgroup has cpu.stat. A directory without it was removed before it was read.
        if wanted.contains(KernelFile::CpuStat) && sample.cpu.is_none() && is_gone(&self.path, self.identity)
        {
            return false;
        }
        if wanted.contains(KernelFile::IoStat) {
            self.add_up_io(pass, sample);
        }
        if wanted.contains(KernelFile::CgroupProcs) {
            self.add_processes_below(pass, sample);
        }
        true
    }

    fn add_processes_below(&mut self, pass: &mut Pass, sample: &mut ScopeSample) {
        if sample.cgroup_stat.is_none() && !self.is_absent(KernelFile::CgroupStat) {
            // It is not known whether there are child cgroups, and so not how many processes there are.
            sample.processes = None;
            return;
        }
        let descendants = sample.cgroup_stat.and_then(|stat| stat.nr_descendants).unwrap_or(0);
        if descendants == 0 {
            return;
        }
        pass.children = pass.children.saturating_add(descendants);
        let below = if descendants > MAX_CHILDREN || pass.children > MAX_CHILDREN_PER_PASS {
            Err((self.path.clone(), Reason::TooMany))
        } else {
            self.count_below(&mut pass.scratch)
        };
        if let Err((directory, reason)) = &below {
            pass.report.failed(directory, KernelFile::CgroupProcs.name(), *reason);
        }
        sample.processes = sample.processes.zip(below.ok()).map(|(own, below)| own + below);
    }

    fn add_up_io(&mut self, pass: &mut Pass, sample: &mut ScopeSample) {
        let Some(rows) = &sample.io else { return };
        for row in rows {
            pass.devices.resolve(row.major, row.minor, &mut pass.scratch);
        }
        if sample.io_none.odd > 0 {
            return;
        }
        sample.io_sums = self.io.add(rows.iter().map(|row: &IoRow| (row.device(), row.rbytes, row.wbytes)));
        if sample.io_sums.is_none() {
            // Bare rows are then not new devices, but the rest of torn rows.
            pass.report.skipped(KernelFile::IoStat.name(), sample.io_none.bare + self.io.rows_beyond());
        }
    }

    /// Whether the cgroup or one below it has a process, according to `cgroup.events`; `None` if that is not
    /// known.
    pub fn is_populated(&self, scratch: &mut Scratch) -> Option<bool> {
        let populated = self.read_own(KernelFile::CgroupEvents.c_name(), scratch, |file| {
            flat_keyed_value(file, const { FlatKey::new("populated ") })
        });
        populated.ok()?.ok().flatten().map(|populated| populated != 0)
    }

    /// The owner of the directory: root, or the user to whom the subtree was delegated.
    #[must_use]
    pub fn owner(&self) -> Option<u32> {
        match &self.directory {
            Some(directory) => fstat(directory).ok().map(|stat| stat.st_uid),
            None => std::fs::metadata(&self.path).ok().map(|metadata| metadata.uid()),
        }
    }

    /// The directory's inode number.
    #[must_use]
    pub fn inode(&self) -> u64 {
        self.identity.inode
    }

    /// The container's PIDs: those of the scope, or those of its children if the scope has none of its own.
    pub fn pids(&mut self, scratch: &mut Scratch, report: &mut PassReport) -> Vec<u32> {
        let mut pids = Vec::new();
        let own = self.read_own(KernelFile::CgroupProcs.c_name(), scratch, |file| {
            pids.extend(parse::cgroup_procs::pids(file));
        });
        if let Some(reason) = own.err().filter(is_worth_telling) {
            report.failed(&self.path, KernelFile::CgroupProcs.name(), reason);
        }
        if pids.is_empty() {
            // Any process is good enough, so a child that can't be read is skipped.
            let below = walk_below(&self.path, MAX_CHILDREN, &mut |child| {
                match scratch.read_path(&child.join(KernelFile::CgroupProcs.name())) {
                    Ok(file) => pids.extend(parse::cgroup_procs::pids(file)),
                    Err(reason) if is_worth_telling(&reason) => {
                        report.failed(child, KernelFile::CgroupProcs.name(), reason)
                    }
                    Err(_) => {}
                }
                Ok(())
            });
            if let Err((directory, reason)) = below {
                report.failed(&directory, KernelFile::CgroupProcs.name(), reason);
            }
        }
        pids
    }

    /// Processes in the cgroups below this one.
    fn count_below(&self, scratch: &mut Scratch) -> Result<u64, (PathBuf, Reason)> {
        let mut count = 0;
        // The limit is higher than the last count, because there may be some more by now.
        walk_below(&self.path, 2 * MAX_CHILDREN, &mut |child| {
            match scratch.read_path(&child.join(KernelFile::CgroupProcs.name())) {
                Ok(file) => count += parse::cgroup_procs::count_pids(file).map_err(Reason::Parse)?,
                // The other failures: it was removed meanwhile, or it is threaded, and the domain above it
                // lists its processes.
                Err(reason) if is_worth_telling(&reason) => return Err(reason),
                Err(_) => {}
            }
            Ok(())
        })?;
        Ok(count)
    }

    /// Reads one of the directory's own files.
    fn read_own<T>(
        &self,
        name: &CStr,
        scratch: &mut Scratch,
        then: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, Reason> {
        let file = match &self.directory {
            Some(directory) => open_regular(directory, name)?,
            None => {
                let (directory, _) = open_directory(&self.path).map_err(Reason::from)?;
                open_regular(&directory, name)?
            }
        };
        scratch.read_records(&file).map(then).map_err(Reason::Errno)
    }

    /// Reads the huge page counters, whose file names contain the page sizes of the machine.
    pub fn sample_hugetlb(&mut self, pass: &mut Pass, sample: &mut ScopeSample) {
        sample.hugetlb.clear();
        if self.hugetlb.is_none() || pass.recheck_absent {
            match hugetlb_files(&self.path) {
                Ok(files) => self.hugetlb = Some(files),
                Err(Errno::ENOENT | Errno::ENODEV) => {}
                Err(errno) => pass.report.failed_directory(&self.path, errno),
            }
        }
        for file in self.hugetlb.iter().flatten() {
            let scratch = &mut pass.scratch;
            let current = self.read_own(&file.current, scratch, |file| {
                parse::single_value::parse_single_value(file).map(Some)
            });
            let events = self.read_own(&file.events, scratch, |file| {
                flat_keyed_value(file, const { FlatKey::new("max ") })
            });
            let mut known = |name, value: Result<Result<Option<u64>, parse::ParseError>, Reason>| {
                let reason = match value {
                    Ok(Ok(value)) => return value,
                    Ok(Err(error)) => Reason::Parse(error),
                    Err(reason) if is_worth_telling(&reason) => reason,
                    Err(_) => return None,
                };
                pass.report.failed(&self.path, name, reason);
                None
            };
            let current = known("hugetlb.current", current);
            let events_max = known("hugetlb.events", events);
            sample.hugetlb.push(Hugetlb { pagesize: file.pagesize, current, events_max });
        }
    }
}

fn open_directory(path: &Path) -> Result<(OwnedFd, Identity), OpenError> {
    let directory = open(path, READ.union(OFlag::O_DIRECTORY), Mode::empty()).map_err(OpenError::of)?;
    let stat = fstat(&directory).map_err(OpenError::of)?;
    Ok((directory, Identity { device: stat.st_dev, inode: stat.st_ino }))
}

/// Whether a path is known to lead to nothing, or to another directory than before.
fn is_gone(path: &Path, identity: Identity) -> bool {
    match std::fs::metadata(path) {
        Ok(found) => identity != Identity { device: found.dev(), inode: found.ino() },
        Err(error) => OpenError::of(errno_of(&error)) == OpenError::Gone,
    }
}

/// Whether this is a real failure: the file was not just removed, withdrawn or not offered.
pub(super) fn is_worth_telling(reason: &Reason) -> bool {
    !matches!(reason, Reason::Errno(Errno::ENOENT | Errno::ENODEV | Errno::EOPNOTSUPP))
}

/// Clears the sample if nothing was read, so that the numbers of an earlier pass are not shown.
#[cold]
fn take_nothing(wanted: FileSet, sample: &mut ScopeSample) {
    for file in KernelFile::ALL.iter().filter(|file| wanted.contains(**file)) {
        let _nothing_to_parse = sample.take(*file, None);
    }
}

impl From<OpenError> for Reason {
    fn from(error: OpenError) -> Self {
        Self::Errno(match error {
            OpenError::Gone => Errno::ENOENT,
            OpenError::Failed(errno) => errno,
        })
    }
}

impl OpenError {
    fn of(errno: Errno) -> Self {
        match errno {
            Errno::ENOENT | Errno::ENODEV | Errno::ENOTDIR => Self::Gone,
            errno => Self::Failed(errno),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_kept_on_files_that_are_there_and_read_often() {
        let scope = tempfile::tempdir().unwrap();
        for file in ["cpu.stat", "cgroup.procs", "cgroup.stat", "memory.max"] {
            std::fs::write(scope.path().join(file), "").unwrap();
        }
        let open_files = |keep| {
            let mut reader = ScopeReader::open(scope.path()).unwrap();
            let all = FileSet::of(KernelFile::ALL);
            let keep = Keep { directory: true, files: keep };
            assert!(reader.sample(all, keep, &mut Pass::default(), &mut ScopeSample::default()));
            reader.open_files() - 1
        };
        assert_eq!(open_files(0), 0);
        assert_eq!(open_files(2), 2);
        assert_eq!(open_files(KernelFile::COUNT), 3);
    }
}
