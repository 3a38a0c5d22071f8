//! The group `process`: open file descriptors of a container's processes, and the limit on them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use docker_stat_prom::{
    encode::Format,
    parse::{ContainerId, Limit},
    sample::{
        DescriptorProblem, Descriptors, FileSet, KernelFile, Pass, Processes, Reason, ScopeReader,
        ScopeSample,
    },
    table::Selection,
};
use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt, symlink},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};
use support::{
    exporter,
    host::{ALL, Driven, add_container, empty_host, failures, no_docker, scope},
    skip, value,
};

fn id() -> ContainerId {
    ContainerId::new(&"a".repeat(64)).unwrap()
}

/// A host with one container, whose `cgroup.procs` lists these processes.
fn host(pids: &str) -> (tempfile::TempDir, PathBuf) {
    let host = empty_host();
    let directory = add_container(host.path(), &scope("a"));
    fs::write(directory.join("cgroup.procs"), pids).unwrap();
    fs::write(directory.join("cgroup.stat"), "nr_descendants 0\nnr_dying_descendants 0\n").unwrap();
    (host, directory)
}

/// A process of a recorded procfs with descriptors on these things.
fn process(host: &Path, pid: u32, container: &str, targets: &[&str], soft: &str) {
    let path = host.join("proc").join(pid.to_string());
    fs::create_dir_all(path.join("fd")).unwrap();
    fs::write(path.join("cgroup"), format!("0::/lab.slice/docker-{container}.scope\n")).unwrap();
    fs::write(path.join("limits"), format!("Max open files            {soft}      4096      files     \n"))
        .unwrap();
    for (fd, target) in targets.iter().enumerate() {
        symlink(target, path.join("fd").join(fd.to_string())).unwrap();
    }
}

fn read(
    host: &Path,
    directory: &Path,
    main_pid: Option<u32>,
) -> (Result<(), DescriptorProblem>, Descriptors, Pass) {
    let (mut pass, mut sample) = (Pass::default(), ScopeSample::default());
    let mut reader = ScopeReader::open(directory).unwrap();
    assert!(reader.sample(FileSet::of(&[KernelFile::CgroupStat]), ALL, &mut pass, &mut sample));
    let proc_root = host.join("proc");
    let processes = Processes { cgroup: directory, proc_root: &proc_root, id: &id(), main_pid };
    let result = processes.read_descriptors(&mut pass, &mut sample);
    (result, sample.descriptors, pass)
}

#[test]
fn descriptors_of_all_processes_are_counted_and_the_main_ones_limit_is_shown() {
    let (host, directory) = host("20\n10\n");
    let own = "a".repeat(64);
    process(host.path(), 10, &own, &["/dev/null", "socket:[1]", "socket:[2]"], "1024");
    process(host.path(), 20, &own, &["socket:[1]", "pipe:[5]", "anon_inode:[eventpoll]"], "2048");
    let child = directory.join("inner/leaf");
    fs::create_dir_all(&child).unwrap();
    fs::write(child.join("cgroup.procs"), "30\n").unwrap();
    process(host.path(), 30, &format!("{own}.scope/inner/leaf"), &["/etc/socket:[9]"], "unlimited");
    let (result, found, _) = read(host.path(), &directory, None);
    assert_eq!(result, Ok(()));
    assert_eq!((found.open, found.sockets), (Some(6), Some(3)), "no cgroup.stat, no children");
    fs::write(directory.join("cgroup.stat"), "nr_descendants 2\n").unwrap();
    for (main, limit) in [
        (None, Limit::Value(1024)),
        (Some(20), Limit::Value(2048)),
        (Some(30), Limit::Max),
        // It is in another container by now.
        (Some(40), Limit::Value(1024)),
    ] {
        let (result, found, _) = read(host.path(), &directory, main);
        let expected = Descriptors { open: Some(7), sockets: Some(3), max_open_files: Some(limit) };
        assert_eq!((result, found), (Ok(()), expected), "{main:?}");
    }
}

#[test]
fn a_process_that_has_left_is_not_counted_and_its_pid_may_be_anothers() {
    let (host, directory) = host("10\n20\n");
    process(host.path(), 10, &"a".repeat(64), &["socket:[1]"], "1024");
    // 20 is another container's now, but the list still has it: it is not known what is going on.
    process(host.path(), 20, &"b".repeat(64), &["/dev/null", "/dev/null"], "1024");
    let (result, found, _) = read(host.path(), &directory, Some(20));
    assert_eq!((result, found.open), (Err(DescriptorProblem::NotAllowed), None));
    assert_eq!(found.max_open_files, Some(Limit::Value(1024)));
    // And now the list is right.
    fs::write(directory.join("cgroup.procs"), "10\n").unwrap();
    let (result, found, _) = read(host.path(), &directory, Some(20));
    assert_eq!((result, found.open, found.sockets), (Ok(()), Some(1), Some(1)));
    // Without any process there is no sum, not even 0.
    fs::write(directory.join("cgroup.procs"), "").unwrap();
    let (result, found, _) = read(host.path(), &directory, Some(20));
    assert_eq!((result, found), (Ok(()), Descriptors::default()));
}

#[test]
fn one_process_that_cannot_be_read_makes_the_sum_unknown() {
    let own = "a".repeat(64);
    let (host, directory) = host("10\n20\n");
    process(host.path(), 10, &own, &["socket:[1]"], "1024");
    let unreadable = |host: &Path| {
        let (result, found, pass) = read(host, &directory, None);
        assert!(pass.report.failures.is_empty());
        assert_eq!((found.open, found.sockets), (None, None));
        assert_eq!(found.max_open_files, Some(Limit::Value(1024)), "anybody may read it");
        result
    };
    // Hidden from us.
    assert_eq!(unreadable(host.path()), Err(DescriptorProblem::NotAllowed));
    // A recording without fd.
    fs::create_dir_all(host.path().join("proc/20")).unwrap();
    fs::write(host.path().join("proc/20/cgroup"), format!("0::/lab.slice/docker-{own}.scope\n")).unwrap();
    assert_eq!(unreadable(host.path()), Err(DescriptorProblem::NotAllowed));
    fs::write(directory.join("cgroup.procs"), "0\n10\n").unwrap();
    let (result, found, _) = read(host.path(), &directory, None);
    assert_eq!((result, found), (Err(DescriptorProblem::ForeignPids), Descriptors::default()));
}

#[test]
fn too_much_is_not_counted_and_reported() {
    let own = "a".repeat(64);
    let failure = |host: &Path, directory: &Path| {
        let (result, found, pass) = read(host, directory, None);
        assert_eq!((result, found.open), (Ok(()), None));
        pass.report.failures.first().map(|failure| (failure.file, failure.reason))
    };
    let many: String = (1..=4001).map(|pid| format!("{pid}\n")).collect();
    let (crowded, directory) = host(&many);
    assert_eq!(failure(crowded.path(), &directory), Some(("cgroup.procs", Reason::TooMany)));
    let (host, directory) = host("10\n");
    process(host.path(), 10, &own, &[], "1024");
    for fd in 0..100_001 {
        fs::write(host.path().join(format!("proc/10/fd/{fd}")), "").unwrap();
    }
    assert_eq!(failure(host.path(), &directory), Some(("fd", Reason::TooMany)));
}

#[test]
fn odd_limits_cost_themselves_alone() {
    let (host, directory) = host("10\n");
    process(host.path(), 10, &"a".repeat(64), &["socket:[1]"], "many");
    let (result, found, pass) = read(host.path(), &directory, None);
    assert_eq!(result, Ok(()));
    assert_eq!((found.open, found.sockets, found.max_open_files), (Some(1), Some(1), None));
    assert_eq!(pass.report.failures[0].file, "limits");
}

#[test]
fn the_page_has_them_only_with_the_group() {
    let (host, _) = host("10\n");
    process(host.path(), 10, &"a".repeat(64), &["/dev/null", "socket:[1]"], "unlimited");
    let page = Driven::new(host.path(), Selection::default()).page(Format::Text);
    assert!(!page.contains("container_file_descriptors") && !page.contains("container_ulimits_soft"));
    let page = Driven::new(host.path(), Selection::parse("core,+process").unwrap()).page(Format::Text);
    assert_eq!(value(&page, "container_file_descriptors", &[]), Some(2.0));
    assert_eq!(value(&page, "container_sockets", &[]), Some(1.0));
    assert_eq!(value(&page, "container_ulimits_soft", &["ulimit=\"max_open_files\""]), Some(-1.0));
    assert_eq!(failures(&page, "fd"), 0.0);
    // It is not even looked for without the group.
    fs::remove_dir_all(host.path().join("proc/10/fd")).unwrap();
    let page = Driven::new(host.path(), Selection::parse("core,+process").unwrap()).page(Format::Text);
    assert_eq!(value(&page, "container_file_descriptors", &[]), None);
    assert_eq!(value(&page, "container_ulimits_soft", &[]), Some(-1.0));
}

/// A process that ends with the test.
struct Sleeper(Child);

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _already_ended = self.0.kill();
        let _already_waited_for = self.0.wait();
    }
}

impl Sleeper {
    /// A shell that waits for a line that never comes: a small system has no `sleep`.
    fn new() -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", "read line"]).stdin(Stdio::piped()).stdout(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

/// A live process in a made-up container: `/proc` is the real one but for its `cgroup` file.
fn live(sleeper: &Sleeper) -> (tempfile::TempDir, PathBuf) {
    let pid = sleeper.0.id();
    let (host, directory) = host(&format!("{pid}\n"));
    let own = host.path().join("proc").join(pid.to_string());
    fs::create_dir(&own).unwrap();
    for name in ["fd", "limits"] {
        symlink(format!("/proc/{pid}/{name}"), own.join(name)).unwrap();
    }
    fs::write(own.join("cgroup"), format!("0::/lab.slice/docker-{}.scope\n", "a".repeat(64))).unwrap();
    (host, directory)
}

#[test]
fn a_living_process_is_counted_as_proc_shows_it() {
    let sleeper = Sleeper::new();
    let expected = support::eventually("it waits", || {
        let pid = sleeper.0.id();
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
        (name == "sh\n").then(|| fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count() as u64)
    });
    let (host, directory) = live(&sleeper);
    let (result, found, _) = read(host.path(), &directory, None);
    assert_eq!((result, found.open), (Ok(()), Some(expected)));
    assert!(matches!(found.max_open_files, Some(Limit::Value(limit)) if limit >= 3));
}

#[test]
fn without_the_rights_there_is_a_hint_and_no_number() {
    let test = "without_the_rights_there_is_a_hint_and_no_number";
    if fs::read_dir("/proc/1/fd").is_err() {
        return skip(test, "only root can give rights away");
    }
    let sleeper = Sleeper::new();
    let (host, _) = live(&sleeper);
    let binary = host.path().join("docker-stat-prom");
    fs::copy(exporter::BINARY, &binary).unwrap();
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(&binary);
    command.env_clear().uid(65534).gid(65534);
    for (flag, path) in [("--cgroup_root", "sys/fs/cgroup"), ("--proc_root", "proc"), ("--sys_root", "sys")] {
        command.arg(flag).arg(host.path().join(path));
    }
    no_docker(&mut command).args(["--once", "--metrics", "core,+process"]);
    let output = exporter::run(&mut command);
    let (page, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{log}");
    assert!(page.contains("container_memory_usage_bytes{"), "{page}");
    assert_eq!(value(&page, "container_file_descriptors", &[]), None, "{page}");
    assert_eq!(value(&page, "container_sockets", &[]), None);
    assert!(value(&page, "container_ulimits_soft", &[]).is_some(), "anybody may read it");
    assert_eq!(log.matches("CAP_SYS_PTRACE").count(), 1, "{log}");
    assert_eq!(value(&page, "docker_stat_prom_up", &[]), Some(1.0), "nothing has failed");
}
