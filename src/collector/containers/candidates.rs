//! Which directory is a container's cgroup. The name alone does not decide this.
//!
//! Several directories can carry the same ID: any user with a delegated subtree can create
//! `docker-<id>.scope` in it, other runtimes name their directories in the same way, and Docker's other
//! cgroup driver may have left one behind. So all directories with an ID are remembered, and one of them is
//! read.
//!
//! Once Docker knows the ID, a directory in a user's subtree needs a proof, see [`Proof`]. It is not enough
//! that Docker does not contradict it: a container that is being restarted has no process anywhere.

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

/// How many directories with one ID are remembered.
const REMEMBERED: usize = 64;
/// How many directories with one ID are looked at in a pass. A user can create any number of them, but those
/// of root come first.
const LOOKED_AT: usize = 16;

/// How well a directory is proven to be the container's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// Root created it, or Docker's main process is in it, or it is where Docker creates the container's
    /// cgroup.
    Full,
    /// Docker does not know the ID yet. Or the directory is in a user's subtree, Docker reports a main
    /// process, and the directory's processes are outside our PID namespace, so we can't tell whether the
    /// main process is among them. Without this case, containers of rootless Docker would never be shown
    /// without `--pid=host`. It does not apply if root has a directory with the ID too.
    Pending,
    /// A user created it, and nothing shows that Docker's container is in it.
    None,
}

/// The evidence for a directory, strongest first. The greatest claim wins.
type Claim<'a> = (bool, bool, bool, Reverse<SystemTime>, Reverse<&'a str>);

impl Reading {
    pub(super) fn directory_of(&self, cgroup: &str) -> PathBuf {
        self.cgroup_root.join(cgroup.trim_start_matches('/'))
    }

    /// Whether a directory is in a subtree that was delegated to a user. The parent's owner decides, not the
    /// directory's own: with user namespaces, runc gives the directory itself to the container's root user.
    pub(super) fn is_delegated(&self, directory: &Path) -> bool {
        let parent = directory.parent().and_then(|parent| ScopeReader::open(parent).ok());
        let owners = parent.and_then(|parent| parent.owner()).zip(self.root_owner);
        match owners {
            Some((parent, root)) => parent != root,
            // Unknown, so it may belong to a user.
            None => true,
        }
    }
}

impl Entry {
    /// Adds a directory. `false` if it does not exist any more.
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
            // Each pass tries to open it again.
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

    /// Whether the choice of the directory to read must be made again.
    pub(super) fn is_to_be_decided(&self, is_full_pass: bool) -> bool {
        let nothing_read = !self.is_live() && !self.candidates.is_empty();
        self.undecided || nothing_read || (is_full_pass && self.candidates.len() > 1)
    }

    /// Decides which directory is read, and starts or stops reading it. `true` if anything changed.
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
                // This does not mean that the container has ended. Its files may still be open.
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

    /// The directory with the strongest claim, and whether that is proven; then whether there was another
    /// directory that could have been chosen.
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

    /// When a directory was created or last changed, in Unix seconds.
    pub(super) fn seconds(time: SystemTime) -> Option<f64> {
        time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs_f64())
    }
}

/// Whether the container may have a process, according to Docker.
fn may_run(metadata: &Metadata) -> bool {
    matches!(metadata.state, None | Some(State::Running | State::Paused | State::Restarting))
}
