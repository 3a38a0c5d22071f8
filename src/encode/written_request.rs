//! Requests of remote write 2.0 that were written before: by this run of the exporter or an earlier one.

use super::{
    protobuf::{Field, Malformed, Reader, Writer},
    readings::Readings,
    write_request::merged,
};
use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
};

/// Makes a 1.0 request of a 2.0 request, for one that waited when its receiver turned out to know only 1.0.
/// `None` if it is not one that [`super::Requests`] has written.
#[must_use]
pub fn v2_to_v1(request: &[u8]) -> Option<Vec<u8>> {
    let mut out = Writer::default();
    let series = |series: &Series<'_>| {
        out.message(1, |out| {
            for (name, value) in &series.labels {
                out.message(1, |label| {
                    label.bytes(1, name);
                    label.bytes(2, value);
                });
            }
            for (bits, at_ms) in &series.samples {
                out.message(2, |sample| {
                    sample.fixed64(1, *bits);
                    sample.int(2, *at_ms);
                });
            }
        });
    };
    each_series(request, series).ok()?;
    Some(out.as_bytes().to_vec())
}

/// The series of a request of an earlier run that are not in this pass: all labels of each, sorted. The
/// request was written without external labels. Whatever is not a request has no series.
#[must_use]
pub fn lost_since(earlier: &[u8], readings: &Readings) -> Vec<Vec<(String, String)>> {
    let random = RandomState::new();
    let mut present = HashSet::new();
    for subject in readings.subjects() {
        let labels: Vec<_> = subject.labels.iter().collect();
        for (_, shape, _) in readings.samples(subject) {
            let all = merged(&labels, &shape.labels);
            let all: Vec<_> = all.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
            present.insert(random.hash_one(&all));
        }
    }
    let mut lost = Vec::new();
    let _what_could_be_read = each_series(earlier, |series| {
        if !present.contains(&random.hash_one(&series.labels)) {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            lost.push(series.labels.iter().map(|(name, value)| (text(name), text(value))).collect());
        }
    });
    lost
}

/// A series of a request.
#[derive(Default)]
struct Series<'a> {
    labels: Vec<(&'a [u8], &'a [u8])>,
    /// The bits and time of each sample.
    samples: Vec<(u64, i64)>,
}

fn each_series<'a>(request: &'a [u8], mut take: impl FnMut(&Series<'a>)) -> Result<(), Malformed> {
    let mut symbols: Vec<&[u8]> = Vec::new();
    let mut series = Series::default();
    let mut fields = Reader(request);
    while let Some(field) = fields.next() {
        match field? {
            (4, Field::Bytes(symbol)) => symbols.push(symbol),
            (5, Field::Bytes(message)) => {
                read_series(message, &symbols, &mut series)?;
                take(&series);
            }
            _ => {}
        }
    }
    Ok(())
}

fn read_series<'a>(
    message: &'a [u8],
    symbols: &[&'a [u8]],
    series: &mut Series<'a>,
) -> Result<(), Malformed> {
    series.labels.clear();
    series.samples.clear();
    let symbol = |place: Option<u64>| {
        let place = usize::try_from(place.ok_or(Malformed)?).map_err(|_| Malformed)?;
        symbols.get(place).copied().ok_or(Malformed)
    };
    let mut fields = Reader(message);
    while let Some(field) = fields.next() {
        match field? {
            (1, Field::Bytes(list)) => {
                let mut list = Reader(list);
                while !list.is_empty() {
                    series.labels.push((symbol(list.varint())?, symbol(list.varint())?));
                }
            }
            (2, Field::Bytes(sample)) => {
                let (mut bits, mut at_ms) = (0, 0);
                let mut fields = Reader(sample);
                while let Some(field) = fields.next() {
                    match field? {
                        (1, Field::Fixed64(read)) => bits = read,
                        (2, Field::Int(read)) => at_ms = i64::from_ne_bytes(read.to_ne_bytes()),
                        _ => {}
                    }
                }
                series.samples.push((bits, at_ms));
            }
            _ => {}
        }
    }
    Ok(())
}
