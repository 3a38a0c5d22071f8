//! `io.stat`: each device once, the same whatever was parsed before, and no line changes what another comes to.
#![no_main]

use docker_stat_prom::parse::io_stat::{IoRow, NoRows, parse_io_stat};
use libfuzzer_sys::fuzz_target;
use std::collections::HashSet;

fn parse(file: &[u8], mut rows: Vec<IoRow>) -> (Vec<IoRow>, NoRows) {
    let none = parse_io_stat(file, &mut rows);
    (rows, none)
}

fuzz_target!(|input: &[u8]| {
    let (earlier, later) = naive::two(input);
    let (rows, none) = parse(later, Vec::new());
    let devices: HashSet<_> = rows.iter().map(|row| (row.major, row.minor)).collect();
    assert_eq!(devices.len(), rows.len(), "a device came twice");
    let filled = naive::lines(later).filter(|line| !line.is_empty()).count();
    assert!(rows.len() + usize::try_from(none.odd + none.bare).unwrap() <= filled);
    let (before, _) = parse(earlier, Vec::new());
    assert_eq!(parse(later, before), (rows.clone(), none), "what was parsed before is seen");
    assert_eq!(parse(later, rows.clone()), (rows.clone(), none));
    // Line by line, less what names a device again.
    let mut alone: Vec<IoRow> = Vec::new();
    for line in later.split_inclusive(|byte| *byte == b'\n') {
        let (found, _) = parse(line, Vec::new());
        alone.extend(
            found
                .into_iter()
                .filter(|row| alone.iter().all(|other| (other.major, other.minor) != (row.major, row.minor)))
                .collect::<Vec<_>>(),
        );
    }
    assert_eq!(alone, rows);
});
