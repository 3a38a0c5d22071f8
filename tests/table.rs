//! The table against what it says of itself: what each row needs, and which labels it has.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use docker_stat_prom::{
    discovery::scan,
    encode::{Format, LabelBlock, Renderer, Text},
    metadata::{Chosen, DiskReport, DiskUse, FailingStreak, FileSystem, Health, Metadata, Origin, State},
    model::{Bursts, Container, Disk, Poll, RatePoint, Window},
    sample::{DeviceNames, FileSet, Keep, KernelFile, Machine, NetReader, Pass, Processes, ScopeReader},
    table::{
        BaseLabels, ContainerSink, FamilySink, HistogramReading, Label, LabelValue, Number, OwnSeries, Page,
        Row, Selection, SelfMetrics, Shown, Sink,
        families::FAMILIES,
        family::{Family, Getter, Heading, Needs},
        feed,
        own::OWN_FAMILIES,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

const ALL: Needs = Needs {
    files: FileSet::of(KernelFile::ALL),
    net_dev: true,
    hugetlb: true,
    disk: true,
    descriptors: true,
};
const EVERYTHING: &str = "+memory_stat,+pressure_averages,+hugetlb,+disk,+process";

/// What Docker may tell of a container, with no word left out.
fn metadata(container: &Container) -> Arc<Metadata> {
    Arc::new(Metadata {
        name: "a \"name\"".into(),
        image: Some("nginx".into()),
        image_id: Some("sha256:1".into()),
        labels: vec![Chosen::new(Origin::Label, "x", "1\n2")],
        network_mode: Some("bridge".into()),
        cpu_shares: Some(512),
        state: Some(State::Exited),
        exit_code: Some(-1),
        created: Some(1.0),
        started: Some(2.0),
        finished: Some(3.5),
        restarts: Some(4),
        oom_killed: Some(true),
        health: Some(Health::Unhealthy),
        failing_streak: Some(FailingStreak { count: 3, until: 8.0 }),
        ..Metadata::new(container.id.clone())
    })
}

/// The containers of a host, read as the collector reads them, but only what is needed, and the names of
/// devices met.
fn read(host: &Path, needs: Needs) -> (Vec<Container>, DeviceNames) {
    let cgroup_root = host.join("sys/fs/cgroup");
    let mut pass = Pass { devices: DeviceNames::new(&host.join("sys")), ..Pass::default() };
    let keep = Keep { directory: true, files: 0 };
    let mut containers = Vec::new();
    for scope in scan(&cgroup_root) {
        let mut reader = ScopeReader::open(&cgroup_root.join(scope.cgroup.trim_start_matches('/'))).unwrap();
        let mut container = Container::new(scope.id.clone(), scope.cgroup);
        container.metadata = Some(metadata(&container));
        assert!(reader.sample(needs.files, keep, &mut pass, &mut container.sample));
        if needs.hugetlb {
            reader.sample_hugetlb(&mut pass, &mut container.sample);
        }
        if needs.descriptors {
            let processes = Processes {
                cgroup: reader.path(),
                proc_root: &host.join("proc"),
                id: &scope.id,
                main_pid: None,
            };
            let _most_recordings_lack_them = processes.read_descriptors(&mut pass, &mut container.sample);
        }
        if needs.disk {
            let file_system = Some(FileSystem { bytes: 1 << 40, device: Some((254, 0)) });
            pass.devices.resolve(254, 0, &mut pass.scratch);
            let lasts = Duration::MAX;
            let report = DiskReport { sizes: Vec::new(), file_system, asked: Instant::now(), lasts };
            let sizes = DiskUse { rw_bytes: Some(5), root_bytes: Some(500) };
            container.disk = Disk::new(&report, sizes);
        }
        if needs.net_dev {
            let mut network = NetReader::new(&host.join("proc"));
            let pids = reader.pids(&mut pass.scratch, &mut pass.report);
            let _some_have_none = network.locate(&scope.id, &pids, None, &mut pass);
            network.read(&scope.id, &mut pass, &mut container.sample.net);
        }
        let events = container.sample.memory_events.as_ref();
        if let Some(kills) = events.and_then(|events| events.get("oom_kill")) {
            container.oom_kills.read(kills);
        }
        // A window in which nothing happened.
        let mut window = Window::default();
        let mut bursts = Bursts::new(Duration::from_secs(60), Duration::from_secs(1));
        for seconds in [0, 1] {
            let at = Duration::from_secs(seconds);
            let sample = &container.sample;
            container.rates = window.advance(RatePoint {
                cpu_usec: sample.cpu.map(|cpu| (at, cpu.usage_usec)),
                network: sample.net.bytes().map(|_| (at, sample.net.rows.as_slice())),
                block: sample.io_bytes().and(sample.io.as_deref()).map(|rows| (at, rows)),
                cpus: None,
            });
            let (rates, memory_current) = (container.rates, sample.memory_current);
            bursts.take(Poll { since: at, files_at: at, network_at: at, rates, memory_current });
            container.peaks = bursts.peaks(at);
        }
        containers.push(container);
    }
    (containers, pass.devices)
}

/// The samples of one family, as somebody may read them.
#[derive(Default)]
struct Said(Vec<String>);

impl Sink for Said {
    fn sample(&mut self, labels: &[(Label, LabelValue<'_>)], value: Number) {
        let labels: Vec<_> = labels.iter().map(|(label, value)| (label.name(), value.as_str())).collect();
        self.0.push(format!("{labels:?} {value:?}"));
    }
}

fn samples(
    family: &Family,
    host: &Path,
    (containers, devices): &(Vec<Container>, DeviceNames),
) -> Vec<String> {
    let machine = Machine::read(&support::host::roots(host));
    let page = Page { devices, machine: &machine, now: 7.0, is_complete: true };
    let mut said = Said::default();
    if let Getter::Container(put) = family.getter {
        for container in containers {
            said.0.push(container.id.to_string());
            put(Row { container, page: &page }, &mut said);
        }
    }
    said.0
}

#[test]
fn a_row_names_all_that_must_be_read_for_it() {
    let mut silent: BTreeSet<_> =
        FAMILIES.iter().filter(|family| family.needs != Needs::default()).map(Family::name).collect();
    for host in support::hosts() {
        let all = read(&host, ALL);
        for family in FAMILIES {
            let with_all = samples(family, &host, &all);
            if with_all.len() > all.0.len() {
                silent.remove(family.name());
            }
            let alone = samples(family, &host, &read(&host, family.needs));
            assert_eq!(alone, with_all, "{} needs more than its row says", family.name());
        }
    }
    assert!(silent.is_empty(), "no host has them, so nothing is known of their needs: {silent:?}");
}

/// What a pass gives, in plain words: which labels each family has, and every series with its value.
#[derive(Default)]
struct Recorder {
    family: &'static str,
    base: Vec<(String, String)>,
    labels: BTreeMap<&'static str, BTreeSet<&'static str>>,
    series: Vec<(String, f64)>,
}

#[expect(clippy::cast_precision_loss, reason = "compared with what a page shows, read as a float too")]
fn float(number: Number) -> f64 {
    match number {
        Number::Int(value) => value as f64,
        Number::Signed(value) => value as f64,
        Number::Scaled(value, places) => value as f64 / 10_f64.powi(i32::from(places)),
        Number::Float(value) => value,
    }
}

impl Sink for Recorder {
    fn sample(&mut self, labels: &[(Label, LabelValue<'_>)], value: Number) {
        let seen = self.labels.entry(self.family).or_default();
        seen.extend(labels.iter().map(|(label, _)| label.name()));
        let own = labels.iter().map(|(label, value)| (label.name().to_owned(), value.as_str().to_owned()));
        let mut series = self.family.to_owned();
        for (name, value) in self.base.iter().cloned().chain(own) {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            write!(series, " {name}=\"{value}\"").unwrap();
        }
        self.series.push((series, float(value)));
    }
}

impl FamilySink for Recorder {
    fn begin(&mut self, heading: &Heading) {
        self.family = heading.name;
        self.base.clear();
    }

    fn histogram(&mut self, labels: &[(Label, LabelValue<'_>)], histogram: HistogramReading<'_>) {
        assert!(histogram.buckets().all(|(_, count)| count <= histogram.count()));
        self.sample(labels, Number::Float(histogram.sum()));
    }

    fn end(&mut self) {}
}

/// It keeps nothing of a container, so it does not matter what another encoder keeps.
impl<Kept> ContainerSink<Kept> for Recorder {
    fn container(&mut self, labels: BaseLabels<'_>, _kept: Kept) {
        let pairs = labels.pairs();
        self.base = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    }
}

fn recorded(
    host: &Path,
    selection: &Selection,
    sink: &mut dyn for<'a> ContainerSink<&'a LabelBlock>,
) -> String {
    let (containers, devices) = read(host, ALL);
    let machine = Machine::read(&support::host::roots(host));
    let page = Page { devices: &devices, machine: &machine, now: 7.25, is_complete: true };
    let core_only = selection.is_core_only();
    let blocks: Vec<_> = containers.iter().map(|container| LabelBlock::new(container, core_only)).collect();
    let rows = containers.iter().zip(&blocks);
    let rows = rows.map(|(container, kept)| Shown { container, is_live: true, kept });
    let mut sink = sink;
    feed(selection, rows.clone(), &page, &mut sink);
    let mut text = Text::default();
    Renderer::new(selection).render(Format::Text, rows, &page, &mut text);
    String::from_utf8(text.as_bytes().to_vec()).unwrap()
}

#[test]
fn a_rows_labels_are_those_that_its_getter_writes() {
    let selection = Selection::parse(EVERYTHING).unwrap();
    assert_eq!(selection.families().len(), FAMILIES.len());
    let mut recorder = Recorder::default();
    for host in support::hosts() {
        recorded(&host, &selection, &mut recorder);
    }
    for family in FAMILIES {
        let column: BTreeSet<_> = family.labels.iter().map(|label| label.name()).collect();
        assert_eq!(recorder.labels.get(family.name()), Some(&column), "{}", family.name());
        assert_eq!(column.len(), family.labels.len(), "{} names a label twice", family.name());
    }
}

#[test]
fn a_label_that_nothing_has_is_not_there() {
    let rows = FAMILIES.iter().map(|family| family.labels).chain(OWN_FAMILIES.iter().map(|own| own.labels));
    let used: BTreeSet<_> = rows.flatten().map(|label| label.name()).collect();
    let all: BTreeSet<_> = Label::ALL.iter().map(|label| label.name()).collect();
    assert_eq!(all, used);
    assert_eq!(all.len(), Label::COUNT, "two labels have one name");
}

/// The series of a page, as the recorder writes them.
fn series(page: &str) -> Vec<(String, f64)> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let series = series.replacen('{', " ", 1).replace("\",", "\" ");
            (series.strip_suffix('}').unwrap_or(&series).to_owned(), value.parse().unwrap())
        })
        .collect()
}

#[test]
fn any_sink_is_fed_what_the_page_shows() {
    for metrics in [EVERYTHING, "core"] {
        let selection = Selection::parse(metrics).unwrap();
        for host in support::hosts() {
            let mut recorder = Recorder::default();
            let page = recorded(&host, &selection, &mut recorder);
            let shown = series(&page);
            assert!(shown.len() > 100, "{}", shown.len());
            assert_eq!(recorder.series, shown);
        }
    }
}

#[test]
fn any_sink_is_fed_what_the_exporter_says_of_itself() {
    let metrics = SelfMetrics::new().unwrap();
    metrics.started(1024);
    metrics.skipped_rows.with_label_values(&["io.stat"]).inc_by(3.0);
    metrics.scrape_duration.observe(0.25);
    let own: OwnSeries = metrics.gather();
    let mut recorder = Recorder::default();
    own.feed(&mut recorder);
    for expected in [
        ("docker_stat_prom_skipped_rows_total file=\"io.stat\"", 3.0),
        ("docker_stat_prom_scrape_duration_seconds", 0.25),
        ("process_max_fds", 1024.0),
    ] {
        assert!(
            recorder.series.iter().any(|(name, value)| (name.as_str(), *value) == expected),
            "{expected:?}"
        );
    }
}
