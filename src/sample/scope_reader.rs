//! One container's cgroup directory and the descriptors kept on it.

use super::{FileSet, KernelFile, Pass, Reason, ScopeSample, samples::Hugetlb, stat_file::Scratch};
use crate::parse::{
    self, Name,
    scan::{FlatKey, flat_keyed_value},
};
use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, OFlag, open, openat},
    sys::stat::{Mode, fstat},
};
use std::{
    ffi::CString,
    fs::File,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// Child cgroups looked at below one container; a container may make as many as it likes.
const MAX_CHILDREN: usize = 1024;

/// Why a scope could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenError {
    /// It is no longer there: nothing to say about it.
    Gone,
    /// It is there, but can't be opened.
    Failed(Errno),
}

/// A container's cgroup directory.
#[derive(Debug)]
pub struct ScopeReader {
    path: PathBuf,
    directory: OwnedFd,
    inode: u64,
    slots: [Slot; KernelFile::COUNT],
    hugetlb: Option<Vec<HugetlbFiles>>,
}

#[derive(Debug, Default)]
struct Slot {
    /// A descriptor kept from reading to reading; else the file is opened for each.
    kept: Option<File>,
    /// Not offered by this kernel, or its controller is off.
    absent: bool,
}

#[derive(Debug)]
struct HugetlbFiles {
    pagesize: Name,
    current: CString,
    events: CString,
}

/// What reading one file came to.
enum Outcome<'a> {
    Content(&'a [u8]),
    Absent,
    Gone,
    Failed(Errno),
}

const READ: OFlag = OFlag::O_RDONLY.union(OFlag::O_CLOEXEC);

impl ScopeReader {
    /// Opens a cgroup directory.
    ///
    /// # Errors
    /// [`OpenError::Gone`] if there is none, else the errno.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let flags = READ.union(OFlag::O_DIRECTORY);
        let directory = open(path, flags, Mode::empty()).map_err(OpenError::of)?;
        let inode = fstat(&directory).map_err(OpenError::of)?.st_ino;
        Ok(Self {
            path: path.to_owned(),
            directory,
            inode,
            slots: std::array::from_fn(|_| Slot::default()),
            hugetlb: None,
        })
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory's inode number: with the container's ID, the identity of one run.
    #[must_use]
    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// Descriptors held for this container.
    #[must_use]
    pub fn open_files(&self) -> usize {
        1 + self.slots.iter().filter(|slot| slot.kept.is_some()).count()
    }

    /// Which of the wanted files this kernel does not offer for this container.
    pub fn absent_files(&self, wanted: FileSet) -> impl Iterator<Item = KernelFile> {
        KernelFile::ALL
            .iter()
            .copied()
            .zip(&self.slots)
            .filter_map(move |(file, slot)| (slot.absent && wanted.contains(file)).then_some(file))
    }

    /// Whether a file that was looked for is not offered for this container.
    #[must_use]
    pub fn is_absent(&self, file: KernelFile) -> bool {
        self.slots.get(file as usize).is_some_and(|slot| slot.absent)
    }

    /// Whether the directory on disk is still the one that was opened.
    #[must_use]
    pub fn is_current(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|metadata| metadata.ino() == self.inode)
    }

    /// When the directory was made or last changed, if the file system tells: the start of the run as far
    /// as the kernel knows it.
    #[must_use]
    pub fn created(&self) -> Option<SystemTime> {
        let metadata = std::fs::metadata(&self.path).ok()?;
        metadata.created().or_else(|_| metadata.modified()).ok()
    }

    /// Reads the wanted files into `sample`; the first `keep` of those that are there stay open, but no settings, which are
    /// rarely read. `false` if the container is gone.
    pub fn sample(
        &mut self,
        wanted: FileSet,
        keep: usize,
        pass: &mut Pass,
        sample: &mut ScopeSample,
    ) -> bool {
        let mut kept = 0;
        for (file, slot) in KernelFile::ALL.iter().zip(&mut self.slots) {
            if !wanted.contains(*file) {
                continue;
            }
            let directory = self.directory.as_fd();
            let recheck = pass.recheck_absent;
            let keep = kept < keep && !FileSet::SETTINGS.contains(*file);
            let outcome = slot.read(directory, *file, keep, recheck, &mut pass.scratch);
            kept += usize::from(keep && matches!(outcome, Outcome::Content(_)));
            let content = match outcome {
                Outcome::Content(content) => Some(content),
                Outcome::Absent => None,
                Outcome::Gone => return false,
                Outcome::Failed(errno) => {
                    pass.report.failed(&self.path, file.name(), Reason::Errno(errno));
                    None
                }
            };
            match sample.take(*file, content) {
                Ok(0) => {}
                Ok(skipped) => pass.report.skipped(file.name(), skipped),
                Err(error) => {
                    pass.report.failed(&self.path, file.name(), Reason::Parse(error));
                }
            }
        }
        // Every cgroup has cpu.stat; a directory without it is one that was removed before it was read.
        if wanted.contains(KernelFile::CpuStat) && sample.cpu.is_none() && !self.is_current() {
            return false;
        }
        if let Some(rows) = &sample.io {
            for row in rows {
                pass.devices.resolve(row.major, row.minor);
            }
        }
        let descendants = sample.cgroup_stat.and_then(|stat| stat.nr_descendants);
        if wanted.contains(KernelFile::CgroupProcs) && descendants.unwrap_or(0) > 0 {
            let below = self.pids_below(&mut pass.scratch).len() as u64;
            sample.processes = Some(sample.processes.unwrap_or(0) + below);
        }
        true
    }

    /// Whether the cgroup or one below it has a process, as `cgroup.events` says; `None` if that can't be told.
    pub fn is_populated(&self, scratch: &mut Scratch) -> Option<bool> {
        // Not to be held up by what is no regular file.
        let flags = READ.union(OFlag::O_NONBLOCK);
        let file = openat(&self.directory, c"cgroup.events", flags, Mode::empty()).ok()?;
        let content = scratch.read(&File::from(file), KernelFile::CgroupEvents).ok()?;
        let populated = flat_keyed_value(content, const { FlatKey::new("populated ") }).ok().flatten();
        populated.map(|populated| populated != 0)
    }

    /// Who owns the directory: root, or the user to whom the subtree was handed.
    #[must_use]
    pub fn owner(&self) -> Option<u32> {
        fstat(&self.directory).ok().map(|stat| stat.st_uid)
    }

    /// The container's PIDs: of the scope, or of its children when the scope has none of its own.
    pub fn pids(&mut self, scratch: &mut Scratch) -> Vec<u32> {
        let own = read_pids(self.directory.as_fd(), c"cgroup.procs", scratch);
        if own.is_empty() { self.pids_below(scratch) } else { own }
    }

    fn pids_below(&self, scratch: &mut Scratch) -> Vec<u32> {
        let mut pids = Vec::new();
        let mut queue = vec![self.path.clone()];
        let mut seen = 0;
        while let Some(directory) = queue.pop() {
            let Ok(entries) = std::fs::read_dir(&directory) else { continue };
            for entry in entries.flatten() {
                if seen < MAX_CHILDREN && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    seen += 1;
                    let child = entry.path();
                    pids.extend(read_pids(AT_FDCWD, &child.join("cgroup.procs"), scratch));
                    queue.push(child);
                }
            }
        }
        pids
    }

    /// Reads the huge page counters, whose files are named after the page sizes of the machine.
    pub fn sample_hugetlb(&mut self, pass: &mut Pass, sample: &mut ScopeSample) {
        let files = self.hugetlb.get_or_insert_with(|| hugetlb_files(&self.path));
        sample.hugetlb.clear();
        for file in files {
            let mut read = |name: &CString| {
                let file = openat(&self.directory, name.as_c_str(), READ, Mode::empty()).ok()?;
                pass.scratch.read_records(&File::from(file)).ok().map(<[u8]>::to_vec)
            };
            let current =
                read(&file.current).and_then(|text| parse::single_value::parse_single_value(&text).ok());
            let events_max = read(&file.events)
                .and_then(|text| flat_keyed_value(&text, const { FlatKey::new("max ") }).ok().flatten());
            sample.hugetlb.push(Hugetlb { pagesize: file.pagesize, current, events_max });
        }
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

impl Slot {
    fn read<'a>(
        &mut self,
        directory: BorrowedFd<'_>,
        file: KernelFile,
        keep: bool,
        recheck: bool,
        scratch: &'a mut Scratch,
    ) -> Outcome<'a> {
        if self.absent && !recheck {
            return Outcome::Absent;
        }
        let descriptor = match &mut self.kept {
            Some(descriptor) => descriptor,
            none => match openat(directory, file.c_name(), READ, Mode::empty()) {
                Ok(descriptor) => none.insert(File::from(descriptor)),
                Err(errno) => return self.failed(errno),
            },
        };
        match scratch.read(descriptor, file) {
            Ok(content) => {
                self.absent = false;
                if !keep {
                    self.kept = None;
                }
                Outcome::Content(content)
            }
            Err(errno) => self.failed(errno),
        }
    }

    #[cold]
    fn failed(&mut self, errno: Errno) -> Outcome<'static> {
        self.kept = None;
        // EOPNOTSUPP: pressure without PSI, cgroup.procs of a threaded cgroup.
        self.absent = matches!(errno, Errno::ENOENT | Errno::EOPNOTSUPP);
        match errno {
            _ if self.absent => Outcome::Absent,
            Errno::ENODEV => Outcome::Gone,
            errno => Outcome::Failed(errno),
        }
    }
}

fn read_pids<P: nix::NixPath + ?Sized>(
    directory: BorrowedFd<'_>,
    path: &P,
    scratch: &mut Scratch,
) -> Vec<u32> {
    openat(directory, path, READ, Mode::empty())
        .and_then(|file| {
            let content = scratch.read(&File::from(file), KernelFile::CgroupProcs)?;
            Ok(parse::cgroup_procs::pids(content).collect())
        })
        .unwrap_or_default()
}

fn hugetlb_files(directory: &Path) -> Vec<HugetlbFiles> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut files: Vec<_> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let pagesize = name.strip_prefix("hugetlb.")?.strip_suffix(".current")?;
            // `hugetlb.2MB.rsvd.current` counts reservations, another thing.
            let pagesize = Name::new(pagesize.as_bytes()).filter(|_| !pagesize.contains('.'))?;
            Some(HugetlbFiles {
                pagesize,
                current: CString::new(name.as_str()).ok()?,
                events: CString::new(format!("hugetlb.{pagesize}.events")).ok()?,
            })
        })
        .collect();
    files.sort_by_key(|file| file.pagesize);
    files
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
            assert!(reader.sample(all, keep, &mut Pass::default(), &mut ScopeSample::default()));
            reader.open_files() - 1
        };
        assert_eq!(open_files(0), 0);
        assert_eq!(open_files(2), 2);
        assert_eq!(open_files(KernelFile::COUNT), 3);
    }
}
