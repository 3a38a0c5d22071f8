//! The errnos that are distinguished here. They are the same on every architecture on which Docker runs.

pub(super) const ENOENT: i32 = 2;
pub(super) const ENOMEM: i32 = 12;
pub(super) const ENFILE: i32 = 23;
pub(super) const EMFILE: i32 = 24;
pub(super) const ENOSPC: i32 = 28;
pub(super) const EILSEQ: i32 = 84;
