//! Which files are read, and how one is read.

use super::Reason;
use nix::{
    NixPath,
    errno::Errno,
    fcntl::{AT_FDCWD, OFlag, openat},
    sys::stat::{Mode, SFlag, fstat},
};
use std::{ffi::CStr, fs::File, io, os::fd::AsFd, path::Path};

/// The flags for opening any file. Without O_NONBLOCK, opening a FIFO would wait for a writer; on kernel
/// files the flag has no effect.
pub(crate) const READ: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_CLOEXEC).union(OFlag::O_NONBLOCK).union(OFlag::O_NOCTTY);

/// Opens a file below a directory. It must be a regular file, as all files of cgroups and of procfs are.
///
/// # Errors
/// The errno, or [`Reason::NotRegular`].
pub(crate) fn open_regular<P: NixPath + ?Sized>(directory: impl AsFd, path: &P) -> Result<File, Reason> {
    let file = openat(directory, path, READ, Mode::empty()).map_err(Reason::Errno)?;
    let kind = fstat(&file).map_err(Reason::Errno)?.st_mode & SFlag::S_IFMT.bits();
    if kind == SFlag::S_IFREG.bits() { Ok(File::from(file)) } else { Err(Reason::NotRegular) }
}

/// A name with its NUL byte, as the kernel expects it.
const fn c_name(name: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(name.as_bytes()) {
        Ok(name) => name,
        Err(_) => c"",
    }
}

macro_rules! kernel_files {
    ($($variant:ident = $name:literal;)*) => {
        /// A file of a container's cgroup directory. The order is the order in which descriptors are kept:
        /// first the files of the polling tick, then `cgroup.events`, which tells of the end, then those
        /// that are read at each scrape, then those that are read rarely.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum KernelFile { $(#[doc = concat!("`", $name, "`")] $variant),* }

        impl KernelFile {
            /// All files, in order.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name as the kernel spells it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            pub(crate) const fn c_name(self) -> &'static CStr {
                match self { $(Self::$variant => c_name(concat!($name, "\0"))),* }
            }
        }
    };
}

kernel_files! {
    CpuStat = "cpu.stat";
    IoStat = "io.stat";
    MemoryCurrent = "memory.current";
    CgroupEvents = "cgroup.events";
    MemoryStat = "memory.stat";
    MemoryEvents = "memory.events";
    MemorySwapCurrent = "memory.swap.current";
    CpuPressure = "cpu.pressure";
    MemoryPressure = "memory.pressure";
    IoPressure = "io.pressure";
    PidsCurrent = "pids.current";
    CgroupProcs = "cgroup.procs";
    CgroupStat = "cgroup.stat";
    MemoryPeak = "memory.peak";
    MemorySwapPeak = "memory.swap.peak";
    MemorySwapEvents = "memory.swap.events";
    MemoryZswapCurrent = "memory.zswap.current";
    PidsPeak = "pids.peak";
    PidsEvents = "pids.events";
    CpuStatLocal = "cpu.stat.local";
    CpusetCpusEffective = "cpuset.cpus.effective";
    IrqPressure = "irq.pressure";
    MemoryMax = "memory.max";
    CpuMax = "cpu.max";
    MemorySwapMax = "memory.swap.max";
    MemoryLow = "memory.low";
    MemoryMin = "memory.min";
    MemoryHigh = "memory.high";
    PidsMax = "pids.max";
    CpuWeight = "cpu.weight";
}

impl KernelFile {
    /// The number of files.
    pub const COUNT: usize = Self::ALL.len();

    /// Whether the kernel prints the file record by record, so that a read may end before the file does.
    const fn has_records(self) -> bool {
        matches!(self, Self::CgroupProcs)
    }
}

/// A set of [`KernelFile`]s.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FileSet(u64);

impl FileSet {
    /// The files of the polling tick, except `net/dev`: the sources of the rate gauges.
    pub const RATES: Self = Self::of(&[KernelFile::CpuStat, KernelFile::IoStat]);

    /// The files that change only when something writes to them. (`cpuset.cpus.effective` is not one: it
    /// follows its parents and the online processors.) They are last in [`KernelFile`]'s order, because a
    /// watch on their directory saves reading them.
    pub const SETTINGS: Self = Self::of(&[
        KernelFile::MemoryMax,
        KernelFile::CpuMax,
        KernelFile::MemorySwapMax,
        KernelFile::MemoryLow,
        KernelFile::MemoryMin,
        KernelFile::MemoryHigh,
        KernelFile::PidsMax,
        KernelFile::CpuWeight,
    ]);

    /// The files of which the kernel tells each change, as long as they are open. Their counts and states
    /// change only through events, not with time.
    pub const TELLING: Self = Self::of(&[
        KernelFile::CgroupEvents,
        KernelFile::MemoryEvents,
        KernelFile::MemorySwapEvents,
        KernelFile::PidsEvents,
    ]);

    /// The set of some files.
    #[must_use]
    pub const fn of(files: &[KernelFile]) -> Self {
        let mut bits = 0;
        let mut rest = files;
        while let [first, others @ ..] = rest {
            bits |= 1 << *first as u64;
            rest = others;
        }
        Self(bits)
    }

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The files that are in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The files of this set that are not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether a file is in the set.
    #[must_use]
    pub const fn contains(self, file: KernelFile) -> bool {
        self.0 & (1 << file as u64) != 0
    }

    /// How many files are in the set.
    #[must_use]
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Enough to read any cgroup file of current kernels at once.
const FIRST_SIZE: usize = 16 * 1024;
/// The largest file that is read. A container can make `cgroup.procs` and `net/dev` grow; this limits the
/// memory that they take.
const LAST_SIZE: usize = 4 * 1024 * 1024;
/// When the kernel prints a file record by record, a read ends early only after it has filled a page, and no
/// record is longer than half a page. So a first read that is shorter than this has reached the end, and no
/// second read is needed to check it.
const SURELY_WHOLE: usize = 2048;

/// The buffer that files are read into, reused from file to file.
#[derive(Debug)]
pub struct Scratch(Vec<u8>);

impl Default for Scratch {
    fn default() -> Self {
        Self(vec![0; FIRST_SIZE])
    }
}

impl Scratch {
    /// A buffer for a single short file. The first read must have room for more than `SURELY_WHOLE`.
    pub(crate) fn small() -> Self {
        Self(vec![0; 2 * SURELY_WHOLE])
    }

    /// Reads a whole cgroup file from its beginning.
    ///
    /// # Errors
    /// The errno of the read; EFBIG above 4 MiB.
    pub fn read(&mut self, file: &File, kind: KernelFile) -> Result<&[u8], Errno> {
        self.read_whole(file, kind.has_records())
    }

    /// Reads a whole file that the kernel prints record by record, such as `net/dev`.
    ///
    /// # Errors
    /// The errno of the read; EFBIG above 4 MiB.
    pub fn read_records(&mut self, file: &File) -> Result<&[u8], Errno> {
        self.read_whole(file, true)
    }

    /// The first bytes of the buffer: the last reading, whose length is known.
    #[inline]
    pub(crate) fn content(&self, len: usize) -> &[u8] {
        self.0.get(..len).unwrap_or_default()
    }

    /// Reads a whole file by its path, which need not be one of a cgroup.
    ///
    /// # Errors
    /// The errno, EFBIG above 4 MiB, or [`Reason::NotRegular`].
    pub fn read_path(&mut self, path: &Path) -> Result<&[u8], Reason> {
        self.read_records(&open_regular(AT_FDCWD, path)?).map_err(Reason::Errno)
    }

    #[inline]
    fn read_whole(&mut self, file: &File, records: bool) -> Result<&[u8], Errno> {
        let first = read_at(file, &mut self.0, 0);
        match first {
            // The usual case: one read is enough.
            Ok(len) if len < if records { SURELY_WHOLE } else { self.0.len() } => {
                Ok(self.0.get(..len).unwrap_or_default())
            }
            first => self.read_on(file, records, first),
        }
    }

    /// Reads on to the end, after a first read that has not reached it.
    #[cold]
    fn read_on(&mut self, file: &File, records: bool, first: Result<usize, Errno>) -> Result<&[u8], Errno> {
        let mut len = 0;
        let mut result = first;
        loop {
            match result {
                Ok(read) => {
                    len += read;
                    let full = len == self.0.len();
                    let whole = if records { len < SURELY_WHOLE } else { !full };
                    if read == 0 || whole {
                        return Ok(self.0.get(..len).unwrap_or_default());
                    }
                    if full {
                        if len >= LAST_SIZE {
                            return Err(Errno::EFBIG);
                        }
                        self.0.resize(len * 2, 0);
                    }
                }
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
            result = read_at(file, self.0.get_mut(len..).unwrap_or_default(), len as u64);
        }
    }
}

/// `pread` without libc. In a program with threads, libc's makes every read a point where the thread can be
/// cancelled, which takes half as many instructions again.
#[inline]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> Result<usize, Errno> {
    rustix::io::pread(file, buffer, offset).map_err(|errno| Errno::from_raw(errno.raw_os_error()))
}

/// The errno behind an I/O error.
#[must_use]
pub fn errno_of(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_file_is_opened_by_its_own_name() {
        for file in KernelFile::ALL {
            assert_eq!(file.c_name().to_str(), Ok(file.name()));
        }
    }

    #[test]
    fn a_file_longer_than_the_buffer_is_read_whole() {
        let mut file = tempfile::tempfile().unwrap();
        let text: String = (0..40_000).map(|pid| format!("{pid}\n")).collect();
        file.write_all(text.as_bytes()).unwrap();
        let mut scratch = Scratch::default();
        assert_eq!(scratch.read(&file, KernelFile::CgroupProcs), Ok(text.as_bytes()));
        assert_eq!(scratch.read(&file, KernelFile::MemoryStat), Ok(text.as_bytes()));
        file.set_len(3).unwrap();
        assert_eq!(scratch.read(&file, KernelFile::MemoryStat), Ok(&b"0\n1"[..]));
    }

    #[test]
    fn a_file_without_end_is_refused() {
        let file = File::open("/dev/zero").unwrap();
        assert_eq!(Scratch::default().read(&file, KernelFile::CpuStat), Err(Errno::EFBIG));
    }

    #[test]
    fn a_set_knows_its_files() {
        assert!(FileSet::RATES.contains(KernelFile::IoStat));
        assert!(!FileSet::RATES.contains(KernelFile::IrqPressure));
        assert_eq!(FileSet::of(KernelFile::ALL).len(), KernelFile::COUNT);
        let others = FileSet::of(KernelFile::ALL).without(FileSet::SETTINGS);
        assert_eq!(others.len(), KernelFile::COUNT - FileSet::SETTINGS.len());
        let (first, last) = KernelFile::ALL.split_at(others.len());
        assert!(first.iter().all(|file| others.contains(*file)));
        assert!(last.iter().all(|file| FileSet::SETTINGS.contains(*file)));
    }
}
