//! Push as the rest of the program sees it.

use super::{
    config::{Config, Target},
    encoder::{Pass, Protocols},
    running::{board, endpoint, prepare, run},
    spool::{self, Directory},
    status::Board,
};
use crate::collector::{Handle, Stopped};
use std::{io, sync::Arc, thread, time::Duration};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
    time::{Instant, timeout, timeout_at},
};

/// How much longer than its deadline the end of push may take.
const GRACE: Duration = Duration::from_millis(500);
/// How many blocking calls a target can have at once: a look-up or the reading of a file, two uses of its
/// queue on disk, and the writing of which series there are.
const CALLS: usize = 4;

/// Push, on a thread of its own.
#[derive(Debug)]
pub struct Push {
    stop: oneshot::Sender<Duration>,
    ended: oneshot::Receiver<()>,
    board: Board,
}

/// Starts to push to all targets.
///
/// # Errors
/// In words for the user: the spool's directory can't be used or is in use, a URL can't be used, or there can
/// be no thread.
pub fn start(config: Config, handle: Handle, protocols: Protocols) -> io::Result<Push> {
    for target in &config.targets {
        endpoint(target, &config)
            .map_err(|problem| io::Error::other(format!("{}: {problem}", target.name)))?;
    }
    let directory = match &config.spool {
        None => None,
        Some(spool) => match Directory::open(&spool.directory) {
            Ok(directory) => Some(Arc::new(directory)),
            // The exporter must start on a host that is in trouble.
            Err(error) if error.is_full => {
                tracing::warn!("push: the spool can't be used ({error}), so requests wait in memory");
                None
            }
            Err(error) => return Err(io::Error::other(error)),
        },
    };
    if let Some(directory) = &directory {
        for stranger in directory.strangers(config.targets.iter().map(|target| target.name.as_str())) {
            tracing::warn!("push: {} belongs to no target, so nothing in it is sent", stranger.display());
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(CALLS * config.targets.len().max(1))
        .build()?;
    let (stop, stopped) = oneshot::channel();
    let (alive, ended) = oneshot::channel::<()>();
    let board = board(&config);
    let shown = board.clone();
    thread::Builder::new().name("push".into()).spawn(move || {
        let _alive = alive;
        let _at_worst_a_signal_ends_the_program = runtime.block_on(async { ignore_size_limit() });
        runtime.block_on(run(config, handle, protocols, directory, shown, stopped));
        // Does not wait for a disk or a look-up that hangs.
        runtime.shutdown_background();
    })?;
    Ok(Push { stop, ended, board })
}

/// Makes the directory of the spool, if there is to be one, so that a sandbox can allow it. If that fails,
/// [`start`] says why.
pub fn make_spool(config: &Config) {
    if let Some(spool) = &config.spool {
        let _start_fails_too = spool::make(&spool.directory);
    }
}

/// A file that reaches a limit on its size (`ulimit -f`, `LimitFSIZE=`) sends a signal that ends the process.
/// With a handler it is an error of the writing, like a full disk.
fn ignore_size_limit() -> io::Result<()> {
    /// `SIGXFSZ` of Linux on x86 and ARM.
    const SIZE_LIMIT: i32 = 25;
    signal(SignalKind::from_raw(SIZE_LIMIT)).map(drop)
}

impl Push {
    /// How each target is doing.
    #[must_use]
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// Ends push: each target's series are ended, and all that waits is tried once more, but not longer than
    /// this. What is in the spool then stays there.
    pub async fn end(self, patience: Duration) {
        let _it_has_ended = self.stop.send(patience);
        let _hangs = timeout(patience + GRACE, self.ended).await;
    }
}

/// Reads all series once and pushes them to all targets, without a spool. Failed requests are tried again
/// until the time is over. Returns for each target its name, and if it has not taken everything, why not.
///
/// # Errors
/// If the collector has stopped.
pub async fn once(
    config: &Config,
    handle: &Handle,
    protocols: Protocols,
    patience: Duration,
) -> Result<Vec<(String, Result<(), String>)>, Stopped> {
    let deadline = Instant::now() + patience;
    let board = board(config);
    let began = handle.metrics().start_time.get();
    let Ok(pass) = timeout_at(deadline, handle.feed(Pass::new(&config.targets, began))).await else {
        let late =
            |target: &Target| (target.name.clone(), Err(format!("nothing was read within {patience:?}")));
        return Ok(config.targets.iter().map(late).collect());
    };
    let pass = pass?;
    let mut attempts = Vec::new();
    for (number, target) in config.targets.iter().enumerate() {
        let shown = (handle.metrics(), &board);
        let prepared = prepare(config, number, target, None, protocols, shown);
        let Some((mut line, mut delivery)) = prepared else {
            attempts.push((target.name.clone(), Err("its URL can't be used".to_owned())));
            continue;
        };
        line.put(&pass, Duration::ZERO).await;
        let attempt = tokio::spawn(async move { delivery.once(deadline).await });
        attempts.push((target.name.clone(), Ok(attempt)));
    }
    let mut results = Vec::new();
    for (name, attempt) in attempts {
        let result = match attempt {
            Ok(attempt) => attempt.await.unwrap_or_else(|error| Err(error.to_string())),
            Err(problem) => Err(problem),
        };
        results.push((name, result));
    }
    Ok(results)
}
