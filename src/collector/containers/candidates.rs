//! Which directory is a container's cgroup: its name alone does not say.
//!
//! Anybody with a subtree of his own can make `docker-<id>.scope` there, another runtime names its
//! directories alike, and what Docker's other cgroup driver left behind has the same ID. So all directories
//! of an ID are known, and one is read.
//!
//! One in a user's subtree needs a proof once Docker knows the ID, see [`Proof`]. That Docker does not
//! contradict is none: a container that is being restarted has no process anywhere.

use super::{
    candidate::{Candidate, Obstacle},
    entry::Entry,
    reading::Reading,
};
use crate::{
    discovery::Scope,
    metadata::{Metadata, State},
    sample::{
        OpenError, PassReport, ScopeReader,
        process::{cgroup_of, is_in_cgroup},
        stat_file::Scratch,
    },
};
use std::{
    cmp::Reverse,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// Directories of one ID that are remembered.
const REMEMBERED: usize = 64;
/// Directories of one ID looked at in a pass: a user can make any number, but those of root come first.
const LOOKED_AT: usize = 16;

/// What proves that a directory is the container's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// Root made it, or Docker's main process is in it, or it is where Docker makes the container's cgroup.
    Full,
    /// Docker does not know the ID so far. Or, in a user's subtree, Docker tells of a main process and the
    /// processes are outside our PID namespace, so that nobody can say whether it is among them: else
    /// rootless Docker's containers would never be shown without `--pid=host`. Not if root has a directory of
    /// the ID too.
    Pending,
    /// A user made it, and nothing says that Docker's container is in it.
    None,
}

/// How much speaks for a directory, the weightiest first.
type Claim<'a> = (bool, bool, bool, Reverse<SystemTime>, Reverse<&'a str>);

impl Reading {
    pub(super) fn directory_of(&self, cgroup: &str) -> PathBuf {
        self.cgroup_root.join(cgroup.trim_start_matches('/'))
    }

    /// Whether a directory was made in a subtree that was handed to a user. Its own owner does not say: with
    /// user namespaces runc hands the directory itself to the container's root.
    pub(super) fn is_delegated(&self, directory: &Path) -> bool {
        let parent = directory.parent().and_then(|parent| ScopeReader::open(parent).ok());
        let owners = parent.and_then(|parent| parent.owner()).zip(self.root_owner);
        match owners {
            Some((parent, root)) => parent != root,
            // It may be anybody's.
            None => true,
        }
    }
}

impl Entry {
    /// Takes a directory in. `false` if it is not there any more.
    pub(super) fn add_candidate(&mut self, scope: &Scope, reading: &Reading) -> bool {
        if let Some(known) = self.candidates.iter_mut().find(|known| known.cgroup == scope.cgroup) {
            known.watched = scope.watched;
            self.undecided |= !self.is_idle();
            return true;
        }
        self.undecided = true;
        let directory = reading.directory_of(&scope.cgroup);
        let born = match ScopeReader::open(&directory) {
            Ok(reader) => reader.created(),
            Err(OpenError::Gone) => return false,
            // It is tried again at each pass.
            Err(OpenError::Failed(_)) => None,
        };
        let delegated = reading.is_delegated(&directory);
        let born = born.unwrap_or_else(SystemTime::now);
        let cgroup = scope.cgroup.clone();
        self.candidates.push(Candidate { cgroup, watched: scope.watched, delegated, born, obstacle: None });
        self.candidates.sort_by_key(|candidate| (candidate.delegated, candidate.born));
        self.candidates.truncate(REMEMBERED);
        true
    }

    /// Whether all of its directories are in users' subtrees.
    pub(super) fn is_delegated(&self) -> bool {
        self.candidates.iter().all(|candidate| candidate.delegated)
    }

    /// Whether the directory that is read, or whether there is one, may have changed since it was decided.
    pub(super) fn is_to_be_decided(&self, is_full_pass: bool) -> bool {
        let nothing_read = !self.is_live() && !self.candidates.is_empty();
        self.undecided || nothing_read || (is_full_pass && self.candidates.len() > 1)
    }

    /// Decides which directory is read, and begins or ends its reading. `true` if anything changed.
    pub(super) fn decide(&mut self, reading: &Reading, scratch: &mut Scratch) -> bool {
        self.undecided = false;
        if self.is_excluded() || (self.is_refused && !reading.show_unnamed) {
            let was_read = self.is_live();
            self.close();
            return was_read;
        }
        if let ([only], Some(live)) = (self.candidates.as_slice(), &self.scope) {
            let is_read = self.container.cgroup == only.cgroup && live.reader.is_current();
            if is_read && !only.delegated {
                return false;
            }
        }
        let (best, is_contested) = self.best(reading, scratch);
        let Some((at, reader, is_proven)) = best else {
            let was_read = self.is_live();
            let read = self.candidates.iter().find(|candidate| candidate.cgroup == self.container.cgroup);
            if was_read && read.is_some_and(|read| matches!(read.obstacle, Some(Obstacle::Unopened(_)))) {
                // That says nothing of the container, whose files may still be open.
                return false;
            }
            let is_foreign = was_read && read.is_some_and(|read| read.obstacle == Some(Obstacle::Foreign));
            self.end();
            if is_foreign || self.container.metadata.is_some() {
                self.disown(reading);
            }
            if is_foreign {
                self.forget_path(reading);
            }
            return was_read;
        };
        let Some(best) = self.candidates.get(at) else { return false };
        self.is_contested = is_contested;
        let same = self.scope.as_ref().is_some_and(|live| live.reader.run() == reader.run());
        if same && self.container.cgroup == best.cgroup {
            if is_proven {
                self.kills_before_doubt = None;
            }
            return false;
        }
        self.is_roots |= !best.delegated;
        let (cgroup, watched) = (best.cgroup.clone(), best.watched);
        self.begin(reader, &cgroup, watched, is_proven, reading);
        true
    }

    /// The directory that most speaks for, whether it is proven to be its own, and whether another one could
    /// have been taken.
    fn best(
        &mut self,
        reading: &Reading,
        scratch: &mut Scratch,
    ) -> (Option<(usize, ScopeReader, bool)>, bool) {
        let metadata = self.container.metadata.as_deref();
        let main_pid = metadata.and_then(|metadata| metadata.main_pid);
        let id = self.container.id.as_str();
        let is_one_of_many = self.candidates.len() > 1;
        let path = main_pid.filter(|_| is_one_of_many || self.candidates.iter().any(|one| one.delegated));
        let path = path.and_then(|pid| cgroup_of(&reading.proc_root, pid));
        let has_roots = self.is_roots || self.candidates.iter().any(|candidate| !candidate.delegated);
        let mut best: Option<(Claim<'_>, usize, ScopeReader, bool)> = None;
        let mut gone = Vec::new();
        for (at, candidate) in self.candidates.iter_mut().enumerate().take(LOOKED_AT) {
            candidate.obstacle = None;
            let mut reader = match ScopeReader::open(&reading.directory_of(&candidate.cgroup)) {
                Ok(reader) => reader,
                Err(OpenError::Gone) => {
                    gone.push(at);
                    continue;
                }
                Err(OpenError::Failed(errno)) => {
                    candidate.obstacle = Some(Obstacle::Unopened(errno));
                    continue;
                }
            };
            if reader.is_populated(scratch) == Some(false) {
                candidate.obstacle = Some(Obstacle::Empty);
                continue;
            }
            let named = path.as_deref().and_then(|path| is_in_cgroup(path, &candidate.cgroup, id));
            let mut is_hidden = false;
            let holds_main = match main_pid {
                Some(pid) if is_one_of_many || candidate.delegated => {
                    let pids = reader.pids(scratch, &mut PassReport::default());
                    is_hidden = !pids.is_empty() && pids.iter().all(|pid| *pid == 0);
                    named.unwrap_or_else(|| pids.contains(&pid))
                }
                _ => false,
            };
            let is_expected = metadata.is_some_and(|metadata| metadata.cgroup == candidate.cgroup);
            let is_elsewhere = self.is_roots || named == Some(false);
            let proof = match metadata {
                _ if !candidate.delegated || holds_main => Proof::Full,
                _ if is_elsewhere => Proof::None,
                None => Proof::Pending,
                Some(metadata) if !may_run(metadata) => Proof::None,
                Some(_) if is_expected => Proof::Full,
                Some(_) if is_hidden && !has_roots => Proof::Pending,
                Some(_) => Proof::None,
            };
            if proof == Proof::None {
                candidate.obstacle = Some(Obstacle::Foreign);
                continue;
            }
            let claim = (
                holds_main,
                is_expected,
                !candidate.delegated,
                Reverse(candidate.born),
                Reverse(candidate.cgroup.as_str()),
            );
            let is_better = match &best {
                Some((best, ..)) => claim > *best,
                None => true,
            };
            if is_better {
                best = Some((claim, at, reader, proof == Proof::Full));
            }
        }
        let before = |at: usize| gone.iter().filter(|gone| **gone < at).count();
        let best = best.map(|(_, at, reader, is_proven)| (at - before(at), reader, is_proven));
        let mut at = 0;
        self.candidates.retain(|_| {
            at += 1;
            !gone.contains(&(at - 1))
        });
        (best, self.candidates.len() > 1)
    }

    /// When a directory was made or last changed, unix s.
    pub(super) fn seconds(time: SystemTime) -> Option<f64> {
        time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs_f64())
    }
}

/// Whether the container may have a process, as far as Docker has told.
fn may_run(metadata: &Metadata) -> bool {
    matches!(metadata.state, None | Some(State::Running | State::Paused | State::Restarting))
}
