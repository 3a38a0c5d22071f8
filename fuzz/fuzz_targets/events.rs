//! `memory.events` and its like: as a line-by-line reading has it, whatever file was parsed before.
#![no_main]

use docker_stat_prom::parse::{Events, Name};
use libfuzzer_sys::fuzz_target;

fn expected(file: &[u8]) -> Result<Vec<(Name, u64)>, u32> {
    let mut items = Vec::new();
    for (line, number) in naive::lines(file).zip(1_u32..) {
        let Some((key, value)) = naive::key_value(line) else { continue };
        let value = naive::number(value).ok_or(number)?;
        items.extend(Name::new(key).map(|name| (name, value)));
    }
    Ok(items)
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
            (Err(error), Err(line)) => assert_eq!(error.line, line),
            (parsed, expected) => panic!("{parsed:?} {expected:?}"),
        }
    }
});
