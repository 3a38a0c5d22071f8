//! What an answer says about a container, and what it left out or was too old to know.

use super::{Metadata, Origin, State, action::Action};

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
    /// Keeps known values that this answer does not contain.
    pub(super) fn fill(&mut self, before: &Metadata, filtered_by: &[(String, String)]) {
        self.fill_labels(before, filtered_by);
        let mut known = before.clone();
        if !self.metadata.is_same_run(before) {
            known.forget_run();
        }
        let (Self { metadata: now, tells, .. }, before) = (self, &known);
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
        now.state = now.state.or(before.state);
        now.exit_code = now.exit_code.or(before.exit_code);
        now.created = now.created.or(before.created);
        now.started = now.started.or(before.started);
        now.finished = now.finished.or(before.finished);
        now.restart_count = now.restart_count.or(before.restart_count);
        now.restarts = now.restarts.or(before.restarts);
        now.oom_killed = now.oom_killed.or(before.oom_killed);
        now.health = now.health.or(before.health);
        // Another run would have another process.
        if !tells.main_pid && (now.state, now.started) == (before.state, before.started) {
            now.main_pid = before.main_pid;
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

impl Metadata {
    /// Whether this may be about the run, or the end, that `before` is about.
    pub(super) fn is_same_run(&self, before: &Self) -> bool {
        fn same<T: PartialEq>(now: Option<T>, before: Option<T>) -> bool {
            now.zip(before).is_none_or(|(now, before)| now == before)
        }
        same(self.state.map(State::is_stopped), before.state.map(State::is_stopped))
            && same(self.started, before.started)
            && same(self.finished, before.finished)
    }

    /// Whether it has run and does not run now.
    pub(super) fn is_stopped(&self) -> bool {
        self.state.is_some_and(State::is_stopped)
    }

    /// Forgets what was true of one run only.
    pub(super) fn forget_run(&mut self) {
        self.main_pid = None;
        (self.exit_code, self.oom_killed) = (None, None);
        (self.started, self.finished) = (None, None);
        (self.health, self.failing_streak) = (None, None);
    }
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
