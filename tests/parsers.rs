//! Whatever a file holds, a parser returns: every prefix and every changed byte of every file of every
//! recorded host.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use docker_stat_prom::parse::{
    cgroup_events, cgroup_procs, cgroup_stat, cpu_list, cpu_max, cpu_stat, events, identifier, io_stat,
    meminfo, memory_stat, net_dev, pressure, proc_cgroup, proc_limits, proc_stat, scan, scope_name,
    single_value, uevent,
};
use std::{collections::HashSet, fs, path::Path};
use support::hosts;

fn files(directory: &Path, found: &mut HashSet<Vec<u8>>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.extend(fs::read(&path).ok().filter(|content| content.len() < 4096));
        }
    }
}

/// What some parsers keep from file to file.
#[derive(Default)]
struct Kept {
    rows: Vec<io_stat::IoRow>,
    interfaces: Vec<net_dev::InterfaceRow>,
    events: events::Events,
    memory_stat: memory_stat::MemoryStat,
}

/// Every parser on the same bytes: none of them may mind what it gets, or what it got before.
fn parse_all(bytes: &[u8], kept: &mut Kept) -> usize {
    let mut understood = 0;
    understood += usize::from(cpu_stat::parse_cpu_stat(bytes).is_ok());
    understood += usize::from(cgroup_events::parse_cgroup_events(bytes).is_ok());
    understood += usize::from(cpu_max::parse_cpu_max(bytes).is_ok());
    understood += usize::from(cpu_list::parse_cpu_list(bytes).is_ok());
    let mut fresh = events::Events::default();
    let parsed = fresh.parse(bytes);
    assert_eq!(kept.events.parse(bytes), parsed);
    if parsed.is_ok() {
        assert_eq!(kept.events, fresh);
        understood += 1;
    }
    understood += usize::from(kept.memory_stat.parse(bytes).is_ok());
    understood += usize::from(cgroup_stat::parse_cgroup_stat(bytes).is_ok());
    understood += usize::from(pressure::parse_pressure(bytes).is_ok());
    understood += usize::from(single_value::parse_limit(bytes).is_ok());
    understood += usize::from(single_value::parse_single_value(bytes).is_ok());
    understood += usize::from(scan::flat_keyed_value(bytes, scan::FlatKey::new("frozen ")).is_ok());
    understood += usize::from(io_stat::parse_io_stat(bytes, &mut kept.rows).odd == 0);
    understood += usize::from(net_dev::parse_net_dev(bytes, &mut kept.interfaces, |name| name == b"lo") == 0);
    understood += usize::from(meminfo::parse_meminfo(bytes).0.mem_total.is_some());
    understood += usize::from(proc_stat::count_cpus(bytes).is_ok());
    understood += usize::from(proc_stat::boot_time(bytes).is_some());
    understood += usize::from(identifier::machine_id(bytes).is_some());
    understood += usize::from(identifier::uuid(bytes).is_some());
    understood += usize::from(proc_limits::max_open_files(bytes).is_ok_and(|limit| limit.is_some()));
    understood += usize::from(proc_cgroup::unified_path(bytes).is_some());
    understood += usize::from(uevent::device_name(bytes).is_some());
    understood += cgroup_procs::pids(bytes).count();
    understood += usize::from(
        std::str::from_utf8(bytes).is_ok_and(|text| scope_name::ContainerId::from_directory(text).is_some()),
    );
    understood
}

#[test]
fn no_file_and_no_broken_file_makes_a_parser_panic() {
    let mut contents = HashSet::new();
    for host in hosts() {
        files(&host.join("sys/fs/cgroup"), &mut contents);
        files(&host.join("proc"), &mut contents);
    }
    let mut kept = Kept::default();
    let mut understood = 0;
    // The smaller ones byte by byte; of the larger ones each shape once is enough.
    let mut shapes = HashSet::new();
    for content in &contents {
        understood += parse_all(content, &mut kept);
        let mut shape: Vec<u8> =
            content.iter().map(|byte| if byte.is_ascii_digit() { b'0' } else { *byte }).collect();
        shape.dedup_by(|one, other| one == other && *one == b'0');
        if !shapes.insert(shape) {
            continue;
        }
        for end in 0..content.len() {
            understood += parse_all(content.get(..end).unwrap(), &mut kept);
        }
        let mut changed = content.clone();
        for at in 0..content.len() {
            for byte in [0, b'\n', b' ', b':', b'=', b'.', b'-', b'9', b'a', 0xff] {
                changed.splice(at..=at, [byte]);
                understood += parse_all(&changed, &mut kept);
            }
            changed.splice(at..=at, [*content.get(at).unwrap()]);
        }
    }
    assert!(
        contents.len() > 300 && shapes.len() > 20 && understood > 100_000,
        "{} {} {understood}",
        contents.len(),
        shapes.len()
    );
}
