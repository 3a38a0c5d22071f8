//! inotify on the directories that can hold containers, and on those of containers.
//!
//! A write to a cgroup file is told of by a watch on its directory, through whichever mount it was made. So a container's
//! limits need to be read only when somebody may have changed them: nine files in twenty-eight that a scrape leaves alone.
//! What the kernel itself changes, such as `memory.events`, is not told of unless the file is held open.
//!
//! Watches are armed before the first scan. The kernel does not reliably report the removal of a watched cgroup
//! directory itself, so a slow rescan runs in any case; when watches run out, the rescan runs at every polling tick.

use super::{
    ScopeEvent,
    scan::{Scope, can_hold_containers, is_worth_a_watch, walk},
};
use futures_util::StreamExt;
use inotify::{EventMask, EventStream, Inotify, WatchDescriptor, WatchMask};
use std::{
    collections::HashMap,
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::{Instant, timeout_at};

/// What a lost event costs at the most. A scan of a thousand directories takes a few milliseconds.
const RESCAN: Duration = Duration::from_secs(30);
/// Room for a burst of some 40 directory events per read.
const BUFFER: usize = 4096;

/// Watches the tree below `root` and says what happens to containers, starting with a
/// [`ScopeEvent::Resync`], until `send` returns `false`.
///
/// Blocks: it is meant for a thread of its own, since listing directories is no work for an async worker.
///
/// # Errors
/// When no event loop can be had.
pub fn watch(
    root: &Path,
    polling_interval: Duration,
    send: &mut dyn FnMut(ScopeEvent) -> bool,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(Watcher::new(root, polling_interval).run(send));
    Ok(())
}

struct Watcher<'a> {
    root: &'a Path,
    polling_interval: Duration,
    events: Option<EventStream<Vec<u8>>>,
    watched: HashMap<WatchDescriptor, Watched>,
    complained: bool,
}

/// Entries coming and going.
const ENTRIES: WatchMask = WatchMask::CREATE.union(WatchMask::DELETE).union(WatchMask::MOVE);

/// What a watch is on.
enum Watched {
    /// A directory that can hold containers.
    Parent(PathBuf),
    Scope(Scope),
}

impl<'a> Watcher<'a> {
    fn new(root: &'a Path, polling_interval: Duration) -> Self {
        Self { root, polling_interval, events: None, watched: HashMap::new(), complained: false }
    }

    async fn run(mut self, send: &mut dyn FnMut(ScopeEvent) -> bool) {
        match Inotify::init().and_then(|inotify| inotify.into_event_stream(vec![0; BUFFER])) {
            Ok(events) => self.events = Some(events),
            Err(error) => self.complain(&error),
        }
        loop {
            if !send(self.resync()) {
                return;
            }
            let pause =
                if self.events.is_some() && !self.complained { RESCAN } else { self.polling_interval };
            let rescan = Instant::now() + pause;
            while let Ok(event) = timeout_at(rescan, self.next()).await {
                let Some((wd, mask, name)) = event else { break };
                if mask.contains(EventMask::Q_OVERFLOW) {
                    tracing::debug!("inotify queue overflowed, rescanning");
                    break;
                }
                for event in self.changes(&wd, mask, name.as_deref()) {
                    if !send(event) {
                        return;
                    }
                }
            }
        }
    }

    /// The next event; never, without inotify; `None` when inotify broke.
    async fn next(&mut self) -> Option<(WatchDescriptor, EventMask, Option<std::ffi::OsString>)> {
        let Some(events) = &mut self.events else { return std::future::pending().await };
        match events.next().await {
            Some(Ok(event)) => Some((event.wd, event.mask, event.name)),
            Some(Err(error)) => {
                self.events = None;
                self.complain(&error);
                None
            }
            None => None,
        }
    }

    fn resync(&mut self) -> ScopeEvent {
        let before = std::mem::take(&mut self.watched);
        let mut scopes = self.arm(self.root);
        // A directory that was removed keeps no watch, whether or not the kernel said so.
        for wd in before.into_keys().filter(|wd| !self.watched.contains_key(wd)) {
            self.unwatch(wd);
        }
        scopes.sort();
        ScopeEvent::Resync(scopes)
    }

    /// Watches `from` and what is below it, and finds the scopes there.
    fn arm(&mut self, from: &Path) -> Vec<Scope> {
        let mut scopes = Vec::new();
        let root = self.root;
        walk(root, from, &mut |directory| self.watch_parent(directory), &mut scopes);
        scopes.into_iter().map(|scope| self.watch_scope(scope)).collect()
    }

    fn watch_parent(&mut self, directory: &Path) {
        if is_worth_a_watch(directory) {
            self.add(directory, ENTRIES, Watched::Parent(directory.to_owned()));
        }
    }

    /// The scope, watched before anything of it is read, if it can be.
    fn watch_scope(&mut self, mut scope: Scope) -> Scope {
        let directory = self.root.join(scope.cgroup.trim_start_matches('/'));
        scope.watched = true;
        scope.watched = self.add(&directory, ENTRIES | WatchMask::MODIFY, Watched::Scope(scope.clone()));
        scope
    }

    fn add(&mut self, directory: &Path, mask: WatchMask, what: Watched) -> bool {
        let Some(events) = &self.events else { return false };
        match events.watches().add(directory, mask | WatchMask::ONLYDIR) {
            Ok(wd) => {
                self.watched.insert(wd, what);
                return true;
            }
            // Removed between its listing and now: its parent's watch tells.
            Err(_) if !directory.exists() => {}
            Err(error) => self.complain(&error),
        }
        false
    }

    fn unwatch(&self, wd: WatchDescriptor) {
        if let Some(events) = &self.events {
            let _gone_already = events.watches().remove(wd);
        }
    }

    fn complain(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.complained, true) {
            tracing::warn!(
                "inotify is not to be had ({error}): containers are looked for every {:?} instead; \
                 raise fs.inotify.max_user_watches or max_user_instances",
                self.polling_interval
            );
        }
    }

    fn changes(&mut self, wd: &WatchDescriptor, mask: EventMask, name: Option<&OsStr>) -> Vec<ScopeEvent> {
        // What has no name is about the watched directory itself: it went, and its parent's watch tells.
        let Some((watched, name)) = self.watched.get(wd).zip(name) else { return Vec::new() };
        let path = match watched {
            Watched::Scope(scope) => return vec![ScopeEvent::Written(scope.clone())],
            Watched::Parent(directory) if mask.contains(EventMask::ISDIR) => directory.join(name),
            Watched::Parent(_) => return Vec::new(),
        };
        let appeared = mask.intersects(EventMask::CREATE | EventMask::MOVED_TO);
        match Scope::at(self.root, &path) {
            Some(scope) if appeared => vec![ScopeEvent::Appeared(self.watch_scope(scope))],
            Some(scope) => {
                self.forget(&scope);
                vec![ScopeEvent::Vanished(scope)]
            }
            None if appeared && can_hold_containers(&path) => {
                self.arm(&path).into_iter().map(ScopeEvent::Appeared).collect()
            }
            None => Vec::new(),
        }
    }

    /// Gives the watch on a removed scope back now rather than at the next rescan: many short lives would use them up.
    fn forget(&mut self, gone: &Scope) {
        let is_gone = |what: &Watched| matches!(what, Watched::Scope(scope) if scope.cgroup == gone.cgroup);
        let wds: Vec<_> =
            self.watched.iter().filter(|(_, what)| is_gone(what)).map(|(wd, _)| wd.clone()).collect();
        for wd in wds {
            self.watched.remove(&wd);
            self.unwatch(wd);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// Long enough that only an event can be the reason for an answer.
    const NEVER: Duration = Duration::from_secs(3600);
    const SOON: Duration = Duration::from_secs(10);

    fn start(root: &Path, polling_interval: Duration) -> mpsc::Receiver<ScopeEvent> {
        let (sender, receiver) = mpsc::channel();
        let root = root.to_owned();
        std::thread::spawn(move || {
            watch(&root, polling_interval, &mut |event| sender.send(event).is_ok()).unwrap();
        });
        receiver
    }

    fn name(digit: &str) -> String {
        format!("docker-{}.scope", digit.repeat(64))
    }

    fn cgroup(event: ScopeEvent) -> String {
        match event {
            ScopeEvent::Appeared(scope) => format!("+{}", scope.cgroup),
            ScopeEvent::Written(scope) => format!("!{}", scope.cgroup),
            ScopeEvent::Vanished(scope) => format!("-{}", scope.cgroup),
            ScopeEvent::Resync(scopes) => format!("={}", scopes.len()),
        }
    }

    #[test]
    fn containers_in_new_slices_are_seen_coming_and_going() {
        let root = tempfile::tempdir().unwrap();
        let slice = root.path().join("system.slice");
        std::fs::create_dir_all(slice.join(name("1"))).unwrap();
        let events = start(root.path(), NEVER);
        let next = || cgroup(events.recv_timeout(SOON).unwrap());
        assert_eq!(next(), "=1");
        std::fs::create_dir(slice.join(name("2"))).unwrap();
        assert_eq!(next(), format!("+/system.slice/{}", name("2")));
        std::fs::remove_dir(slice.join(name("1"))).unwrap();
        assert_eq!(next(), format!("-/system.slice/{}", name("1")));
        let nested = root.path().join("tenant.slice/tenant-a.slice");
        std::fs::create_dir_all(&nested).unwrap();
        std::fs::create_dir(nested.join(name("3"))).unwrap();
        let expected = format!("+/tenant.slice/tenant-a.slice/{}", name("3"));
        // Seen by the scan of the new slice, by its watch, or by both.
        assert_eq!(next(), expected);
    }

    #[test]
    fn a_write_to_a_container_is_told_of() {
        let root = tempfile::tempdir().unwrap();
        let old = root.path().join(name("1"));
        std::fs::create_dir(&old).unwrap();
        let events = start(root.path(), NEVER);
        let next = || events.recv_timeout(SOON).unwrap();
        match next() {
            ScopeEvent::Resync(scopes) => assert!(scopes[0].watched),
            other => panic!("{other:?}"),
        }
        std::fs::write(old.join("memory.max"), "1").unwrap();
        assert_eq!(cgroup(next()), format!("!/{}", name("1")));
        let new = root.path().join(name("2"));
        std::fs::create_dir(&new).unwrap();
        loop {
            match next() {
                ScopeEvent::Appeared(scope) => break assert!(scope.watched),
                // A write makes more than one event.
                other => assert_eq!(cgroup(other), format!("!/{}", name("1"))),
            }
        }
        std::fs::write(new.join("memory.max"), "1").unwrap();
        assert_eq!(cgroup(next()), format!("!/{}", name("2")));
    }

    #[test]
    fn a_removed_and_remade_slice_is_watched_again() {
        let root = tempfile::tempdir().unwrap();
        let slice = root.path().join("lab.slice");
        std::fs::create_dir(&slice).unwrap();
        let events = start(root.path(), NEVER);
        let next = || cgroup(events.recv_timeout(SOON).unwrap());
        assert_eq!(next(), "=0");
        std::fs::remove_dir(&slice).unwrap();
        std::fs::create_dir(&slice).unwrap();
        std::fs::create_dir(slice.join(name("1"))).unwrap();
        assert_eq!(next(), format!("+/lab.slice/{}", name("1")));
    }

    #[test]
    fn without_a_receiver_it_ends() {
        let root = tempfile::tempdir().unwrap();
        watch(root.path(), NEVER, &mut |_| false).unwrap();
    }
}
