//! What happened to containers: the last events, and how they are found.

use crate::{
    metadata::{Health, Metadata, State},
    parse::ContainerId,
};
use std::{collections::VecDeque, sync::Arc};

/// How many events are kept.
const MOST: usize = 200;
/// Docker and the cgroups report a start within this time of each other, in seconds.
const SAME: f64 = 2.0;

/// Something that happened to a container.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its number: each event has another one, in the order in which they became known. An exit code that is
    /// told later does not change it.
    pub number: u64,
    /// When, in Unix seconds
    pub at: f64,
    /// The container
    pub id: ContainerId,
    /// Its name at that time, or its short ID
    pub name: String,
    /// What happened
    pub what: Happening,
}

/// What happened to a container.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// It was started.
    Started,
    /// It ended, with this exit code if Docker has told it.
    Died(Option<i64>),
    /// So many processes were killed because memory ran out.
    OomKilled(u64),
    /// Its healthcheck says something else than before.
    Health(Health),
    /// It was throttled in this share of its quota periods, 0 to 1. Reported once until it has been better
    /// for a while.
    Throttled(f32),
    /// It has a new name. This was the old one.
    Renamed(String),
    /// It was removed.
    Removed,
}

/// The last events, oldest first.
#[derive(Debug, Default)]
pub(super) struct Events {
    kept: VecDeque<Event>,
    next: u64,
    /// All that are kept, for those who look; until there is another one.
    shared: Option<Arc<[Event]>>,
}

impl Events {
    /// All events. It is the same slice as the last time unless there is news.
    pub(super) fn all(&mut self) -> Arc<[Event]> {
        Arc::clone(self.shared.get_or_insert_with(|| self.kept.iter().cloned().collect()))
    }

    /// Adds an event, and gives it its number.
    pub(super) fn add(&mut self, event: Event) {
        if event.what == Happening::Started && self.is_known(&event) {
            return;
        }
        if self.kept.len() == MOST {
            self.kept.pop_front();
        }
        self.kept.push_back(Event { number: self.next, ..event });
        self.next += 1;
        self.shared = None;
    }

    /// Whether the other source has reported the same start.
    fn is_known(&self, event: &Event) -> bool {
        let of_it = self.kept.iter().filter(|known| known.id == event.id && known.what == event.what);
        of_it.into_iter().any(|known| (known.at - event.at).abs() < SAME)
    }

    /// Docker reports a container that is not excluded. `before` is what it said before, if anything, and
    /// `since` when events began to be kept.
    pub(super) fn changed(&mut self, before: Option<&Metadata>, told: &Metadata, since: f64, now: f64) {
        let name = |metadata: &Metadata| metadata.name.clone();
        let mut add =
            |at, what| self.add(Event { number: 0, at, id: told.id.clone(), name: name(told), what });
        let had_run = |state: Option<State>| state.is_some_and(State::is_stopped);
        let newer = |told: Option<f64>, before: Option<f64>| match (told, before) {
            (Some(told), Some(before)) => told > before + 0.001,
            (told, _) => told.is_some_and(|told| told >= since),
        };
        if let Some(old) = before.filter(|old| old.name != told.name && old.name != told.id.short()) {
            add(now, Happening::Renamed(name(old)));
        }
        let was_stopped = before.is_some_and(|old| had_run(old.state));
        let runs = |metadata: &Metadata| matches!(metadata.state, Some(State::Running | State::Paused));
        // The end before the start: a restart is both.
        let has_ended = before.is_some_and(runs) || newer(told.finished, None);
        if had_run(told.state) && !was_stopped && has_ended {
            // Until Docker tells this end, its time may be that of the run before.
            let is_new = newer(told.finished, before.and_then(|old| old.finished));
            add(told.finished.filter(|_| is_new).unwrap_or(now), Happening::Died(told.exit_code));
        }
        if runs(told) && newer(told.started, before.and_then(|old| old.started)) {
            add(told.started.unwrap_or(now), Happening::Started);
        }
        let health = |metadata: &Metadata| metadata.health.filter(|health| *health != Health::None);
        if let (Some(old), Some(new)) = (before.and_then(health), health(told)) {
            if old != new {
                add(now, Happening::Health(new));
            }
        }
        if had_run(told.state) && was_stopped {
            self.died_with(told);
        }
    }

    /// The exit code may be known only after the end.
    fn died_with(&mut self, told: &Metadata) {
        let mut of_it = self.kept.iter_mut().rev().filter(|event| event.id == told.id);
        let died = of_it.find(|event| matches!(event.what, Happening::Died(_) | Happening::Started));
        if let Some(Event { what: Happening::Died(code @ None), .. }) = died {
            *code = told.exit_code;
            self.shared = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> ContainerId {
        ContainerId::new(&"a".repeat(64)).unwrap()
    }

    fn told(state: State) -> Metadata {
        Metadata { name: "web".to_owned(), state: Some(state), ..Metadata::new(id()) }
    }

    fn happened(events: &mut Events) -> Vec<(f64, Happening)> {
        events.all().iter().map(|event| (event.at, event.what.clone())).collect()
    }

    const SINCE: f64 = 1000.0;

    #[test]
    fn what_docker_said_before_is_no_event() {
        let mut events = Events::default();
        let running =
            Metadata { started: Some(500.0), health: Some(Health::Healthy), ..told(State::Running) };
        let exited = Metadata { finished: Some(500.0), exit_code: Some(1), ..told(State::Exited) };
        for first in [&running, &exited] {
            events.changed(None, first, SINCE, 1001.0);
        }
        // A list may not tell the state, which an inspection tells a little later.
        let listed = Metadata { state: None, ..exited.clone() };
        events.changed(Some(&listed), &exited, SINCE, 1002.0);
        // The same again, as after a new connection.
        events.changed(Some(&running), &running, SINCE, 1100.0);
        assert_eq!(happened(&mut events), []);
    }

    #[test]
    fn a_life_is_told_in_order() {
        let mut events = Events::default();
        let created = told(State::Created);
        let starting =
            Metadata { started: Some(1010.0), health: Some(Health::Starting), ..told(State::Running) };
        let healthy = Metadata { health: Some(Health::Healthy), ..starting.clone() };
        let renamed = Metadata { name: "web2".to_owned(), ..healthy.clone() };
        let ended = Metadata { finished: Some(1040.0), state: Some(State::Exited), ..renamed.clone() };
        let inspected = Metadata { exit_code: Some(137), ..ended.clone() };
        let again = Metadata { state: Some(State::Running), started: Some(1050.0), ..inspected.clone() };
        let all = [created, starting, healthy, renamed, ended, inspected, again];
        for (at, told) in all.iter().enumerate() {
            let before = at.checked_sub(1).map(|before| &all[before]);
            events.changed(before, told, SINCE, 1005.0 + 10.0 * f64::from(u8::try_from(at).unwrap()));
        }
        assert_eq!(
            happened(&mut events),
            [
                (1010.0, Happening::Started),
                (1025.0, Happening::Health(Health::Healthy)),
                (1035.0, Happening::Renamed("web".to_owned())),
                (1040.0, Happening::Died(Some(137))),
                (1050.0, Happening::Started),
            ]
        );
    }

    #[test]
    fn events_are_bounded_and_a_start_that_two_report_is_one() {
        let mut events = Events::default();
        let event = |at, what| Event { number: 0, at, id: id(), name: String::new(), what };
        events.add(event(1000.2, Happening::Started));
        events.add(event(1001.0, Happening::Started));
        assert_eq!(events.all().len(), 1);
        for at in 0..1000 {
            events.add(event(f64::from(at), Happening::OomKilled(1)));
        }
        let all = events.all();
        assert_eq!((all.len(), all.last().unwrap().at), (MOST, 999.0));
        assert!(all.windows(2).all(|two| two[1].number == two[0].number + 1));
        assert!(Arc::ptr_eq(&all, &events.all()), "nothing is copied without news");
    }
}
