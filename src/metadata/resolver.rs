//! Joins Docker's answers and events into one [`Metadata`] per container. Pure: no socket, no clock.

use super::{
    Filter, Metadata, News, State,
    action::Action,
    runs::{Counted, Seen, Turn, is_later},
    told::{Newer, Row, Told, Words},
};
use crate::parse::ContainerId;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

#[derive(Debug)]
struct Known {
    metadata: Arc<Metadata>,
    filtered_by: Vec<(String, String)>,
    /// What the last inspection counted; `None` if none was answered.
    counted: Option<Counted>,
    /// What events said since.
    seen: Seen,
    /// What is known may be out of date.
    is_stale: bool,
    words: Option<Words>,
}

/// Keeps what is known about every container.
#[derive(Debug, Default)]
pub struct Resolver {
    filter: Filter,
    known: HashMap<ContainerId, Known>,
}

impl Resolver {
    /// A resolver that knows nothing yet.
    #[must_use]
    pub fn new(filter: Filter) -> Self {
        Self { filter, known: HashMap::new() }
    }

    /// Stores an inspection, and counts the starts since what was known before. `words` are those of the list
    /// that led to the inspection. It may be older than events, if there were any since it was requested.
    pub(super) fn learn(&mut self, mut told: Told, words: Option<Words>, is_overtaken: bool) -> News {
        let before = self.known.get(&told.metadata.id);
        let mut seen = Seen::default();
        if let Some(before) = before {
            let turn = before.seen.turn(&before.metadata, &told.metadata, None);
            told.fill(&before.metadata, &before.filtered_by, turn);
            let shows = |metadata: &Metadata| (metadata.state, metadata.started);
            if is_overtaken && shows(&told.metadata) == shows(&before.metadata) {
                seen = before.seen;
            }
        }
        let restarts = before.and_then(|before| before.metadata.restarts);
        let counted = before.and_then(|before| before.counted);
        let counted = Counted::count(counted, restarts, &mut told.metadata);
        let words = words.or_else(|| before.and_then(|before| before.words.clone()));
        self.keep(Known {
            metadata: Arc::new(told.metadata),
            filtered_by: told.filtered_by,
            counted: Some(counted),
            seen,
            is_stale: false,
            words,
        })
    }

    /// Notes what an event says about the runs of a container. It is not told before an answer confirms it.
    pub(super) fn note(&mut self, id: &ContainerId, action: &Action) {
        let Some(known) = self.known.get_mut(id) else { return };
        match action {
            Action::Start => known.seen.began(&known.metadata),
            Action::Die => known.seen.ended(),
            _ => {}
        }
    }

    /// Corrects an answer by what events reported after it; `None` if its container is gone.
    pub(super) fn correct(&self, mut told: Told, newer: Newer) -> Option<Told> {
        match self.known.get(&told.metadata.id) {
            Some(known) => newer.correct(&mut told, &known.metadata),
            None if newer.is_gone => return None,
            None => {}
        }
        Some(told)
    }

    /// Stores what an event said about a container that is not known yet.
    pub(super) fn learn_if_new(&mut self, told: Told) -> Option<News> {
        (!self.known.contains_key(&told.metadata.id)).then(|| {
            self.keep(Known {
                metadata: Arc::new(told.metadata),
                filtered_by: told.filtered_by,
                counted: None,
                seen: Seen::default(),
                is_stale: false,
                words: None,
            })
        })
    }

    /// Stores what a list says about a container whose inspection has no answer. What only an inspection can
    /// tell stays as it is, unless it was about another run.
    pub(super) fn learn_row(&mut self, row: Row) -> Option<News> {
        let mut told = row.told;
        let words = Some(row.words);
        let Some(before) = self.known.get(&told.metadata.id) else {
            let Told { metadata, filtered_by, .. } = told;
            let (metadata, seen) = (Arc::new(metadata), Seen::default());
            let known = Known { metadata, filtered_by, counted: None, seen, is_stale: false, words };
            return Some(self.keep(known));
        };
        let (counted, is_stale) = (before.counted, before.is_stale);
        let turn = before.seen.turn(&before.metadata, &told.metadata, row.began_after);
        // An older list shows none of what the events said.
        let agrees = before.seen.agrees_with(&told.metadata);
        let seen = if agrees { Seen::default() } else { before.seen };
        told.fill(&before.metadata, &before.filtered_by, turn);
        let Told { metadata: listed, filtered_by, .. } = told;
        let mut metadata = Metadata::clone(&before.metadata);
        if counted.is_none() {
            metadata.labels = listed.labels;
            metadata.image = listed.image;
            metadata.image_id = listed.image_id;
            metadata.created = listed.created;
        }
        metadata.name = listed.name;
        metadata.network_mode = listed.network_mode;
        metadata.state = listed.state;
        metadata.exit_code = listed.exit_code;
        metadata.started = listed.started;
        metadata.finished = listed.finished;
        metadata.oom_killed = listed.oom_killed;
        metadata.health = listed.health;
        if turn != Turn::Same {
            (metadata.main_pid, metadata.failing_streak) = (None, None);
        }
        if turn == Turn::Another && agrees {
            let starts = before.seen.starts_since(&before.metadata);
            metadata.restarts = metadata.restarts.map(|restarts| restarts.saturating_add(starts));
        }
        let metadata = Arc::new(metadata);
        let is_news = before.metadata != metadata;
        let news = self.keep(Known { metadata, filtered_by, counted, seen, is_stale, words });
        is_news.then_some(news)
    }

    /// Whether a list says something that is not known from an inspection.
    pub(super) fn is_news(&self, row: &Row) -> bool {
        let listed = &row.told.metadata;
        let is_sure = |known: &&Known| known.counted.is_some() && !known.is_stale;
        let Some(known) = self.known.get(&listed.id).filter(is_sure) else { return true };
        let before = &known.metadata;
        let same_state = listed.state.is_some() && listed.state == before.state;
        let same_health = listed.health.is_none() || listed.health == before.health;
        let words = known.words.as_ref();
        let same_image = words.is_none_or(|words| words.image == row.words.image);
        let same_network = listed.network_mode.is_none() || listed.network_mode == before.network_mode;
        let began = if before.is_stopped() { before.finished } else { before.started };
        let same_status = words.is_some_and(|words| words.status == row.words.status);
        let same_run = same_status || !is_later(row.began_after, began);
        let same_end =
            listed.exit_code.is_none() || before.exit_code.is_none() || listed.exit_code == before.exit_code;
        let same = [same_state, same_health, same_image, same_network, same_run, same_end];
        let same_name = !row.told.tells.name || listed.name == before.name;
        !same_name || same.contains(&false)
    }

    /// Notes that the daemon has been away: every container counts as news until it has been inspected again.
    pub(super) fn distrust(&mut self) {
        for known in self.known.values_mut() {
            known.is_stale = true;
        }
    }

    /// Notes that an inspection of a container has no answer: it counts as news until there is one.
    pub(super) fn doubt(&mut self, id: &ContainerId) {
        if let Some(known) = self.known.get_mut(id) {
            known.is_stale = true;
        }
    }

    /// Stores the words of a list.
    pub(super) fn note_row(&mut self, row: &Row) {
        if let Some(known) = self.known.get_mut(&row.told.metadata.id) {
            known.words = Some(row.words.clone());
        }
    }

    /// Handles a complete list: containers that are not on it are gone.
    pub fn listed(&mut self, ids: Vec<ContainerId>) -> News {
        let all: HashSet<_> = ids.iter().collect();
        self.known.retain(|id, _| all.contains(id));
        News::Listed(ids)
    }

    /// Whether anything is known about a container.
    pub(super) fn knows(&self, id: &ContainerId) -> bool {
        self.known.contains_key(id)
    }

    /// Forgets a container that Docker does not have any more.
    pub(super) fn forget(&mut self, id: &ContainerId) {
        self.known.remove(id);
    }

    /// Applies an event that needs no inspection; `None` if it needs one, or if its container is not known.
    pub(super) fn apply(&mut self, id: &ContainerId, action: Action) -> Option<News> {
        let is_about_pausing = matches!(action, Action::Pause | Action::Unpause);
        let change: Box<dyn FnOnce(&mut Metadata)> = match action {
            Action::Inspect | Action::Start | Action::Die => return None,
            Action::Oom { at } => return Some(News::Oom { id: id.clone(), at }),
            Action::Destroy => {
                self.known.remove(id);
                return Some(News::Removed(id.clone()));
            }
            Action::Pause => Box::new(|metadata| metadata.state = Some(State::Paused)),
            Action::Unpause => Box::new(|metadata| metadata.state = Some(State::Running)),
            Action::Rename(name) => Box::new(|metadata| metadata.name = name),
            Action::Health(health) => Box::new(move |metadata| {
                metadata.health = Some(health);
                // The probe that changed it has changed this too.
                metadata.failing_streak = None;
            }),
        };
        // A container that does not run can't be paused or unpaused: the event is late, or what is known is
        // outdated.
        let is_fitting = |known: &Known| {
            !is_about_pausing || matches!(known.metadata.state, None | Some(State::Running | State::Paused))
        };
        if !self.known.get(id).is_some_and(is_fitting) {
            return None;
        }
        let mut known = self.known.remove(id)?;
        change(Arc::make_mut(&mut known.metadata));
        Some(self.keep(known))
    }

    /// Stores it and applies the filter again, because the name may have changed.
    fn keep(&mut self, mut known: Known) -> News {
        let label = |key: &str| {
            known.filtered_by.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone())
        };
        let metadata = &known.metadata;
        let image = metadata.image.as_deref().unwrap_or_default();
        let included = self.filter.lets_through(&metadata.name, image, &label);
        if included != metadata.included {
            Arc::make_mut(&mut known.metadata).included = included;
        }
        let metadata = Arc::clone(&known.metadata);
        self.known.insert(metadata.id.clone(), known);
        News::Changed(metadata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::{Health, told::Tells};

    fn metadata(started: Option<f64>, restart_count: u64) -> Metadata {
        Metadata {
            name: "web".into(),
            image: Some("nginx".into()),
            state: Some(State::Running),
            created: Some(0.5),
            started,
            restart_count: Some(restart_count),
            restarts: Some(restart_count),
            oom_killed: Some(false),
            ..Metadata::new(ContainerId::new(&"1".repeat(64)).unwrap())
        }
    }

    fn told(metadata: Metadata) -> Told {
        let tells = Tells { name: true, labels: true, ..Tells::default() };
        Told { metadata, filtered_by: vec![("tier".into(), "gold".into())], tells }
    }

    /// The container as a list shows it.
    fn row(change: impl FnOnce(&mut Metadata)) -> Row {
        let known = metadata(None, 0);
        let mut listed =
            Metadata { name: known.name, image: known.image, state: known.state, ..Metadata::new(known.id) };
        change(&mut listed);
        let image = listed.image.clone();
        Row { told: told(listed), began_after: None, words: Words { image, status: String::new() } }
    }

    fn changed(news: News) -> Arc<Metadata> {
        let News::Changed(metadata) = news else { panic!("{news:?}") };
        metadata
    }

    #[test]
    fn starts_are_counted_whoever_made_them() {
        let mut resolver = Resolver::default();
        let mut restarts =
            |started, count| changed(resolver.learn(told(metadata(started, count)), None, false)).restarts;
        assert_eq!(restarts(None, 0), Some(0));
        assert_eq!(restarts(Some(1.0), 0), Some(0));
        assert_eq!(restarts(Some(1.0), 0), Some(0));
        assert_eq!(restarts(Some(2.0), 1), Some(1));
        // Three restarts that no event reported.
        assert_eq!(restarts(Some(9.0), 4), Some(4));
        // A manual start: the policy's own count starts over.
        assert_eq!(restarts(Some(10.0), 0), Some(5));
        // A count that no daemon can have reached.
        assert_eq!(restarts(Some(11.0), u64::MAX), Some(u64::MAX));
        assert_eq!(restarts(Some(12.0), 0), Some(u64::MAX));
    }

    #[test]
    fn events_change_only_what_they_say() {
        let mut resolver = Resolver::default();
        let id = metadata(None, 0).id;
        assert!(resolver.apply(&id, Action::Pause).is_none());
        resolver.learn(told(metadata(Some(1.0), 0)), None, false);
        let paused = changed(resolver.apply(&id, Action::Pause).unwrap());
        assert_eq!((paused.state, paused.started), (Some(State::Paused), Some(1.0)));
        let renamed = changed(resolver.apply(&id, Action::Rename("shop".into())).unwrap());
        assert_eq!((renamed.name.as_str(), renamed.state), ("shop", Some(State::Paused)));
        assert!(matches!(resolver.apply(&id, Action::Destroy), Some(News::Removed(_))));
        assert!(resolver.apply(&id, Action::Unpause).is_none());
    }

    #[test]
    fn a_renamed_container_is_filtered_anew_with_its_image_and_labels() {
        let terms = |terms: &[&str]| terms.iter().map(|term| (*term).to_owned()).collect::<Vec<_>>();
        let filter = |include, exclude| Filter::new(&terms(include), &terms(exclude)).unwrap();
        let renamed = |filter: Filter, name: &str| {
            let mut resolver = Resolver::new(filter);
            let before = changed(resolver.learn(told(metadata(None, 0)), None, false)).included;
            let id = metadata(None, 0).id;
            (before, changed(resolver.apply(&id, Action::Rename(name.into())).unwrap()).included)
        };
        assert_eq!(renamed(filter(&["name=web"], &[]), "shop"), (true, false));
        assert_eq!(renamed(filter(&[], &["name=web"]), "shop"), (false, true));
        assert_eq!(renamed(filter(&["label=tier=gold"], &[]), "shop"), (true, true));
        assert_eq!(renamed(filter(&["name=web", "image=nginx"], &[]), "shop"), (true, true));
    }

    #[test]
    fn a_list_without_inspections_leaves_unknown_what_only_they_tell() {
        let mut resolver = Resolver::default();
        let listed = changed(resolver.learn_row(row(|_| {})).unwrap());
        assert_eq!((listed.restarts, listed.oom_killed, listed.health), (None, None, None));
        assert!(resolver.learn_row(row(|_| {})).is_none(), "nothing new");
        // It does not remove what was reported before.
        resolver.learn(told(metadata(Some(1.0), 2)), None, false);
        let exited = resolver.learn_row(row(|metadata| metadata.state = Some(State::Exited))).unwrap();
        let exited = changed(exited);
        assert_eq!(
            (exited.state, exited.restarts, exited.started),
            (Some(State::Exited), Some(2), Some(1.0))
        );
    }

    /// A container that was killed, ran again and is healthy, as inspected.
    fn second_run() -> Metadata {
        Metadata {
            finished: Some(900.0),
            oom_killed: Some(true),
            exit_code: Some(137),
            health: Some(Health::Healthy),
            main_pid: Some(7),
            ..metadata(Some(1000.0), 2)
        }
    }

    /// What of a run is known: its start, its end, how it ended, and its health.
    type OfRun = (Option<f64>, Option<f64>, Option<bool>, Option<i64>, Option<Health>, Option<u32>);

    fn of_run(told: &Metadata) -> OfRun {
        (told.started, told.finished, told.oom_killed, told.exit_code, told.health, told.main_pid)
    }

    #[test]
    fn what_belongs_to_one_run_is_not_told_of_another() {
        let id = metadata(None, 0).id;
        let exited = || row(|row| (row.state, row.exit_code) = (Some(State::Exited), Some(1)));
        let up_since = |began| Row { began_after: Some(began), ..row(|_| {}) };
        let known = || {
            let mut resolver = Resolver::default();
            resolver.learn(told(second_run()), None, false);
            resolver
        };
        // It still runs: nothing is lost.
        assert!(known().learn_row(row(|_| {})).is_none());
        let late = || {
            let mut resolver = known();
            resolver.note(&id, &Action::Start);
            resolver
        };
        assert!(late().learn_row(row(|_| {})).is_none(), "the start that is known already");
        // It ends: nothing is known of the end but what the list says.
        let mut resolver = known();
        let ended = changed(resolver.learn_row(exited()).unwrap());
        assert_eq!(of_run(&ended), (Some(1000.0), None, None, Some(1), None, None));
        assert_eq!((ended.restarts, ended.image.as_deref()), (Some(2), Some("nginx")));
        // It is started, and the list tells of it before and after the event.
        let again = changed(resolver.learn_row(row(|_| {})).unwrap());
        resolver.note(&id, &Action::Start);
        assert!(resolver.learn_row(row(|_| {})).is_none());
        assert_eq!((of_run(&again), again.restarts), ((None, None, None, None, None, None), Some(3)));
        // The inspection that is answered at last knows no fewer.
        let inspected = changed(resolver.learn(told(metadata(Some(2000.0), 0)), None, false));
        assert_eq!((inspected.restarts, inspected.started), (Some(3), Some(2000.0)));
        // Restarts that only the time, or only the events, or only another exit code shows.
        let by_time = changed(known().learn_row(up_since(5000.0)).unwrap());
        let mut resolver = known();
        for action in [Action::Die, Action::Start, Action::Die, Action::Start] {
            resolver.note(&id, &action);
        }
        let by_events = changed(resolver.learn_row(row(|_| {})).unwrap());
        let mut resolver = known();
        resolver.learn_row(exited());
        let other_code = row(|row| (row.state, row.exit_code) = (Some(State::Exited), Some(2)));
        let by_code = changed(resolver.learn_row(other_code).unwrap());
        for (told, code, restarts) in [(by_time, None, 3), (by_events, None, 4), (by_code, Some(2), 3)] {
            assert_eq!(of_run(&told), (None, None, None, code, None, None));
            assert_eq!(told.restarts, Some(restarts));
        }
    }

    #[test]
    fn a_list_from_before_an_event_counts_no_start_twice() {
        let id = metadata(None, 0).id;
        let exited = || row(|row| row.state = Some(State::Exited));
        let mut resolver = Resolver::default();
        resolver.learn(told(second_run()), None, false);
        resolver.note(&id, &Action::Die);
        resolver.learn_row(exited());
        resolver.note(&id, &Action::Start);
        resolver.learn_row(exited());
        let runs = changed(resolver.learn_row(row(|_| {})).unwrap());
        assert_eq!((runs.restarts, runs.state), (Some(3), Some(State::Running)));
        // The first start of all is no restart.
        let mut resolver = Resolver::default();
        let created = Metadata { state: Some(State::Created), ..metadata(None, 0) };
        resolver.learn(told(created), None, false);
        resolver.note(&id, &Action::Start);
        assert_eq!(changed(resolver.learn_row(row(|_| {})).unwrap()).restarts, Some(0));
    }

    #[test]
    fn an_inspection_with_holes_is_not_filled_from_another_run() {
        let holes = |started, state| Metadata {
            oom_killed: None,
            restart_count: None,
            restarts: None,
            state: Some(state),
            ..metadata(started, 0)
        };
        let learnt = |fresh| {
            let mut resolver = Resolver::default();
            resolver.learn(told(second_run()), None, false);
            changed(resolver.learn(told(fresh), None, false))
        };
        let same = learnt(holes(Some(1000.0), State::Running));
        assert_eq!(of_run(&same), of_run(&second_run()));
        let other = learnt(holes(Some(2000.0), State::Running));
        assert_eq!(of_run(&other), (Some(2000.0), None, None, None, None, None));
        assert_eq!(other.restarts, Some(3));
        let ended = learnt(holes(None, State::Exited));
        assert_eq!(of_run(&ended), (Some(1000.0), None, None, None, None, None));
    }

    #[test]
    fn only_rows_that_tell_something_new_are_inspected() {
        let mut resolver = Resolver::default();
        assert!(resolver.is_news(&row(|_| {})), "never inspected");
        resolver.learn(told(metadata(Some(1000.0), 0)), None, false);
        assert!(!resolver.is_news(&row(|_| {})));
        assert!(resolver.is_news(&row(|metadata| metadata.name = "shop".into())));
        assert!(resolver.is_news(&row(|metadata| metadata.state = Some(State::Paused))));
        assert!(resolver.is_news(&row(|metadata| metadata.state = None)), "not understood");
        assert!(resolver.is_news(&row(|metadata| metadata.health = Some(Health::Healthy))));
        let mut started_later = Row { began_after: Some(2000.0), ..row(|_| {}) };
        assert!(resolver.is_news(&started_later));
        // Words that do not fit the times are news once, not every time.
        started_later.words.status = "Up 2 seconds".into();
        resolver.note_row(&started_later);
        assert!(!resolver.is_news(&started_later));
        resolver.distrust();
        assert!(resolver.is_news(&row(|_| {})), "the daemon was away");
        resolver.learn(told(metadata(Some(1000.0), 0)), None, false);
        let started_then = Row { began_after: Some(995.0), ..row(|_| {}) };
        assert!(!resolver.is_news(&started_then));
        // A list shows the bare ID once a tag has been moved. That is news once, not every time.
        resolver.note_row(&row(|_| {}));
        let moved = row(|metadata| metadata.image = Some("sha256:0".into()));
        assert!(resolver.is_news(&moved));
        resolver.note_row(&moved);
        assert!(!resolver.is_news(&moved));
    }
}
