//! The short form in which numbers go to viewers at each tick, and their messages.

use super::snapshot::{Host, Row, float};
use crate::collector::{Event, Happening};
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// The version of all messages and documents. Nothing is renamed or removed without another one.
pub(super) const VERSION: u32 = 1;

/// What a tick tells of a container: CPU, memory, bytes received, sent, read, written.
pub(super) const COLUMNS: [&str; 6] = ["c", "m", "nr", "nt", "br", "bw"];
/// The numbers of one container in the units of the messages.
pub(super) type Numbers = [Option<f64>; COLUMNS.len()];

/// CPU and pressure are told in parts of this size.
const PARTS: f64 = 10_000.0;

/// A share or a number of CPUs in ten-thousandths.
pub(super) fn parts(ratio: Option<f64>) -> Option<f64> {
    ratio.filter(|ratio| ratio.is_finite()).map(|ratio| (ratio * PARTS).round())
}

/// Bytes in KiB.
pub(super) fn kib(bytes: Option<u64>) -> Option<f64> {
    bytes.map(|bytes| float(bytes / 1024))
}

/// A rate with four digits. More are neither seen nor true.
pub(super) fn rounded(rate: f64) -> Option<f64> {
    if !rate.is_finite() {
        return None;
    }
    let mut unit = 1.0;
    while rate / unit >= 1e4 {
        unit *= 10.0;
    }
    Some((rate / unit).round() * unit)
}

/// The numbers of a tick.
pub(super) fn numbers(row: &Row) -> Numbers {
    let (received, sent) = row.rates.network.unzip();
    let (read, written) = row.rates.block.unzip();
    let rate = |rate: Option<f64>| rate.and_then(rounded);
    [parts(row.rates.cpu_ratio), kib(row.memory), rate(received), rate(sent), rate(read), rate(written)]
}

/// Adds a number in its shortest form.
pub(super) fn push_number(out: &mut String, number: Option<f64>) {
    let Some(number) = number else { return out.push_str("null") };
    let begin = out.len();
    let _infallible = write!(out, "{number}");
    if out.len() - begin > 5 {
        let exponential = format!("{number:e}");
        if exponential.len() < out.len() - begin {
            out.truncate(begin);
            out.push_str(&exponential);
        }
    }
}

/// Adds a list of numbers.
pub(super) fn push_numbers(out: &mut String, numbers: impl Iterator<Item = Option<f64>>) {
    out.push('[');
    for (at, number) in numbers.enumerate() {
        if at > 0 {
            out.push(',');
        }
        push_number(out, number);
    }
    out.push(']');
}

/// Times are told to the millisecond.
pub(super) fn millis(time: f64) -> f64 {
    (time * 1e3).round() / 1e3
}

/// A message of a stream of events. The data must be one line.
pub(super) fn message(event: &str, data: &str) -> String {
    format!("event: {event}\ndata: {data}\n\n")
}

/// The message of a tick: the numbers of the containers that have others than before, by their index.
pub(super) fn tick(now: f64, changed: &[(usize, Numbers)]) -> String {
    let mut data = format!("{{\"t\":{},\"i\":[", millis(now));
    for (at, (index, _)) in changed.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        let _infallible = write!(data, "{comma}{index}");
    }
    data.push(']');
    for (column, name) in COLUMNS.iter().enumerate() {
        let _infallible = write!(data, ",\"{name}\":");
        push_numbers(&mut data, changed.iter().map(|(_, numbers)| numbers.get(column).copied().flatten()));
    }
    data.push('}');
    message("tick", &data)
}

/// A container as a message tells it, without its history.
pub(super) fn container(index: usize, row: &Row, host: &Host) -> Map<String, Value> {
    let [cpu, memory, io] = row.pressure.map(|share| number(parts(share)));
    let value = json!({
        "i": index,
        "id": row.id.as_str(),
        "name": row.name,
        "named": row.named,
        "image": row.image,
        "project": row.project,
        "service": row.service,
        "state": row.state,
        "code": row.exit_code,
        "health": row.health,
        "live": row.live,
        "ended": row.ended.map(millis),
        "started": row.started.map(millis),
        "cores": row.cpu_limit,
        "limit": number(kib(row.memory_limit(host.memory))),
        "restarts": row.restarts,
        "oom": row.oom_kills,
        "pids": row.pids,
        "set": number(kib(row.working_set)),
        "pressure": [cpu, memory, io],
        "throttled": number(parts(row.throttled)),
        "hidden": row.hidden,
        "now": numbers(row).map(number),
    });
    object(value)
}

/// The host as a message tells it.
pub(super) fn host(host: &Host) -> Value {
    json!({
        "cores": host.cores,
        "memory": number(kib(host.memory)),
        "available": number(kib(host.available)),
        "cpu": number(parts(host.cpu)),
        "pressure": host.pressure.map(|share| number(parts(share))),
    })
}

/// An event, as messages and documents tell it.
pub(super) fn event(event: &Event) -> Value {
    let (what, key, detail) = match &event.what {
        Happening::Started => ("started", None, Value::Null),
        Happening::Died(code) => ("died", Some("code"), json!(code)),
        Happening::OomKilled(kills) => ("oom_killed", Some("kills"), json!(kills)),
        Happening::Health(health) => ("health", Some("health"), json!(health.as_str())),
        Happening::Throttled(share) => ("throttled", Some("share"), json!(millis(f64::from(*share)))),
        Happening::Renamed(from) => ("renamed", Some("from"), json!(from)),
        Happening::Removed => ("removed", None, Value::Null),
    };
    let mut told = object(json!({
        "n": event.number, "at": millis(event.at), "id": event.id.as_str(), "name": event.name, "what": what,
    }));
    told.extend(key.map(|key| (key.to_owned(), detail)));
    told.into()
}

/// A number without a fraction where it has none.
pub(super) fn number(number: Option<f64>) -> Value {
    let Some(number) = number else { return Value::Null };
    let mut text = String::new();
    push_number(&mut text, Some(number));
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

pub(super) fn object(value: Value) -> Map<String, Value> {
    if let Value::Object(object) = value { object } else { Map::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(number: f64) -> String {
        let mut out = String::new();
        push_number(&mut out, rounded(number));
        out
    }

    #[test]
    fn a_rate_has_four_digits_in_their_shortest_form() {
        for (rate, expected) in [
            (0.0, "0"),
            (0.4, "0"),
            (1.6, "2"),
            (9999.4, "9999"),
            (12_345.0, "12350"),
            (123_456.0, "123500"),
            (1_250_000_000.0, "1.25e9"),
            (9_999_999.0, "1e7"),
            (f64::NAN, "null"),
        ] {
            assert_eq!(written(rate), expected, "{rate}");
        }
    }

    #[test]
    fn on_a_host_of_4_tib_and_1000_cpus_a_container_is_at_most_60_bytes() {
        let most = [
            parts(Some(999.9999)),
            kib(Some(4 << 40)),
            rounded(12_345_678_901.0),
            rounded(12_345_678_901.0),
            rounded(98_765_432_109.0),
            rounded(98_765_432_109.0),
        ];
        let tick = |count: usize| tick(1e9, &vec![(9_999, most); count]).len();
        assert!(tick(1001) - tick(1) <= 60 * 1000, "{}", tick(1001) - tick(1));
    }

    #[test]
    fn a_tick_is_a_line_of_json_and_what_is_unknown_is_null() {
        let message = tick(1_764_190_800.123_4, &[(3, [None; 6]), (5, [Some(1.0); 6])]);
        let data = message.strip_prefix("event: tick\ndata: ").unwrap().strip_suffix("\n\n").unwrap();
        let value: Value = serde_json::from_str(data).unwrap();
        assert_eq!(value["i"], json!([3, 5]));
        assert_eq!(value["bw"], json!([null, 1]));
        assert_eq!(value["t"], json!(1_764_190_800.123));
    }
}
