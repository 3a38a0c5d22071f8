//! The files of huge pages, whose names contain the page size.

use super::errno_of;
use crate::parse::Name;
use nix::errno::Errno;
use std::{ffi::CString, path::Path};

/// The files of one page size.
#[derive(Debug)]
pub(super) struct HugetlbFiles {
    pub(super) pagesize: Name,
    pub(super) current: CString,
    pub(super) events: CString,
}

/// Those of a cgroup.
pub(super) fn hugetlb_files(directory: &Path) -> Result<Vec<HugetlbFiles>, Errno> {
    let entries: Result<Vec<_>, _> = std::fs::read_dir(directory).and_then(Iterator::collect);
    let mut files: Vec<_> = entries
        .map_err(|error| errno_of(&error))?
        .into_iter()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let pagesize = name.strip_prefix("hugetlb.")?.strip_suffix(".current")?;
            // `hugetlb.2MB.rsvd.current` counts reservations, which are something else.
            let pagesize = Name::new(pagesize.as_bytes()).filter(|_| !pagesize.contains('.'))?;
            Some(HugetlbFiles {
                pagesize,
                current: CString::new(name.as_str()).ok()?,
                events: CString::new(format!("hugetlb.{pagesize}.events")).ok()?,
            })
        })
        .collect();
    files.sort_by_key(|file| file.pagesize);
    Ok(files)
}
