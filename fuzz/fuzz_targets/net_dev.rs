//! `/proc/<pid>/net/dev`: each interface once, none that is left out, bounded, and no line changes what another comes to.
#![no_main]

use docker_stat_prom::parse::net_dev::{InterfaceRow, parse_net_dev};
use libfuzzer_sys::fuzz_target;
use std::collections::HashSet;

/// Interfaces kept of one namespace.
const MOST: usize = 128;

fn parse(file: &[u8], mut rows: Vec<InterfaceRow>) -> (Vec<InterfaceRow>, u64) {
    let skipped = parse_net_dev(file, &mut rows, |name| name == b"lo");
    (rows, skipped)
}

fuzz_target!(|input: &[u8]| {
    let (earlier, later) = naive::two(input);
    let (rows, skipped) = parse(later, Vec::new());
    let names: HashSet<_> = rows.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), rows.len(), "an interface came twice");
    assert!(rows.len() <= MOST && names.iter().all(|name| name.as_str() != "lo"));
    // A file without its headings counts as one more row that could not be used.
    assert!(rows.len() as u64 + skipped <= naive::lines(later).count() as u64 + 1);
    let (before, _) = parse(earlier, Vec::new());
    assert_eq!(parse(later, before), (rows.clone(), skipped), "what was parsed before is seen");
    let mut alone: Vec<InterfaceRow> = Vec::new();
    for line in later.split_inclusive(|byte| *byte == b'\n') {
        for row in parse(line, Vec::new()).0 {
            if alone.len() < MOST && alone.iter().all(|other| other.name != row.name) {
                alone.push(row);
            }
        }
    }
    assert_eq!(alone, rows);
});
