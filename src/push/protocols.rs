//! Which encoder makes the requests of a target.

use super::{
    config::{Config, Protocol, Target},
    encoder::{Encoder, Pass, Protocols},
    pushgateway::Page,
    record::Record,
};
use std::path::Path;

/// The protocols of this program.
pub const PROTOCOLS: Protocols = Protocols { encoder, v2_to_v1 };

fn encoder(target: &Target, _config: &Config, _folder: Option<&Path>) -> Box<dyn Encoder> {
    match target.protocol {
        Protocol::Pushgateway => Box::new(Page),
        Protocol::RemoteWrite(_) | Protocol::Otlp(_) => Box::new(Nothing),
    }
}

fn v2_to_v1(_request: &[u8]) -> Option<Vec<u8>> {
    None
}

/// Makes no requests.
struct Nothing;

impl Encoder for Nothing {
    fn encode(&mut self, _pass: &Pass, _is_v1: bool) -> Vec<Record> {
        Vec::new()
    }

    fn end(&mut self, _timestamp: i64, _is_v1: bool) -> Vec<Record> {
        Vec::new()
    }
}
