//! Pure parsers: from the bytes of one kernel file to numbers in the kernel's own unit.
//!
//! Nothing here uses a file system, a clock or a log, and nothing allocates on success once the caller's row
//! buffers have grown. An unknown key is ignored, because kernels add keys. A known key with a bad value is
//! an error that names its line.

pub mod cgroup_events;
pub mod cgroup_path;
pub mod cgroup_procs;
pub mod cgroup_stat;
pub mod cpu_list;
pub mod cpu_max;
pub mod cpu_stat;
pub mod events;
pub mod identifier;
pub mod io_stat;
pub mod meminfo;
pub mod memory_stat;
pub mod net_dev;
pub mod pressure;
pub mod proc_cgroup;
pub mod proc_limits;
pub mod proc_stat;
pub mod scan;
pub mod scope_name;
pub mod single_value;
pub mod uevent;

pub use cgroup_events::CgroupEvents;
pub use cgroup_path::CgroupPath;
pub use cgroup_stat::CgroupStat;
pub use cpu_max::CpuMax;
pub use cpu_stat::CpuStat;
pub use events::Events;
pub use io_stat::IoRow;
pub use meminfo::Meminfo;
pub use memory_stat::MemoryStat;
pub use net_dev::InterfaceRow;
pub use pressure::Pressure;
pub use scope_name::ContainerId;
pub use single_value::Limit;

use std::fmt;

/// Why a file could not be understood: `line 3: expected a number, found "12x"`.
///
/// The path is added by the layer that knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{line}: expected {expected}, found \"{found}\"")]
pub struct ParseError {
    /// Line number, counted from 1.
    pub line: u32,
    /// What the file format requires at this place.
    pub expected: &'static str,
    /// The beginning of what was there instead.
    pub found: Name,
}

impl ParseError {
    pub(crate) fn new(line: usize, expected: &'static str, found: &[u8]) -> Self {
        Self { line: u32::try_from(line).unwrap_or(u32::MAX), expected, found: Name::lossy(found) }
    }
}

/// The file that shows that a directory is the root of cgroup v2.
pub const CGROUP_CONTROLLERS: &str = "cgroup.controllers";

/// Room for the longest interface name (`IFNAMSIZ` is 16), device name, and every event key a kernel prints
/// today.
const NAME_CAPACITY: usize = 31;

/// A short name that is stored inline, so that a row owns its key without an allocation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    bytes: [u8; NAME_CAPACITY],
    len: u8,
    plain: bool,
}

impl Name {
    /// The name, or `None` if it is not UTF-8 or longer than 31 bytes: a label value must be text, and
    /// a cut one could collide with another.
    #[must_use]
    pub fn new(text: &[u8]) -> Option<Self> {
        (text.len() <= NAME_CAPACITY && std::str::from_utf8(text).is_ok()).then(|| Self::copy(text))
    }

    /// A name known at compile time; everything after 31 bytes is cut.
    #[must_use]
    pub const fn literal(text: &str) -> Self {
        Self::copy(text.as_bytes())
    }

    /// As much of the text as fits, with `?` for everything but printable ASCII; for messages only.
    fn lossy(text: &[u8]) -> Self {
        let mut name = Self::copy(text);
        for byte in name.bytes.iter_mut().take(usize::from(name.len)) {
            if !(b' '..=b'~').contains(byte) {
                *byte = b'?';
            }
        }
        name
    }

    #[expect(clippy::indexing_slicing, reason = "below both lengths; no `get` in a const function")]
    const fn copy(text: &[u8]) -> Self {
        let mut name = Self { bytes: [0; NAME_CAPACITY], len: 0, plain: true };
        while (name.len as usize) < NAME_CAPACITY && (name.len as usize) < text.len() {
            let byte = text[name.len as usize];
            name.bytes[name.len as usize] = byte;
            name.plain &= !matches!(byte, b'\\' | b'"' | ..=b' ' | 0x7f..);
            name.len += 1;
        }
        name
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The name as UTF-8 bytes.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The name padded with zeros to a fixed length, which can be copied without a call.
    #[inline]
    #[must_use]
    pub fn padded(&self) -> (&[u8; NAME_CAPACITY], usize) {
        (&self.bytes, usize::from(self.len))
    }

    /// Whether it is printable ASCII without blanks, quotes and backslashes, and so never needs escapes.
    #[inline]
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.plain
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
