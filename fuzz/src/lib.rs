//! The same formats, read the slow and plain way: what the fuzz targets compare the program's parsers with.

/// A number of digits only, as the parsers understand it.
#[must_use]
pub fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The lines of a file, each without its newline; what follows the last newline is one if there is anything.
pub fn lines(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    let body = file.strip_suffix(b"\n").unwrap_or(file);
    body.split(|byte| *byte == b'\n').filter(move |_| !file.is_empty())
}

/// `key value` at the first blank.
#[must_use]
pub fn key_value(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = line.iter().position(|byte| *byte == b' ')?;
    Some((&line[..at], &line[at + 1..]))
}

/// The values of a flat-keyed file, the last of each key; the number of the first line whose value is none.
///
/// # Errors
/// A known key whose value is not a number, or has no newline: half a number is still a number.
pub fn flat(file: &[u8], keys: &[&str]) -> Result<Vec<Option<u64>>, u32> {
    let mut values = vec![None; keys.len()];
    for (line, number_of_line) in lines(file).zip(1_u32..) {
        let Some((key, value)) = key_value(line) else { continue };
        if let Some(index) = keys.iter().position(|known| known.as_bytes() == key) {
            let is_cut = !file.ends_with(b"\n") && lines(file).count() == number_of_line as usize;
            values[index] = Some(number(value).filter(|_| !is_cut).ok_or(number_of_line)?);
        }
    }
    Ok(values)
}

/// The known keys of a flat-keyed file in the order in which they come.
#[must_use]
pub fn keys_of<'k>(file: &[u8], keys: &[&'k str]) -> Vec<&'k str> {
    let known = |line| {
        keys.iter().copied().find(|key| key_value(line).is_some_and(|(have, _)| have == key.as_bytes()))
    };
    lines(file).filter_map(known).collect()
}

/// An input is one file, or two with a zero byte between: an earlier and a later one of the same name.
#[must_use]
pub fn two(input: &[u8]) -> (&[u8], &[u8]) {
    match input.iter().position(|byte| *byte == 0) {
        Some(at) => (&input[..at], &input[at + 1..]),
        None => (input, input),
    }
}
