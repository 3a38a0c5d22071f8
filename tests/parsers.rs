//! Whatever a file holds, a parser returns: every prefix and every changed byte of every file of every recorded host.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use docker_stat_prom::parse::{
    cgroup_procs, cpu_list, cpu_max, cpu_stat, events, io_stat, memory_stat, net_dev, pressure, scan,
    scope_name, single_value,
};
use std::{collections::HashSet, fs, path::Path};
use support::hosts;

fn files(directory: &Path, found: &mut HashSet<Vec<u8>>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if let Ok(content) = fs::read(&path)
            && content.len() < 4096
        {
            found.insert(content);
        }
    }
}

/// Every parser on the same bytes: none of them may mind what it gets.
fn parse_all(
    bytes: &[u8],
    rows: &mut Vec<io_stat::IoRow>,
    interfaces: &mut Vec<net_dev::InterfaceRow>,
) -> usize {
    let mut understood = 0;
    understood += usize::from(cpu_stat::parse_cpu_stat(bytes).is_ok());
    understood += usize::from(cpu_max::parse_cpu_max(bytes).is_ok());
    understood += usize::from(cpu_list::parse_cpu_list(bytes).is_ok());
    understood += usize::from(events::parse_events(bytes).is_ok());
    understood += usize::from(memory_stat::parse_memory_stat(bytes).is_ok());
    understood += usize::from(pressure::parse_pressure(bytes).is_ok());
    understood += usize::from(single_value::parse_limit(bytes).is_ok());
    understood += usize::from(single_value::parse_single_value(bytes).is_ok());
    understood += usize::from(scan::flat_keyed_value(bytes, b"frozen").is_ok());
    understood += usize::from(io_stat::parse_io_stat(bytes, rows) == 0);
    understood += usize::from(net_dev::parse_net_dev(bytes, interfaces) == 0);
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
    let (mut rows, mut interfaces) = (Vec::new(), Vec::new());
    let mut understood = 0;
    // The smaller ones byte by byte; of the larger ones each shape once is enough.
    let mut shapes = HashSet::new();
    for content in &contents {
        understood += parse_all(content, &mut rows, &mut interfaces);
        let mut shape: Vec<u8> =
            content.iter().map(|byte| if byte.is_ascii_digit() { b'0' } else { *byte }).collect();
        shape.dedup_by(|one, other| one == other && *one == b'0');
        if !shapes.insert(shape) {
            continue;
        }
        for end in 0..content.len() {
            understood += parse_all(content.get(..end).unwrap(), &mut rows, &mut interfaces);
        }
        let mut changed = content.clone();
        for at in 0..content.len() {
            for byte in [0, b'\n', b' ', b':', b'=', b'.', b'-', b'9', b'a', 0xff] {
                changed.splice(at..=at, [byte]);
                understood += parse_all(&changed, &mut rows, &mut interfaces);
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
