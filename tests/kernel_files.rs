//! What happens when a file of the kernel is not what it was, or not what it should be: nothing kills the exporter, and nothing
//! makes it lie.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "tests")]

mod support;

use docker_stat_prom::{
    cli,
    collector::{Collector, Config, Handle, Message},
    discovery::{ScopeEvent, resync},
    exposition::{Format, Selection, SelfMetrics},
    metadata::{Filter, MetadataEvent, News, Source},
    model::{RatePoint, Window},
    parse::ContainerId,
    sample::{
        FileSet, Interfaces, Keep, KernelFile, NetReader, NetTable, Pass, Reason, Roots, ScopeReader,
        ScopeSample, interfaces::DEFAULT_EXCLUDE,
    },
};
use std::{
    collections::BTreeSet,
    fs,
    os::unix::{
        fs::{FileExt, PermissionsExt},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
    sync::mpsc,
    time::{Duration, Instant},
};
use support::{
    eventually,
    exporter::{self, Exporter},
    fixture, hosts, skip, value,
};

const ALL: Keep = Keep { directory: true, files: KernelFile::COUNT };

fn scope(digit: &str) -> String {
    format!("docker-{}.scope", digit.repeat(64))
}

fn no_docker(command: &mut Command) -> &mut Command {
    command.args(["-H", "unix:///nonexistent/docker.sock", "-i", "100"])
}

fn copy_of(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    support::copy(&fixture(name), folder.path());
    folder
}

/// A host with one slice and nothing in it.
fn empty_host() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("sys/fs/cgroup/lab.slice")).unwrap();
    fs::write(folder.path().join("sys/fs/cgroup/cgroup.controllers"), "cpu\n").unwrap();
    fs::create_dir(folder.path().join("proc")).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn add_container(host: &Path, name: &str) -> PathBuf {
    let directory = host.join("sys/fs/cgroup/lab.slice").join(name);
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("cpu.stat"), "usage_usec 1000000\n").unwrap();
    fs::write(directory.join("memory.current"), "77\n").unwrap();
    directory
}

fn fifo(path: &Path) -> bool {
    let _none = fs::remove_file(path);
    Command::new("mkfifo").arg(path).status().is_ok_and(|status| status.success())
}

fn failures(page: &str, file: &str) -> f64 {
    value(page, "docker_stat_prom_read_failures_total", &[&format!("file=\"{file}\"")]).unwrap_or(0.0)
}

fn up(page: &str) -> Option<f64> {
    value(page, "docker_stat_prom_up", &[])
}

/// The collector without a server, to which a test says when to tick and what was found.
struct Direct {
    handle: Handle,
    runtime: tokio::runtime::Runtime,
}

impl Direct {
    fn new(host: &Path) -> Self {
        let config = Config {
            roots: Roots {
                cgroup: host.join("sys/fs/cgroup"),
                proc: host.join("proc"),
                sys: host.join("sys"),
            },
            selection: Selection::default(),
            filter: Filter::default(),
            polling_interval: None,
            fd_budget: 1000,
            interfaces: Interfaces::default(),
        };
        let root = config.roots.cgroup.clone();
        let (sender, receiver) = mpsc::channel();
        let (lookups, wanted) = tokio::sync::mpsc::unbounded_channel();
        let handle = Handle::new(sender, SelfMetrics::new().unwrap());
        let collector = Collector::new(config, handle.clone(), 1024, lookups);
        std::thread::spawn(move || {
            let _nobody_looks_up = wanted;
            collector.run(&receiver);
        });
        let direct = Self { handle, runtime: tokio::runtime::Builder::new_current_thread().build().unwrap() };
        direct.tell(resync(&root));
        let news = News::Disconnected;
        direct.handle.send(Message::Metadata(MetadataEvent { source: Source::default(), news }));
        direct
    }

    fn tell(&self, event: ScopeEvent) {
        assert!(self.handle.send(Message::Scope(event)) && self.handle.wait_until_taken());
    }

    fn tick(&self) {
        self.runtime.block_on(self.handle.tick()).unwrap();
    }

    fn page(&self) -> String {
        let body = self.runtime.block_on(self.handle.scrape(Format::Text)).unwrap();
        String::from_utf8(body.text().to_vec()).unwrap()
    }
}

impl Drop for Direct {
    fn drop(&mut self) {
        self.handle.send(Message::Shutdown);
    }
}

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
    struct Gone(PathBuf);
    impl Drop for Gone {
        fn drop(&mut self) {
            let _not_made = fs::remove_dir(self.0.join(scope("a")));
            let _left_to_the_user = fs::remove_dir(&self.0);
        }
    }
    let slice = Gone(mount.join(format!("dsppressure{}.slice", std::process::id())));
    let directory = slice.0.join(scope("a"));
    fs::create_dir_all(&directory).unwrap();
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
        for _ in 0..5 {
            let page = exporter.metrics();
            assert_eq!((cpu(&page).is_some(), pressure(&page), up(&page)), (true, None, Some(1.0)));
            std::thread::sleep(Duration::from_millis(50));
        }
        fs::write(directory.join("cgroup.pressure"), "1").unwrap();
    }
    fs::remove_dir(&directory).unwrap();
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

// Rows that are torn.

/// Each way in which one line of a file is damaged, or gone.
fn damages(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut damaged = Vec::new();
    for at in 0..lines.len() {
        let line = lines[at].trim_end_matches('\n');
        let mut instead = vec![String::new(), "\n".into(), "garbage\n".into(), format!("{line}{line}\n")];
        instead.push(format!("{line}x\n"));
        instead.push(format!("{line}\n{line}\n"));
        instead.push(format!("(unknown) {}\n", line.split_once(' ').map_or("", |(_, rest)| rest)));
        let step = (line.len() / 16).max(1);
        for cut in (1..line.len()).step_by(step).filter(|cut| line.is_char_boundary(*cut)) {
            instead.push(format!("{}\n", &line[..cut]));
            instead.push(format!("{}#{}\n", &line[..cut], &line[cut + 1..]));
        }
        for instead in instead {
            let all: Vec<&str> = lines[..at]
                .iter()
                .copied()
                .chain([instead.as_str()])
                .chain(lines[at + 1..].iter().copied())
                .collect();
            damaged.push(all.concat());
        }
        // Torn off here.
        for cut in (0..line.len()).step_by(step) {
            damaged.push(format!("{}{}", lines[..at].concat(), &line[..cut]));
        }
    }
    damaged
}

/// Contents of all files of a name, of all hosts.
fn all_files(name: &str) -> BTreeSet<String> {
    fn search(directory: &Path, name: &str, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                search(&path, name, found);
            } else if path.ends_with(name) {
                found.extend(fs::read_to_string(&path).ok());
            }
        }
    }
    let mut found = BTreeSet::new();
    for host in hosts() {
        search(&host, name, &mut found);
    }
    found
}

/// What a series of readings came to: bytes and rates of both directions.
#[derive(Default)]
struct Seen {
    bytes: Option<(u64, u64)>,
    most: (f64, f64),
    rates: usize,
}

impl Seen {
    fn take(&mut self, bytes: Option<(u64, u64)>, rate: Option<(f64, f64)>, file: &str) {
        if let Some(now) = bytes {
            let before = self.bytes.replace(now).unwrap_or_default();
            assert!(before.0 <= now.0 && before.1 <= now.1, "{before:?} {now:?} after {file:?}");
        }
        if let Some(rate) = rate {
            self.most = (self.most.0.max(rate.0), self.most.1.max(rate.1));
            self.rates += 1;
        }
    }
}

const TICK: Duration = Duration::from_secs(2);

/// Each damage of each file for one tick between good ones, read by `tick`, which makes a reader at the first.
fn torn_for_one_tick<R>(
    files: &BTreeSet<String>,
    path: &Path,
    mut open: impl FnMut() -> R,
    mut tick: impl FnMut(&mut R, Duration) -> (Option<(u64, u64)>, Option<(f64, f64)>),
) -> usize {
    let file_of = fs::OpenOptions::new().write(true).create(true).truncate(false).open(path).unwrap();
    let mut count = 0;
    for file in files {
        let grown = |by: u64| grow(file, by);
        for damaged in damages(&grown(2)) {
            let mut reader = open();
            let mut seen = Seen::default();
            for (number, text) in
                [&grown(0), &grown(1), &damaged, &grown(3), &grown(4), &grown(5)].into_iter().enumerate()
            {
                // Without truncation, after which some file systems write to the disk at once.
                file_of.write_all_at(text.as_bytes(), 0).unwrap();
                file_of.set_len(text.len() as u64).unwrap();
                let (bytes, rate) = tick(&mut reader, TICK * u32::try_from(number).unwrap());
                seen.take(bytes, rate, text);
            }
            // In a clean run each row gains 1,000 per tick in each direction.
            let rows = f64::from(u32::try_from(file.lines().count()).unwrap());
            let most = rows * 1000.0 / TICK.as_secs_f64();
            assert!(seen.most.0 <= most && seen.most.1 <= most, "{:?} after {damaged:?}", seen.most);
            count += 1;
        }
    }
    count
}

/// A file some ticks later: the counters that sums are made of have grown.
fn grow(file: &str, ticks: u64) -> String {
    let grown = |word: &str| (word.parse::<u64>().unwrap_or(0) + 1000 * ticks).to_string();
    file.lines()
        .map(|line| {
            if let Some((name, columns)) =
                line.rsplit_once(':').filter(|_| !line.contains('=') && !line.contains('|'))
            {
                let columns = columns.split_whitespace().enumerate();
                let columns =
                    columns.map(|(at, word)| if at == 0 || at == 8 { grown(word) } else { word.into() });
                return format!("{name}: {}\n", columns.collect::<Vec<_>>().join(" "));
            }
            let words = line.split(' ').map(|word| match word.split_once('=') {
                Some((key @ ("rbytes" | "wbytes"), number)) => format!("{key}={}", grown(number)),
                _ => word.to_owned(),
            });
            words.collect::<Vec<_>>().join(" ") + "\n"
        })
        .collect()
}

#[test]
fn no_torn_row_of_io_stat_makes_bytes_fall_or_a_rate_of_them() {
    let files: BTreeSet<_> =
        all_files("io.stat").into_iter().filter(|file| file.contains("rbytes")).take(20).collect();
    let host = empty_host();
    let directory = add_container(host.path(), &scope("a"));
    let (mut pass, mut sample) = (Pass::default(), ScopeSample::default());
    let count = torn_for_one_tick(
        &files,
        &directory.join("io.stat"),
        || (ScopeReader::open(&directory).unwrap(), Window::default()),
        |(reader, window), at| {
            assert!(reader.sample(FileSet::RATES, ALL, &mut pass, &mut sample));
            let rows = sample.io.as_deref().unwrap();
            let block = sample.io_bytes().map(|_| (at, rows));
            (sample.io_bytes(), window.advance(RatePoint { block, ..RatePoint::default() }).block)
        },
    );
    assert!(count > 1000, "{count} of {}", files.len());
}

#[test]
fn no_torn_row_of_net_dev_makes_bytes_fall_or_a_rate_of_them() {
    let files: BTreeSet<_> =
        all_files("net/dev").into_iter().filter(|file| file.lines().count() < 12).take(12).collect();
    let host = empty_host();
    let process = host.path().join("proc/7");
    fs::create_dir_all(process.join("net")).unwrap();
    let id = ContainerId::new(&"a".repeat(64)).unwrap();
    fs::write(process.join("cgroup"), format!("0::/docker-{id}.scope\n")).unwrap();
    fs::write(process.join("net/dev"), "").unwrap();
    let (mut pass, mut table) = (Pass::default(), NetTable::default());
    let count = torn_for_one_tick(
        &files,
        &process.join("net/dev"),
        || {
            let mut reader = NetReader::new(&host.path().join("proc"));
            reader.locate(&id, &[7], None, &mut Pass::default().scratch).unwrap();
            (reader, Window::default())
        },
        |(reader, window), at| {
            assert!(reader.read(&id, &mut pass, &mut table));
            let network = table.bytes().map(|_| (at, table.rows.as_slice()));
            (table.bytes(), window.advance(RatePoint { network, ..RatePoint::default() }).network)
        },
    );
    assert!(count > 500, "{count} of {}", files.len());
}

#[test]
fn a_torn_row_for_one_tick_is_a_gap_and_no_fall() {
    let host = copy_of("rate-torn-io");
    let name = format!("docker-{}.scope", "01".repeat(32));
    let io_stat = host.path().join("sys/fs/cgroup/system.slice").join(name).join("io.stat");
    let whole = fs::read_to_string(&io_stat).unwrap();
    let direct = Direct::new(host.path());
    let mut before = (0.0, 0.0);
    let mut gaps = 0;
    let torn = whole.replacen(
        "254:0 rbytes=4000000000 wbytes=9000000000 rios=3 wios=4 dbytes=0 dios=0",
        "254:0 ",
        1,
    );
    assert_ne!(torn, whole);
    for file in [&whole, &whole, &torn, &torn, &whole, &whole, &whole] {
        fs::write(&io_stat, file).unwrap();
        direct.tick();
        let page = direct.page();
        let get = |name| value(&page, name, &[]);
        match get("container_blkio_receive_bytes").zip(get("container_blkio_transmit_bytes")) {
            Some(now) => {
                assert!(before.0 <= now.0 && before.1 <= now.1, "{before:?} {now:?}");
                before = now;
            }
            None => gaps += 1,
        }
        for rate in ["container_blkio_receive_byteps", "container_blkio_transmit_byteps"] {
            assert!(get(rate).is_none_or(|rate| rate == 0.0));
        }
    }
    assert_eq!((gaps, before), (2, (4_000_000_100.0, 9_000_000_200.0)));
    assert!(value(&direct.page(), "docker_stat_prom_skipped_rows_total", &["io.stat"]) >= Some(1.0));
}

#[test]
fn a_device_that_was_not_used_yet_is_no_skipped_row() {
    let host = empty_host();
    let directory = add_container(host.path(), &scope("a"));
    let direct = Direct::new(host.path());
    for file in ["254:0 \n", "254:0 \n8:0 rbytes=5 wbytes=6 rios=1 wios=1 dbytes=0 dios=0\n"] {
        fs::write(directory.join("io.stat"), file).unwrap();
        direct.tell(resync(&host.path().join("sys/fs/cgroup")));
        direct.tick();
        let page = direct.page();
        assert_eq!(value(&page, "docker_stat_prom_skipped_rows_total", &[]), None);
    }
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
    // A new slice that can't be listed makes it look again.
    let (new, another) = (host.path().join("new"), host.path().join("sys/fs/cgroup/another.slice"));
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
    let log = exporter.log();
    assert_eq!((said(&log, "inotify is not to be had"), said(&log, "can't be watched")), (0, 1), "{log}");
    assert_eq!(said(&log, "Permission denied (said once; counted"), 1, "{log}");
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
    let host = copy_of("rate-torn-io");
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
fn a_fifo_as_net_dev_costs_only_the_network() {
    let host = copy_of("rate-torn-io");
    if !fifo(&host.path().join("proc/101/net/dev")) {
        return skip("a_fifo_as_net_dev_costs_only_the_network", "there is no mkfifo");
    }
    let direct = Direct::new(host.path());
    let page = direct.page();
    assert_eq!(value(&page, "container_network_receive_bytes", &[]), None);
    assert!(value(&page, "container_memory_usage_bytes", &[]).is_some());
    assert_eq!((failures(&page, "net/dev") >= 1.0, up(&page)), (true, Some(0.0)));
}

// Interfaces of a Docker inside.

fn network(host: &Path, arguments: &[&str]) -> (Option<f64>, Option<f64>, BTreeSet<String>) {
    let mut command = exporter::on_host(host);
    let page = exporter::once(command.args(["-H", "unix:///nonexistent/docker.sock"]).args(arguments));
    let get = |name| value(&page, name, &["0101"]);
    let series = page.lines().filter(|line| line.starts_with("container_network_receive_bytes_total{"));
    let interfaces =
        series.map(|line| line.split("interface=\"").nth(1).unwrap().split('"').next().unwrap().to_owned());
    (get("container_network_receive_bytes"), get("container_network_transmit_bytes"), interfaces.collect())
}

#[test]
fn a_docker_inside_does_not_count_the_same_bytes_again() {
    let host = fixture("dind-veth");
    let only = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(network(&host, &[]), (Some(1_000_000.0), Some(2_000_000.0), only(&["eth0"])));
    let (receive, transmit, interfaces) = network(&host, &["--network_exclude", "lo,veth*,br-?*"]);
    assert_eq!(
        (receive, transmit, interfaces),
        (Some(3_000_000.0), Some(3_000_000.0), only(&["docker0", "eth0"]))
    );
    let (receive, _, interfaces) = network(&host, &["--network_exclude", ""]);
    assert!(
        receive > Some(5_000_000.0) && interfaces.contains("lo") && interfaces.len() == 104,
        "{receive:?} {interfaces:?}"
    );
    let output = exporter::run(exporter::on_host(&host).args(["--once", "--network_exclude", "eth["]));
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("\"eth[\" is not a glob"));
}

#[test]
fn the_default_of_the_flag_is_that_of_the_reader() {
    let config = cli::Config::read([std::ffi::OsString::from("docker-stat-prom")]).unwrap();
    assert_eq!(config.network_exclude.join(","), DEFAULT_EXCLUDE);
}

// Files of procfs.

#[test]
fn odd_lines_of_meminfo_hide_nothing() {
    let host = copy_of("meminfo-ddwrt");
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
    assert_eq!((failures(&page, "meminfo"), up(&page)), (1.0, Some(0.0)));
}

#[test]
fn an_odd_line_about_a_process_lets_no_stranger_in() {
    let host = copy_of("rate-torn-io");
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

#[test]
fn forty_thousand_devices_cost_forty_thousand_rows() {
    let host = empty_host();
    let directory = add_container(host.path(), &scope("a"));
    let mut lines: Vec<_> = (0..40_000)
        .map(|minor| format!("259:{minor} rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n"))
        .collect();
    let (mut pass, mut sample) = (Pass::default(), ScopeSample::default());
    let mut reader = ScopeReader::open(&directory).unwrap();
    let begin = Instant::now();
    for _ in 0..4 {
        fs::write(directory.join("io.stat"), lines.concat()).unwrap();
        for _ in 0..3 {
            assert!(reader.sample(FileSet::RATES, ALL, &mut pass, &mut sample));
            assert_eq!(sample.io_bytes(), Some((40_000, 80_000)));
        }
        lines.rotate_left(1);
    }
    assert!(pass.report.failures.is_empty());
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
}
