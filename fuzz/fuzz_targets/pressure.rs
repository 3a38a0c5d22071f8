//! `*.pressure`: as a word-by-word reading has it.
#![no_main]

use docker_stat_prom::parse::pressure::parse_pressure;
use libfuzzer_sys::fuzz_target;

type Stall = ([u64; 3], u64);

fn hundredths(text: &[u8]) -> Option<u64> {
    let at = text.iter().position(|byte| *byte == b'.')?;
    let (whole, fraction) = (naive::number(&text[..at])?, &text[at + 1..]);
    if fraction.len() != 2 {
        return None;
    }
    whole.checked_mul(100)?.checked_add(naive::number(fraction)?)
}

fn stall(text: &[u8]) -> Option<Stall> {
    let words: Vec<&[u8]> = text.split(|byte| matches!(byte, b' ' | b'\t')).collect();
    let value = |key: &[u8]| words.iter().find_map(|word| word.strip_prefix(key));
    let mut averages = [0; 3];
    for (slot, key) in averages.iter_mut().zip([&b"avg10="[..], b"avg60=", b"avg300="]) {
        if let Some(text) = value(key) {
            *slot = hundredths(text)?;
        }
    }
    Some((averages, naive::number(value(b"total=")?)?))
}

fn expected(file: &[u8]) -> Result<(Option<Stall>, Option<Stall>), u32> {
    let (mut some, mut full) = (None, None);
    for (line, number) in naive::lines(file).zip(1_u32..) {
        if let Some(text) = line.strip_prefix(b"some ") {
            some = Some(stall(text).ok_or(number)?);
        } else if let Some(text) = line.strip_prefix(b"full ") {
            full = Some(stall(text).ok_or(number)?);
        }
    }
    Ok((some, full))
}

fuzz_target!(|file: &[u8]| {
    if !file.ends_with(b"\n") {
        return assert!(parse_pressure(file).is_err());
    }
    match (parse_pressure(file), expected(file)) {
        (Ok(pressure), Ok(expected)) => {
            let plain = |stall: Option<docker_stat_prom::parse::pressure::Stall>| {
                stall.map(|stall| (stall.averages, stall.total_usec))
            };
            assert_eq!((plain(pressure.some), plain(pressure.full)), expected);
        }
        (Err(error), Err(line)) => assert_eq!(error.line, line),
        (Err(_), Ok(expected)) => assert_eq!(expected, (None, None)),
        (Ok(pressure), Err(line)) => panic!("{pressure:?}, but line {line} is odd"),
    }
});
