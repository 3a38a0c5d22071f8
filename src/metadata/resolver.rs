//! Docker's answers and events, joined into one [`Metadata`] per container. Pure: no socket, no clock.

use super::{Health, Metadata, News, State};
use crate::parse::ContainerId;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// What happened to a container, in Docker's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// `create`, `start`, `die`, `update`: inspect tells the rest.
    Inspect,
    Pause,
    Unpause,
    Rename(String),
    Health(Health),
    Oom,
    Destroy,
}

/// Keeps what is known of every container.
#[derive(Debug, Default)]
pub struct Resolver {
    known: HashMap<ContainerId, Arc<Metadata>>,
}

impl Resolver {
    /// Takes in what list or inspect said, counting the starts between this and what was known.
    pub fn learn(&mut self, mut fresh: Metadata) -> News {
        // What an event or a list told has no times to compare with.
        if let Some(before) = self.known.get(&fresh.id).filter(|before| before.created.is_some()) {
            fresh.restarts = Some(before.restarts.unwrap_or(0) + starts_between(before, &fresh));
        }
        self.keep(fresh)
    }

    /// Whether anything is known of a container.
    pub(super) fn knows(&self, id: &ContainerId) -> bool {
        self.known.contains_key(id)
    }

    /// Takes in a whole list: what is not on it is gone.
    pub fn listed(&mut self, ids: Vec<ContainerId>) -> News {
        let all: HashSet<_> = ids.iter().collect();
        self.known.retain(|id, _| all.contains(id));
        News::Listed(ids)
    }

    /// Takes in an event that says all there is to know; `None` if there is nothing to tell.
    pub(super) fn apply(&mut self, id: &ContainerId, action: Action) -> Option<News> {
        let change: Box<dyn FnOnce(&mut Metadata)> = match action {
            Action::Inspect => return None,
            Action::Oom => return Some(News::Oom(id.clone())),
            Action::Destroy => {
                self.known.remove(id);
                return Some(News::Removed(id.clone()));
            }
            Action::Pause => Box::new(|metadata| metadata.state = Some(State::Paused)),
            Action::Unpause => Box::new(|metadata| metadata.state = Some(State::Running)),
            Action::Rename(name) => Box::new(|metadata| metadata.name = name),
            Action::Health(health) => Box::new(move |metadata| metadata.health = Some(health)),
        };
        let mut metadata = Metadata::clone(self.known.get(id)?);
        change(&mut metadata);
        Some(self.keep(metadata))
    }

    fn keep(&mut self, metadata: Metadata) -> News {
        let metadata = Arc::new(metadata);
        self.known.insert(metadata.id.clone(), Arc::clone(&metadata));
        News::Changed(metadata)
    }
}

/// Starts between two inspections. The restart policy counts its own; a start by hand resets that count and shows
/// only as a new start time.
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

    fn metadata(started: Option<f64>, restart_count: u64) -> Metadata {
        Metadata {
            name: "web".into(),
            state: Some(State::Running),
            created: Some(0.5),
            started,
            restart_count: Some(restart_count),
            restarts: Some(restart_count),
            ..Metadata::new(ContainerId::new(&"1".repeat(64)).unwrap())
        }
    }

    fn restarts(event: &News) -> u64 {
        let News::Changed(metadata) = event else { panic!("{event:?}") };
        metadata.restarts.unwrap()
    }

    #[test]
    fn starts_are_counted_whoever_made_them() {
        let mut resolver = Resolver::default();
        assert_eq!(restarts(&resolver.learn(metadata(None, 0))), 0);
        assert_eq!(restarts(&resolver.learn(metadata(Some(1.0), 0))), 0);
        assert_eq!(restarts(&resolver.learn(metadata(Some(1.0), 0))), 0);
        assert_eq!(restarts(&resolver.learn(metadata(Some(2.0), 1))), 1);
        // Three restarts while nobody listened.
        assert_eq!(restarts(&resolver.learn(metadata(Some(9.0), 4))), 4);
        // By hand: the policy's own count starts over.
        assert_eq!(restarts(&resolver.learn(metadata(Some(10.0), 0))), 5);
    }

    #[test]
    fn events_change_only_what_they_say() {
        let mut resolver = Resolver::default();
        let id = metadata(None, 0).id;
        assert!(resolver.apply(&id, Action::Pause).is_none());
        resolver.learn(metadata(Some(1.0), 0));
        let Some(News::Changed(paused)) = resolver.apply(&id, Action::Pause) else { panic!() };
        assert_eq!((paused.state, paused.started), (Some(State::Paused), Some(1.0)));
        let Some(News::Changed(renamed)) = resolver.apply(&id, Action::Rename("shop".into())) else {
            panic!()
        };
        assert_eq!((renamed.name.as_str(), renamed.state), ("shop", Some(State::Paused)));
        assert!(matches!(resolver.apply(&id, Action::Destroy), Some(News::Removed(_))));
        assert!(resolver.apply(&id, Action::Unpause).is_none());
    }
}
