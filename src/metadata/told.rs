//! What an answer says about a container, and what it left out or was too old to know.

use super::{Metadata, Origin, State, action::Action, runs::Turn};

/// What Docker said about a container.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) metadata: Metadata,
    /// The labels that `--include` and `--exclude` ask for.
    pub(super) filtered_by: Vec<(String, String)>,
    pub(super) tells: Tells,
}

/// Whether the answer contains these values. The values alone don't show it: some are not `None` when they
/// are missing, and for others `None` has a meaning of its own.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tells {
    pub(super) name: bool,
    /// All labels.
    pub(super) labels: bool,
    /// The whole environment.
    pub(super) environment: bool,
    /// The main process, or that there is none.
    pub(super) main_pid: bool,
    pub(super) cgroup: bool,
}

impl Told {
    /// Keeps known values that this answer does not contain, except those of another run.
    pub(super) fn fill(&mut self, before: &Metadata, filtered_by: &[(String, String)], turn: Turn) {
        self.fill_labels(before, filtered_by);
        let Self { metadata: now, tells, .. } = self;
        if !tells.name {
            now.name.clone_from(&before.name);
        }
        if !tells.cgroup && !before.cgroup.is_empty() {
            now.cgroup.clone_from(&before.cgroup);
        }
        now.image = now.image.take().or_else(|| before.image.clone());
        now.image_id = now.image_id.take().or_else(|| before.image_id.clone());
        now.network_mode = now.network_mode.take().or_else(|| before.network_mode.clone());
        now.cpu_shares = now.cpu_shares.or(before.cpu_shares);
        now.created = now.created.or(before.created);
        now.restart_count = now.restart_count.or(before.restart_count);
        now.restarts = now.restarts.or(before.restarts);
        if turn != Turn::Another {
            now.started = now.started.or(before.started);
        }
        if turn == Turn::Same {
            now.state = now.state.or(before.state);
            now.exit_code = now.exit_code.or(before.exit_code);
            now.finished = now.finished.or(before.finished);
            now.oom_killed = now.oom_killed.or(before.oom_killed);
            now.health = now.health.or(before.health);
            if !tells.main_pid && (now.state, now.started) == (before.state, before.started) {
                now.main_pid = before.main_pid;
            }
        }
    }

    /// A container's labels and environment never change, so known ones stay valid.
    fn fill_labels(&mut self, before: &Metadata, filtered_by: &[(String, String)]) {
        let labels = &mut self.metadata.labels;
        for (origin, is_told) in
            [(Origin::Label, self.tells.labels), (Origin::Environment, self.tells.environment)]
        {
            let known = before.labels.iter().filter(|label| label.origin == origin);
            let known: Vec<_> = known.cloned().collect();
            if !is_told && !known.is_empty() {
                labels.retain(|label| label.origin != origin);
                labels.extend(known);
            }
        }
        labels.sort_unstable();
        if !self.tells.labels && !filtered_by.is_empty() {
            self.filtered_by = filtered_by.to_vec();
        }
    }
}

/// What a list says about a container.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) told: Told,
    /// It was started or ended after this time, in Unix seconds, if the list says how long ago that was.
    pub(super) began_after: Option<f64>,
    pub(super) words: Words,
}

/// Texts of a list that can only be compared with the texts of earlier lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Words {
    /// The list's name of the image. It changes when a tag is moved; the name in an inspection does not.
    pub(super) image: Option<String>,
    /// Such as `Up 2 hours`.
    pub(super) status: String,
}

/// What events reported about a container after a request about it was sent: the answer may be older.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Newer {
    pub(super) name: bool,
    pub(super) state: bool,
    pub(super) health: bool,
    pub(super) is_gone: bool,
}

impl Newer {
    /// What this event reports.
    pub(super) fn of(action: &Action) -> Self {
        Self {
            name: matches!(action, Action::Rename(_)),
            state: matches!(action, Action::Pause | Action::Unpause),
            health: matches!(action, Action::Health(_)),
            is_gone: matches!(action, Action::Destroy),
        }
    }

    /// The union of both.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            name: self.name || other.name,
            state: self.state || other.state,
            health: self.health || other.health,
            is_gone: self.is_gone || other.is_gone,
        }
    }

    /// Corrects an older answer by what is known.
    pub(super) fn correct(self, answer: &mut Told, known: &Metadata) {
        if self.name {
            answer.metadata.name.clone_from(&known.name);
            answer.tells.name = true;
        }
        // If it has ended, it may have been paused before, but is not any more.
        let is_running = matches!(answer.metadata.state, None | Some(State::Running | State::Paused));
        if self.state && is_running {
            answer.metadata.state = known.state;
        }
        if self.health {
            answer.metadata.health = known.health;
            answer.metadata.failing_streak = None;
        }
    }
}
