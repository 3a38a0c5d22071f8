//! Rows of `io.stat` and `net/dev` that are torn, odd, gone or more than there should be: sums and rates that
//! are shown are true.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "tests")]

mod support;

use docker_stat_prom::{
    cli,
    discovery::resync,
    encode::Format,
    model::{RatePoint, Window},
    parse::ContainerId,
    sample::{FileSet, NetReader, NetTable, Pass, ScopeReader, ScopeSample, interfaces::DEFAULT_EXCLUDE},
    table::Selection,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::FileExt,
    path::Path,
    time::{Duration, Instant},
};
use support::{
    exporter, fixture,
    host::{ALL, Direct, Driven, add_container, copy_of, empty_host, scope},
    hosts, value,
};

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

/// Each damage of each file for one tick between good ones, read by `tick`, which makes a reader at the
/// first.
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
            reader.locate(&id, &[7], None, &mut Pass::default()).unwrap();
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
    let host = copy_of("cases/rate-torn-io");
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

/// The values of a page by their series, without those of the exporter itself.
fn values(page: &str) -> BTreeMap<String, String> {
    let lines = page.lines().filter(|line| line.starts_with("container_") || line.starts_with("machine_"));
    // The two that say how the reading went.
    let lines = lines.filter(|line| !line.contains("_last_seen") && !line.contains("_scrape_error"));
    lines.filter_map(|line| line.rsplit_once(' ')).map(|(key, value)| (key.into(), value.into())).collect()
}

/// A number that is cut off still looks like a number.
#[test]
fn no_file_that_is_cut_off_gives_another_number() {
    let host = copy_of("debian13-docker26.1-linux6.12");
    let all = "core,cadvisor,v2,lifecycle,host,process";
    // A new collector each time, since the machine's files are read every half a minute.
    let page = || values(&Driven::new(host.path(), Selection::parse(all).unwrap()).page(Format::Text));
    let scope = ContainerId::new("13d53898ca900ddddd308d959ad664b7b9486a3fe172b376a925c3f1b935eaa4").unwrap();
    let slice = host.path().join("sys/fs/cgroup/system.slice");
    let scope = slice.join(scope.scope_name());
    for other in fs::read_dir(slice).unwrap().flatten().filter(|other| other.path() != scope) {
        fs::remove_dir_all(other.path()).unwrap();
    }
    // Numbers of more than one digit, of which a part is another one.
    for entry in fs::read_dir(&scope).unwrap() {
        let path = entry.unwrap().path();
        if let Some(begin) = fs::read_to_string(&path).unwrap().strip_suffix(" 0\n") {
            fs::write(&path, format!("{begin} 98765\n")).unwrap();
        }
    }
    let whole = page();
    let (mut tried, mut wrong) = (0, Vec::new());
    for directory in [scope, host.path().join("sys/fs/cgroup"), host.path().join("proc")] {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let Ok(text) = fs::read(&path) else { continue };
            // Rows may be missing in a whole file too. For io.stat see the tests above.
            if path.ends_with("io.stat") || path.ends_with("cgroup.procs") {
                continue;
            }
            let last = text.trim_ascii_end().iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            for cut in (last..text.len()).chain((0..last).step_by(97)) {
                fs::write(&path, &text[..cut]).unwrap();
                for (series, value) in page() {
                    if whole.get(&series).is_some_and(|whole| *whole != value) {
                        let part = String::from_utf8_lossy(&text[..cut]);
                        wrong.push(format!("{}: {series} {value} of {part:?}", path.display()));
                    }
                }
                tried += 1;
            }
            fs::write(&path, text).unwrap();
        }
    }
    assert!(tried > 100 && wrong.is_empty(), "{tried}\n{}", wrong.join("\n"));
}

#[test]
fn one_wrong_digit_of_the_cpu_usage_is_no_rate_that_the_machine_could_not_give() {
    let host = empty_host();
    let directory = add_container(host.path(), &scope("a"));
    let (mut pass, mut sample) = (Pass::default(), ScopeSample::default());
    let usage = "2345678901234";
    let mut gaps = 0;
    for at in 0..usage.len() {
        for digit in ('0'..='9').map(|digit| digit.to_string()) {
            let mut wrong = usage.to_owned();
            wrong.replace_range(at..=at, &digit);
            let mut reader = ScopeReader::open(&directory).unwrap();
            let mut window = Window::default();
            let mut now = Duration::ZERO;
            let ratios = [usage, usage, &wrong, usage, usage, usage].map(|usage| {
                fs::write(directory.join("cpu.stat"), format!("usage_usec {usage}\n")).unwrap();
                assert!(reader.sample(FileSet::RATES, ALL, &mut pass, &mut sample));
                now += TICK;
                let cpu_usec = sample.cpu.map(|cpu| (now, cpu.usage_usec));
                window.advance(RatePoint { cpu_usec, cpus: Some(2), ..RatePoint::default() }).cpu_ratio
            });
            // Two CPUs, with the slack for late clocks.
            assert!(ratios.iter().flatten().all(|ratio| *ratio <= 2.3), "{wrong}: {ratios:?}");
            assert_eq!((ratios[1], ratios[5]), (Some(0.0), Some(0.0)), "{wrong}: {ratios:?}");
            gaps += ratios[2..5].iter().filter(|ratio| ratio.is_none()).count();
        }
    }
    assert!(gaps > 100, "{gaps}");
}

#[test]
fn a_container_shows_no_more_cpus_than_the_machine_has() {
    let host = empty_host();
    let cpu_stat = add_container(host.path(), &scope("a")).join("cpu.stat");
    for (stat, expected) in [("cpu 1\ncpu0 1\ncpu1 1\n", None), ("", Some(()))] {
        fs::write(host.path().join("proc/stat"), stat).unwrap();
        fs::write(&cpu_stat, "usage_usec 2345678901234\n").unwrap();
        let mut driven = Driven::new(host.path(), Selection::parse("core").unwrap());
        driven.collector.tick();
        fs::write(&cpu_stat, "usage_usec 9345678901234\n").unwrap();
        driven.collector.tick();
        let ratio = value(&driven.page(Format::Text), "container_cpu_usage_ratios", &[]);
        assert_eq!(ratio.map(|_| ()), expected, "{ratio:?} with {stat:?}");
    }
}

// Interfaces of a Docker inside.

fn network(host: &Path, arguments: &[&str]) -> (Option<f64>, Option<f64>, BTreeSet<String>) {
    let mut command = exporter::on_host(host);
    let page = exporter::once(command.args(exporter::NO_DOCKER).args(arguments));
    let get = |name| value(&page, name, &["0101"]);
    let series = page.lines().filter(|line| line.starts_with("container_network_receive_bytes_total{"));
    let interfaces =
        series.map(|line| line.split("interface=\"").nth(1).unwrap().split('"').next().unwrap().to_owned());
    (get("container_network_receive_bytes"), get("container_network_transmit_bytes"), interfaces.collect())
}

#[test]
fn a_docker_inside_does_not_count_the_same_bytes_again() {
    let host = fixture("cases/dind-veth");
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
    assert_eq!(config.shown.network_exclude.join(","), DEFAULT_EXCLUDE);
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
