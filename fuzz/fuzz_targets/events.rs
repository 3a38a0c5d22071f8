//! `memory.events` and its like: as a line-by-line reading has it, whatever file was parsed before.
#![no_main]

use docker_stat_prom::parse::{Events, Name};
use libfuzzer_sys::fuzz_target;

fn expected(file: &[u8]) -> Result<Vec<(Name, u64)>, u32> {
    let mut items = Vec::new();
    for (line, number) in naive::lines(file).zip(1_u32..) {
        let Some((key, value)) = naive::key_value(line) else { continue };
        let value = naive::number(value).ok_or(number)?;
        let Some(name) = Name::new(key) else { continue };
        if items.len() == 32 || items.iter().any(|(other, _)| *other == name) {
            return Err(number);
        }
        items.push((name, value));
    }
    if items.is_empty() || !file.ends_with(b"\n") { Err(0) } else { Ok(items) }
}

fuzz_target!(|input: &[u8]| {
    let (earlier, later) = naive::two(input);
    let mut kept = Events::default();
    let _whatever_it_was = kept.parse(earlier);
    for _ in 0..2 {
        match (kept.parse(later), expected(later)) {
            (Ok(()), Ok(items)) => {
                assert_eq!(kept.iter().map(|(name, value)| (*name, value)).collect::<Vec<_>>(), items);
            }
            // Half a line at the end may be the first thing that is odd.
            (Err(error), Err(line)) => assert!(line == 0 || error.line <= line, "{error}, {line}"),
            (parsed, expected) => panic!("{parsed:?} {expected:?}"),
        }
    }
});
