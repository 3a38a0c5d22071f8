//! Joins Docker's answers and events into one [`Metadata`] per container. Pure: no socket, no clock.

use super::{
    Filter, Metadata, News, State,
    action::Action,
    told::{Newer, Told},
};
use crate::parse::ContainerId;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

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

#[derive(Debug)]
struct Known {
    metadata: Arc<Metadata>,
    filtered_by: Vec<(String, String)>,
    is_inspected: bool,
    /// What is known may be out of date.
    is_stale: bool,
    words: Option<Words>,
}

/// Tolerance for times, in seconds: a list gives them in words, and daemons round them differently.
const SLACK: f64 = 10.0;

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
    /// that led to the inspection.
    pub(super) fn learn(&mut self, mut told: Told, words: Option<Words>) -> News {
        let before = self.known.get(&told.metadata.id);
        if let Some(before) = before {
            told.fill(&before.metadata, &before.filtered_by);
        }
        if let Some(before) = before.filter(|before| before.is_inspected) {
            let fresh = &mut told.metadata;
            let starts = starts_between(&before.metadata, fresh);
            fresh.restarts = match before.metadata.restarts {
                Some(restarts) => Some(restarts.saturating_add(starts)),
                None => fresh.restarts,
            };
        }
        let words = words.or_else(|| before.and_then(|before| before.words.clone()));
        self.keep(Known {
            metadata: Arc::new(told.metadata),
            filtered_by: told.filtered_by,
            is_inspected: true,
            is_stale: false,
            words,
        })
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
                is_inspected: false,
                is_stale: false,
                words: None,
            })
        })
    }

    /// Stores what a list says about a container whose inspection has no answer. What only an inspection can
    /// tell stays as it is, unless the list is about another run.
    pub(super) fn learn_row(&mut self, row: Row) -> Option<News> {
        let mut told = row.told;
        let words = Some(row.words);
        let Some(before) = self.known.get(&told.metadata.id) else {
            let Told { metadata, filtered_by, .. } = told;
            let metadata = Arc::new(metadata);
            let known = Known { metadata, filtered_by, is_inspected: false, is_stale: false, words };
            return Some(self.keep(known));
        };
        let is_same_run = told.metadata.is_same_run(&before.metadata)
            && began_no_earlier(&before.metadata, row.began_after)
            && same_end(&told.metadata, &before.metadata);
        // Otherwise it is worth another inspection.
        let (is_inspected, is_stale) = (before.is_inspected, before.is_stale || !is_same_run);
        let mut metadata = Metadata::clone(&before.metadata);
        if !is_same_run {
            let is_end = told.metadata.is_stopped() && !metadata.is_stopped();
            let started = metadata.started.filter(|_| is_end);
            metadata.forget_run();
            metadata.started = started;
            // A start that was seen.
            metadata.restarts = metadata.restarts.map(|starts| starts.saturating_add(u64::from(!is_end)));
        }
        told.fill(&metadata, &before.filtered_by);
        let Told { metadata: listed, filtered_by, .. } = told;
        if !is_inspected {
            metadata.labels = listed.labels;
            metadata.image = listed.image;
            metadata.image_id = listed.image_id;
            metadata.created = listed.created;
        }
        metadata.name = listed.name;
        metadata.network_mode = listed.network_mode;
        metadata.state = listed.state;
        metadata.exit_code = listed.exit_code;
        metadata.health = listed.health;
        let metadata = Arc::new(metadata);
        let known = Known { metadata, filtered_by, is_inspected, is_stale, words };
        let is_news = self.known.get(&known.metadata.id).is_none_or(|old| old.metadata != known.metadata);
        let news = self.keep(known);
        is_news.then_some(news)
    }

    /// Whether a list says something that is not known from an inspection.
    pub(super) fn is_news(&self, row: &Row) -> bool {
        let listed = &row.told.metadata;
        let Some(known) = self.known.get(&listed.id).filter(|known| known.is_inspected && !known.is_stale)
        else {
            return true;
        };
        let before = &known.metadata;
        let same_state = listed.state.is_some() && listed.state == before.state;
        let same_health = listed.health.is_none() || listed.health == before.health;
        let words = known.words.as_ref();
        let same_image = words.is_none_or(|words| words.image == row.words.image);
        let same_network = listed.network_mode.is_none() || listed.network_mode == before.network_mode;
        let same_status = words.is_some_and(|words| words.status == row.words.status);
        let same_run = same_status || began_no_earlier(before, row.began_after);
        let same_end = same_end(listed, before);
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
            Action::Inspect => return None,
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

/// Whether the known run, or end, is the one that the list speaks of.
fn began_no_earlier(before: &Metadata, began_after: Option<f64>) -> bool {
    let began = if before.is_stopped() { before.finished } else { before.started };
    began_after.zip(began).is_none_or(|(after, began)| began >= after - SLACK)
}

fn same_end(listed: &Metadata, before: &Metadata) -> bool {
    listed.exit_code.zip(before.exit_code).is_none_or(|(listed, before)| listed == before)
}

/// Counts the starts between two inspections. The restart policy counts its own starts. A manual start resets
/// that count, so only the new start time shows it.
fn starts_between(before: &Metadata, fresh: &Metadata) -> u64 {
    match (before.started, fresh.started) {
        (Some(before_start), Some(fresh_start)) if before_start < fresh_start => {
            fresh.restart_count.unwrap_or(0).saturating_sub(before.restart_count.unwrap_or(0)).max(1)
        }
        _ => 0,
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
            |started, count| changed(resolver.learn(told(metadata(started, count)), None)).restarts;
        assert_eq!(restarts(None, 0), Some(0));
        assert_eq!(restarts(Some(1.0), 0), Some(0));
        assert_eq!(restarts(Some(1.0), 0), Some(0));
        assert_eq!(restarts(Some(2.0), 1), Some(1));
        // Three restarts that no event reported.
        assert_eq!(restarts(Some(9.0), 4), Some(4));
        // A manual start: the policy's own count starts over.
        assert_eq!(restarts(Some(10.0), 0), Some(5));
    }

    #[test]
    fn events_change_only_what_they_say() {
        let mut resolver = Resolver::default();
        let id = metadata(None, 0).id;
        assert!(resolver.apply(&id, Action::Pause).is_none());
        resolver.learn(told(metadata(Some(1.0), 0)), None);
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
            let before = changed(resolver.learn(told(metadata(None, 0)), None)).included;
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
        resolver.learn(told(metadata(Some(1.0), 2)), None);
        let exited = resolver.learn_row(row(|metadata| metadata.state = Some(State::Exited))).unwrap();
        let exited = changed(exited);
        assert_eq!(
            (exited.state, exited.restarts, exited.started),
            (Some(State::Exited), Some(2), Some(1.0))
        );
    }

    #[test]
    fn a_list_of_another_run_leaves_nothing_of_the_one_before() {
        let mut resolver = Resolver::default();
        let first = Metadata {
            finished: Some(500.0),
            oom_killed: Some(false),
            main_pid: Some(7),
            health: Some(Health::Healthy),
            ..metadata(Some(1000.0), 2)
        };
        resolver.learn(told(first), None);
        let mut listed = |change: &dyn Fn(&mut Metadata), began_after| {
            let row = Row { began_after, ..row(change) };
            changed(resolver.learn_row(row).unwrap())
        };
        let ended = |metadata: &mut Metadata| {
            (metadata.state, metadata.exit_code) = (Some(State::Exited), Some(137));
        };
        let end = listed(&ended, Some(2000.0));
        assert_eq!((end.exit_code, end.started, end.restarts), (Some(137), Some(1000.0), Some(2)));
        assert_eq!((end.finished, end.oom_killed, end.main_pid, end.health), (None, None, None, None));
        let again = listed(&|_| {}, Some(3000.0));
        assert_eq!((again.exit_code, again.started, again.restarts), (None, None, Some(3)));
        // It is inspected again when that may be possible, and goes on counting from there.
        assert!(resolver.is_news(&row(|_| {})));
        let inspected = changed(resolver.learn(told(metadata(Some(3001.0), 0)), None));
        assert_eq!((inspected.started, inspected.restarts), (Some(3001.0), Some(3)));
    }

    #[test]
    fn an_inspection_that_leaves_out_times_is_not_filled_up_with_those_of_another_run() {
        let mut resolver = Resolver::default();
        let first = Metadata { finished: Some(500.0), ..metadata(Some(1000.0), 0) };
        resolver.learn(told(first.clone()), None);
        let same = changed(resolver.learn(told(Metadata { finished: None, ..first.clone() }), None));
        assert_eq!(same.finished, Some(500.0));
        let ended = Metadata { state: Some(State::Exited), started: None, finished: None, ..first };
        assert_eq!(changed(resolver.learn(told(ended), None)).finished, None);
    }

    #[test]
    fn only_rows_that_tell_something_new_are_inspected() {
        let mut resolver = Resolver::default();
        assert!(resolver.is_news(&row(|_| {})), "never inspected");
        resolver.learn(told(metadata(Some(1000.0), 0)), None);
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
        resolver.learn(told(metadata(Some(1000.0), 0)), None);
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
