//! Reads the files again when they have changed, or when asked.

use super::{gate::Access, sources::Seen};
use crate::files::Stamp;
use std::{
    io,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// How often the files are looked at. A change is taken when two looks find the same, so that a certificate
/// is not read before its key is there.
const LOOK: Duration = Duration::from_secs(1);
/// Files that change all the time are read after so many looks.
const LOOKS: u32 = 10;
/// How often the log says what should be looked at, such as a certificate that expires soon.
const WARN: Duration = Duration::from_secs(24 * 60 * 60);

/// The thread that reads files again. It ends when this is dropped.
#[derive(Debug)]
pub struct Watch {
    asked: Sender<oneshot::Sender<()>>,
}

impl Watch {
    /// Reads all files again now. Resolves when that is done, whatever came of it.
    pub async fn reload(&self) {
        let (done, answer) = oneshot::channel();
        if self.asked.send(done).is_ok() {
            let _either_way = answer.await;
        }
    }
}

/// Starts the thread, and those that check passwords. It is one of its own, because a file system may hang.
///
/// # Errors
/// If the thread can't be started.
pub fn watch(access: Arc<Access>) -> io::Result<Watch> {
    access.prepare(&access.rules()).map_err(io::Error::other)?;
    let (asked, questions) = channel();
    thread::Builder::new().name("reload".into()).spawn(move || run(&access, &questions))?;
    Ok(Watch { asked })
}

fn run(access: &Access, questions: &Receiver<oneshot::Sender<()>>) {
    let mut change = Change::default();
    let mut warned = Instant::now();
    loop {
        match questions.recv_timeout(LOOK) {
            Ok(done) => {
                access.reload(true);
                change = Change::default();
                let _gone = done.send(());
            }
            Err(RecvTimeoutError::Timeout) => {
                let seen = access.seen();
                if change.is_due(&seen, look(&seen)) {
                    access.reload(false);
                    change = Change::default();
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if warned.elapsed() >= WARN {
            warned = Instant::now();
            access.warn();
        }
    }
}

fn look(files: &[Seen]) -> Vec<Seen> {
    files.iter().map(|(path, _)| (path.clone(), Stamp::of(path))).collect()
}

/// A change that was seen and not yet taken.
#[derive(Debug, Default)]
struct Change {
    found: Option<Vec<Seen>>,
    looks: u32,
}

impl Change {
    /// Whether the files that were read as `before` and are now `found` should be read again.
    fn is_due(&mut self, before: &[Seen], found: Vec<Seen>) -> bool {
        if before == found {
            *self = Self::default();
            return false;
        }
        self.looks += 1;
        let is_settled = self.found.as_ref() == Some(&found);
        self.found = Some(found);
        is_settled || self.looks >= LOOKS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_change_is_taken_when_it_has_settled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "one").unwrap();
        let before = look(&[(path.clone(), None)]);
        let mut change = Change::default();
        assert!(!change.is_due(&before, look(&before)));
        fs::write(&path, "two, half").unwrap();
        assert!(!change.is_due(&before, look(&before)));
        fs::write(&path, "two, as a whole").unwrap();
        assert!(!change.is_due(&before, look(&before)));
        assert!(change.is_due(&before, look(&before)));
        // It was taken back.
        let mut change = Change::default();
        let now = look(&before);
        fs::remove_file(&path).unwrap();
        assert!(!change.is_due(&now, look(&now)) && change.found.is_some());
        assert!(!change.is_due(&now, now.clone()) && change.found.is_none());
    }

    #[test]
    fn files_that_change_all_the_time_are_taken_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let before = look(&[(path.clone(), None)]);
        let mut change = Change::default();
        let taken = (1..=LOOKS).find(|number| {
            fs::write(&path, "x".repeat(usize::try_from(*number).unwrap())).unwrap();
            change.is_due(&before, look(&before))
        });
        assert_eq!(taken, Some(LOOKS));
    }
}
