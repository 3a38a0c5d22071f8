//! `cpu.stat`: as a line-by-line reading has it.
#![no_main]

use docker_stat_prom::parse::cpu_stat::parse_cpu_stat;
use libfuzzer_sys::fuzz_target;

const KEYS: [&str; 9] = [
    "usage_usec",
    "user_usec",
    "system_usec",
    "nice_usec",
    "nr_periods",
    "nr_throttled",
    "throttled_usec",
    "nr_bursts",
    "burst_usec",
];

fuzz_target!(|file: &[u8]| {
    match (parse_cpu_stat(file), naive::flat(file, &KEYS)) {
        (Ok(stat), Ok(expected)) => {
            let values = [
                Some(stat.usage_usec),
                stat.user_usec,
                stat.system_usec,
                stat.nice_usec,
                stat.nr_periods,
                stat.nr_throttled,
                stat.throttled_usec,
                stat.nr_bursts,
                stat.burst_usec,
            ];
            assert_eq!(values.as_slice(), expected);
        }
        (Err(error), Err(line)) => assert_eq!(error.line, line),
        // Without its usage, or cut off within a key.
        (Err(_), Ok(expected)) => assert!(expected[0].is_none() || file.last() != Some(&b'\n')),
        (Ok(stat), Err(line)) => panic!("{stat:?}, but line {line} is odd"),
    }
});
