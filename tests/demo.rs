//! The host of `--demo`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use docker_stat_prom::{demo::Demo, metadata::DockerHost};
use flate2::{Compression, GzBuilder, read::GzDecoder};
use serde_json::{Map, Value, json};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    io::{Read, Write},
    os::unix::{fs::MetadataExt, net::UnixStream},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use support::{
    exporter::{self, Exporter},
    skip, value,
};

const RECORDED: &str = "debian13-docker26.1-linux6.12";
const PACKED: &str = "demo-host.json.gz";
/// What only tests read.
const LEFT_OUT: [&str; 3] = ["PROVENANCE", "docker-stats.json", "expected"];

fn list(root: &Path, directory: &Path, entries: &mut Map<String, Value>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        if LEFT_OUT.contains(&name.as_str()) {
            continue;
        }
        if let Ok(target) = fs::read_link(&path) {
            entries.insert(name, json!({"link": target}));
        } else if path.is_dir() {
            list(root, &path, entries);
        } else {
            entries.insert(name, fs::read_to_string(&path).unwrap().into());
        }
    }
}

/// `UPDATE_GOLDEN=1` packs it anew, and still fails once if something changed. Compared unpacked: another
/// version of the compression makes other bytes of the same text.
#[test]
fn the_packed_host_is_the_recorded_one() {
    let root = support::fixture(RECORDED);
    let mut entries = Map::new();
    list(&root, &root, &mut entries);
    let expected = Value::Object(entries).to_string();
    let mut packed = String::new();
    let file = fs::File::open(support::fixture(PACKED));
    let _read = file.and_then(|file| GzDecoder::new(file).read_to_string(&mut packed));
    if std::env::var_os("UPDATE_GOLDEN").is_some() && packed != expected {
        let file = fs::File::create(support::fixture(PACKED)).unwrap();
        let mut encoder = GzBuilder::new().mtime(0).write(file, Compression::best());
        encoder.write_all(expected.as_bytes()).unwrap();
        encoder.finish().unwrap();
    }
    assert!(
        packed == expected,
        "run: UPDATE_GOLDEN=1 cargo test --test demo, if the recorded host was changed"
    );
}

/// The shares of time of a pressure file's lines: the kind, the average of 10 s in percent, and the total in
/// µs.
fn waits(path: &Path) -> Vec<(String, f64, f64)> {
    let text = fs::read_to_string(path).unwrap();
    let line = |line: &str| {
        let words: Vec<_> = line.split([' ', '=']).collect();
        (words[0].to_owned(), words[2].parse().unwrap(), words[8].parse().unwrap())
    };
    text.lines().map(line).collect()
}

#[test]
fn what_a_container_waits_now_is_what_its_history_tells() {
    let mut demo = FastDemo::start();
    let slices = demo.demo.roots().cgroup.join("system.slice");
    let of_all = |demo: &mut FastDemo, second: u64| {
        demo.demo.go_to(Duration::from_secs(second)).unwrap();
        let scopes = fs::read_dir(&slices).unwrap().map(|entry| entry.unwrap().path());
        let files =
            scopes.flat_map(|scope| ["cpu", "memory", "io"].map(|of| scope.join(format!("{of}.pressure"))));
        files.filter(|file| file.exists()).map(|file| (file.clone(), waits(&file))).collect::<HashMap<_, _>>()
    };
    let mut busiest = 0.0_f64;
    // Calm, and ten busy seconds.
    for second in [100, 170] {
        let before = of_all(&mut demo, second - 10);
        let now = of_all(&mut demo, second);
        assert!(now.len() > 20);
        for (file, lines) in now {
            let Some(earlier) = before.get(&file) else { continue };
            for ((kind, average, total), (_, _, then)) in lines.into_iter().zip(earlier) {
                let percent = (total - then) / 10e6 * 100.0;
                assert!((average - percent).abs() < 0.1, "{}: {kind} {average} {percent}", file.display());
                busiest = busiest.max(average);
            }
        }
    }
    assert!(busiest > 50.0, "{busiest}");
}

/// Which alerts the demo fires within ten minutes, and for whom.
const FIRING: [(&str, &[&str]); 11] = [
    ("ContainerCpuPressure", &["api"]),
    ("ContainerExitedWithError", &["backup", "dead"]),
    ("ContainerGone", &["migrate"]),
    ("ContainerIoPressure", &["db"]),
    ("ContainerKilledByOom", &["oomer"]),
    ("ContainerMemoryPressure", &["cache"]),
    ("ContainerNearMemoryLimit", &["cache"]),
    ("ContainerRestartLoop", &["importer"]),
    ("ContainerRestarting", &["importer", "oomer"]),
    ("ContainerThrottled", &["api"]),
    ("ContainerUnhealthy", &["mailer"]),
];
/// Alerts that no container can cause.
const OF_THE_EXPORTER: [&str; 7] = [
    // The exporter or its host is away, and then the demo is too.
    "DockerStatPromDown",
    // The demo's Docker is a part of it.
    "DockerNotAnswering",
    // A right is missing, or a kernel file is not understood.
    "ContainerFilesUnreadable",
    // The demo is served in the clear unless somebody gives it a certificate.
    "CertificateExpires",
    // The demo pushes only where somebody tells it to.
    "PushLags",
    "PushDropsSamples",
    "PushStopped",
];
/// As often as Prometheus scrapes, s.
const STEP: u64 = 15;
const STEPS: u64 = 600 / STEP;

/// A demo whose clock is set by the test, with the exporter on it.
struct FastDemo {
    demo: Demo,
    began: f64,
    exporter: Exporter,
    /// Dropped with it: then its Docker API ends.
    _docker: tokio::sync::oneshot::Sender<()>,
}

impl FastDemo {
    fn start() -> Self {
        // Ahead of the files' own times it would tell of ends that are later than the start after them.
        let began = SystemTime::now() - Duration::from_secs(7200);
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (made, demo) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                made.send(Demo::standing_still(began).unwrap()).unwrap();
                let _dropped: Result<(), _> = stopped.await;
            });
        });
        let demo = demo.recv().unwrap();
        let roots = demo.roots();
        let mut command = exporter::command();
        command.args(["-i", "200", "-H", &demo.docker_host().to_string()]);
        for (flag, path) in
            [("--cgroup_root", roots.cgroup), ("--proc_root", roots.proc), ("--sys_root", roots.sys)]
        {
            command.arg(flag).arg(path);
        }
        let exporter = Exporter::ready(&mut command);
        let began = began.duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        Self { demo, began, exporter, _docker: stop }
    }

    fn docker(&self, path: &str) -> Value {
        let DockerHost::Unix(socket) = self.demo.docker_host() else { panic!("a unix socket") };
        let mut stream = UnixStream::connect(socket).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    /// The page of a moment, once the exporter has heard of all that has happened.
    fn page_at(&self, second: u64) -> String {
        self.demo.go_to(Duration::from_secs(second)).unwrap();
        let told: Vec<Value> = self
            .docker("/containers/json?all=1")
            .as_array()
            .unwrap()
            .iter()
            .map(|row| self.docker(&format!("/containers/{}/json", row["Id"].as_str().unwrap())))
            .collect();
        let difference = RefCell::new(String::new());
        let what = || format!("at second {second} the page says what is: {}", difference.borrow());
        support::eventually_within(support::PATIENCE, what, || {
            let page = self.exporter.metrics();
            *difference.borrow_mut() = match told.iter().find_map(|container| self.differs(&page, container))
            {
                None if series(&page, "container_state").len() == told.len() => return Some(page),
                None => "a container that is gone".into(),
                Some(other) => other,
            };
            None
        })
    }

    /// What the page says otherwise than Docker and the kernel's files.
    fn differs(&self, page: &str, told: &Value) -> Option<String> {
        let name = told["Name"].as_str().unwrap().trim_start_matches('/');
        let own = format!("name=\"{name}\"");
        let state = told["State"]["Status"].as_str().unwrap();
        let runs = matches!(state, "running" | "paused");
        let number = |value: &Value| value.as_f64();
        let health = match told["State"]["Health"]["Status"].as_str() {
            Some("healthy") => 1.0,
            Some(_) => 0.0,
            None => -1.0,
        };
        let mut expected = vec![
            ("container_state", Some(1.0)),
            ("container_oom_killed", number(&told["State"]["OOMKilled"].as_bool().map(u8::from).into())),
            ("container_exit_code", number(&told["State"]["ExitCode"]).filter(|_| !runs)),
        ];
        if runs {
            expected.push(("container_health_state", Some(health)));
        }
        if told["HostConfig"]["RestartPolicy"]["Name"] == "always" {
            expected.push(("container_restarts_total", number(&told["RestartCount"])));
        }
        if name == "oomer" {
            // Six before the demo.
            expected
                .push(("container_oom_events_total", number(&told["RestartCount"]).map(|count| count - 6.0)));
        }
        let usage = value(page, "container_cpu_usage_seconds_total", &[&own]);
        expected.push(("container_cpu_usage_seconds_total", self.cpu_seconds(told).filter(|_| runs)));
        let has_network = runs && told["HostConfig"]["NetworkMode"] == "bridge";
        if has_network && value(page, "container_network_receive_bytes_total", &[&own]).is_none() {
            return Some(format!("{name} has no network"));
        }
        for (family, expected) in expected {
            let state = format!("state=\"{state}\"");
            let parts =
                if family == "container_state" { vec![own.as_str(), &state] } else { vec![own.as_str()] };
            let shown = value(page, family, &parts);
            if shown != expected {
                return Some(format!("{family} of {name} is {shown:?}, not {expected:?}; {usage:?}"));
            }
        }
        None
    }

    fn scope(&self, told: &Value) -> PathBuf {
        let parent = told["HostConfig"]["CgroupParent"].as_str().filter(|parent| !parent.is_empty());
        let directory = format!("docker-{}.scope", told["Id"].as_str().unwrap());
        self.demo.roots().cgroup.join(parent.unwrap_or("system.slice")).join(directory)
    }

    fn cpu_seconds(&self, told: &Value) -> Option<f64> {
        let text = fs::read_to_string(self.scope(told).join("cpu.stat")).ok()?;
        let usec: f64 = text.lines().next()?.strip_prefix("usage_usec ")?.parse().ok()?;
        // As it is written on the page.
        format!("{}", usec / 1e6).parse().ok()
    }
}

/// The series of a family, with their values.
fn series<'p>(page: &'p str, family: &str) -> Vec<(&'p str, &'p str)> {
    page.lines()
        .filter(|line| line.strip_prefix(family).is_some_and(|rest| rest.starts_with(['{', ' '])))
        .map(|line| line.rsplit_once(' ').unwrap())
        .collect()
}

/// The word after `- alert:` of each rule.
fn alerts() -> BTreeSet<String> {
    let rules = fs::read_to_string(rules()).unwrap();
    rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).map(str::to_owned).collect()
}

fn rules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus/alerts.yml")
}

/// A file for `promtool test rules`: what Prometheus would have scraped in ten minutes, and which alerts must
/// have fired.
fn rule_test(pages: &[String], began: f64) -> String {
    let text = fs::read_to_string(rules()).unwrap();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let families: BTreeSet<&str> = words
        .filter(|word| word.starts_with("container_") || word.starts_with("docker_stat_prom_"))
        .collect();
    let mut all: BTreeMap<String, Vec<Option<f64>>> = BTreeMap::new();
    for (at, page) in pages.iter().enumerate() {
        for family in &families {
            for (series, number) in series(page, family) {
                let mut number: f64 = number.parse().unwrap();
                if family.ends_with("_time_seconds") {
                    // promtool's time begins at 0.
                    number -= began;
                }
                let series =
                    series.strip_suffix('}').map_or(format!("{series}{{"), |series| format!("{series},"));
                let values = all.entry(format!("{series}instance=\"demo\"}}")).or_default();
                values.resize(at, None);
                values.push(Some(number));
            }
        }
    }
    all.insert("up{instance=\"demo\"}".into(), vec![Some(1.0); pages.len()]);
    let mut test = format!(
        "rule_files: [{:?}]\nevaluation_interval: {STEP}s\ntests:\n  - interval: {STEP}s\n    \
         input_series:\n",
        rules()
    );
    for (series, mut values) in all {
        values.resize(pages.len(), None);
        let mut before = None;
        let words: Vec<_> = values
            .iter()
            .map(|value| match (std::mem::replace(&mut before, *value), value) {
                (_, Some(number)) => number.to_string(),
                // As Prometheus does for what is not on the next page any more.
                (Some(_), None) => "stale".into(),
                (None, None) => "_".into(),
            })
            .collect();
        test +=
            &format!("      - {{series: '{}', values: '{}'}}\n", series.replace('\'', "''"), words.join(" "));
    }
    test += "    promql_expr_test:\n      - expr: group by (alertname, name) \
        (max_over_time(ALERTS{alertstate=\"firing\"}[10m]))\n";
    test += "        eval_time: 10m\n        exp_samples:\n";
    for (alert, names) in FIRING {
        for name in names {
            test +=
                &format!("          - {{labels: '{{alertname=\"{alert}\", name=\"{name}\"}}', value: 1}}\n");
        }
    }
    test
}

#[test]
fn each_alert_that_a_container_can_cause_fires_within_ten_minutes() {
    let known: BTreeSet<_> =
        FIRING.iter().map(|(alert, _)| *alert).chain(OF_THE_EXPORTER).map(str::to_owned).collect();
    assert_eq!(known, alerts());
    if let Err(error) = Command::new("promtool").arg("--version").output() {
        return skip("the demo's alerts", &format!("promtool: {error}"));
    }
    let demo = FastDemo::start();
    let pages: Vec<_> = (0..=STEPS).map(|step| demo.page_at(step * STEP)).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("demo.yml");
    fs::write(&file, rule_test(&pages, demo.began)).unwrap();
    let output = Command::new("promtool").args(["test", "rules"]).arg(&file).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
}

#[test]
fn counters_go_back_only_in_a_new_run_and_that_has_a_new_cgroup() {
    let demo = FastDemo::start();
    let mut before: HashMap<String, (f64, f64)> = HashMap::new();
    let mut inodes: HashMap<String, (f64, u64)> = HashMap::new();
    let mut new_runs = 0;
    // Long enough for the leak to end in a kill.
    for second in (0..=1260).step_by(20) {
        let page = demo.page_at(second);
        let starts: HashMap<&str, f64> = series(&page, "container_start_time_seconds")
            .into_iter()
            .map(|(series, start)| {
                (series.split_once('{').unwrap().1.trim_end_matches('}'), start.parse().unwrap())
            })
            .collect();
        let counters: HashMap<&str, &str> = page
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
            .filter(|(_, kind)| *kind == "counter")
            .collect();
        for (line, number) in page.lines().filter_map(|line| line.rsplit_once(' ')) {
            let Some((family, labels)) = line.split_once('{') else { continue };
            if !counters.contains_key(family) || !family.starts_with("container_") {
                continue;
            }
            let start =
                starts.iter().find(|(own, _)| labels.starts_with(**own)).map_or(0.0, |(_, start)| *start);
            let number: f64 = number.parse().unwrap();
            let last = before.insert(line.to_owned(), (start, number));
            if let Some((_, last)) = last.filter(|(last, _)| (*last - start).abs() < 0.5) {
                assert!(number >= last, "at second {second} {line} went from {last} to {number}");
            }
        }
        for (own, start) in starts {
            let id = own.split('"').nth(1).unwrap();
            let scope = demo.demo.roots().cgroup.join(id.trim_start_matches('/'));
            let Ok(found) = fs::metadata(scope) else { continue };
            let last = inodes.insert(own.to_owned(), (start, found.ino()));
            if let Some((_, inode)) = last.filter(|(last, _)| (*last - start).abs() > 0.5) {
                assert_ne!(found.ino(), inode, "{own}");
                new_runs += 1;
            }
        }
    }
    assert!(new_runs >= 20, "{new_runs}");
}

#[test]
fn the_demo_has_several_images_and_projects() {
    let demo = FastDemo::start();
    let page = demo.page_at(0);
    let values = |label: &str| {
        let lines = series(&page, "container_info");
        let values = lines.iter().filter_map(|(line, _)| line.split(&format!("{label}=\"")).nth(1));
        values.map(|rest| rest.split('"').next().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    assert!(values("image").len() >= 8, "{:?}", values("image"));
    let projects: Vec<_> = values("container_label_com_docker_compose_project").into_iter().collect();
    assert_eq!(projects, ["photos", "shop"]);
}

/// A series of the host itself.
fn of_host(page: &str, family: &str) -> f64 {
    value(page, family, &["{id=\"/\""]).unwrap_or_else(|| panic!("{family} of the host is missing"))
}

/// The sum of a family over all containers.
fn of_containers(page: &str, family: &str) -> f64 {
    let all = series(page, family);
    all.iter()
        .filter(|(line, _)| line.contains("name=\""))
        .map(|(_, number)| number.parse::<f64>().unwrap())
        .sum()
}

#[test]
fn the_host_of_the_demo_is_the_sum_of_its_containers_and_a_little_more() {
    let demo = FastDemo::start();
    // The counters of ended runs stay with the host, and so do those of a container that was removed.
    let mut before = 0.0;
    // In jumps: several ends of a container are told of in one moment, as after a standstill.
    for second in [0, 45, 200, 300] {
        let page = demo.page_at(second);
        for family in ["container_cpu_usage_seconds_total", "container_fs_writes_bytes_total"] {
            let (host, containers) = (of_host(&page, family), of_containers(&page, family));
            assert!(host > containers && containers > 0.0, "{second}: {family}: {host} {containers}");
        }
        let usage = of_host(&page, "container_cpu_usage_seconds_total");
        let cpus = value(&page, "machine_cpu_cores", &[]).unwrap();
        assert!(
            usage > before && usage < before.max(600.0) + cpus * 160.0,
            "{second}: {usage} after {before}"
        );
        before = usage;
        let total = value(&page, "machine_memory_bytes", &[]).unwrap();
        let used = of_host(&page, "container_memory_usage_bytes");
        let taken = of_containers(&page, "container_memory_usage_bytes");
        assert!(taken < used && used < total, "{second}: {taken} of {used} of {total}");
        let rss = of_host(&page, "container_memory_rss");
        assert!(
            rss > of_containers(&page, "container_memory_rss") && rss < used,
            "{second}: {rss} of {used}"
        );
        for resource in ["cpu", "memory", "io"] {
            let family = format!("container_pressure_{resource}_waiting_seconds_total");
            let waited = series(&page, &family);
            let longest = waited.iter().filter(|(line, _)| line.contains("name=\""));
            let longest = longest.map(|(_, number)| number.parse::<f64>().unwrap()).fold(0.0, f64::max);
            assert!(of_host(&page, &family) >= longest, "{second}: {family}");
        }
    }
    let booted = of_host(&demo.page_at(300), "container_start_time_seconds");
    assert!(booted < demo.began && booted > demo.began - 3600.0, "{booted} {}", demo.began);
}

#[test]
fn sizes_are_in_the_list_only_if_they_are_asked_for() {
    let demo = FastDemo::start();
    let size = |query: &str| demo.docker(&format!("/containers/json?all=1{query}"))[0]["SizeRootFs"].clone();
    assert!(size("").is_null() && size("&size=false").is_null());
    assert!(size("&size=true").as_u64().unwrap() > 1 << 20);
}
