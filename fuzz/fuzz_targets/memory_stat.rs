//! `memory.stat`: as a line-by-line reading has it; and parsed over an earlier file of the same keys as parsed alone.
#![no_main]

use docker_stat_prom::parse::memory_stat::{Key, MemoryStat};
use libfuzzer_sys::fuzz_target;
use std::collections::HashSet;

fn values(stat: &MemoryStat) -> Vec<Option<u64>> {
    Key::ALL.iter().map(|key| stat.get(*key)).collect()
}

fuzz_target!(|input: &[u8]| {
    let (earlier, later) = naive::two(input);
    let names: Vec<&str> = Key::ALL.iter().map(|key| key.name()).collect();
    let mut fresh = MemoryStat::default();
    let parsed = fresh.parse(later);
    if !later.ends_with(b"\n") {
        return assert!(parsed.is_err());
    }
    match (&parsed, naive::flat(later, &names)) {
        (Ok(()), Ok(expected)) => assert_eq!(values(&fresh), expected),
        (Err(error), Err(line)) => assert_eq!(error.line, line),
        (Err(_), Ok(expected)) => assert_eq!(&expected[..2], [None, None]),
        (Ok(()), Err(line)) => panic!("{fresh:?}, but line {line} is odd"),
    }
    let mut kept = MemoryStat::default();
    if kept.parse(earlier).is_err() {
        return;
    }
    let keys = naive::keys_of(later, &names);
    let distinct = keys.iter().collect::<HashSet<_>>().len() == keys.len();
    // One cgroup has the same keys for life, each once: only then are the two promised to be the same.
    if distinct && keys == naive::keys_of(earlier, &names) {
        // The first time it learns where the keys are.
        for _ in 0..3 {
            let mut over = kept;
            assert_eq!(over.parse(later).is_ok(), parsed.is_ok());
            if parsed.is_ok() {
                assert_eq!(values(&over), values(&fresh));
                kept = over;
            }
        }
    } else {
        let _total = kept.parse(later);
    }
});
