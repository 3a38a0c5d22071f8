//! Which encoder makes the requests of a target.

use super::{
    config::{Config, Protocol, Target},
    encoder::{Encoder, Protocols},
    otlp::OpenTelemetry,
    pushgateway::Page,
    remote_write::RemoteWrite,
};
use crate::encode;
use std::path::Path;

/// The protocols of this program.
pub const PROTOCOLS: Protocols = Protocols { encoder, v2_to_v1: encode::v2_to_v1 };

fn encoder(target: &Target, config: &Config, folder: Option<&Path>) -> Box<dyn Encoder> {
    match &target.protocol {
        Protocol::RemoteWrite(_) => Box::new(RemoteWrite::new(target, config, folder)),
        Protocol::Otlp(otlp) => Box::new(OpenTelemetry::new(otlp, target, config)),
        Protocol::Pushgateway => Box::new(Page),
    }
}
