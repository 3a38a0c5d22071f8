//! One file of a cgroup, and what is kept of it between readings.

use super::{
    FileSet, KernelFile, Reason,
    changes::{Changes, Told},
    stat_file::{READ, Scratch, open_regular},
};
use nix::{errno::Errno, fcntl::openat, sys::stat::Mode};
use std::{fs::File, os::fd::BorrowedFd};

#[derive(Debug, Default)]
pub(super) struct Slot {
    /// A descriptor kept between readings. If `None`, the file is opened for each reading.
    pub(super) kept: Option<File>,
    /// Whether the kept descriptor tells of changes; `None` if that was not tried.
    tells: Option<bool>,
    /// Whether the file tells of changes, and has told of none since it was last taken over.
    pub(super) is_known: bool,
    /// Not offered by this kernel, or its controller is off.
    pub(super) absent: bool,
    /// Whether it is known to be a regular file. Checked only once: `pread` also refuses all other files
    /// except devices.
    regular: bool,
}

/// The result of reading one file.
pub(super) enum Outcome<'a> {
    Content(&'a [u8]),
    Absent,
    /// The file disappeared while it was open, and perhaps its directory too.
    Went,
    Failed(Reason),
}

impl Slot {
    /// Closes a kept descriptor.
    pub(super) fn close(&mut self) {
        self.kept = None;
        self.tells = None;
        self.is_known = false;
    }

    /// Whether the file is kept open and tells of changes.
    pub(super) fn tells(&self) -> bool {
        self.tells == Some(true)
    }

    /// What was read was taken over. If the file tells of changes, it need not be read until it does. A
    /// change since the reading is told of too.
    pub(super) fn taken(&mut self, file: KernelFile, told: &Told, changes: &mut Changes) {
        if !FileSet::TELLING.contains(file) {
            return;
        }
        let Some(kept) = &self.kept else { return };
        self.is_known = *self.tells.get_or_insert_with(|| changes.watch(kept, told));
    }

    /// Reads the file through the kept descriptor, or through a new one, which is kept if wanted.
    pub(super) fn read<'a>(
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
        let was_kept = self.kept.is_some();
        let outcome = self.read_once(directory, file, keep, scratch);
        match outcome {
            // The file was removed and created again, when pressure was switched off and on. The old
            // descriptor never works again.
            Err(Reason::Errno(Errno::ENODEV)) if was_kept => {}
            Ok(len) => return Outcome::Content(scratch.content(len)),
            Err(reason) => return self.failed(reason),
        }
        self.close();
        match self.read_once(directory, file, keep, scratch) {
            Ok(len) => Outcome::Content(scratch.content(len)),
            Err(reason) => match self.failed(reason) {
                Outcome::Absent => Outcome::Went,
                outcome => outcome,
            },
        }
    }

    #[inline]
    fn read_once(
        &mut self,
        directory: BorrowedFd<'_>,
        file: KernelFile,
        keep: bool,
        scratch: &mut Scratch,
    ) -> Result<usize, Reason> {
        let descriptor = match &mut self.kept {
            Some(descriptor) => descriptor,
            none => {
                let name = file.c_name();
                let opened = if self.regular {
                    openat(directory, name, READ, Mode::empty()).map(File::from).map_err(Reason::Errno)?
                } else {
                    open_regular(directory, name)?
                };
                self.regular = true;
                none.insert(opened)
            }
        };
        let len = scratch.read(descriptor, file).map(<[u8]>::len).map_err(Reason::Errno)?;
        self.absent = false;
        if !keep {
            self.close();
        }
        Ok(len)
    }

    #[cold]
    fn failed(&mut self, reason: Reason) -> Outcome<'static> {
        self.close();
        // EOPNOTSUPP: pressure without PSI, cgroup.procs of a threaded cgroup.
        self.absent = matches!(reason, Reason::Errno(Errno::ENOENT | Errno::EOPNOTSUPP));
        match reason {
            _ if self.absent => Outcome::Absent,
            Reason::Errno(Errno::ENODEV) => Outcome::Went,
            reason => Outcome::Failed(reason),
        }
    }
}
