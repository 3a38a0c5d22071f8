//! Files that settings name. They are looked at before anything is started.

use crate::sample::errno_of;
use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// The largest file of settings.
const MAX_BYTES: u64 = 1 << 20;

/// Reads a regular file of bounded size. A FIFO or a device could block for ever.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let file = open(path)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| because(path, &error))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_BYTES) {
        return Err(format!("{}: more than {MAX_BYTES} bytes", path.display()));
    }
    String::from_utf8(bytes).map_err(|_| format!("{}: expected text in UTF-8", path.display()))
}

/// Checks that a file can be read. Its content is read when it is needed, and again when it has changed.
pub(super) fn check(path: &Path) -> Result<(), String> {
    open(path).map(drop)
}

fn open(path: &Path) -> Result<File, String> {
    let metadata = std::fs::metadata(path).map_err(|error| because(path, &error))?;
    if !metadata.is_file() {
        let found = if metadata.is_dir() { "a directory" } else { "a device, a FIFO or a socket" };
        return Err(format!("{}: expected a regular file, found {found}", path.display()));
    }
    File::open(path).map_err(|error| because(path, &error))
}

fn because(path: &Path, error: &io::Error) -> String {
    format!("{}: {}", path.display(), errno_of(error).desc())
}
