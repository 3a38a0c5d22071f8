//! The sizes of containers on disk. Docker walks through all files of a container for them, so they are
//! requested rarely, one request at a time, and only if they are shown.

use super::{
    chore::at,
    client::{Client, SIZES},
    problem::Problem,
};
use crate::metadata::{DiskReport, FileSystem};
use futures_util::future::LocalBoxFuture;
use std::{
    cell::{Cell, RefCell},
    future::pending,
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};
use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::{Instant, timeout},
};

/// How long to wait for the size of a file system. Looking at a network file system whose server is away
/// hangs.
const LOOK: Duration = Duration::from_secs(5);
/// How soon sizes are requested again if the session ended while they were under way.
const AGAIN: Duration = Duration::from_secs(60);
/// Sizes are shown until this many rounds in a row have failed, each with its pause and its deadline. An old
/// size is better than none, as its age is shown, but a daemon that refuses its sizes for good must not be
/// represented by old ones for ever.
const ROUNDS: u32 = 3;

/// Looks at the file system of a directory. May hang.
pub(super) type Look = fn(&Path) -> Option<FileSystem>;

/// How the sizes of containers are wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    /// The pause after each request.
    pub(super) interval: Duration,
    pub(super) look: Look,
}

/// State that is kept between sessions.
pub(super) struct Rounds {
    /// When the next request is due.
    due: Cell<Instant>,
    /// The last look at the file system, until it has returned.
    looking: RefCell<Option<JoinHandle<Option<FileSystem>>>>,
}

impl Default for Rounds {
    fn default() -> Self {
        Self { due: Cell::new(Instant::now()), looking: RefCell::default() }
    }
}

impl Rounds {
    /// The file system of a directory. Gives up on one that hangs, and looks at no other until it returns.
    async fn look(&self, look: Look, directory: PathBuf, patience: Duration) -> Option<FileSystem> {
        if self.looking.borrow().as_ref().is_some_and(|before| !before.is_finished()) {
            return None;
        }
        let mut looking = spawn_blocking(move || look(&directory));
        match timeout(patience, &mut looking).await {
            Ok(seen) => seen.ok().flatten(),
            Err(_) => {
                self.looking.replace(Some(looking));
                None
            }
        }
    }
}

/// The requests of a session.
pub(super) struct Sizes<'c> {
    client: &'c Client,
    wish: Option<Wish>,
    /// Docker's root directory, if it is known.
    root: Option<PathBuf>,
    rounds: Rc<Rounds>,
    round: Option<LocalBoxFuture<'c, Result<DiskReport, Problem>>>,
}

impl<'c> Sizes<'c> {
    pub(super) fn new(
        client: &'c Client,
        wish: Option<Wish>,
        root: Option<PathBuf>,
        rounds: &Rc<Rounds>,
    ) -> Self {
        Self { client, wish, root, rounds: Rc::clone(rounds), round: None }
    }

    /// The next answer. Waits for ever if nobody wants sizes. Cancel safe: may be dropped at any time and
    /// called again.
    pub(super) async fn next(&mut self) -> Result<DiskReport, Problem> {
        let Some(wish) = self.wish else { return pending().await };
        if self.round.is_none() {
            at(Some(self.rounds.due.get())).await;
            self.rounds.due.set(Instant::now() + AGAIN.min(wish.interval));
            let root = self.root.clone();
            self.round = Some(Box::pin(measure(self.client, wish, root, Rc::clone(&self.rounds))));
        }
        let answer = match &mut self.round {
            Some(round) => round.await,
            None => pending().await,
        };
        self.round = None;
        self.rounds.due.set(Instant::now() + wish.interval);
        answer
    }
}

async fn measure(
    client: &Client,
    wish: Wish,
    root: Option<PathBuf>,
    rounds: Rc<Rounds>,
) -> Result<DiskReport, Problem> {
    let asked = std::time::Instant::now();
    let sizes = client.sizes().await?;
    let file_system = match root.filter(|root| root.is_absolute()) {
        Some(root) => rounds.look(wish.look, root, LOOK).await,
        None => None,
    };
    Ok(DiskReport {
        sizes,
        file_system,
        asked,
        lasts: wish.interval.saturating_add(SIZES.wait).saturating_mul(ROUNDS),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_that_hangs_is_waited_for_once() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.unwrap();
        fn hangs(_: &Path) -> Option<FileSystem> {
            loop {
                std::thread::park();
            }
        }
        fn sees(_: &Path) -> Option<FileSystem> {
            Some(FileSystem { bytes: 7, device: None })
        }
        let rounds = Rounds::default();
        runtime.block_on(async {
            let seen = rounds.look(sees, "/".into(), LOOK).await;
            assert_eq!(seen.map(|seen| seen.bytes), Some(7));
            assert_eq!(rounds.look(hangs, "/".into(), Duration::from_millis(50)).await, None);
            assert_eq!(rounds.look(sees, "/".into(), LOOK).await, None, "no second one meanwhile");
        });
        runtime.shutdown_background();
    }
}
