//! What an answer means for the request.
//!
//! Remote write: 5xx and 429 are sent again, as the specification demands; other 4xx are dropped. Three
//! things go beyond Prometheus:
//!
//! - 401, 403 and 407 are sent again after a pause. A password that was changed should cost nothing, and it
//!   is read again at each attempt.
//! - So is a redirect that is not followed: the URL can be corrected.
//! - 408 is sent again, as HTTP suggests.
//!
//! A success that no receiver can have sent is sent again after a pause too.
//!
//! OTLP: only 429, 502, 503 and 504 are sent again, as its specification demands.

use super::{http::Answer, record::Kind};
use hyper::StatusCode;
use serde_json::Value;
use std::time::Duration;

/// The shortest pause after an answer that a person has to do something about.
pub(super) const FOR_A_PERSON: Duration = Duration::from_secs(30);

/// What is known about a receiver's version of remote write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Nothing can change it.
    Fixed,
    /// 2.0 is tried, and 1.0 can take its place.
    Guessed,
    /// The receiver has written samples of 2.0 before.
    Confirmed,
}

/// What to do with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The receiver has taken it, but for so many samples.
    Taken { refused: u64 },
    /// Send it again, not sooner than this.
    Again { pause: Duration },
    /// Never send it again. So many samples were taken all the same.
    Refused { taken: u64 },
    /// The receiver seems not to know remote write 2.0: the request is sent as 1.0. Whether all others are
    /// too depends on what this answer proves.
    NotV2(Proof),
    /// Something else than the receiver has answered. Send it again, after a while.
    Stranger,
}

/// What shows that a receiver does not know remote write 2.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// This answer alone.
    Enough,
    /// This answer, if 1.0 is taken.
    IfV1Works,
    /// Several answers like this one. It has known 2.0 before, and an older one may have taken its place.
    IfRepeated,
}

/// Judges an answer to a request with so many samples.
pub(super) fn judge(kind: Kind, samples: u64, dialect: Dialect, answer: &Answer) -> Verdict {
    let status = answer.status;
    let pause = answer.retry_after.unwrap_or_default();
    let again = Verdict::Again { pause };
    let written = answer.samples_written.map(|written| written.min(samples));
    if status.is_success() {
        if is_of_stranger(kind, answer) {
            return Verdict::Stranger;
        }
        return match kind {
            // Receivers that do not know 2.0 find nothing in it, and are content.
            Kind::WriteV2 if written.is_none() && samples > 0 => match dialect {
                Dialect::Fixed => Verdict::Refused { taken: 0 },
                Dialect::Guessed => Verdict::NotV2(Proof::Enough),
                Dialect::Confirmed => Verdict::NotV2(Proof::IfRepeated),
            },
            Kind::WriteV2 => Verdict::Taken { refused: samples - written.unwrap_or(samples) },
            Kind::Otlp | Kind::OtlpGzip => {
                Verdict::Taken { refused: rejected_points(&answer.body).min(samples) }
            }
            Kind::WriteV1 | Kind::Text | Kind::Delete => Verdict::Taken { refused: 0 },
        };
    }
    let is_otlp = matches!(kind, Kind::Otlp | Kind::OtlpGzip);
    match status {
        StatusCode::TOO_MANY_REQUESTS => again,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => again,
        StatusCode::REQUEST_TIMEOUT if !is_otlp => again,
        // The proxy's, not the receiver's.
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => Verdict::Again { pause: pause.max(FOR_A_PERSON) },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if !is_otlp => {
            Verdict::Again { pause: pause.max(FOR_A_PERSON) }
        }
        status if status.is_redirection() => Verdict::Again { pause: pause.max(FOR_A_PERSON) },
        status if status.is_server_error() && !is_otlp => again,
        StatusCode::UNSUPPORTED_MEDIA_TYPE if kind == Kind::WriteV2 && dialect != Dialect::Fixed => {
            Verdict::NotV2(Proof::Enough)
        }
        // Some do not find 2.0 in the body, and say so. Most mean something else by it.
        StatusCode::BAD_REQUEST if kind == Kind::WriteV2 && dialect == Dialect::Guessed => {
            Verdict::NotV2(Proof::IfV1Works)
        }
        _ => Verdict::Refused { taken: written.unwrap_or(0) },
    }
}

/// Whether a success comes from something that is no receiver, such as a page to log in at.
///
/// Receivers answer with nothing, with text that nobody reads, or in OTLP with a message, whose type some
/// leave to be guessed by their HTTP library. A page in HTML comes from none of them.
fn is_of_stranger(kind: Kind, answer: &Answer) -> bool {
    let body = answer.body.trim_ascii_start();
    let Some(found) = answer.content_type.as_deref().filter(|_| !body.is_empty()) else { return false };
    let found = found.to_ascii_lowercase();
    if found.contains("protobuf") || found.contains("json") {
        return false;
    }
    match kind {
        Kind::Otlp | Kind::OtlpGzip => !is_message(&answer.body) && !body.starts_with(b"{"),
        Kind::WriteV1 | Kind::WriteV2 | Kind::Text | Kind::Delete => {
            found.contains("html") && body.starts_with(b"<")
        }
    }
}

/// Whether a text can be a message in protobuf.
fn is_message(mut text: &[u8]) -> bool {
    while !text.is_empty() {
        if next_field(&mut text).is_none() {
            return false;
        }
    }
    true
}

/// `partialSuccess` of an answer in JSON.
fn partial_of_json(response: &[u8]) -> Option<Value> {
    if !response.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    let mut response: Value = serde_json::from_slice(response).ok()?;
    Some(response.get_mut("partialSuccess")?.take())
}

/// `partial_success.rejected_data_points` of an `ExportMetricsServiceResponse`. 0 if there is none, or if it
/// is not understood.
fn rejected_points(response: &[u8]) -> u64 {
    if let Some(partial) = partial_of_json(response) {
        // 64 bits are a text in JSON; some write a number all the same.
        return match partial.get("rejectedDataPoints") {
            Some(Value::String(count)) => count.parse().unwrap_or(0),
            Some(count) => count.as_u64().unwrap_or(0),
            None => 0,
        };
    }
    let Some(Field::Bytes(partial)) = field(response, 1) else { return 0 };
    match field(partial, 1) {
        // Less than nothing is not rejected.
        Some(Field::Number(count)) if i64::try_from(count).is_ok() => count,
        _ => 0,
    }
}

/// `partial_success.error_message` of the same.
pub(super) fn partial_message(response: &[u8]) -> Option<String> {
    if let Some(partial) = partial_of_json(response) {
        return partial.get("errorMessage")?.as_str().map(str::to_owned);
    }
    let Field::Bytes(partial) = field(response, 1)? else { return None };
    let Field::Bytes(message) = field(partial, 2)? else { return None };
    Some(String::from_utf8_lossy(message).into_owned())
}

enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The first field with a number in a protobuf message.
fn field(mut message: &[u8], wanted: u64) -> Option<Field<'_>> {
    while !message.is_empty() {
        let (number, found) = next_field(&mut message)?;
        if number == wanted {
            return Some(found);
        }
    }
    None
}

/// The field with which a message begins, and its number.
fn next_field<'a>(message: &mut &'a [u8]) -> Option<(u64, Field<'a>)> {
    let tag = varint(message)?;
    let found = match tag & 7 {
        0 => Field::Number(varint(message)?),
        1 => Field::Bytes(take(message, 8)?),
        2 => {
            let length = varint(message)?;
            Field::Bytes(take(message, usize::try_from(length).ok()?)?)
        }
        5 => Field::Bytes(take(message, 4)?),
        _ => return None,
    };
    Some((tag >> 3, found))
}

fn take<'a>(message: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = message.split_at_checked(length)?;
    *message = rest;
    Some(taken)
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let [byte, rest @ ..] = message else { return None };
        *message = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: None,
            samples_written: None,
            content_type: None,
            body: Default::default(),
            is_cut: false,
            masks: Default::default(),
        }
    }

    fn at(kind: Kind, status: u16) -> Verdict {
        judge(kind, 10, Dialect::Fixed, &answer(status))
    }

    const AGAIN: Verdict = Verdict::Again { pause: Duration::ZERO };
    const LATER: Verdict = Verdict::Again { pause: FOR_A_PERSON };
    const REFUSED: Verdict = Verdict::Refused { taken: 0 };
    const TAKEN: Verdict = Verdict::Taken { refused: 0 };

    #[test]
    fn what_may_succeed_later_is_sent_again() {
        for (status, write, otlp) in [
            (200, TAKEN, TAKEN),
            (204, TAKEN, TAKEN),
            (301, LATER, LATER),
            (400, REFUSED, REFUSED),
            (401, LATER, REFUSED),
            (403, LATER, REFUSED),
            (404, REFUSED, REFUSED),
            (407, LATER, LATER),
            (408, AGAIN, REFUSED),
            (413, REFUSED, REFUSED),
            (415, REFUSED, REFUSED),
            (429, AGAIN, AGAIN),
            (500, AGAIN, REFUSED),
            (501, AGAIN, REFUSED),
            (502, AGAIN, AGAIN),
            (503, AGAIN, AGAIN),
            (504, AGAIN, AGAIN),
            (599, AGAIN, REFUSED),
        ] {
            for kind in [Kind::WriteV1, Kind::Text, Kind::Delete] {
                assert_eq!(at(kind, status), write, "{kind:?} {status}");
            }
            for kind in [Kind::Otlp, Kind::OtlpGzip] {
                assert_eq!(at(kind, status), otlp, "{kind:?} {status}");
            }
        }
    }

    #[test]
    fn a_receiver_that_does_not_know_remote_write_2_shows_it() {
        let certain = Verdict::NotV2(Proof::Enough);
        let guess = Verdict::NotV2(Proof::IfV1Works);
        let doubt = Verdict::NotV2(Proof::IfRepeated);
        for (dialect, status, expected) in [
            (Dialect::Guessed, 415, certain),
            (Dialect::Guessed, 204, certain),
            (Dialect::Guessed, 400, guess),
            (Dialect::Guessed, 404, REFUSED),
            (Dialect::Guessed, 500, AGAIN),
            (Dialect::Confirmed, 415, certain),
            (Dialect::Confirmed, 204, doubt),
            (Dialect::Confirmed, 400, REFUSED),
            (Dialect::Fixed, 415, REFUSED),
            (Dialect::Fixed, 204, REFUSED),
            (Dialect::Fixed, 400, REFUSED),
        ] {
            assert_eq!(judge(Kind::WriteV2, 10, dialect, &answer(status)), expected, "{dialect:?} {status}");
        }
        assert_eq!(judge(Kind::WriteV2, 0, Dialect::Guessed, &answer(204)), TAKEN, "there was nothing in it");
    }

    #[test]
    fn samples_that_were_not_written_are_counted() {
        let written = |status, written| {
            let answer = Answer { samples_written: Some(written), ..answer(status) };
            judge(Kind::WriteV2, 10, Dialect::Confirmed, &answer)
        };
        assert_eq!(written(204, 10), TAKEN);
        assert_eq!(written(204, 7), Verdict::Taken { refused: 3 });
        assert_eq!(written(204, 11), TAKEN);
        assert_eq!(written(400, 7), Verdict::Refused { taken: 7 });
    }

    #[test]
    fn partial_success_of_otlp_is_found() {
        assert_eq!(partial_message(b"\x0a\x07\x08\x03\x12\x03old").as_deref(), Some("old"));
        assert_eq!(partial_message(b"\x0a\x02\x08\x03"), None);
        let json = br#" {"partialSuccess": {"rejectedDataPoints": "3", "errorMessage": "old"}}"#;
        assert_eq!(partial_message(json).as_deref(), Some("old"));
        let refused = |body: &'static [u8]| {
            let answer = Answer { body: body.into(), ..answer(200) };
            judge(Kind::Otlp, 10, Dialect::Fixed, &answer)
        };
        assert_eq!(refused(b""), TAKEN);
        assert_eq!(refused(b"\x0a\x07\x08\x03\x12\x03old"), Verdict::Taken { refused: 3 });
        assert_eq!(refused(b"\x0a\x05\x12\x03old"), TAKEN, "a warning only");
        assert_eq!(refused(json), Verdict::Taken { refused: 3 });
        assert_eq!(
            refused(br#"{"partialSuccess":{"rejectedDataPoints":11}}"#),
            Verdict::Taken { refused: 10 }
        );
        for nothing in
            ["{}", r#"{"partialSuccess":{}}"#, r#"{"partialSuccess":{"rejectedDataPoints":-1}}"#, "{"]
        {
            assert_eq!(refused(nothing.as_bytes()), TAKEN, "{nothing}");
        }
        assert_eq!(refused(b"\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), TAKEN, "-1");
        assert_eq!(refused(b"\x0a\x03\x08\xff\x01"), Verdict::Taken { refused: 10 }, "more than all");
        for garbage in
            [&b"\x0a\xff"[..], b"<html>", b"\x0a", b"\x08", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"]
        {
            assert_eq!(refused(garbage), TAKEN, "{garbage:?}");
        }
    }

    #[test]
    fn a_page_is_no_answer_of_a_receiver() {
        let of = |kind, content_type: Option<&str>, body: &'static [u8]| {
            let content_type = content_type.map(str::to_owned);
            let answer = Answer { content_type, body: body.into(), ..answer(200) };
            judge(kind, 10, Dialect::Guessed, &answer)
        };
        let page = b"<html>log in</html>";
        for kind in [Kind::Otlp, Kind::OtlpGzip, Kind::WriteV1, Kind::WriteV2, Kind::Text, Kind::Delete] {
            assert_eq!(of(kind, Some("text/html"), page), Verdict::Stranger, "{kind:?}");
            assert_eq!(of(kind, Some("Text/HTML; charset=utf-8"), page), Verdict::Stranger, "{kind:?}");
        }
        assert_eq!(of(Kind::Otlp, Some("text/plain"), b"welcome"), Verdict::Stranger);
        // What receivers send, also by the guess of Go's library.
        for (content_type, body) in [
            (None, &b""[..]),
            (None, page),
            (Some("text/plain"), b""),
            (Some("text/html"), b"\n"),
            (Some("application/x-protobuf"), b"\x0a\x00"),
            (Some("application/x-protobuf"), b"?"),
            (Some("application/json; charset=utf-8"), b"{}"),
            (Some("text/plain; charset=utf-8"), b"{}"),
            (Some("application/octet-stream"), b"\x0a\x00"),
        ] {
            assert_eq!(of(Kind::Otlp, content_type, body), TAKEN, "{content_type:?}");
        }
        for kind in [Kind::WriteV1, Kind::Text, Kind::Delete] {
            for (content_type, body) in [("text/plain", &b"ok"[..]), ("text/html", b""), ("text/html", b"ok")]
            {
                assert_eq!(of(kind, Some(content_type), body), TAKEN, "{kind:?} {content_type}");
            }
        }
    }
}
