//! What the client would like: formats and encodings, by `Accept` and `Accept-Encoding` (RFC 9110, 12.5).

use crate::exposition::Format;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

/// One element of an `Accept…` header: its value, its parameters, and its weight in thousandths.
struct Element<'a> {
    value: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    weight: u16,
}

fn elements(header: &str) -> impl Iterator<Item = Element<'_>> {
    header.split(',').filter_map(|element| {
        let mut parts = element.split(';').map(str::trim);
        let value = parts.next().filter(|value| !value.is_empty())?;
        let mut weight = 1000;
        let mut parameters = Vec::new();
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            if name.trim().eq_ignore_ascii_case("q") {
                weight = thousandths(value.trim());
            } else {
                parameters.push((name.trim(), value.trim().trim_matches('"')));
            }
        }
        Some(Element { value, parameters, weight })
    })
}

/// `0.75` as 750; what is no weight counts as 0.
fn thousandths(text: &str) -> u16 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{fraction:0<3}");
    match (whole, digits.get(..3).and_then(|digits| digits.parse::<u16>().ok())) {
        ("0", Some(fraction)) => fraction,
        ("1", Some(_)) => 1000,
        _ => 0,
    }
}

/// The format that the client prefers among ours; text 0.0.4 if it does not care. Versions that are not ours
/// (OpenMetrics 2.0, text 1.0.0) are passed over.
pub(super) fn format(accept: &str) -> Format {
    let mut best = (0, Format::Text);
    for element in elements(accept) {
        let version = element.parameters.iter().find(|(name, _)| *name == "version");
        let is_version = |ours: &str| version.is_none_or(|(_, asked)| *asked == ours);
        let format = match element.value {
            "application/openmetrics-text" if is_version("1.0.0") => Format::OpenMetrics,
            "text/plain" if is_version("0.0.4") => Format::Text,
            "text/*" | "*/*" => Format::Text,
            _ => continue,
        };
        if element.weight > best.0 {
            best = (element.weight, format);
        }
    }
    best.1
}

/// The encoding that the client prefers among ours; of equals, the one it names first.
pub(super) fn encoding(accept_encoding: &str) -> Encoding {
    let mut best = (0, Encoding::Identity);
    for element in elements(accept_encoding) {
        let encoding = match element.value {
            "gzip" | "x-gzip" | "*" => Encoding::Gzip,
            "zstd" => Encoding::Zstd,
            "identity" => Encoding::Identity,
            _ => continue,
        };
        if element.weight > best.0 {
            best = (element.weight, encoding);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_chosen_as_scrapers_ask() {
        for (accept, expected) in [
            ("", Format::Text),
            ("*/*", Format::Text),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Format::Text),
            // Prometheus 2.42
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                Format::OpenMetrics,
            ),
            // Prometheus 3
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
                Format::OpenMetrics,
            ),
            ("application/openmetrics-text;version=1.0.0;q=0.1,text/plain;version=0.0.4", Format::Text),
            ("application/openmetrics-text;version=2.0.0", Format::Text),
            ("application/openmetrics-text;q=0", Format::Text),
            ("application/openmetrics-text", Format::OpenMetrics),
        ] {
            assert_eq!(format(accept), expected, "{accept}");
        }
    }

    #[test]
    fn a_weight_of_zero_is_a_refusal() {
        for (accept, expected) in [
            ("", Encoding::Identity),
            ("gzip", Encoding::Gzip),
            ("gzip, deflate, br, zstd", Encoding::Gzip),
            ("zstd, gzip", Encoding::Zstd),
            ("gzip;q=0.5, zstd", Encoding::Zstd),
            ("gzip;q=0", Encoding::Identity),
            ("gzip;q=0, *;q=0", Encoding::Identity),
            ("br", Encoding::Identity),
            ("gzip;q=broken", Encoding::Identity),
        ] {
            assert_eq!(encoding(accept), expected, "{accept}");
        }
    }
}
