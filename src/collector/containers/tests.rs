//! Events and news for `Containers`, without a collector around it.

use super::{
    Containers, Reading,
    entry::{Entry, REMOVAL},
};
use crate::{
    collector::Config,
    discovery::{Scope, ScopeEvent},
    metadata::{Filter, Metadata, MetadataEvent, News, Source, State},
    parse::ContainerId,
    sample::Roots,
    table::Selection,
};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

const ONE: Source = Source(1);
const OTHER: Source = Source(2);

fn id(digit: &str) -> ContainerId {
    ContainerId::new(&digit.repeat(64)).unwrap()
}

fn containers(cgroups: &Path) -> (Containers, UnboundedReceiver<ContainerId>) {
    let config = Config {
        roots: Roots { cgroup: cgroups.into(), proc: "/proc".into(), sys: "/sys".into() },
        selection: Selection::default(),
        filter: Filter::default(),
        polling_interval: None,
        peak_window: Duration::from_secs(60),
        history: Duration::ZERO,
        created_lines: false,
        fd_budget: 100,
        show_unnamed: false,
        interfaces: crate::sample::Interfaces::default(),
    };
    let (lookups, wanted) = unbounded_channel();
    (Containers::new(Reading::new(&config, 1024), lookups), wanted)
}

/// Creates a directory without files, and reports it.
fn appear(containers: &mut Containers, id: &ContainerId) -> Scope {
    let cgroup = format!("/docker-{id}.scope");
    std::fs::create_dir(containers.reading.directory_of(&cgroup)).unwrap();
    let scope = Scope { cgroup: cgroup.into(), id: id.clone(), watched: true };
    containers.take_scope(ScopeEvent::Appeared(scope.clone()));
    scope
}

fn running(id: &ContainerId) -> News {
    News::Changed(Arc::new(Metadata { state: Some(State::Running), ..Metadata::new(id.clone()) }))
}

fn tell(containers: &mut Containers, source: Source, news: News) {
    containers.take_metadata(MetadataEvent { source, news });
}

fn known(containers: &Containers) -> Vec<&str> {
    let known = containers.entries.iter().filter(|entry| entry.container.metadata.is_some());
    known.map(|entry| &entry.container.id.as_str()[..1]).collect()
}

#[test]
fn nothing_piles_up_while_docker_is_away() {
    let cgroups = tempfile::tempdir().unwrap();
    let (mut containers, mut wanted) = containers(cgroups.path());
    appear(&mut containers, &id("1"));
    assert_eq!(wanted.try_recv(), Ok(id("1")));
    tell(&mut containers, ONE, News::Disconnected);
    appear(&mut containers, &id("2"));
    containers.look_up_unnamed();
    assert!(wanted.is_empty());
    // It is asked about when the daemon is back, without waiting for the next round.
    tell(&mut containers, ONE, News::Connected);
    assert_eq!((wanted.try_recv(), wanted.try_recv()), (Ok(id("1")), Ok(id("2"))));
}

#[test]
fn a_list_removes_only_what_its_own_daemon_told() {
    let cgroups = tempfile::tempdir().unwrap();
    let (mut containers, _wanted) = containers(cgroups.path());
    for digit in ["1", "2", "3"] {
        tell(&mut containers, ONE, running(&id(digit)));
    }
    for digit in ["3", "4"] {
        tell(&mut containers, OTHER, running(&id(digit)));
    }
    let live = appear(&mut containers, &id("2"));
    tell(&mut containers, ONE, News::Listed(vec![id("5")]));
    assert_eq!(known(&containers), ["2", "3", "4"], "2 has a cgroup to show for it");
    tell(&mut containers, ONE, News::Removed(id("4")));
    tell(&mut containers, ONE, News::Unknown(id("4")));
    assert_eq!(known(&containers), ["2", "3", "4"]);
    std::fs::remove_dir(containers.reading.directory_of(&live.cgroup)).unwrap();
    containers.take_scope(ScopeEvent::Vanished(live));
    assert_eq!(known(&containers), ["3", "4"]);
    tell(&mut containers, OTHER, News::Removed(id("4")));
    assert_eq!(known(&containers), ["3"]);
}

#[test]
fn a_cgroup_that_outlives_its_container_is_not_known_to_docker() {
    for (others, news) in [
        (false, News::Removed(id("1"))),
        (false, News::Unknown(id("1"))),
        (false, News::Listed(vec![])),
        (true, News::Removed(id("1"))),
    ] {
        let cgroups = tempfile::tempdir().unwrap();
        let (mut containers, mut wanted) = containers(cgroups.path());
        tell(&mut containers, ONE, News::Connected);
        if others {
            tell(&mut containers, OTHER, News::Connected);
        }
        tell(&mut containers, ONE, running(&id("1")));
        appear(&mut containers, &id("1"));
        tell(&mut containers, ONE, news);
        containers.decide(true);
        assert_eq!(containers.count(), (1, 1), "it may be ending");
        let past = Instant::now().checked_sub(REMOVAL).unwrap();
        containers.find(&id("1")).unwrap().removed_at = Some(past);
        containers.decide(true);
        if others {
            // The other daemon may know it.
            assert_eq!((containers.count(), wanted.try_recv()), ((1, 0), Ok(id("1"))));
            tell(&mut containers, OTHER, News::Unknown(id("1")));
        }
        containers.decide(true);
        containers.look_up_unnamed();
        assert_eq!((containers.count(), wanted.is_empty()), ((0, 0), true));
        assert_eq!(containers.report()[0].hidden, Some(crate::advice::Hidden::UnknownToDocker));
        tell(&mut containers, ONE, running(&id("1")));
        assert_eq!(containers.count(), (1, 1));
    }
}

#[test]
fn a_container_that_runs_and_is_not_read_is_told_of_once() {
    let cgroups = tempfile::tempdir().unwrap();
    let (mut containers, _wanted) = containers(cgroups.path());
    let tell_of = |containers: &mut Containers, state, digit: &str| {
        let cgroup = format!("/far/away/docker-{}.scope", id(digit));
        let metadata = Metadata { state: Some(state), cgroup: cgroup.into(), ..Metadata::new(id(digit)) };
        tell(containers, ONE, News::Changed(Arc::new(Metadata { name: format!("web{digit}"), ..metadata })));
    };
    tell_of(&mut containers, State::Running, "1");
    tell_of(&mut containers, State::Paused, "2");
    tell_of(&mut containers, State::Restarting, "3");
    tell_of(&mut containers, State::Exited, "4");
    // What a daemon reported may be outdated when it does not answer now.
    assert_eq!(containers.look_for_unread(), None);
    containers.seem_unread_for_long();
    assert_eq!((containers.look_for_unread(), containers.unread()), (None, 0));
    tell(&mut containers, ONE, News::Connected);
    assert_eq!((containers.look_for_unread(), containers.unread()), (None, 0), "its cgroup may come");
    containers.seem_unread_for_long();
    let said = containers.look_for_unread().unwrap();
    let path = cgroups.path().join(format!("far/away/docker-{}.scope", id("1")));
    for part in ["web1 (and 1 more)", path.to_str().unwrap(), "--cgroupns=host"] {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!((containers.look_for_unread(), containers.unread()), (None, 2));
    appear(&mut containers, &id("1"));
    assert_eq!((containers.look_for_unread(), containers.unread()), (None, 1));
    tell_of(&mut containers, State::Exited, "2");
    assert_eq!((containers.look_for_unread(), containers.unread()), (None, 0));
}

#[test]
fn what_no_daemon_knows_is_not_read_and_not_asked_about() {
    let cgroups = tempfile::tempdir().unwrap();
    let (mut containers, mut wanted) = containers(cgroups.path());
    tell(&mut containers, ONE, News::Connected);
    tell(&mut containers, OTHER, News::Connected);
    appear(&mut containers, &id("1"));
    assert_eq!(wanted.try_recv(), Ok(id("1")));
    tell(&mut containers, ONE, News::Unknown(id("1")));
    assert_eq!(containers.count(), (1, 0), "the other may know it");
    tell(&mut containers, OTHER, News::Unknown(id("1")));
    containers.look_up_unnamed();
    containers.decide(true);
    assert!(wanted.is_empty());
    assert_eq!((containers.count(), containers.open_files()), ((0, 0), 0));
    tell(&mut containers, OTHER, running(&id("1")));
    assert_eq!(containers.count(), (1, 1));
}

#[test]
fn a_daemon_that_comes_later_is_asked_too() {
    let cgroups = tempfile::tempdir().unwrap();
    let (mut containers, mut wanted) = containers(cgroups.path());
    tell(&mut containers, ONE, News::Connected);
    tell(&mut containers, OTHER, News::Disconnected);
    appear(&mut containers, &id("1"));
    tell(&mut containers, ONE, News::Unknown(id("1")));
    assert_eq!(wanted.try_recv(), Ok(id("1")));
    tell(&mut containers, OTHER, News::Connected);
    containers.decide(true);
    assert_eq!(wanted.try_recv(), Ok(id("1")));
    tell(&mut containers, OTHER, News::Unknown(id("1")));
    assert_eq!(containers.count(), (0, 0));
    // Both may go and come back: it stays unknown.
    tell(&mut containers, ONE, News::Disconnected);
    tell(&mut containers, ONE, News::Connected);
    containers.decide(true);
    assert!(wanted.is_empty());
}

#[test]
fn directories_that_anybody_makes_are_remembered_up_to_a_bound() {
    // In memory if possible: some disks take very long for this many directories.
    let cgroups = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let (mut containers, mut wanted) = containers(cgroups.path());
    let mut scopes = Vec::new();
    for number in 0..5000 {
        let id = ContainerId::new(&format!("{number:064x}")).unwrap();
        let cgroup = format!("/docker-{id}.scope");
        let directory = containers.reading.directory_of(&cgroup);
        std::fs::create_dir(&directory).unwrap();
        // The last ones have a process.
        let populated = i32::from(number >= 4998);
        std::fs::write(directory.join("cgroup.events"), format!("populated {populated}\n")).unwrap();
        scopes.push(Scope { cgroup: cgroup.into(), id, watched: true });
    }
    containers.take_scope(ScopeEvent::Resync { scopes: scopes.clone(), unlisted: vec![] });
    assert_eq!((containers.entries.len(), containers.count()), (4098, (2, 0)));
    // One of them gets a process: it is found in its turn.
    let events = containers.reading.directory_of(&scopes[4000].cgroup).join("cgroup.events");
    std::fs::write(events, "populated 1\n").unwrap();
    for _ in 0..10 {
        containers.decide(false);
    }
    assert_eq!(containers.count(), (3, 0));
    // Many directories of one ID cost no more than that.
    let id = id("f");
    let twins: Vec<_> = (0..100)
        .map(|number| Scope { cgroup: format!("/{number}/{id}").into(), id: id.clone(), watched: true })
        .collect();
    for twin in &twins {
        std::fs::create_dir_all(containers.reading.directory_of(&twin.cgroup)).unwrap();
        containers.take_scope(ScopeEvent::Appeared(twin.clone()));
    }
    assert_eq!(containers.find(&id).unwrap().candidates.len(), 64);
    assert_eq!(std::iter::from_fn(|| wanted.try_recv().ok()).filter(|asked| *asked == id).count(), 1);
}

#[test]
fn empty_directories_of_a_user_hide_no_container_and_close_no_file() {
    let cgroups = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let (mut containers, _wanted) = containers(cgroups.path());
    let add = |containers: &mut Containers, id: &ContainerId| {
        let cgroup = format!("/docker-{id}.scope");
        let directory = containers.reading.directory_of(&cgroup);
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(directory.join("cgroup.events"), "populated 0\n").unwrap();
        containers.take_scope(ScopeEvent::Appeared(Scope {
            cgroup: cgroup.into(),
            id: id.clone(),
            watched: true,
        }));
        directory.join("cgroup.events")
    };
    let running = add(&mut containers, &id("e"));
    std::fs::write(running, "populated 1\n").unwrap();
    containers.decide(false);
    let keep = containers.limit_open_files();
    // As if the parent belonged to another user.
    let root = containers.reading.root_owner.replace(12_345);
    for number in 0..4200 {
        add(&mut containers, &ContainerId::new(&format!("{number:064x}")).unwrap());
    }
    assert_eq!(containers.entries.len(), 4097);
    assert_eq!(containers.limit_open_files(), keep);
    containers.reading.root_owner = root;
    // runc creates the directory first.
    let fresh = add(&mut containers, &id("f"));
    containers.decide(false);
    std::fs::write(fresh, "populated 1\n").unwrap();
    containers.decide(false);
    assert_eq!(containers.count(), (2, 0));
}

#[test]
fn a_directory_that_can_not_be_opened_is_counted_and_tried_again() {
    use std::os::unix::fs::PermissionsExt;
    let cgroups = tempfile::tempdir().unwrap();
    let (mut containers, _wanted) = containers(cgroups.path());
    let cgroup = format!("/docker-{}.scope", id("1"));
    let directory = containers.reading.directory_of(&cgroup);
    std::fs::create_dir(&directory).unwrap();
    let mode = |mode| std::fs::set_permissions(&directory, PermissionsExt::from_mode(mode)).unwrap();
    mode(0o000);
    if std::fs::read_dir(&directory).is_ok() {
        // Root can open everything.
        return;
    }
    containers.take_scope(ScopeEvent::Appeared(Scope { cgroup: cgroup.into(), id: id("1"), watched: true }));
    let mut pass = crate::sample::Pass::default();
    containers.sample(Instant::now(), &mut pass);
    assert_eq!((pass.report.failures.len(), containers.count()), (1, (0, 0)));
    mode(0o700);
    pass.report.clear();
    containers.sample(Instant::now(), &mut pass);
    assert!(pass.report.failures.iter().all(|failure| failure.file != "directory"));
    assert_eq!(containers.count(), (1, 0));
}

#[test]
fn a_kill_that_docker_tells_late_belongs_to_the_run_that_it_ended() {
    let cgroups = tempfile::tempdir().unwrap();
    let (mut containers, _wanted) = containers(cgroups.path());
    let one = id("1");
    let read = |containers: &mut Containers, kills: u32| {
        let directory = containers.reading.directory_of(&format!("/docker-{one}.scope"));
        std::fs::write(directory.join("memory.events"), format!("oom_kill {kills}\n")).unwrap();
        containers.sample(Instant::now(), &mut crate::sample::Pass::default());
        containers.get(&one).unwrap().oom_kills.total()
    };
    tell(&mut containers, ONE, running(&one));
    let first = appear(&mut containers, &one);
    assert_eq!(read(&mut containers, 1), Some(1));
    let killed = Entry::seconds(SystemTime::now());
    // Times of files are those of the last timer interrupt.
    std::thread::sleep(Duration::from_millis(50));
    std::fs::remove_dir_all(containers.reading.directory_of(&first.cgroup)).unwrap();
    containers.take_scope(ScopeEvent::Vanished(first));
    appear(&mut containers, &one);
    assert_eq!(read(&mut containers, 0), Some(1));
    tell(&mut containers, ONE, News::Oom { id: one.clone(), at: killed });
    let ended = Metadata { state: Some(State::Exited), oom_killed: Some(true), ..Metadata::new(one.clone()) };
    let ended = Metadata { finished: killed, ..ended };
    tell(&mut containers, ONE, News::Changed(Arc::new(ended)));
    assert_eq!(read(&mut containers, 0), Some(1));
    // One of this run.
    tell(&mut containers, ONE, News::Oom { id: one.clone(), at: Entry::seconds(SystemTime::now()) });
    assert_eq!(containers.get(&one).unwrap().oom_kills.total(), Some(2));
    assert_eq!(read(&mut containers, 1), Some(2));
}

#[test]
fn a_kill_before_the_first_cgroup_that_is_seen_counts_once() {
    let cgroups = tempfile::tempdir().unwrap();
    let (mut containers, _wanted) = containers(cgroups.path());
    let one = id("1");
    let killed = Entry::seconds(SystemTime::now());
    let ended = Metadata { state: Some(State::Exited), oom_killed: Some(true), ..Metadata::new(one.clone()) };
    tell(&mut containers, ONE, News::Changed(Arc::new(Metadata { finished: killed, ..ended })));
    std::thread::sleep(Duration::from_millis(50));
    appear(&mut containers, &one);
    tell(&mut containers, ONE, News::Oom { id: one.clone(), at: killed });
    assert_eq!(containers.get(&one).unwrap().oom_kills.total(), Some(1));
}
