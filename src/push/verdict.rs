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
//! OTLP: only 429, 502, 503 and 504 are sent again, as its specification demands.

use super::{http::Answer, record::Kind};
use hyper::StatusCode;
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
    /// The receiver does not know remote write 2.0. If it is not certain, 1.0 is worth one attempt.
    NotV2 { is_certain: bool },
}

/// Judges an answer to a request with so many samples.
pub(super) fn judge(kind: Kind, samples: u64, dialect: Dialect, answer: &Answer) -> Verdict {
    let status = answer.status;
    let pause = answer.retry_after.unwrap_or_default();
    let again = Verdict::Again { pause };
    let written = answer.samples_written.map(|written| written.min(samples));
    if status.is_success() {
        return match kind {
            // Receivers that do not know 2.0 find nothing in it, and are content.
            Kind::WriteV2 if written.is_none() && samples > 0 => match dialect {
                Dialect::Fixed => Verdict::Refused { taken: 0 },
                Dialect::Guessed | Dialect::Confirmed => Verdict::NotV2 { is_certain: true },
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
            Verdict::NotV2 { is_certain: true }
        }
        // Some do not find 2.0 in the body, and say so. Most mean something else by it.
        StatusCode::BAD_REQUEST if kind == Kind::WriteV2 && dialect == Dialect::Guessed => {
            Verdict::NotV2 { is_certain: false }
        }
        _ => Verdict::Refused { taken: written.unwrap_or(0) },
    }
}

/// `partial_success.rejected_data_points` of an `ExportMetricsServiceResponse`. 0 if there is none, or if it
/// is not understood.
fn rejected_points(response: &[u8]) -> u64 {
    let Some(Field::Bytes(partial)) = field(response, 1) else { return 0 };
    match field(partial, 1) {
        // Less than nothing is not rejected.
        Some(Field::Number(count)) if i64::try_from(count).is_ok() => count,
        _ => 0,
    }
}

/// `partial_success.error_message` of the same.
pub(super) fn partial_message(response: &[u8]) -> Option<String> {
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
        let tag = varint(&mut message)?;
        let found = match tag & 7 {
            0 => Field::Number(varint(&mut message)?),
            1 => Field::Bytes(take(&mut message, 8)?),
            2 => {
                let length = varint(&mut message)?;
                Field::Bytes(take(&mut message, usize::try_from(length).ok()?)?)
            }
            5 => Field::Bytes(take(&mut message, 4)?),
            _ => return None,
        };
        if tag >> 3 == wanted {
            return Some(found);
        }
    }
    None
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
        let certain = Verdict::NotV2 { is_certain: true };
        let guess = Verdict::NotV2 { is_certain: false };
        for (dialect, status, expected) in [
            (Dialect::Guessed, 415, certain),
            (Dialect::Guessed, 204, certain),
            (Dialect::Guessed, 400, guess),
            (Dialect::Guessed, 404, REFUSED),
            (Dialect::Guessed, 500, AGAIN),
            (Dialect::Confirmed, 415, certain),
            (Dialect::Confirmed, 204, certain),
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
        let refused = |body: &'static [u8]| {
            let answer = Answer { body: body.into(), ..answer(200) };
            judge(Kind::Otlp, 10, Dialect::Fixed, &answer)
        };
        assert_eq!(refused(b""), TAKEN);
        assert_eq!(refused(b"\x0a\x07\x08\x03\x12\x03old"), Verdict::Taken { refused: 3 });
        assert_eq!(refused(b"\x0a\x05\x12\x03old"), TAKEN, "a warning only");
        assert_eq!(refused(b"\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), TAKEN, "-1");
        assert_eq!(refused(b"\x0a\x03\x08\xff\x01"), Verdict::Taken { refused: 10 }, "more than all");
        for garbage in
            [&b"\x0a\xff"[..], b"<html>", b"\x0a", b"\x08", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"]
        {
            assert_eq!(refused(garbage), TAKEN, "{garbage:?}");
        }
    }
}
