//! What happens when a file of the kernel is gone, can't be had, or is no file: nothing kills the exporter,
//! and nothing makes it lie.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "tests")]

mod support;

use docker_stat_prom::{
    collector::Message,
    discovery::{ScopeEvent, resync},
    metadata::{MetadataEvent, News, Source},
    parse::ContainerId,
    sample::{FileSet, KernelFile, Pass, Reason, ScopeReader, ScopeSample},
};
use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command},
    time::Duration,
};
use support::{
    eventually,
    exporter::{self, Exporter},
    host::{ALL, Direct, add_container, copy_of, empty_host, failures, fifo, no_docker, scope, up},
    skip, throughout, value,
};

// Files that go, and directories that stay.

/// The first cgroup2 mount in which this user may make directories and switch pressure off.
fn cgroup2_with_pressure() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let (_, path, kind) = (words.next()?, words.next()?, words.next()?);
            (kind == "cgroup2").then(|| PathBuf::from(path))
        })
        .find(|path| {
            let probe = path.join(format!("docker-stat-prom-pressure-{}", std::process::id()));
            if fs::create_dir(&probe).is_err() {
                return false;
            }
            let readable = fs::read(probe.join("cpu.pressure")).is_ok();
            let switched = fs::write(probe.join("cgroup.pressure"), "0").is_ok();
            fs::remove_dir(&probe).is_ok() && readable && switched
        })
}

#[test]
fn pressure_that_is_switched_off_is_no_death() {
    let Some(mount) = cgroup2_with_pressure() else {
        return skip(
            "pressure_that_is_switched_off_is_no_death",
            "no cgroup2 mount with pressure to write to",
        );
    };
    /// A slice with a container in it that has one process.
    struct Slice(PathBuf, Child);
    impl Slice {
        fn kill(&mut self) {
            let _dead_already = (self.1.kill(), self.1.wait());
        }
    }
    impl Drop for Slice {
        fn drop(&mut self) {
            self.kill();
            let _not_made = fs::remove_dir(self.0.join(scope("a")));
            let _left_to_the_user = fs::remove_dir(&self.0);
        }
    }
    let process = Command::new("sleep").arg("600").spawn().unwrap();
    let mut slice = Slice(mount.join(format!("dsppressure{}.slice", std::process::id())), process);
    let directory = slice.0.join(scope("a"));
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("cgroup.procs"), slice.1.id().to_string()).unwrap();
    let mut command = exporter::command();
    command.arg("--cgroup_root").arg(&mount);
    let exporter = Exporter::ready(no_docker(&mut command));
    let name = format!("name=\"{}\"", "a".repeat(12));
    let cpu = |page: &str| value(page, "container_cpu_usage_seconds_total", &[&name]);
    let pressure = |page: &str| value(page, "container_pressure_cpu_waiting_seconds_total", &[&name]);
    eventually("it is shown", || pressure(&exporter.metrics()));
    // Twice, so that the descriptors are kept ones.
    assert!(pressure(&exporter.metrics()).is_some());
    for _ in 0..2 {
        fs::write(directory.join("cgroup.pressure"), "0").unwrap();
        throughout(Duration::from_millis(250), || {
            let page = exporter.metrics();
            assert_eq!((cpu(&page).is_some(), pressure(&page), up(&page)), (true, None, Some(1.0)));
        });
        fs::write(directory.join("cgroup.pressure"), "1").unwrap();
    }
    slice.kill();
    eventually("the cgroup can be removed", || fs::remove_dir(&directory).ok());
    assert_eq!(cpu(&exporter.metrics()), None);
    assert_eq!(up(&exporter.metrics()), Some(1.0));
}

#[test]
fn the_same_cgroup_found_again_is_no_new_run() {
    let host = empty_host();
    let directory = add_container(host.path(), &scope("b"));
    fs::write(directory.join("memory.events"), "oom_kill 3\n").unwrap();
    let direct = Direct::new(host.path());
    let kills = || value(&direct.page(), "container_oom_events_total", &["bbbb"]);
    direct.page();
    // Docker tells of it, so that it is remembered without a cgroup.
    let id = ContainerId::new(&"b".repeat(64)).unwrap();
    let mut metadata = docker_stat_prom::metadata::Metadata::new(id);
    metadata.name = "kept".into();
    metadata.included = true;
    let news = News::Changed(metadata.into());
    direct.handle.send(Message::Metadata(MetadataEvent { source: Source::default(), news }));
    assert_eq!(kills(), Some(3.0));
    direct.tell(ScopeEvent::Resync { scopes: vec![], unlisted: vec![] });
    assert_eq!(value(&direct.page(), "container_memory_usage_bytes", &["bbbb"]), None);
    direct.tell(resync(&host.path().join("sys/fs/cgroup")));
    assert_eq!((kills(), kills()), (Some(3.0), Some(3.0)));
}

// What can't be looked at.

/// Runs a program as a user who may not read everything: as it is, or as nobody if the test is run by root.
fn as_ordinary_user(command: &mut Command) -> &mut Command {
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if is_root { command.uid(65534).gid(65534) } else { command }
}

/// Whether the binary can be run by anybody.
fn binary_is_everybodys() -> bool {
    let ran = as_ordinary_user(Command::new(exporter::BINARY).arg("--version")).output();
    ran.is_ok_and(|output| output.status.success())
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_slice_that_cant_be_listed_keeps_its_containers() {
    if !binary_is_everybodys() {
        return skip("a_slice_that_cant_be_listed_keeps_its_containers", "nobody may not run the binary");
    }
    let host = empty_host();
    let slice = host.path().join("sys/fs/cgroup/lab.slice");
    add_container(host.path(), &scope("a"));
    let hidden = host.path().join("sys/fs/cgroup/hidden.slice");
    fs::create_dir(&hidden).unwrap();
    chmod(&hidden, 0o000);
    let exporter = Exporter::ready(no_docker(as_ordinary_user(&mut exporter::on_host(host.path()))));
    let shown = |page: &str| value(page, "container_memory_usage_bytes", &[&"a".repeat(12)]);
    let page = eventually("it is shown", || Some(exporter.metrics()).filter(|page| shown(page).is_some()));
    assert_eq!((up(&page), failures(&page, "directory")), (Some(0.0), 1.0));
    chmod(&hidden, 0o755);
    chmod(&slice, 0o311);
    // A new slice that can't be listed makes it look again. Made beside where it goes, under a name that is
    // not looked into: only root may move such a directory from one to another.
    let cgroups = host.path().join("sys/fs/cgroup");
    let (new, another) = (cgroups.join("new.device"), cgroups.join("another.slice"));
    fs::create_dir(&new).unwrap();
    chmod(&new, 0o000);
    fs::rename(&new, &another).unwrap();
    let page = eventually("it looks again", || {
        let page = exporter.metrics();
        (value(&page, "docker_stat_prom_discovery_resyncs_total", &[])? > 1.0).then_some(page)
    });
    assert!(shown(&page).is_some());
    assert_eq!(up(&page), Some(0.0));
    let said = exporter.log().matches("Permission denied (said once; counted").count();
    assert_eq!(said, 1, "{}", exporter.log());
    chmod(&another, 0o755);
    chmod(&slice, 0o755);
}

#[test]
fn what_is_below_an_unlisted_directory_is_unknown_and_not_gone() {
    let host = empty_host();
    let directory = add_container(host.path(), &scope("a"));
    let direct = Direct::new(host.path());
    let shown = || value(&direct.page(), "container_memory_usage_bytes", &["aaaa"]);
    assert_eq!((shown(), up(&direct.page())), (Some(77.0), Some(1.0)));
    let unlisted = |cgroup: &str| ScopeEvent::Resync {
        scopes: vec![],
        unlisted: vec![docker_stat_prom::discovery::Unlisted { cgroup: cgroup.into(), errno: 13 }],
    };
    for cgroup in ["/lab.slice", ""] {
        direct.tell(unlisted(cgroup));
        assert_eq!((shown(), up(&direct.page())), (Some(77.0), Some(0.0)), "{cgroup:?}");
    }
    assert_eq!(failures(&direct.page(), "directory"), 2.0);
    direct.tell(unlisted("/other.slice"));
    assert_eq!(shown(), None);
    direct.tell(resync(&host.path().join("sys/fs/cgroup")));
    assert_eq!((shown(), up(&direct.page())), (Some(77.0), Some(1.0)));
    fs::remove_dir_all(directory).unwrap();
    direct.tell(resync(&host.path().join("sys/fs/cgroup")));
    assert_eq!((shown(), up(&direct.page())), (None, Some(1.0)));
}

#[test]
fn an_unmounted_root_is_no_host_without_containers() {
    let host = empty_host();
    add_container(host.path(), &scope("a"));
    let root = host.path().join("sys/fs/cgroup");
    let direct = Direct::new(host.path());
    direct.tick();
    assert_eq!(up(&direct.page()), Some(1.0));
    let away = host.path().join("away");
    fs::rename(&root, &away).unwrap();
    fs::create_dir(&root).unwrap();
    // Before any scan.
    assert_eq!(up(&direct.page()), Some(0.0));
    direct.tell(resync(&root));
    let discovered = || value(&direct.page(), "docker_stat_prom_containers", &["discovered"]);
    assert_eq!((up(&direct.page()), discovered()), (Some(0.0), Some(1.0)));
    assert!(failures(&direct.page(), "directory") >= 1.0);
    fs::remove_dir(&root).unwrap();
    direct.tell(resync(&root));
    assert_eq!((up(&direct.page()), discovered()), (Some(0.0), Some(1.0)));
    fs::rename(&away, &root).unwrap();
    direct.tell(resync(&root));
    assert_eq!((up(&direct.page()), discovered()), (Some(1.0), Some(1.0)));
}

#[test]
fn a_scope_that_cant_be_opened_lowers_up_until_it_can() {
    if !binary_is_everybodys() {
        return skip("a_scope_that_cant_be_opened_lowers_up_until_it_can", "nobody may not run the binary");
    }
    let host = empty_host();
    let directory = add_container(host.path(), &scope("a"));
    chmod(&directory, 0o000);
    let exporter = Exporter::ready(no_docker(as_ordinary_user(&mut exporter::on_host(host.path()))));
    let page = exporter.metrics();
    assert_eq!(up(&page), Some(0.0));
    assert!(failures(&page, "directory") >= 1.0, "{page}");
    // One directory that can't be watched is not the end of all watching.
    let other = add_container(host.path(), &scope("b"));
    let shown =
        |digit: &str| value(&exporter.metrics(), "container_memory_usage_bytes", &[&digit.repeat(12)]);
    eventually("another is seen at once", || shown("b"));
    let said = |log: &str, what: &str| log.matches(what).count();
    // A line may be written after the page that it is about.
    let log = eventually("both are said", || {
        let log = exporter.log();
        let both = ["can't be watched", "Permission denied (said once; counted"];
        both.iter().all(|what| said(&log, what) == 1).then_some(log)
    });
    assert_eq!(said(&log, "inotify can't be used"), 0, "{log}");
    chmod(&directory, 0o755);
    eventually("it is shown", || shown("a"));
    assert_eq!(up(&exporter.metrics()), Some(1.0));
    drop(other);
}

#[test]
fn more_containers_than_descriptors_are_all_read() {
    let host = empty_host();
    let names: Vec<_> = (0..400).map(|number| format!("docker-{number:064x}.scope")).collect();
    for name in &names {
        add_container(host.path(), name);
    }
    let mut shell = Command::new("sh");
    shell.env_clear().args(["-c", "ulimit -n 300 && exec \"$0\" \"$@\"", exporter::BINARY]);
    let inner = exporter::on_host(host.path());
    shell.args(inner.get_args());
    let exporter = Exporter::ready(no_docker(&mut shell));
    let page = eventually("all are shown", || {
        let page = exporter.metrics();
        (page.matches("\ncontainer_memory_usage_bytes{").count() == names.len()).then_some(page)
    });
    assert_eq!((up(&page), value(&page, "docker_stat_prom_max_fds", &[])), (Some(1.0), None));
    assert!(value(&page, "process_open_fds", &[]).unwrap() < 60.0);
    // Numbers move, and a new one is seen.
    fs::write(host.path().join("sys/fs/cgroup/lab.slice").join(&names[7]).join("memory.current"), "78\n")
        .unwrap();
    let id = format!("id=\"/lab.slice/{}\"", names[7]);
    assert_eq!(value(&exporter.metrics(), "container_memory_usage_bytes", &[&id]), Some(78.0));
    add_container(host.path(), &scope("f"));
    eventually("a new one is seen", || value(&exporter.metrics(), "container_memory_usage_bytes", &["ffff"]));
    let log = exporter.log();
    assert_eq!(log.matches("open files is too low").count(), 1, "{log}");
    // The rates are there too.
    eventually("windows complete", || {
        let page = exporter.metrics();
        (page.matches("\ncontainer_cpu_usage_ratios{").count() > names.len()).then_some(())
    });
}

// What is not a file, and what hangs.

#[test]
fn a_fifo_costs_only_itself() {
    let host = copy_of("cases/rate-torn-io");
    let directory = host.path().join(format!("sys/fs/cgroup/system.slice/docker-{}.scope", "01".repeat(32)));
    let other = host.path().join("sys/fs/cgroup/system.slice").join(scope("f"));
    fs::create_dir(&other).unwrap();
    fs::write(other.join("cpu.stat"), "usage_usec 1000000\n").unwrap();
    fs::write(other.join("memory.current"), "77\n").unwrap();
    let files = [
        directory.join("cpu.stat"),
        directory.join("memory.events"),
        directory.join("cgroup.procs"),
        host.path().join("proc/meminfo"),
        host.path().join("sys/dev/block/254:0/uevent"),
    ];
    for file in &files {
        if !fifo(file) {
            return skip("a_fifo_costs_only_itself", "there is no mkfifo");
        }
    }
    // Nor is a directory, nor a device.
    fs::remove_file(directory.join("memory.max")).unwrap();
    fs::create_dir(directory.join("memory.max")).unwrap();
    fs::remove_file(directory.join("memory.peak")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", directory.join("memory.peak")).unwrap();
    let exporter = Exporter::ready(no_docker(&mut exporter::on_host(host.path())));
    let page = eventually("the others are shown", || {
        let page = exporter.metrics();
        value(&page, "container_memory_usage_bytes", &["ffff"])?;
        value(&page, "container_memory_usage_bytes", &["0101"]).map(|_| page)
    });
    assert_eq!((up(&page), value(&page, "container_cpu_usage_seconds_total", &["0101"])), (Some(0.0), None));
    for file in ["cpu.stat", "memory.events", "memory.max", "memory.peak", "meminfo"] {
        assert!(failures(&page, file) >= 1.0, "{file}");
    }
    assert!(page.contains("device=\"254:0\""));
    assert_eq!(value(&page, "machine_memory_bytes", &[]), None);
    assert_eq!(exporter.get("/readyz").status, 200);
}

#[test]
fn a_limit_that_could_not_be_read_is_tried_again() {
    let host = empty_host();
    let limit = add_container(host.path(), &scope("a")).join("pids.max");
    fs::create_dir(&limit).unwrap();
    let direct = Direct::new(host.path());
    direct.tell(ScopeEvent::Resync {
        scopes: docker_stat_prom::discovery::scan(&host.path().join("sys/fs/cgroup"))
            .into_iter()
            .map(|scope| docker_stat_prom::discovery::Scope { watched: true, ..scope })
            .collect(),
        unlisted: vec![],
    });
    for _ in 0..2 {
        let page = direct.page();
        assert_eq!((value(&page, "container_threads_max", &[]), up(&page)), (None, Some(0.0)));
    }
    fs::remove_dir(&limit).unwrap();
    fs::write(&limit, "64\n").unwrap();
    let page = direct.page();
    assert_eq!((value(&page, "container_threads_max", &[]), up(&page)), (Some(64.0), Some(1.0)));
}

#[test]
fn a_fifo_as_net_dev_costs_only_the_network() {
    let host = copy_of("cases/rate-torn-io");
    if !fifo(&host.path().join("proc/101/net/dev")) {
        return skip("a_fifo_as_net_dev_costs_only_the_network", "there is no mkfifo");
    }
    let direct = Direct::new(host.path());
    let page = direct.page();
    assert_eq!(value(&page, "container_network_receive_bytes", &[]), None);
    assert!(value(&page, "container_memory_usage_bytes", &[]).is_some());
    assert_eq!((failures(&page, "net/dev") >= 1.0, up(&page)), (true, Some(0.0)));
}

// Files of procfs.

#[test]
fn odd_lines_of_meminfo_hide_nothing() {
    let host = copy_of("cases/meminfo-ddwrt");
    let meminfo = host.path().join("proc/meminfo");
    let recorded = fs::read_to_string(&meminfo).unwrap();
    for text in [
        recorded.clone(),
        recorded.replace('\n', "\r\n"),
        "MemTotal:4015556 kB\nSwapTotal:0kB\n".to_owned(),
        format!("\nWhat: is this\n\u{fffd}\n{recorded}"),
        "Strange:\nMemTotal:\t4015556 kB\n:\n SwapTotal: 0 KB\n".to_owned(),
    ] {
        fs::write(&meminfo, &text).unwrap();
        let page = Direct::new(host.path()).page();
        let bytes = Some(4_015_556.0 * 1024.0);
        assert_eq!(value(&page, "machine_memory_bytes", &[]), bytes, "{text}");
        assert_eq!(value(&page, "machine_swap_bytes", &[]), Some(0.0));
        assert_eq!(value(&page, "container_memory_limit_bytes", &["0101"]), bytes);
        assert_eq!(up(&page), Some(1.0));
    }
    fs::write(&meminfo, "MemTotal: lots\nSwapTotal: 4 kB\n").unwrap();
    let page = Direct::new(host.path()).page();
    assert_eq!(value(&page, "machine_memory_bytes", &[]), None);
    assert_eq!(value(&page, "machine_swap_bytes", &[]), Some(4096.0));
    assert_eq!((failures(&page, "meminfo") >= 1.0, up(&page)), (true, Some(0.0)));
}

#[test]
fn an_odd_line_about_a_process_lets_no_stranger_in() {
    let host = copy_of("cases/rate-torn-io");
    let cgroup = host.path().join("proc/101/cgroup");
    let own = fs::read_to_string(&cgroup).unwrap();
    let receive = || value(&Direct::new(host.path()).page(), "container_network_receive_bytes", &["0101"]);
    let right = receive();
    assert!(right.is_some());
    fs::write(&cgroup, format!("odd\nnot:a:line:at:all\n{own}")).unwrap();
    assert_eq!(receive(), right);
    for strange in ["odd\n0::/init.scope\n", "0::/cut", "", "1:name=systemd:/docker\n"] {
        fs::write(&cgroup, strange).unwrap();
        assert_eq!(receive(), None, "{strange:?}");
    }
    fs::remove_file(&cgroup).unwrap();
    fs::create_dir(&cgroup).unwrap();
    assert_eq!(receive(), None);
}

// Work that others can make grow.

#[test]
fn all_processes_are_counted_or_none() {
    let host = empty_host();
    let directory = add_container(host.path(), &scope("a"));
    fs::write(directory.join("cgroup.procs"), "").unwrap();
    for child in 0..1500 {
        let child = directory.join(format!("inner{}/leaf{child}", child % 7));
        fs::create_dir_all(&child).unwrap();
        fs::write(child.join("cgroup.procs"), "5\n6\n").unwrap();
    }
    let mut reader = ScopeReader::open(&directory).unwrap();
    let files = FileSet::of(&[KernelFile::CgroupProcs, KernelFile::CgroupStat]);
    let mut read = |descendants: &str| {
        fs::write(directory.join("cgroup.stat"), format!("nr_descendants {descendants}\n")).unwrap();
        let (mut pass, mut sample) = (Pass::default(), ScopeSample::default());
        assert!(reader.sample(files, ALL, &mut pass, &mut sample));
        (sample.processes, pass.report.failures.first().map(|failure| failure.reason))
    };
    assert_eq!(read("1507"), (Some(3000), None));
    assert_eq!(read("4000000"), (None, Some(Reason::TooMany)));
}

#[test]
fn refused_files_of_huge_pages_are_counted() {
    let host = empty_host();
    let directory = add_container(host.path(), &scope("a"));
    fs::create_dir(directory.join("hugetlb.2MB.current")).unwrap();
    fs::write(directory.join("hugetlb.2MB.events"), "max many\n").unwrap();
    fs::write(directory.join("hugetlb.1GB.current"), "7\n").unwrap();
    let (mut pass, mut sample) = (Pass::default(), ScopeSample::default());
    let mut reader = ScopeReader::open(&directory).unwrap();
    reader.sample_hugetlb(&mut pass, &mut sample);
    let mut files: Vec<_> = pass.report.failures.iter().map(|failure| failure.file).collect();
    files.sort_unstable();
    assert_eq!(files, ["hugetlb.current", "hugetlb.events"]);
    let current: Vec<_> =
        sample.hugetlb.iter().map(|pages| (pages.pagesize.as_str(), pages.current)).collect();
    assert_eq!(current, [("1GB", Some(7)), ("2MB", None)]);
}
