//! How long there is room for what waits for a receiver: the README says it in hours, and this measures it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use docker_stat_prom::{
    encode::{Message, Readings, Requests},
    metadata::{Chosen, Health, Metadata, Origin, State},
    parse::ContainerId,
    push::snappy,
    table::Selection,
};
use std::{
    fmt::Write,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};
use support::{
    fixture,
    host::{Driven, empty_host},
    remote_write::pass,
};

/// The default time between two pushes.
const SECONDS: f64 = 15.0;
/// What may wait in memory and on disk by default, in bytes.
const ROOM: [f64; 2] = [33_554_432.0, 268_435_456.0];
const BEGIN: &str = "<!-- room -->\n";
const END: &str = "<!-- end of room -->";

/// Numbers that are large enough to be amounts are others in each container: they do not compress as one.
fn of_its_own(text: &str, number: u64) -> String {
    let mut changed = String::new();
    for word in text.split_inclusive(|c: char| !c.is_ascii_digit()) {
        let end = word.trim_end_matches(|c: char| !c.is_ascii_digit()).len();
        match word[..end].parse::<u64>() {
            Ok(amount) if amount >= 1000 => {
                changed += &format!("{}{}", amount + amount % (7919 + number) * 3 + number, &word[end..]);
            }
            _ => changed += word,
        }
    }
    changed
}

/// A host with so many containers, all with network and disk.
fn host(containers: u64) -> (tempfile::TempDir, Driven) {
    let host = empty_host();
    let recorded = fixture("debian13-docker26.1-linux6.12");
    let mut templates = Vec::new();
    find(&recorded.join("sys/fs/cgroup"), &mut templates);
    assert!(!templates.is_empty());
    let mut ids = Vec::new();
    for number in 0..containers {
        let template = &templates[usize::try_from(number).unwrap() % templates.len()];
        let id = ContainerId::new(&format!("{:064x}", 0xabcd_0000_1234_u64 * (number + 1))).unwrap();
        let scope = host.path().join("sys/fs/cgroup/lab.slice").join(id.scope_name());
        fs::create_dir(&scope).unwrap();
        let pid = 20_000 + number;
        let mut process = None;
        for entry in fs::read_dir(template).unwrap() {
            let path = entry.unwrap().path();
            let Some(name) = path.is_file().then(|| path.file_name().unwrap()) else { continue };
            let text = fs::read_to_string(&path).unwrap();
            let text = if name == "cgroup.procs" {
                process = text.lines().next().map(str::to_owned);
                format!("{pid}\n")
            } else {
                of_its_own(&text, number)
            };
            fs::write(scope.join(name), text).unwrap();
        }
        let process = recorded.join("proc").join(process.unwrap());
        let own = host.path().join("proc").join(pid.to_string());
        support::copy(&process, &own);
        fs::remove_file(own.join("ns/net")).unwrap();
        symlink(format!("net:[{}]", 4_026_600_000 + pid), own.join("ns/net")).unwrap();
        let dev = own.join("net/dev");
        let text = fs::read_to_string(&dev).unwrap();
        fs::write(&dev, of_its_own(&text, number)).unwrap();
        ids.push(id);
    }
    let mut driven = Driven::new(host.path(), Selection::default());
    for (number, id) in ids.iter().enumerate() {
        let chosen = vec![
            Chosen::new(Origin::Label, "com.docker.compose.project", &format!("project-{}", number / 5)),
            Chosen::new(Origin::Label, "com.docker.compose.service", &format!("service-{}", number % 5)),
        ];
        driven.tell(Metadata {
            name: format!("project-{}-service-{}-1", number / 5, number % 5),
            image: Some(format!("registry.example/project-{}/service-{}:1.{number}", number / 5, number % 5)),
            image_id: Some(format!("sha256:{:064x}", 0xdead_1234_5678_u64 * (number as u64 + 3))),
            labels: chosen,
            network_mode: Some("bridge".into()),
            cpu_shares: Some(0),
            state: Some(State::Running),
            created: Some(1_795_000_000.5),
            started: Some(1_795_000_001.5),
            restart_count: Some(0),
            restarts: Some(0),
            oom_killed: Some(false),
            health: Some(Health::None),
            ..Metadata::new(id.clone())
        });
    }
    (host, driven)
}

/// The cgroups of recorded containers that have network and did something on a disk.
fn find(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, found);
        } else if path.ends_with("io.stat") && fs::metadata(&path).unwrap().len() > 1 {
            found.push(directory.to_owned());
        }
    }
}

/// How many samples a push has, and how many bytes once compressed.
fn push_of(containers: u64) -> (usize, f64) {
    let (_host, mut driven) = host(containers);
    let (readings, _) = pass(&mut driven, Readings::new());
    // The second pass has rates too.
    let (readings, _) = pass(&mut driven, readings);
    let labels = vec![("instance".into(), "host.example".into()), ("job".into(), "docker-stat-prom".into())];
    let (mut bytes, mut all) = (0, 0);
    Requests::new(Message::V2, labels, 2000).write(&readings, &[], None, &mut |body, samples| {
        bytes += snappy(body).unwrap().len();
        all += samples;
    });
    (all, f64::from(u32::try_from(bytes).unwrap()))
}

/// The numbers in a text.
fn numbers(text: &str) -> Vec<f64> {
    text.split(|c: char| !c.is_ascii_digit() && c != '.').filter_map(|word| word.parse().ok()).collect()
}

/// `UPDATE_GOLDEN=1` writes the table anew, and still fails once. A few series more or less are no reason.
#[test]
fn the_readme_says_how_long_there_is_room() {
    let mut table = "\n| containers | samples per push | compressed | 32 MiB in memory | 256 MiB on disk \
                     |\n|---|---|---|---|---|\n"
        .to_owned();
    for containers in [10, 100] {
        let (samples, bytes) = push_of(containers);
        let [memory, disk] = ROOM.map(|room| room / bytes * SECONDS / 3600.0);
        let size = bytes / 1024.0;
        writeln!(table, "| {containers} | {samples} | {size:.0} KiB | {memory:.1} h | {disk:.0} h |")
            .unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (found, after) = rest.split_once(END).unwrap();
    let (said, measured) = (numbers(found), numbers(&table));
    let is_near = |(said, measured): (&f64, &f64)| (said - measured).abs() <= measured * 0.1 + 0.05;
    if said.len() == measured.len() && said.iter().zip(&measured).all(is_near) {
        return;
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{table}\n{END}{after}")).unwrap();
    }
    panic!("README.md: measured was {table} (UPDATE_GOLDEN=1 writes it)");
}
