//! Push with an encoder that makes small requests, so that a test sees what becomes of them.

use super::{host::Direct, receiver::Receiver, value};
use docker_stat_prom::push::{
    Config, Encoder, Endpoint, Kind, PROTOCOLS, Part, Pass, Protocol, Protocols, Push, Queue, Record, Target,
    Tls, Version, gzip, snappy, start,
};
use std::{path::Path, time::Duration};

/// How many samples each request has.
pub const SAMPLES: u32 = 10;

/// Remote write and OTLP in a small: the body is `pass N`, and `end` at the end.
pub const SMALL: Protocols = Protocols { encoder: small, v2_to_v1 };

struct Small {
    kind: Kind,
    passes: u32,
}

fn small(target: &Target, config: &Config, folder: Option<&Path>) -> Box<dyn Encoder> {
    let kind = match &target.protocol {
        Protocol::RemoteWrite(Version::V1) => Kind::WriteV1,
        Protocol::RemoteWrite(_) => Kind::WriteV2,
        Protocol::Otlp(otlp) if otlp.gzip => Kind::OtlpGzip,
        Protocol::Otlp(_) => Kind::Otlp,
        Protocol::Pushgateway => return (PROTOCOLS.encoder)(target, config, folder),
    };
    Box::new(Small { kind, passes: 0 })
}

fn v2_to_v1(request: &[u8]) -> Option<Vec<u8>> {
    (!request.starts_with(b"bad")).then(|| [b"as 1.0: ", request].concat())
}

impl Small {
    fn record(&self, text: &str, timestamp: i64, is_v1: bool) -> Record {
        let kind = if is_v1 && self.kind == Kind::WriteV2 { Kind::WriteV1 } else { self.kind };
        let body = match kind {
            Kind::WriteV1 | Kind::WriteV2 => snappy(text.as_bytes()).unwrap(),
            Kind::OtlpGzip => gzip(text.as_bytes()).unwrap(),
            _ => text.into(),
        };
        Record { kind, samples: SAMPLES, timestamp, body: body.into() }
    }
}

impl Encoder for Small {
    fn encode(&mut self, pass: &Pass, is_v1: bool, _from: usize) -> Part {
        self.passes += 1;
        let record = self.record(&format!("pass {}", self.passes), pass.timestamp, is_v1);
        Part { records: vec![record], next: None }
    }

    fn end(&mut self, pass: &Pass, is_v1: bool) -> Vec<Record> {
        vec![self.record("end", pass.timestamp, is_v1)]
    }
}

/// A target with short pauses.
pub fn target(name: &str, protocol: Protocol, url: &str) -> Target {
    Target {
        name: name.into(),
        protocol,
        endpoint: Endpoint {
            url: url.parse().unwrap(),
            timeout: Duration::from_secs(1),
            headers: vec![],
            authorization: None,
            tls: Tls::default(),
            proxy: None,
            follow_redirects: true,
        },
        queue: Queue {
            min_backoff: Duration::from_millis(10),
            max_backoff: Duration::from_millis(50),
            ..Queue::default()
        },
        relabel: vec![],
    }
}

pub fn write(receiver: &Receiver, version: Version) -> Target {
    target("to", Protocol::RemoteWrite(version), &receiver.url("/api/v1/write"))
}

pub fn config(targets: Vec<Target>) -> Config {
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Config {
        interval: Duration::from_millis(100),
        external_labels: vec![label("instance", "a/b"), label("job", "docker-stat-prom")],
        spool: None,
        memory_bytes: 1 << 20,
        targets,
    }
}

/// Push on a small host, at work.
pub struct Pushing {
    pub direct: Direct,
    pub push: Option<Push>,
    _host: tempfile::TempDir,
}

impl Pushing {
    pub fn start(config: Config) -> Self {
        let host = super::host::empty_host();
        super::host::add_container(host.path(), &super::host::scope("a"));
        let direct = Direct::new(host.path());
        super::eventually("the containers are known", || direct.handle.is_ready().then_some(()));
        let push = start(config, direct.handle.clone(), SMALL).unwrap();
        Self { direct, push: Some(push), _host: host }
    }

    /// A value of the exporter's own.
    pub fn value(&self, name: &str, parts: &[&str]) -> Option<f64> {
        value(&self.direct.page(), &format!("docker_stat_prom_push_{name}"), parts)
    }

    /// Waits until a value is at least this.
    pub fn at_least(&self, name: &str, parts: &[&str], least: f64) -> f64 {
        super::eventually(&format!("{name} {parts:?} reaches {least}"), || {
            self.value(name, parts).filter(|value| *value >= least)
        })
    }

    pub fn end(&mut self, patience: Duration) {
        let push = self.push.take().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(push.end(patience));
    }
}
