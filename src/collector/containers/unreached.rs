//! What is there and can't be looked at: unknown, which is not the same as gone.

use super::Containers;
use crate::{
    discovery::{Scope, Unlisted},
    sample::{Errno, Report},
};
use std::collections::BTreeMap;

/// So many directories of one scan are told of; a user may make more in a part of the tree that is theirs.
const MAX_TOLD: usize = 100;

/// Scopes that can't be opened and directories that can't be listed.
#[derive(Debug, Default)]
pub(super) struct Unreached {
    /// Scopes to be opened, by path: tried again at each pass.
    scopes: BTreeMap<String, Scope>,
    /// Directories that the last scan could not list.
    directories: Vec<Unlisted>,
    /// What was met between two passes.
    report: Report,
}

impl Containers {
    /// A scope that could not be opened: kept until it can be, or until it is gone.
    pub(super) fn not_opened(&mut self, scope: &Scope) {
        self.unreached.scopes.entry(scope.cgroup.clone()).or_insert_with(|| scope.clone());
    }

    /// A scope that was opened, or that is gone.
    pub(super) fn reached(&mut self, cgroup: &str) {
        self.unreached.scopes.remove(cgroup);
    }

    /// What a scan could not list, and what it found: other scopes need not be waited for.
    pub(super) fn take_unlisted(&mut self, unlisted: Vec<Unlisted>, is_there: impl Fn(&str) -> bool) {
        for directory in unlisted.iter().take(MAX_TOLD) {
            let path = super::events::directory_of(&self.reading.cgroup_root, &directory.cgroup);
            self.unreached.report.failed_directory(&path, Errno::from_raw(directory.errno));
        }
        self.unreached.scopes.retain(|cgroup, _| is_there(cgroup));
        self.unreached.directories = unlisted;
    }

    /// Tries again to open what could not be opened; what still can't is told of.
    pub(super) fn open_unopened(&mut self, report: &mut Report) {
        report.failures.append(&mut self.unreached.report.failures);
        for scope in std::mem::take(&mut self.unreached.scopes).into_values() {
            if let Err(errno) = self.appeared(&scope) {
                let path = super::events::directory_of(&self.reading.cgroup_root, &scope.cgroup);
                report.failed_directory(&path, errno);
            }
        }
    }

    /// Whether all containers that there are can be known.
    pub(in crate::collector) fn all_reached(&self) -> bool {
        self.unreached.scopes.is_empty() && self.unreached.directories.is_empty()
    }
}
