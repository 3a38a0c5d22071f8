//! Which of a container's runs an answer is about. What belongs to one run says nothing about another.

use super::{Metadata, State};

/// Tolerance for times, in seconds: a list gives them in words, and daemons round them differently.
const SLACK: f64 = 10.0;
/// Times of inspections that differ by less are the same.
const SAME: f64 = 0.001;

/// What became of the run that was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is the same run in the same half of its life.
    Same,
    /// It has ended.
    Ended,
    /// There has been another run since.
    Another,
}

/// What events said about a container's runs, and no answer has shown yet.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    starts: u64,
    /// Whether the last of them was an end.
    is_over: Option<bool>,
}

impl Seen {
    /// Notes an event about the start of a run. `before` is what was known.
    pub(super) fn began(&mut self, before: &Metadata) {
        let is_over = self.is_over.unwrap_or_else(|| before.is_stopped());
        self.starts = self.starts.saturating_add(u64::from(is_over));
        // An event can come after the answer that shows the same start.
        if is_over || !runs(before) {
            self.is_over = Some(false);
        }
    }

    /// Notes an event about the end of a run.
    pub(super) fn ended(&mut self) {
        self.is_over = Some(true);
    }

    /// Whether a list can be newer than the last event.
    pub(super) fn agrees_with(self, listed: &Metadata) -> bool {
        match self.is_over {
            Some(true) => !runs(listed),
            Some(false) => !listed.is_stopped(),
            None => true,
        }
    }

    /// How many starts led from one run to another.
    pub(super) fn starts_since(self, before: &Metadata) -> u64 {
        // The first start of all is no restart.
        let had_run = before.started.is_some() || before.is_stopped() || runs(before);
        self.starts.max(u64::from(had_run))
    }

    /// What became of the run that was known, if an answer says this now. `began_after` is what a list says
    /// about the age of the present state.
    pub(super) fn turn(self, before: &Metadata, now: &Metadata, began_after: Option<f64>) -> Turn {
        let is_other = |now: Option<f64>, before: Option<f64>| {
            now.zip(before).is_some_and(|(now, before)| (now - before).abs() > SAME)
        };
        if self.starts > 0 || self.is_over == Some(false) || is_other(now.started, before.started) {
            return Turn::Another;
        }
        if before.is_stopped() {
            let is_another = runs(now)
                || is_other(now.finished, before.finished)
                || now.exit_code.zip(before.exit_code).is_some_and(|(now, before)| now != before)
                || is_later(began_after, before.finished);
            return if is_another { Turn::Another } else { Turn::Same };
        }
        let has_ended = self.is_over == Some(true);
        let is_first = before.state == Some(State::Created) && (runs(now) || now.is_stopped());
        if is_first || runs(now) && (has_ended || is_later(began_after, before.started)) {
            Turn::Another
        } else if now.is_stopped() || has_ended {
            Turn::Ended
        } else {
            Turn::Same
        }
    }
}

/// Whether a state that is no older than this began after the known one.
pub(super) fn is_later(began_after: Option<f64>, known: Option<f64>) -> bool {
    began_after.zip(known).is_some_and(|(after, known)| known < after - SLACK)
}

fn runs(metadata: &Metadata) -> bool {
    matches!(metadata.state, Some(State::Running | State::Paused))
}

/// What the last answered inspection said about starts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    started: Option<f64>,
    restart_count: Option<u64>,
    restarts: Option<u64>,
}

impl Counted {
    /// Counts the starts between an inspection and the one before it, if there was one. `told` is how many
    /// restarts were told meanwhile: there are no fewer.
    ///
    /// The restart policy counts its own starts. A manual start resets that count, so only the new start time
    /// shows it.
    pub(super) fn count(before: Option<Self>, told: Option<u64>, fresh: &mut Metadata) -> Self {
        let mut started = fresh.started;
        if let Some(before) = before {
            let policy = |count: Option<u64>| count.unwrap_or(0);
            let starts = match (before.started, fresh.started) {
                (Some(earlier), Some(later)) if earlier < later => {
                    policy(fresh.restart_count).saturating_sub(policy(before.restart_count)).max(1)
                }
                _ => 0,
            };
            if let Some(restarts) = before.restarts {
                fresh.restarts = Some(restarts.saturating_add(starts)).max(told);
            }
            started = started.or(before.started);
        }
        Self { started, restart_count: fresh.restart_count, restarts: fresh.restarts }
    }
}
