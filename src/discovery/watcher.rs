//! Watches the directories that can hold containers, and those of containers, with inotify.
//!
//! A watch on a directory reports a write to a cgroup file in it, whichever mount was used for the write. So
//! a container's limits must be read only when something may have changed them; a scrape skips these files.
//! Changes by the kernel itself, such as in `memory.events`, are not reported unless the file is held open.
//!
//! Watches are added before the first scan. The kernel does not reliably report the removal of a watched
//! cgroup directory itself, so there is always a slow rescan. When watches run out, the rescan runs at every
//! polling tick, but not so often that it does little else.

use super::{
    errno::{EMFILE, ENFILE, ENOMEM, ENOSPC},
    scan::{Found, can_hold_containers, is_worth_a_watch, look_at_root, walk},
    scope::{Scope, ScopeEvent},
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
use tokio::time::{Instant, sleep_until, timeout_at};

/// The longest time until a lost event is made up for.
const RESCAN: Duration = Duration::from_secs(30);
/// Without inotify, the shortest time between two scans. Scanning more often would not help: new containers
/// are seconds apart, not milliseconds.
const RESCAN_AT_LEAST: Duration = Duration::from_secs(1);
/// A scan may take at most one part in this many of its thread's time.
const SHARE: u32 = 10;
/// Room for a burst of some 40 directory events per read.
const BUFFER: usize = 4096;

/// Watches the tree below `root` and sends what happens to containers, starting with a
/// [`ScopeEvent::Resync`], until `send` returns `false`.
///
/// Blocks: it needs its own thread, because listing directories must not block an async worker.
///
/// # Errors
/// If no event loop can be created.
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
    open: fn() -> io::Result<Inotify>,
    events: Option<EventStream<Vec<u8>>>,
    watched: HashMap<WatchDescriptor, Watched>,
    /// Whether the root was a cgroup v2 root at the start.
    root_was_there: bool,
    /// Whether watches or descriptors ran out. If so, scans look for containers all the time.
    exhausted: bool,
    said_exhausted: bool,
    /// Whether a watch was refused for another reason.
    complained: bool,
    /// Whether a new directory could not be listed, so that the next scan must report it.
    unlisted: bool,
}

/// Entries that come and go.
const ENTRIES: WatchMask = WatchMask::CREATE.union(WatchMask::DELETE).union(WatchMask::MOVE);

/// The directory that a watch is on.
enum Watched {
    /// A directory that can hold containers.
    Parent(PathBuf),
    Scope(Scope),
}

impl<'a> Watcher<'a> {
    fn new(root: &'a Path, polling_interval: Duration) -> Self {
        Self {
            root,
            polling_interval,
            open: Inotify::init,
            events: None,
            watched: HashMap::new(),
            root_was_there: look_at_root(root).is_ok(),
            exhausted: false,
            said_exhausted: false,
            complained: false,
            unlisted: false,
        }
    }

    async fn run(mut self, send: &mut dyn FnMut(ScopeEvent) -> bool) {
        loop {
            let begin = Instant::now();
            if self.events.is_none() {
                match (self.open)().and_then(|inotify| inotify.into_event_stream(vec![0; BUFFER])) {
                    Ok(events) => self.events = Some(events),
                    Err(error) => self.do_without(&error),
                }
            }
            if !send(self.resync()) {
                return;
            }
            let at_least = RESCAN_AT_LEAST.max(begin.elapsed() * SHARE);
            let pause = if self.events.is_some() && !self.exhausted { RESCAN } else { self.polling_interval };
            let rescan = Instant::now() + pause.max(at_least);
            let early = Instant::now() + at_least;
            while let Ok(event) = timeout_at(rescan, self.next()).await {
                let Some((wd, mask, name)) = event else { break };
                if mask.intersects(EventMask::Q_OVERFLOW | EventMask::UNMOUNT) {
                    tracing::debug!("inotify queue overflowed, or a file system was unmounted: rescanning");
                    sleep_until(early).await;
                    break;
                }
                for event in self.changes(&wd, mask, name.as_deref()) {
                    if !send(event) {
                        return;
                    }
                }
                if std::mem::take(&mut self.unlisted) {
                    sleep_until(early).await;
                    break;
                }
            }
        }
    }

    /// The next event. Waits for ever without inotify; `None` when inotify failed.
    async fn next(&mut self) -> Option<(WatchDescriptor, EventMask, Option<std::ffi::OsString>)> {
        let Some(events) = &mut self.events else { return std::future::pending().await };
        match events.next().await {
            Some(Ok(event)) => Some((event.wd, event.mask, event.name)),
            Some(Err(error)) => {
                self.events = None;
                self.do_without(&error);
                None
            }
            None => None,
        }
    }

    fn resync(&mut self) -> ScopeEvent {
        let before = std::mem::take(&mut self.watched);
        // Try again: watches may be free now, or the limit may be higher.
        self.exhausted = self.events.is_none();
        let mut found = self.arm(self.root);
        // A removed directory needs no watch, whether or not the kernel reported the removal.
        for wd in before.into_keys().filter(|wd| !self.watched.contains_key(wd)) {
            self.unwatch(wd);
        }
        if self.root_was_there {
            found.look_at_root(self.root);
        }
        self.unlisted = false;
        found.into_resync()
    }

    /// Watches `from` and what is below it, and finds the scopes there.
    fn arm(&mut self, from: &Path) -> Found {
        let mut found = Found::default();
        let root = self.root;
        walk(root, from, &mut |directory| self.watch_parent(directory), &mut found);
        found.scopes = found.scopes.into_iter().map(|scope| self.watch_scope(scope)).collect();
        self.unlisted |= !found.unlisted.is_empty();
        found
    }

    fn watch_parent(&mut self, directory: &Path) {
        if is_worth_a_watch(directory) {
            self.add(directory, ENTRIES, Watched::Parent(directory.to_owned()));
        }
    }

    /// Adds a watch for the scope, if possible, before anything of it is read.
    fn watch_scope(&mut self, mut scope: Scope) -> Scope {
        let directory = scope.cgroup.directory(self.root);
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
            // Removed since it was listed: its parent's watch reports that.
            Err(_) if !directory.exists() => {}
            Err(error) if is_exhaustion(&error) => self.do_without(&error),
            Err(error) => self.complain(directory, &error),
        }
        false
    }

    fn unwatch(&self, wd: WatchDescriptor) {
        if let Some(events) = &self.events {
            let _gone_already = events.watches().remove(wd);
        }
    }

    /// Goes on without inotify, or without more watches.
    fn do_without(&mut self, error: &io::Error) {
        self.exhausted = true;
        if !std::mem::replace(&mut self.said_exhausted, true) {
            tracing::warn!(
                "inotify can't be used ({error}): the cgroup tree is scanned for containers every {:?} \
                 instead; {}",
                self.polling_interval.max(RESCAN_AT_LEAST),
                crate::advice::inotify()
            );
        }
    }

    /// Reports a directory that can't be watched: its limits are read each time, and the slow rescan finds
    /// what is new in it.
    fn complain(&mut self, directory: &Path, error: &io::Error) {
        if !std::mem::replace(&mut self.complained, true) {
            tracing::warn!("{}: can't be watched: {error} (said once)", directory.display());
        }
    }

    fn changes(&mut self, wd: &WatchDescriptor, mask: EventMask, name: Option<&OsStr>) -> Vec<ScopeEvent> {
        // An event without a name is about the watched directory itself: it is gone, and its parent's watch
        // reports that.
        let Some((watched, name)) = self.watched.get(wd).zip(name) else { return Vec::new() };
        let path = match watched {
            Watched::Scope(_) if mask.contains(EventMask::MODIFY) && is_count(name) => return Vec::new(),
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
                self.arm(&path).scopes.into_iter().map(ScopeEvent::Appeared).collect()
            }
            None => Vec::new(),
        }
    }

    /// Frees the watch on a removed scope now and not at the next rescan: many short-lived containers would
    /// use up all watches.
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

/// Whether a file of a cgroup counts events, such as `memory.events`. The kernel reports each change of it as
/// a write, up to a hundred times a second. Only `cgroup.events` is of interest: it tells of the end.
fn is_count(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    let name = name.strip_suffix(b".local").unwrap_or(name);
    name.ends_with(b".events") && name != b"cgroup.events"
}

/// Whether watches (ENOSPC), descriptors (EMFILE, ENFILE) or memory ran out, so that the next watch will fail
/// too.
fn is_exhaustion(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(ENOMEM | ENFILE | EMFILE | ENOSPC))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::ContainerId;
    use std::sync::mpsc;

    /// So long that only an event can be the reason for an answer.
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
        ContainerId::new(&digit.repeat(64)).unwrap().scope_name()
    }

    fn cgroup(event: ScopeEvent) -> String {
        match event {
            ScopeEvent::Appeared(scope) => format!("+{}", scope.cgroup),
            ScopeEvent::Written(scope) => format!("!{}", scope.cgroup),
            ScopeEvent::Vanished(scope) => format!("-{}", scope.cgroup),
            ScopeEvent::Resync { scopes, unlisted } => format!("={}", scopes.len() + 1000 * unlisted.len()),
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
        // The scan of the new slice, its watch, or both may have seen it.
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
            ScopeEvent::Resync { scopes, .. } => assert!(scopes[0].watched),
            other => panic!("{other:?}"),
        }
        std::fs::write(old.join("memory.max"), "1").unwrap();
        assert_eq!(cgroup(next()), format!("!/{}", name("1")));
        let new = root.path().join(name("2"));
        std::fs::create_dir(&new).unwrap();
        loop {
            match next() {
                ScopeEvent::Appeared(scope) => break assert!(scope.watched),
                // A write causes more than one event.
                other => assert_eq!(cgroup(other), format!("!/{}", name("1"))),
            }
        }
        std::fs::write(new.join("memory.max"), "1").unwrap();
        assert_eq!(cgroup(next()), format!("!/{}", name("2")));
    }

    #[test]
    fn counts_of_events_are_no_writes_but_the_end_is_told_of() {
        let root = tempfile::tempdir().unwrap();
        let scope = root.path().join(name("1"));
        std::fs::create_dir(&scope).unwrap();
        let counts = ["memory.events", "memory.events.local", "pids.events", "hugetlb.2MB.events"];
        let write = |file: &str| std::fs::write(scope.join(file), "1").unwrap();
        counts.iter().chain(&["cgroup.events"]).for_each(|file| write(file));
        let events = start(root.path(), NEVER);
        let next = || cgroup(events.recv_timeout(SOON).unwrap());
        assert_eq!(next(), "=1");
        counts.iter().for_each(|file| write(file));
        // The first thing that is told of is this directory.
        std::fs::create_dir(root.path().join(name("2"))).unwrap();
        assert_eq!(next(), format!("+/{}", name("2")));
        write("cgroup.events");
        assert_eq!(next(), format!("!/{}", name("1")));
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
    fn without_inotify_scans_keep_their_distance() {
        let root = tempfile::tempdir().unwrap();
        let mut watcher = Watcher::new(root.path(), Duration::from_millis(1));
        watcher.open = || Err(io::Error::from_raw_os_error(24));
        let begin = std::time::Instant::now();
        let mut scans = 0;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(watcher.run(&mut |_| {
            scans += 1;
            scans < 3
        }));
        assert!(begin.elapsed() >= 2 * RESCAN_AT_LEAST);
    }

    #[test]
    fn only_what_ran_out_is_the_end_of_watching() {
        let is_exhaustion = |errno| is_exhaustion(&io::Error::from_raw_os_error(errno));
        assert!([12, 23, 24, 28].into_iter().all(is_exhaustion));
        assert!(![1, 2, 13, 20].into_iter().any(is_exhaustion));
    }

    #[test]
    fn without_a_receiver_it_ends() {
        let root = tempfile::tempdir().unwrap();
        watch(root.path(), NEVER, &mut |_| false).unwrap();
    }
}
