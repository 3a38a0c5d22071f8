//! The host's own series, `id="/"`: which there are, and what is left of them when a file is missing or odd.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use docker_stat_prom::{encode::Format, table::Selection};
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};
use support::{
    host::{Driven, copy_of, failures, up},
    value,
};

const CPU: [&str; 3] = ["cpu_usage_seconds_total", "cpu_user_seconds_total", "cpu_system_seconds_total"];
/// From `memory.stat` where the root has one.
const MEMORY_STAT: [&str; 4] =
    ["memory_working_set_bytes", "memory_rss", "memory_cache", "memory_mapped_file"];
const MEMINFO: [&str; 4] =
    ["memory_usage_bytes", "memory_swap", "spec_memory_limit_bytes", "spec_memory_swap_limit_bytes"];
const CPU_PRESSURE: [&str; 2] = ["pressure_cpu_waiting_seconds_total", "pressure_cpu_stalled_seconds_total"];
const OTHER_PRESSURE: [&str; 4] = [
    "pressure_memory_waiting_seconds_total",
    "pressure_memory_stalled_seconds_total",
    "pressure_io_waiting_seconds_total",
    "pressure_io_stalled_seconds_total",
];
const IO: [&str; 4] = ["fs_reads_bytes_total", "fs_writes_bytes_total", "fs_reads_total", "fs_writes_total"];
const NETWORK: [&str; 8] = [
    "network_receive_bytes_total",
    "network_receive_packets_total",
    "network_receive_errors_total",
    "network_receive_packets_dropped_total",
    "network_transmit_bytes_total",
    "network_transmit_packets_total",
    "network_transmit_errors_total",
    "network_transmit_packets_dropped_total",
];
const START: [&str; 1] = ["start_time_seconds"];

fn all() -> BTreeSet<&'static str> {
    let parts: [&[&'static str]; 8] =
        [&CPU, &MEMORY_STAT, &MEMINFO, &CPU_PRESSURE, &OTHER_PRESSURE, &IO, &NETWORK, &START];
    parts.into_iter().flatten().copied().chain(["last_seen"]).collect()
}

const PRESSURE: &str = "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n\
    full avg10=0.00 avg60=0.00 avg300=0.00 total=500000\n";

/// A host with all files, and one container.
struct Host(tempfile::TempDir);

impl Host {
    fn new() -> Self {
        let host = Self(copy_of("cases/dind-veth"));
        for (file, text) in [
            ("cpu.stat", "usage_usec 9000000\nuser_usec 6000000\nsystem_usec 3000000\n"),
            ("memory.stat", "anon 1000\nfile 3000\nfile_mapped 200\ninactive_file 500\n"),
            ("io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n"),
            ("cpu.pressure", PRESSURE),
            ("memory.pressure", PRESSURE),
            ("io.pressure", PRESSURE),
        ] {
            host.write(&host.cgroup(file), text);
        }
        host.write(
            &host.proc("meminfo"),
            "MemTotal: 100 kB\nMemFree: 40 kB\nBuffers: 3 kB\nCached: 20 kB\nSwapTotal: 10 kB\n\
            SwapFree: 7 kB\nInactive(file): 5 kB\nAnonPages: 11 kB\nMapped: 2 kB\n",
        );
        host.write(&host.proc("stat"), "cpu 1\ncpu0 1\nbtime 1790000000\n");
        host
    }

    fn cgroup(&self, file: &str) -> PathBuf {
        self.0.path().join("sys/fs/cgroup").join(file)
    }

    fn proc(&self, file: &str) -> PathBuf {
        self.0.path().join("proc").join(file)
    }

    fn write(&self, path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn page(&self, metrics: &str) -> String {
        Driven::new(self.0.path(), Selection::parse(metrics).unwrap()).page(Format::Text)
    }
}

/// The lines of the host.
fn of_host(page: &str) -> impl Iterator<Item = &str> {
    page.lines().filter(|line| line.contains("{id=\"/\""))
}

/// The families of the host, without `container_`.
fn families(page: &str) -> BTreeSet<&str> {
    of_host(page).map(|line| line.split_once('{').unwrap().0.strip_prefix("container_").unwrap()).collect()
}

fn host_value(page: &str, family: &str) -> Option<f64> {
    value(page, &format!("container_{family}"), &["id=\"/\""])
}

#[test]
fn the_host_has_these_families_and_no_label_but_its_id() {
    let host = Host::new();
    let page = host.page("+memory_stat,+pressure_averages,+hugetlb");
    assert_eq!(families(&page), all());
    for line in of_host(&page) {
        let (_, labels) = line.split_once("{id=\"/\"").unwrap();
        let own = labels.split_once('}').unwrap().0;
        let is_known = ["", ",cpu=\"total\"", ",device=\"8:0\"", ",interface=\"eth0\""].contains(&own);
        assert!(is_known, "{line}");
    }
    for (family, expected) in [
        ("cpu_usage_seconds_total", 9.0),
        ("memory_usage_bytes", 61_440.0),
        ("memory_working_set_bytes", 60_940.0),
        ("memory_rss", 1000.0),
        ("memory_swap", 3072.0),
        ("spec_memory_limit_bytes", 102_400.0),
        ("spec_memory_swap_limit_bytes", 10_240.0),
        ("pressure_io_stalled_seconds_total", 0.5),
        ("start_time_seconds", 1_790_000_000.0),
    ] {
        assert_eq!(host_value(&page, family), Some(expected), "{family}");
    }
    assert_eq!((up(&page), value(&page, "container_scrape_error", &[])), (Some(1.0), Some(0.0)));
    assert_eq!(value(&page, "docker_stat_prom_containers", &["discovered"]), Some(1.0), "the host is none");
}

#[test]
fn without_the_host_a_page_is_the_same_but_for_its_lines() {
    let host = Host::new();
    let comparable = |page: &str| -> Vec<String> {
        let lines = page.lines().filter(|line| line.starts_with("container_") && !line.contains("{id=\"/\""));
        lines.filter(|line| !line.starts_with("container_last_seen")).map(str::to_owned).collect()
    };
    let (with, without) = (host.page(""), host.page("-host"));
    assert_eq!(comparable(&with), comparable(&without));
    for page in [&without, &host.page("core"), &host.page("core,v2,lifecycle")] {
        assert_eq!(of_host(page).count(), 0);
    }
    let page = host.page("core,+host");
    assert_eq!(of_host(&page).collect::<Vec<_>>(), ["container_memory_usage_bytes{id=\"/\"} 61440"]);
}

/// What is done to a host, which families are left out then, and how many failures of which file are counted.
type Oddity = (&'static str, fn(&Host), Vec<&'static str>, Option<&'static str>);

fn remove(path: PathBuf) {
    fs::remove_file(path).unwrap();
}

fn oddities() -> Vec<Oddity> {
    let memory = [MEMORY_STAT.as_slice(), &MEMINFO].concat();
    let of_cgroup = [CPU.as_slice(), &IO].concat();
    vec![
        ("no memory.stat", |host| remove(host.cgroup("memory.stat")), vec![], None),
        (
            "a torn memory.stat",
            |host| host.write(&host.cgroup("memory.stat"), "anon 1000\nfile 30"),
            MEMORY_STAT.to_vec(),
            Some("memory.stat"),
        ),
        ("no cpu.stat", |host| remove(host.cgroup("cpu.stat")), CPU.to_vec(), None),
        (
            "a torn cpu.stat",
            |host| host.write(&host.cgroup("cpu.stat"), "usage_usec 9000000\nuser_u"),
            CPU.to_vec(),
            Some("cpu.stat"),
        ),
        ("no io.stat", |host| remove(host.cgroup("io.stat")), IO.to_vec(), None),
        ("no pressure in the root", |host| remove(host.cgroup("cpu.pressure")), CPU_PRESSURE.to_vec(), None),
        (
            "pressure in procfs alone",
            |host| {
                remove(host.cgroup("cpu.pressure"));
                host.write(&host.proc("pressure/cpu"), PRESSURE);
            },
            vec![],
            None,
        ),
        (
            "torn pressure in procfs",
            |host| {
                remove(host.cgroup("cpu.pressure"));
                host.write(&host.proc("pressure/cpu"), &PRESSURE[..40]);
            },
            CPU_PRESSURE.to_vec(),
            Some("pressure/cpu"),
        ),
        (
            "torn pressure in the root",
            |host| {
                host.write(&host.cgroup("cpu.pressure"), &PRESSURE[..40]);
                host.write(&host.proc("pressure/cpu"), PRESSURE);
            },
            CPU_PRESSURE.to_vec(),
            Some("cpu.pressure"),
        ),
        ("no net/dev", |host| remove(host.proc("1/net/dev")), NETWORK.to_vec(), None),
        (
            "a net/dev that is a directory",
            |host| {
                remove(host.proc("1/net/dev"));
                fs::create_dir(host.proc("1/net/dev")).unwrap();
            },
            NETWORK.to_vec(),
            Some("net/dev"),
        ),
        (
            "a procfs of a container's own processes",
            |host| {
                let own = host.proc(&std::process::id().to_string());
                fs::create_dir_all(own.join("ns")).unwrap();
                symlink("pid:[4026532777]", own.join("ns/pid")).unwrap();
                symlink(own.file_name().unwrap(), host.proc("self")).unwrap();
            },
            NETWORK.to_vec(),
            None,
        ),
        ("no btime", |host| host.write(&host.proc("stat"), "cpu 1\ncpu0 1\n"), START.to_vec(), None),
        ("no meminfo", |host| remove(host.proc("meminfo")), [&MEMINFO[..], &MEMORY_STAT[..1]].concat(), None),
        (
            "a meminfo of zeros",
            |host| host.write(&host.proc("meminfo"), "\0\0\0\0"),
            [&MEMINFO[..], &MEMORY_STAT[..1]].concat(),
            Some("meminfo"),
        ),
        (
            "more memory free than there is",
            |host| host.write(&host.proc("meminfo"), "MemTotal: 1 kB\nMemFree: 2 kB\n"),
            vec![
                "memory_usage_bytes",
                "memory_working_set_bytes",
                "memory_swap",
                "spec_memory_swap_limit_bytes",
            ],
            None,
        ),
        (
            "neither memory.stat nor meminfo",
            |host| {
                remove(host.cgroup("memory.stat"));
                remove(host.proc("meminfo"));
            },
            memory,
            None,
        ),
        (
            "a root that is a container's cgroup",
            |host| host.write(&host.cgroup("cgroup.events"), "populated 1\nfrozen 0\n"),
            [of_cgroup.as_slice(), &CPU_PRESSURE, &OTHER_PRESSURE].concat(),
            None,
        ),
    ]
}

#[test]
fn a_part_that_is_missing_or_odd_costs_only_itself() {
    for (name, make, left_out, failed) in oddities() {
        let host = Host::new();
        make(&host);
        let page = host.page("");
        let expected: BTreeSet<_> = all().difference(&left_out.into_iter().collect()).copied().collect();
        assert_eq!(families(&page), expected, "{name}");
        let is_counted = failed.is_some_and(|file| failures(&page, file) > 0.0);
        assert_eq!(is_counted, failed.is_some(), "{name}");
        assert_eq!(up(&page), Some(if failed.is_some() { 0.0 } else { 1.0 }), "{name}");
        assert_eq!(
            value(&page, "container_scrape_error", &[]),
            Some(if failed.is_some() { 1.0 } else { 0.0 }),
            "{name}"
        );
        let container = value(&page, "container_cpu_usage_seconds_total", &["name="]);
        assert!(container.is_some(), "{name}: the container is shown all the same");
    }
}

#[test]
fn meminfo_stands_for_a_memory_stat_that_there_is_not() {
    let host = Host::new();
    remove(host.cgroup("memory.stat"));
    let page = host.page("");
    for (family, expected) in [
        ("memory_working_set_bytes", 55.0 * 1024.0),
        ("memory_rss", 11.0 * 1024.0),
        ("memory_cache", 23.0 * 1024.0),
        ("memory_mapped_file", 2.0 * 1024.0),
    ] {
        assert_eq!(host_value(&page, family), Some(expected), "{family}");
    }
}

#[test]
fn what_was_read_is_not_shown_again_when_it_is_gone() {
    let host = Host::new();
    let mut driven = Driven::new(host.0.path(), Selection::default());
    assert_eq!(families(&driven.page(Format::Text)), all());
    let meminfo = host.proc("meminfo");
    host.write(&meminfo, "MemTotal: 100 kB\nMemFree: 30 kB\n");
    host.write(&host.cgroup("cpu.stat"), "usage_usec 9x\n");
    remove(host.proc("1/net/dev"));
    let page = driven.page(Format::Text);
    assert_eq!(host_value(&page, "memory_usage_bytes"), Some(71_680.0), "meminfo is read at each pass");
    let rest = families(&page);
    let gone = CPU.iter().chain(&NETWORK).chain(&["memory_swap"]);
    assert_eq!(gone.filter(|family| rest.contains(**family)).count(), 0, "{rest:?}");
}
