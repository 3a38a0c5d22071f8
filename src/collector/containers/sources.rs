//! The known Docker daemons, whether they answer, and how long to wait for names.

use crate::metadata::Source;
use std::time::{Duration, Instant};

/// How long a new container waits for its name. A series that first has no name and then has one breaks
/// `rate()`.
const WAIT_FOR_NAME: Duration = Duration::from_secs(2);
/// A restarted daemon is back within this time. A daemon that is away for longer delays no container.
const AWAY: Duration = Duration::from_secs(60);

/// All daemons that sent anything.
#[derive(Debug, Default)]
pub(super) struct Sources {
    links: Vec<Link>,
    /// Number of connections after the first one of each daemon.
    reconnects: u64,
}

/// One daemon.
#[derive(Debug)]
struct Link {
    source: Source,
    state: State,
    /// Whether it ever answered.
    ever: bool,
    /// When it came or went.
    since: Instant,
    /// Whether it came back and has not listed all of its containers since.
    owes_list: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It has sent something, but has not reported yet that it is connected.
    Coming,
    Up,
    Down,
}

impl Sources {
    /// A daemon answers. `true` if it was known to be down.
    pub(super) fn connected(&mut self, source: Source) -> bool {
        let link = self.link(source);
        let before = link.state;
        if before == State::Up {
            return false;
        }
        link.state = State::Up;
        link.since = Instant::now();
        let is_reconnect = std::mem::replace(&mut link.ever, true);
        self.reconnects += u64::from(is_reconnect);
        before == State::Down
    }

    /// A daemon does not answer.
    pub(super) fn disconnected(&mut self, source: Source) {
        let link = self.link(source);
        if link.state != State::Down {
            link.state = State::Down;
            link.since = Instant::now();
            link.owes_list = link.ever;
        }
    }

    /// A daemon has listed all of its containers.
    pub(super) fn listed(&mut self, source: Source) {
        self.link(source).owes_list = false;
    }

    fn link(&mut self, source: Source) -> &mut Link {
        let at = self.links.iter().position(|link| link.source == source).unwrap_or_else(|| {
            let since = Instant::now();
            self.links.push(Link { source, state: State::Coming, ever: false, since, owes_list: false });
            self.links.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "found or added just above")]
        &mut self.links[at]
    }

    /// The number of connections after the first one of each daemon.
    pub(super) fn reconnects(&self) -> u64 {
        self.reconnects
    }

    /// Whether any daemon answers; `None` until one has answered or failed to answer.
    pub(super) fn any_is_up(&self) -> Option<bool> {
        let mut known = self.links.iter().filter(|link| link.state != State::Coming).peekable();
        known.peek()?;
        Some(known.any(|link| link.state == State::Up))
    }

    /// Whether this daemon answers.
    pub(super) fn is_up(&self, source: Source) -> bool {
        self.links.iter().any(|link| link.source == source && link.state == State::Up)
    }

    /// Whether no daemon can take a question now. A daemon that has not been heard of yet may take one, so
    /// this is false while none is known.
    pub(super) fn all_are_down(&self) -> bool {
        !self.links.is_empty() && self.links.iter().all(|link| link.state == State::Down)
    }

    /// Whether any daemon is down, and so may know more than it has reported.
    pub(super) fn any_is_down(&self) -> bool {
        self.links.iter().any(|link| link.state == State::Down)
    }

    /// Whether these daemons include all that answer now.
    pub(super) fn have_all_answered(&self, answered: &[Source]) -> bool {
        !answered.is_empty()
            && self
                .links
                .iter()
                .filter(|link| link.state == State::Up)
                .all(|link| answered.contains(&link.source))
    }

    /// Whether a container first seen at this time may still get a name. It does not wait for a daemon that
    /// is down and never answered.
    pub(super) fn may_still_name(&self, first_seen: Instant) -> bool {
        let is_young = |since: Instant| since.elapsed() < WAIT_FOR_NAME;
        if self.links.is_empty() {
            return is_young(first_seen);
        }
        self.links.iter().any(|link| {
            let recently = link.since.elapsed() < AWAY;
            match link.state {
                State::Coming => is_young(first_seen),
                State::Up => is_young(first_seen.max(link.since)) || (link.owes_list && recently),
                State::Down => link.ever && recently,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Source = Source(1);
    const OTHER: Source = Source(2);

    fn ago(seconds: u64) -> Instant {
        Instant::now().checked_sub(Duration::from_secs(seconds)).unwrap()
    }

    #[test]
    fn names_are_waited_for_while_a_daemon_is_restarted_and_no_longer() {
        let mut sources = Sources::default();
        assert!(sources.may_still_name(Instant::now()) && !sources.may_still_name(ago(3)));
        // No daemon was ever there.
        sources.disconnected(ONE);
        assert!(!sources.may_still_name(Instant::now()));
        assert_eq!(sources.any_is_up(), Some(false));
        sources.connected(ONE);
        assert_eq!((sources.any_is_up(), sources.reconnects()), (Some(true), 0));
        assert!(sources.may_still_name(ago(1)) && sources.may_still_name(ago(90)), "it may tell right now");
        sources.link(ONE).since = ago(90);
        assert!(sources.may_still_name(ago(1)) && !sources.may_still_name(ago(3)));
        sources.disconnected(ONE);
        // It still does not answer.
        sources.disconnected(ONE);
        assert!(sources.may_still_name(ago(30)));
        sources.link(ONE).since = ago(61);
        sources.disconnected(ONE);
        assert!(!sources.may_still_name(ago(1)));
        // It is back, but its list is not complete.
        assert!(sources.connected(ONE));
        assert_eq!(sources.reconnects(), 1);
        sources.link(ONE).since = ago(10);
        assert!(sources.may_still_name(ago(50)));
        sources.listed(ONE);
        assert!(!sources.may_still_name(ago(50)));
    }

    #[test]
    fn each_daemon_answers_for_itself() {
        let mut sources = Sources::default();
        assert!(!sources.all_are_down());
        sources.listed(ONE);
        assert_eq!((sources.any_is_up(), sources.all_are_down()), (None, false));
        sources.connected(ONE);
        sources.disconnected(OTHER);
        assert!(!sources.all_are_down() && sources.any_is_down());
        assert!(!sources.have_all_answered(&[]));
        assert!(sources.have_all_answered(&[ONE]));
        sources.connected(OTHER);
        assert!(!sources.have_all_answered(&[ONE]) && sources.have_all_answered(&[OTHER, ONE]));
        sources.disconnected(ONE);
        sources.disconnected(OTHER);
        assert!(sources.all_are_down() && sources.have_all_answered(&[ONE]));
    }
}
