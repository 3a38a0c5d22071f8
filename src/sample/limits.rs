//! The process's own limits.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the soft limit on open files to the hard one and returns what is now allowed.
///
/// Kept descriptors make reads cheap. The soft default of 1,024 is meant for programs that use `select`.
///
/// # Errors
/// The errno of `getrlimit`. A refused raise is no error: the current limit is returned.
pub fn raise_open_files() -> nix::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() {
        return Ok(hard);
    }
    Ok(soft)
}
