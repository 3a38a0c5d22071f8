//! What was logged about a receiver.

use std::{collections::HashMap, time::Duration};
use tokio::time::Instant;

/// The same thing is logged at most this often.
const AGAIN: Duration = Duration::from_secs(60);
/// How many kinds of trouble are told apart. There are not as many statuses in use.
const KINDS: usize = 64;

/// Decides what is logged: each kind of trouble once until the receiver takes something again, and not more
/// often than once a minute.
#[derive(Debug, Default)]
pub(super) struct Said {
    troubles: HashMap<String, (Instant, bool)>,
    is_trouble: bool,
}

impl Said {
    /// Whether to log trouble of this kind.
    pub(super) fn trouble(&mut self, kind: &str) -> bool {
        let now = Instant::now();
        if let Some((at, is_current)) = self.troubles.get_mut(kind) {
            if *is_current || now < *at + AGAIN {
                return false;
            }
            (*at, *is_current) = (now, true);
        } else {
            if self.troubles.len() >= KINDS {
                self.troubles.clear();
            }
            self.troubles.insert(kind.to_owned(), (now, true));
        }
        self.is_trouble = true;
        true
    }

    /// Whether to log that the trouble is over.
    pub(super) fn success(&mut self) -> bool {
        self.troubles.values_mut().for_each(|(_, is_current)| *is_current = false);
        std::mem::take(&mut self.is_trouble)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn each_kind_of_trouble_is_said_once_until_it_is_over() {
        let mut said = Said::default();
        assert!(!said.success());
        assert!(said.trouble("500"));
        assert!(!said.trouble("500"));
        assert!(said.trouble("429"));
        advance(2 * AGAIN).await;
        assert!(!said.trouble("500"));
        assert!(said.success());
        assert!(!said.success());
        assert!(said.trouble("500"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_receiver_that_comes_and_goes_is_said_once_a_minute() {
        let mut said = Said::default();
        let mut lines = 0;
        for _ in 0..300 {
            lines += usize::from(said.trouble("500"));
            said.success();
            advance(Duration::from_secs(1)).await;
        }
        assert_eq!(lines, 5);
    }
}
