//! The group `disk`: sizes of containers as Docker measures them, by a daemon that is late, refuses, lies, or
//! whose answers end too early or never.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use docker_stat_prom::{
    advice::Doubt,
    collector::Message,
    encode::Format,
    metadata::{
        DiskReport, DiskUse, Docker, DockerHost, FileSystem, Filter, Labels, Metadata, MetadataEvent, News,
        Source, State,
    },
    parse::ContainerId,
    settings::Settings,
    table::Selection,
};
use serde_json::{Value, json};
use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use support::{
    dockerd::{Fault, HOST, Setting},
    eventually,
    exporter::{self, Exporter},
    fixture,
    host::{Driven, add_container, empty_host, scope},
    throughout, value,
};

const WEB: &str = "13d53898ca900ddddd308d959ad664b7b9486a3fe172b376a925c3f1b935eaa4";
const DEAD: &str = "635f799ab65985c2c41b7574ff46008eaeeb85c24e608d54c51b5f7da0b7ec21";
const SIZES: &str = "/containers/json?all=1&size=1";
const GET_SIZES: &str = "GET /containers/json?all=1&size=1";

/// The recorded list with sizes for two containers.
fn sized(setting: &Setting, web: (i64, i64), dead: (i64, i64)) -> Value {
    let mut list = setting.dockerd.list();
    for row in &mut list {
        let sizes = match row["Id"].as_str().unwrap() {
            WEB => web,
            DEAD => dead,
            _ => continue,
        };
        (row["SizeRw"], row["SizeRootFs"]) = (json!(sizes.0), json!(sizes.1));
    }
    list.into()
}

fn answers(setting: &Setting, body: &Value) {
    setting.dockerd.set(SIZES, 200, body.to_string());
}

fn exporter(setting: &Setting) -> Exporter {
    let mut command = exporter::on_host(&fixture(HOST));
    command.args(["-H", &setting.dockerd.url(), "--metrics", "+disk", "--disk_interval", "1s"]);
    Exporter::ready(&mut command)
}

fn shows(exporter: &Exporter, name: &str, container: &str, is_so: impl Fn(f64) -> bool) -> f64 {
    let container = format!("name=\"{container}\"");
    let found = || value(&exporter.metrics(), name, &[&container]).filter(|value| is_so(*value));
    eventually(&format!("{name} of {container}"), found)
}

fn failures(exporter: &Exporter, reason: &str) -> Option<f64> {
    let labels = ["file=\"docker_sizes\"", &format!("reason=\"{reason}\"")];
    value(&exporter.metrics(), "docker_stat_prom_read_failures_total", &labels)
}

#[test]
fn sizes_are_shown_of_running_and_stopped_containers_with_their_age() {
    let setting = Setting::new();
    let root = setting.dockerd.socket.parent().unwrap().to_owned();
    let info = json!({"CgroupDriver": "systemd", "DockerRootDir": root});
    setting.dockerd.set("/info", 200, info.to_string());
    answers(&setting, &sized(&setting, (4096, 1_000_000), (7, 8)));
    let exporter = exporter(&setting);
    shows(&exporter, "container_fs_usage_bytes", "web", |bytes| bytes == 4096.0);
    shows(&exporter, "container_fs_rw_layer_bytes", "web", |bytes| bytes == 4096.0);
    shows(&exporter, "container_fs_root_bytes", "web", |bytes| bytes == 1_000_000.0);
    shows(&exporter, "container_fs_root_bytes", "dead", |bytes| bytes == 8.0);
    shows(&exporter, "container_fs_size_age_seconds", "web", |age| age < 60.0);
    shows(&exporter, "container_fs_limit_bytes", "web", |bytes| bytes > 1e6);
    let page = exporter.metrics();
    let is_first = |line: &&str| line.starts_with("container_fs_usage_bytes{") && line.contains("\"web\"");
    let usage = page.lines().find(is_first).unwrap();
    let limit = page.lines().find(|line| line.starts_with("container_fs_limit_bytes{")).unwrap();
    assert_eq!(usage.contains("device="), limit.contains("device="));
    // Docker did not measure the others.
    assert_eq!(value(&page, "container_fs_usage_bytes", &["name=\"limited\""]), None);
    assert_eq!(value(&page, "container_fs_limit_bytes", &["name=\"limited\""]), None);
    assert!(setting.dockerd.requests().iter().all(|request| request.starts_with("GET ")));
}

#[test]
fn without_the_group_docker_is_not_asked_for_sizes() {
    let setting = Setting::new();
    let mut command = exporter::on_host(&fixture(HOST));
    command.args(["-H", &setting.dockerd.url(), "--disk_interval", "1s"]);
    let exporter = Exporter::ready(&mut command);
    throughout(Duration::from_millis(500), || {
        assert_eq!(setting.dockerd.count(GET_SIZES), 0);
    });
    assert!(!exporter.metrics().contains("container_fs_usage_bytes"));
    assert!(exporter.log().contains("--disk_interval has no effect"), "{}", exporter.log());
}

#[test]
fn a_page_that_is_printed_once_waits_for_the_sizes() {
    let setting = Setting::new();
    answers(&setting, &sized(&setting, (4096, 1_000_000), (7, 8)));
    let mut command = exporter::on_host(&fixture(HOST));
    command.args(["-H", &setting.dockerd.url(), "--metrics", "+disk"]);
    let page = exporter::once(&mut command);
    assert_eq!(value(&page, "container_fs_rw_layer_bytes", &["name=\"web\""]), Some(4096.0));
}

#[test]
fn the_directory_of_another_machine_has_no_size_here() {
    let setting = Setting::new();
    let info = json!({"CgroupDriver": "systemd", "DockerRootDir": "/nonexistent/docker"});
    setting.dockerd.set("/info", 200, info.to_string());
    answers(&setting, &sized(&setting, (4096, 1_000_000), (7, 8)));
    let exporter = exporter(&setting);
    shows(&exporter, "container_fs_usage_bytes", "web", |bytes| bytes == 4096.0);
    let page = exporter.metrics();
    assert!(!page.contains("container_fs_limit_bytes"));
    let usage = page.lines().find(|line| line.starts_with("container_fs_usage_bytes{")).unwrap();
    assert!(!usage.contains("device="), "{usage}");
}

#[test]
fn what_docker_does_not_know_is_absent_and_never_zero() {
    let setting = Setting::new();
    answers(&setting, &sized(&setting, (4096, 1_000_000), (7, 8)));
    let exporter = exporter(&setting);
    shows(&exporter, "container_fs_usage_bytes", "web", |bytes| bytes == 4096.0);
    // The driver has failed for one, and the layer of the other was not found.
    answers(&setting, &sized(&setting, (-1, 1_000_000), (0, 0)));
    let web = ["name=\"web\""];
    eventually("the old size is gone", || {
        value(&exporter.metrics(), "container_fs_usage_bytes", &web).is_none().then_some(())
    });
    let page = exporter.metrics();
    for name in ["usage_bytes", "limit_bytes", "rw_layer_bytes", "root_bytes", "size_age_seconds"] {
        assert!(!page.contains(&format!("container_fs_{name}{{")), "{name} of no container any more");
    }
    // Strings, a list inside a row, and a row that is none.
    let mut odd = sized(&setting, (1, 2), (3, 4));
    for row in odd.as_array_mut().unwrap() {
        if row["Id"] == WEB {
            row["SizeRw"] = json!("4096");
        }
        row["Ports"] = json!([{"Type": "quic"}]);
    }
    odd.as_array_mut().unwrap().push(json!("row"));
    answers(&setting, &odd);
    shows(&exporter, "container_fs_usage_bytes", "dead", |bytes| bytes == 3.0);
    assert_eq!(value(&exporter.metrics(), "container_fs_usage_bytes", &web), None);
}

#[test]
fn refused_sizes_are_said_once_and_counted_and_the_old_ones_grow_older() {
    let setting = Setting::new();
    answers(&setting, &sized(&setting, (4096, 1_000_000), (7, 8)));
    let exporter = exporter(&setting);
    shows(&exporter, "container_fs_usage_bytes", "web", |bytes| bytes == 4096.0);
    setting.dockerd.set(SIZES, 403, "<html>forbidden</html>");
    eventually("it is refused again and again", || {
        failures(&exporter, "refused").filter(|count| *count >= 2.0)
    });
    shows(&exporter, "container_fs_size_age_seconds", "web", |age| age > 1.5);
    shows(&exporter, "container_fs_usage_bytes", "web", |bytes| bytes == 4096.0);
    assert_eq!(exporter.log().matches("does not provide the sizes").count(), 1, "{}", exporter.log());
    assert_eq!(value(&exporter.metrics(), "docker_stat_prom_docker_up", &[]), Some(1.0));
    answers(&setting, &sized(&setting, (5000, 1_000_000), (7, 8)));
    shows(&exporter, "container_fs_usage_bytes", "web", |bytes| bytes == 5000.0);
}

#[test]
fn a_late_answer_delays_nothing_else_and_is_the_only_one_under_way() {
    let setting = Setting::new();
    setting.dockerd.fault(SIZES, Some(Fault::Stalls));
    let exporter = exporter(&setting);
    eventually("it is asked", || (setting.dockerd.count(GET_SIZES) == 1).then_some(()));
    shows(&exporter, "container_memory_usage_bytes", "web", |_| true);
    // The rest goes on: events, inspections, pages.
    setting.dockerd.event(WEB, "rename", &json!({"name": "shop", "oldName": "/web"}));
    shows(&exporter, "container_memory_usage_bytes", "shop", |_| true);
    throughout(Duration::from_millis(2500), || {
        assert_eq!(setting.dockerd.count(GET_SIZES), 1);
    });
    assert!(!exporter.metrics().contains("container_fs_usage_bytes"));
    // The connection ends with the session.
    setting.dockerd.fault(SIZES, None);
    answers(&setting, &sized(&setting, (4096, 1_000_000), (7, 8)));
    setting.dockerd.hang_up();
    shows(&exporter, "container_fs_usage_bytes", "dead", |bytes| bytes == 7.0);
    eventually("all is closed", || (setting.dockerd.open() == 0).then_some(()));
}

#[test]
fn an_answer_without_an_end_is_given_up() {
    let setting = Setting::new();
    setting.dockerd.fault(SIZES, Some(Fault::Endless));
    let exporter = exporter(&setting);
    // 64 MiB of blanks.
    eventually("it is given up", || failures(&exporter, "silent"));
    setting.dockerd.fault(SIZES, Some(Fault::Cut));
    eventually("half an answer is none", || failures(&exporter, "silent").filter(|count| *count > 1.0));
    setting.dockerd.fault(SIZES, None);
    setting.dockerd.set(SIZES, 200, "{}");
    eventually("this is no list", || failures(&exporter, "odd"));
    assert_eq!(value(&exporter.metrics(), "docker_stat_prom_docker_up", &[]), Some(1.0));
    answers(&setting, &sized(&setting, (4096, 1_000_000), (7, 8)));
    shows(&exporter, "container_fs_usage_bytes", "web", |bytes| bytes == 4096.0);
}

#[test]
fn the_proxy_of_deploy_lets_through_what_is_asked() {
    let compose =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/compose.proxy.yaml"));
    let allowed = compose.unwrap();
    assert!(
        allowed
            .contains(r"/v1\.[0-9]{1,2}/(version|info|events|containers/json|containers/[0-9a-f]{64}/json)")
    );
    let setting = Setting::new();
    answers(&setting, &sized(&setting, (4096, 1_000_000), (7, 8)));
    setting.dockerd.let_through(|path| {
        let rest = path.strip_prefix("/v1.").and_then(|rest| rest.split_once('/'));
        rest.is_some_and(|(minor, rest)| {
            minor.len() <= 2 && minor.parse::<u32>().is_ok() && ["version", "info", "events"].contains(&rest)
                || rest == "containers/json"
                || (rest.starts_with("containers/") && rest.ends_with("/json"))
        })
    });
    let exporter = exporter(&setting);
    shows(&exporter, "container_fs_usage_bytes", "web", |bytes| bytes == 4096.0);
}

/// Follows a daemon with a look at file systems of the test's own.
fn follow(host: DockerHost, look: fn(&Path) -> Option<FileSystem>) -> Arc<Mutex<Vec<Arc<DiskReport>>>> {
    let reports: Arc<Mutex<Vec<_>>> = Arc::default();
    let told = Arc::clone(&reports);
    let docker = Docker::new(host, Labels::new(&[], &[]).unwrap(), Filter::default(), || {});
    let docker = docker.with_sizes(Duration::from_millis(50), look);
    let (sender, lookups) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let _nobody_looks_up = sender;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(docker.follow(lookups, &|event| {
            if let News::Disk(report) = event.news {
                told.lock().unwrap().push(report);
            }
        }));
    });
    reports
}

#[test]
fn the_file_system_is_that_of_the_directory_that_docker_names() {
    let setting = Setting::new();
    answers(&setting, &sized(&setting, (4096, 1_000_000), (7, 8)));
    let look = |path: &Path| {
        (path == Path::new("/var/lib/docker")).then_some(FileSystem { bytes: 9, device: Some((254, 0)) })
    };
    let reports = follow(setting.host(), look);
    let report = eventually("sizes", || reports.lock().unwrap().first().cloned());
    assert_eq!(report.file_system, Some(FileSystem { bytes: 9, device: Some((254, 0)) }));
    let web = ContainerId::new(WEB).unwrap();
    let sizes = DiskUse { rw_bytes: Some(4096), root_bytes: Some(1_000_000) };
    assert!(report.sizes.contains(&(web, sizes)));
    eventually("again and again", || (reports.lock().unwrap().len() > 2).then_some(()));
    setting.dockerd.set("/info", 200, json!({"DockerRootDir": "docker"}).to_string());
    setting.dockerd.hang_up();
    eventually("not of a relative path", || {
        reports.lock().unwrap().last()?.file_system.is_none().then_some(())
    });
}

/// A host with one container that a daemon has named, and what that daemon said of its size.
fn measured(asked: Instant, lasts: Duration) -> (tempfile::TempDir, Driven, ContainerId) {
    let host = empty_host();
    add_container(host.path(), &scope("a"));
    let id = ContainerId::new(&"a".repeat(64)).unwrap();
    let mut driven = Driven::new(host.path(), Selection::parse("+disk").unwrap());
    let metadata = Metadata { state: Some(State::Running), name: "web".into(), ..Metadata::new(id.clone()) };
    tell(&mut driven, Source(1), News::Changed(metadata.into()));
    tell(&mut driven, Source(1), report(&id, asked, lasts));
    (host, driven, id)
}

fn report(id: &ContainerId, asked: Instant, lasts: Duration) -> News {
    let sizes = vec![(id.clone(), DiskUse { rw_bytes: Some(5), root_bytes: Some(50) })];
    News::Disk(Arc::new(DiskReport { sizes, file_system: None, asked, lasts }))
}

fn tell(driven: &mut Driven, source: Source, news: News) {
    driven.collector.take(Message::Metadata(MetadataEvent { source, news }));
}

fn size(driven: &mut Driven) -> Option<f64> {
    value(&driven.page(Format::Text), "container_fs_usage_bytes", &["name=\"web\""])
}

#[test]
fn old_sizes_are_shown_with_their_age_and_dropped_when_too_old() {
    let minute = Duration::from_secs(60);
    let asked = Instant::now().checked_sub(minute).unwrap();
    let (_host, mut driven, id) = measured(asked, minute * 10);
    let page = driven.page(Format::Text);
    let age = value(&page, "container_fs_size_age_seconds", &["name=\"web\""]).unwrap();
    assert!((60.0..120.0).contains(&age), "{age}");
    assert_eq!(size(&mut driven), Some(5.0));
    // A list without the container takes nothing back; one that lasts shorter does.
    let empty = DiskReport { sizes: vec![], file_system: None, asked: Instant::now(), lasts: minute };
    tell(&mut driven, Source(1), News::Disk(empty.into()));
    tell(&mut driven, Source(1), News::Disconnected);
    assert_eq!(size(&mut driven), Some(5.0));
    tell(&mut driven, Source(1), report(&id, asked, minute / 2));
    assert_eq!(size(&mut driven), None);
}

#[test]
fn a_size_belongs_to_the_daemon_that_measured_it() {
    let (_host, mut driven, id) = measured(Instant::now(), Duration::from_secs(600));
    let unknown = News::Disk(Arc::new(DiskReport {
        sizes: vec![(id.clone(), DiskUse::default())],
        file_system: None,
        asked: Instant::now(),
        lasts: Duration::from_secs(600),
    }));
    // Another daemon says nothing about it.
    tell(&mut driven, Source(2), unknown.clone());
    tell(&mut driven, Source(2), News::Listed(vec![]));
    assert_eq!(size(&mut driven), Some(5.0));
    // It moved there: the first one's size is not its own.
    let metadata = Metadata { state: Some(State::Running), name: "web".into(), ..Metadata::new(id.clone()) };
    tell(&mut driven, Source(2), News::Changed(metadata.into()));
    assert_eq!(size(&mut driven), None);
    tell(&mut driven, Source(1), report(&id, Instant::now(), Duration::from_secs(600)));
    assert_eq!(size(&mut driven), None);
    tell(&mut driven, Source(2), report(&id, Instant::now(), Duration::from_secs(600)));
    assert_eq!(size(&mut driven), Some(5.0));
    tell(&mut driven, Source(2), unknown);
    assert_eq!(size(&mut driven), None);
}

#[test]
fn the_interval_is_a_time_and_counts_only_with_the_group() {
    let settings = |arguments: &[&str]| {
        Settings::read(["docker-stat-prom"].iter().chain(arguments).map(std::ffi::OsString::from))
    };
    let interval = |arguments: &[&str]| settings(arguments).unwrap().disk_interval;
    assert_eq!(interval(&[]), None);
    assert_eq!(interval(&["--metrics", "+disk"]), Some(Duration::from_secs(600)));
    for text in ["10m", "600s", "600000"] {
        let given = interval(&["--metrics", "+disk", "--disk_interval", text]);
        assert_eq!(given, Some(Duration::from_secs(600)), "{text}");
    }
    assert!(settings(&["--disk_interval", "0"]).is_err() && settings(&["--disk-interval", "10"]).is_err());
    let doubts = settings(&["--disk-interval", "1h"]).unwrap().doubts;
    assert_eq!(doubts, [Doubt::IntervalWithoutDisk("--disk_interval".into())]);
}
