//! OTLP: what is sent to one target.

use super::{
    compress::gzip,
    config::{Config, Otlp, Target},
    encoder::{Encoder, Part, Pass},
    record::{Kind, Record},
};
use crate::encode::Exports;
use hyper::body::Bytes;

/// Makes the requests of one target.
pub(super) struct OpenTelemetry {
    exports: Exports,
    gzip: bool,
}

impl OpenTelemetry {
    pub(super) fn new(otlp: &Otlp, target: &Target, config: &Config) -> Self {
        let resource = resource(otlp, config);
        let most = target.queue.max_samples_per_send;
        Self { exports: Exports::new(resource, otlp.semantic_names, most), gzip: otlp.gzip }
    }

    /// A request that waits.
    fn record(gzip_it: bool, body: &[u8], points: usize, timestamp: i64) -> Record {
        let packed = if gzip_it { gzip(body).ok() } else { None };
        let kind = if packed.is_some() { Kind::OtlpGzip } else { Kind::Otlp };
        // It may wait for hours, so it has no room to grow.
        let body = Bytes::copy_from_slice(packed.as_deref().unwrap_or(body));
        let samples = u32::try_from(points).unwrap_or(u32::MAX);
        Record { kind, samples, timestamp, body }
    }
}

impl Encoder for OpenTelemetry {
    fn encode(&mut self, pass: &Pass, _is_v1: bool, from: usize) -> Part {
        let Some(readings) = &pass.readings else { return Part::default() };
        let (gzip_it, mut records) = (self.gzip, Vec::new());
        let next = self.exports.write_next(from, readings, &mut |body, points| {
            records.push(Self::record(gzip_it, body, points, readings.now_ms()));
        });
        Part { records, next }
    }

    fn end(&mut self, pass: &Pass, is_v1: bool) -> Vec<Record> {
        Part::all(|from| self.encode(pass, is_v1, from))
    }
}

/// The attributes of every resource. `job` and `instance` are what receivers for Prometheus make of
/// `service.name` and `service.instance.id`. What the user gave for OpenTelemetry counts more.
fn resource(otlp: &Otlp, config: &Config) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    let mut put = |name: &str, value: &str| match all.iter_mut().find(|(other, _)| other == name) {
        Some((_, old)) => value.clone_into(old),
        None => all.push((name.to_owned(), value.to_owned())),
    };
    for (name, value) in &config.external_labels {
        match name.as_str() {
            "job" => put("service.name", value),
            "instance" => {
                put("service.instance.id", value);
                put("host.name", value);
            }
            _ => put(name, value),
        }
    }
    put("service.version", env!("CARGO_PKG_VERSION"));
    otlp.resource_attributes.iter().for_each(|(name, value)| put(name, value));
    all
}
