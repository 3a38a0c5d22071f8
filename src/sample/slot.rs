//! One file of a cgroup, from reading to reading.

use super::{
    KernelFile, Reason,
    stat_file::{READ, Scratch, open_regular},
};
use nix::{errno::Errno, fcntl::openat, sys::stat::Mode};
use std::{fs::File, os::fd::BorrowedFd};

#[derive(Debug, Default)]
pub(super) struct Slot {
    /// A descriptor kept from reading to reading; else the file is opened for each.
    pub(super) kept: Option<File>,
    /// Not offered by this kernel, or its controller is off.
    pub(super) absent: bool,
    /// Whether it was seen to be a regular file. Looked at once: what is not is refused by `pread` too, but
    /// for devices.
    regular: bool,
}

/// What reading one file came to.
pub(super) enum Outcome<'a> {
    Content(&'a [u8]),
    Absent,
    /// The file went while it was open, and perhaps its directory too.
    Went,
    Failed(Reason),
}

impl Slot {
    /// Reads the file: through the kept descriptor, or one that stays if it is worth keeping.
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
            // Gone and made again, when pressure was switched off and on: the old descriptor stays dead.
            Err(Reason::Errno(Errno::ENODEV)) if was_kept => {}
            Ok(len) => return Outcome::Content(scratch.content(len)),
            Err(reason) => return self.failed(reason),
        }
        self.kept = None;
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
            self.kept = None;
        }
        Ok(len)
    }

    #[cold]
    fn failed(&mut self, reason: Reason) -> Outcome<'static> {
        self.kept = None;
        // EOPNOTSUPP: pressure without PSI, cgroup.procs of a threaded cgroup.
        self.absent = matches!(reason, Reason::Errno(Errno::ENOENT | Errno::EOPNOTSUPP));
        match reason {
            _ if self.absent => Outcome::Absent,
            Reason::Errno(Errno::ENODEV) => Outcome::Went,
            reason => Outcome::Failed(reason),
        }
    }
}
