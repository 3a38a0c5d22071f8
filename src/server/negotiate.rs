//! Content negotiation: the format by `Accept` and the encoding by `Accept-Encoding` (RFC 9110, 12.5).

use crate::encode::Format;

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

/// `0.75` as 750. An invalid weight counts as 0.
fn thousandths(text: &str) -> u16 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{fraction:0<3}");
    let digits = digits.get(..3).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    match (whole, digits.and_then(|digits| digits.parse::<u16>().ok())) {
        ("0", Some(fraction)) => fraction,
        ("1", Some(_)) => 1000,
        _ => 0,
    }
}

/// Of our formats, the one that the client prefers; text 0.0.4 if it has no preference. Versions that we do
/// not have (OpenMetrics 2.0, text 1.0.0) are ignored.
pub(super) fn format(accept: &str) -> Format {
    let mut best = (0, Format::Text);
    for element in elements(accept) {
        let version = element.parameters.iter().find(|(name, _)| name.eq_ignore_ascii_case("version"));
        let is_version = |ours: &str| version.is_none_or(|(_, asked)| *asked == ours);
        let format = match element.value.to_ascii_lowercase().as_str() {
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

/// Of our encodings, the one that the client prefers. If several have the same weight, the first one in the
/// header. `*` means gzip, unless gzip is named itself: a client that refuses gzip and accepts anything else
/// gets the page uncompressed.
pub(super) fn encoding(accept_encoding: &str) -> Encoding {
    let names_gzip = elements(accept_encoding).any(|element| is_gzip(element.value));
    let mut best = (0, Encoding::Identity);
    for element in elements(accept_encoding) {
        let encoding = match element.value {
            "*" if names_gzip => continue,
            "*" => Encoding::Gzip,
            gzip if is_gzip(gzip) => Encoding::Gzip,
            zstd if zstd.eq_ignore_ascii_case("zstd") => Encoding::Zstd,
            identity if identity.eq_ignore_ascii_case("identity") => Encoding::Identity,
            _ => continue,
        };
        if element.weight > best.0 {
            best = (element.weight, encoding);
        }
    }
    best.1
}

/// Whether the client takes gzip, whatever it prefers.
pub(super) fn takes_gzip(accept_encoding: &str) -> bool {
    let of = |is: fn(&str) -> bool| elements(accept_encoding).find(|element| is(element.value));
    of(is_gzip).or_else(|| of(|value| value == "*")).is_some_and(|element| element.weight > 0)
}

fn is_gzip(value: &str) -> bool {
    value.eq_ignore_ascii_case("gzip") || value.eq_ignore_ascii_case("x-gzip")
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
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;\
                 q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                Format::OpenMetrics,
            ),
            // Prometheus 3
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;\
                 version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
                Format::OpenMetrics,
            ),
            ("application/openmetrics-text;version=1.0.0;q=0.1,text/plain;version=0.0.4", Format::Text),
            ("application/openmetrics-text;version=2.0.0", Format::Text),
            ("application/openmetrics-text;q=0", Format::Text),
            ("application/openmetrics-text", Format::OpenMetrics),
            ("Application/OpenMetrics-Text; Version=1.0.0; Q=0.5, TEXT/plain;q=0.4", Format::OpenMetrics),
            ("APPLICATION/OPENMETRICS-TEXT; Version=\"1.0.0\"", Format::OpenMetrics),
            ("application/openmetrics-text;q=0, */*", Format::Text),
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
            ("GZip", Encoding::Gzip),
            ("ZSTD;Q=1", Encoding::Zstd),
            ("Identity, gzip;q=0.5", Encoding::Identity),
            ("*", Encoding::Gzip),
            ("gzip;q=0, *", Encoding::Identity),
            ("*, gzip;q=0", Encoding::Identity),
            ("X-Gzip;q=0, *;q=1", Encoding::Identity),
            ("gzip;q=0, *, zstd;q=0.1", Encoding::Zstd),
            ("gzip;q=0.1, *;q=1", Encoding::Gzip),
            ("gzip;q=+01", Encoding::Identity),
            ("gzip;q=0.+9", Encoding::Identity),
        ] {
            assert_eq!(encoding(accept), expected, "{accept}");
        }
    }
}
