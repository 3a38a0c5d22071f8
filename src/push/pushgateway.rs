//! Pushgateway: the whole page under one URL, which names the group.

use super::{
    config::{Config, Target},
    encoder::{Encoder, Part, Pass},
    record::{Kind, Record},
};
use base64::{Engine, engine::general_purpose::URL_SAFE};
use hyper::{Uri, body::Bytes};
use std::fmt::Write;

/// The labels that name the group, in this order.
const GROUP: [&str; 2] = ["job", "instance"];

/// Sends the page as it is served.
#[derive(Debug)]
pub(super) struct Page;

impl Encoder for Page {
    fn encode(&mut self, pass: &Pass, _is_v1: bool, _from: usize) -> Part {
        let Some(text) = &pass.text else { return Part::default() };
        let body = Bytes::copy_from_slice(text.as_bytes());
        let lines = body.split(|byte| *byte == b'\n');
        let samples = lines.filter(|line| !line.is_empty() && !line.starts_with(b"#")).count();
        let samples = u32::try_from(samples).unwrap_or(u32::MAX);
        let record = Record { kind: Kind::Text, samples, timestamp: pass.timestamp, body };
        Part { records: vec![record], next: None }
    }

    fn end(&mut self, pass: &Pass, _is_v1: bool) -> Vec<Record> {
        vec![Record { kind: Kind::Delete, samples: 0, timestamp: pass.timestamp, body: Bytes::new() }]
    }
}

/// The URL of our group: that of the Pushgateway, and `/metrics/job/…/instance/…`.
///
/// # Errors
/// If that is no URL.
pub(super) fn group_url(target: &Target, config: &Config) -> Result<Uri, String> {
    let url = &target.endpoint.url;
    let mut path = url.path().trim_end_matches('/').to_owned();
    path += "/metrics";
    for name in GROUP {
        if let Some((_, value)) = config.external_labels.iter().find(|(label, _)| label == name) {
            path += &segment(name, value);
        }
    }
    if let Some(query) = url.query() {
        path += &format!("?{query}");
    }
    let mut parts = url.clone().into_parts();
    parts.path_and_query = Some(path.parse().map_err(|_| "its path can't be used".to_owned())?);
    Uri::from_parts(parts).map_err(|error| error.to_string())
}

/// `/NAME/VALUE`, or `/NAME@base64/VALUE` for what a path can't have.
fn segment(name: &str, value: &str) -> String {
    // An empty part of a path is skipped, and dots are resolved.
    if value.contains('/') || matches!(value, "" | "." | "..") {
        let encoded = URL_SAFE.encode(value);
        // Pushgateway wants at least one character.
        return format!("/{name}@base64/{}", if encoded.is_empty() { "=" } else { &encoded });
    }
    let mut segment = format!("/{name}/");
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _never = write!(segment, "%{byte:02X}");
        }
    }
    segment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_a_path_cannot_have_are_in_base64() {
        for (value, expected) in [
            ("host:9090", "/instance/host:9090"),
            ("a b%ü", "/instance/a%20b%25%C3%BC"),
            ("/var/tmp", "/instance@base64/L3Zhci90bXA="),
            ("a?/>", "/instance@base64/YT8vPg=="),
            ("\u{fb}\u{ff}/~", "/instance@base64/w7vDvy9-"),
            ("", "/instance@base64/="),
            ("..", "/instance@base64/Li4="),
        ] {
            assert_eq!(segment("instance", value), expected);
        }
    }
}
