//! Reads answers as far as they can be understood. A field that bollard does not understand is left out, and
//! nothing else. Bytes and escapes that are no characters are replaced.

use super::{problem::Problem, rows::RowText};
use crate::metadata::told::Row;
use bollard::{
    errors::Error,
    models::{ContainerInspectResponse, ContainerSummary, EventMessage, SystemInfo, SystemVersion},
};
use memchr::memchr;
use serde_json::{Map, Value, from_slice, from_str, from_value};

/// How deep an odd field is searched for. If it is deeper, the field that contains it is left out.
/// `State.Health.Log[0].Output` is the deepest that Docker has.
const DEPTH: usize = 5;

/// How many containers are read at most: more than a host can have.
pub(super) const MAX_ROWS: usize = 32_768;

/// An inspection.
pub(super) struct Inspection {
    pub(super) answer: ContainerInspectResponse,
    /// Something was left out, so a missing value may have been in the answer.
    pub(super) is_odd: bool,
}

/// A list of containers.
#[derive(Default)]
pub(super) struct List {
    /// The rows that could be read, without their odd fields.
    pub(super) rows: Vec<Row>,
    /// How many rows there were. Only if all of them could be read, a container that is not among them is
    /// gone.
    pub(super) count: usize,
    /// How many had odd fields, or could not be read at all.
    pub(super) odd: usize,
}

impl List {
    pub(super) fn take(&mut self, text: RowText<'_>, convert: &impl Fn(&ContainerSummary) -> Option<Row>) {
        self.count += 1;
        let text = text.filter(|_| self.rows.len() < MAX_ROWS);
        let read = text.and_then(|text| from_slice(text).ok());
        self.odd += usize::from(read.is_none());
        let tolerant = || row(json(&String::from_utf8_lossy(text?))?);
        let is_odd = read.is_none();
        let row = read.or_else(tolerant).and_then(|summary| convert(&summary));
        self.rows.extend(row.map(|mut row| {
            row.told.tells.labels &= !is_odd;
            row
        }));
    }
}

macro_rules! tolerant {
    ($(#[$doc:meta] $name:ident: $model:ident;)*) => {
        $(#[$doc]
        fn $name(mut value: Value) -> Option<$model> {
            keep_understood(&mut value, &|value| from_value::<$model>(value.clone()).is_ok(), DEPTH);
            from_value(value).ok()
        })*
    };
}

tolerant! {
    /// What can be understood of an answer to `/version`.
    version: SystemVersion;
    /// What can be understood of an answer to `/info`.
    info: SystemInfo;
    /// What can be understood of a row of a list.
    row: ContainerSummary;
    /// What can be understood of an inspection.
    inspection: ContainerInspectResponse;
    /// What can be understood of an event.
    event: EventMessage;
}

/// Leaves out the fields and elements that are not understood. `is_understood` checks one part at a time: it
/// sees the whole answer with all other parts left out.
fn keep_understood(value: &mut Value, is_understood: &dyn Fn(&Value) -> bool, depth: usize) -> bool {
    if is_understood(value) {
        return true;
    }
    let Some(depth) = depth.checked_sub(1) else { return false };
    match value {
        Value::Object(fields) => {
            let all = std::mem::take(fields);
            for (key, mut field) in all {
                let alone = |field: &Value| {
                    is_understood(&Value::Object(Map::from_iter([(key.clone(), field.clone())])))
                };
                if keep_understood(&mut field, &alone, depth) {
                    fields.insert(key, field);
                }
            }
        }
        Value::Array(elements) => {
            let alone = |element: &Value| is_understood(&Value::Array(vec![element.clone()]));
            elements.retain_mut(|element| keep_understood(element, &alone, depth));
        }
        _ => return false,
    }
    is_understood(value)
}

/// The answer, or the part of it that can be understood.
fn read<T>(answer: Result<T, Error>, tolerant: fn(Value) -> Option<T>) -> Result<T, Problem> {
    match answer {
        Err(Error::JsonDataError { message, contents, .. }) => {
            json(&contents).and_then(tolerant).ok_or(Problem::Odd(message))
        }
        other => Ok(other?),
    }
}

pub(super) fn read_version(answer: Result<SystemVersion, Error>) -> Result<SystemVersion, Problem> {
    read(answer, version)
}

pub(super) fn read_info(answer: Result<SystemInfo, Error>) -> Result<SystemInfo, Problem> {
    read(answer, info)
}

pub(super) fn read_inspection(
    answer: Result<ContainerInspectResponse, Error>,
) -> Result<Inspection, Problem> {
    let is_odd = matches!(answer, Err(Error::JsonDataError { .. }));
    Ok(Inspection { answer: read(answer, inspection)?, is_odd })
}

/// Reads an inspection from its text.
pub(super) fn read_inspection_of(text: &[u8]) -> Option<Inspection> {
    let read = from_slice(text).ok();
    let is_odd = read.is_none();
    let answer = read.or_else(|| inspection(json(&String::from_utf8_lossy(text))?))?;
    Some(Inspection { answer, is_odd })
}

/// Reads an event, if the line is not empty.
pub(super) fn read_event(line: &[u8]) -> Option<EventMessage> {
    // RS starts each record of a JSON text sequence (RFC 7464), which newer daemons can send.
    let line = line.strip_prefix(b"\x1e").unwrap_or(line);
    from_slice(line).ok().or_else(|| event(json(&String::from_utf8_lossy(line))?))
}

pub(super) fn json(text: &str) -> Option<Value> {
    from_str(text).ok().or_else(|| from_slice(&with_whole_characters(text)?).ok())
}

/// The text with U+FFFD for each half of a character: JSON can write one (`"\ud800"`), and it would cost
/// everything around it. `None` if there is none.
fn with_whole_characters(text: &str) -> Option<Vec<u8>> {
    let mut mended = text.as_bytes().to_vec();
    let mut has_halves = false;
    let mut at = 0;
    let unit_at = |text: &[u8], at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    while let Some(next) = mended.get(at..).and_then(|rest| memchr(b'\\', rest)) {
        at += next;
        at += match (unit_at(&mended, at), unit_at(&mended, at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                mended.splice(at..at + 6, *b"\\ufffd");
                has_halves = true;
                6
            }
            // Whatever is escaped, a backslash too.
            _ => 2,
        };
    }
    has_halves.then_some(mended)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_odd_field_costs_itself_alone() {
        let odd = json!({
            "Id": "x", "Names": ["/a", 7, "/b"], "State": "levitating", "Labels": {"a": "b", "c": 3},
            "Ports": [{"PrivatePort": 80, "Type": "quic"}, {"PrivatePort": 81, "Type": "tcp"}],
            "HostConfig": {"NetworkMode": "host", "Annotations": 4}
        });
        let row = row(odd).unwrap();
        assert_eq!(row.id.as_deref(), Some("x"));
        assert_eq!(row.names.unwrap(), ["/a", "/b"]);
        assert_eq!(row.state, None);
        assert_eq!(row.labels.unwrap().into_iter().collect::<Vec<_>>(), [("a".into(), "b".into())]);
        assert_eq!(row.host_config.unwrap().network_mode.as_deref(), Some("host"));
    }

    #[test]
    fn an_odd_word_deep_inside_an_inspection_loses_no_state() {
        let odd = json!({"Id": "x", "State": {"Status": "running", "Pid": 7, "Health": {"Status": "dizzy"}}});
        let state = inspection(odd).unwrap().state.unwrap();
        assert_eq!((state.pid, state.health.unwrap().status), (Some(7), None));
        assert!(inspection(json!([1])).is_none() && inspection(json!("x")).is_none());
    }

    #[test]
    fn an_event_is_read_without_its_odd_fields() {
        let line =
            br#"{"Type":"container","Action":"oom","Actor":{"ID":"x","Attributes":{"a":1}},"timeNano":1e30}"#;
        let event = read_event(line).unwrap();
        assert_eq!(event.action.as_deref(), Some("oom"));
        assert_eq!(event.actor.unwrap().id.as_deref(), Some("x"));
        assert!(read_event(b"\x1e{\"Action\":\"die\"}").is_some());
        assert!(read_event(b"{").is_none() && read_event(b"7").is_none() && read_event(b"").is_none());
    }

    #[test]
    fn half_a_character_costs_itself_alone() {
        let read =
            |name: &str| Some(json(&format!("{{\"Name\": \"{name}\"}}"))?["Name"].as_str()?.to_owned());
        assert_eq!(read(r"/a\ud800x").unwrap(), "/a\u{fffd}x");
        assert_eq!(read(r"\udc00\ud800\ud83d\ude00\uD800").unwrap(), "\u{fffd}\u{fffd}\u{1f600}\u{fffd}");
        assert_eq!(read(r"\ud800\\ud800\n").unwrap(), "\u{fffd}\\ud800\n");
        for wrong in [r"\u", r"\ud80", r"\ud800\u", r"\ud800\uzzzz", r"\u+800", "\\"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        let line = br#"{"Action":"die","Actor":{"ID":"x","Attributes":{"name":"\ud800"}}}"#;
        assert_eq!(read_event(line).unwrap().actor.unwrap().id.as_deref(), Some("x"));
        let inspection = read_inspection_of(br#"{"Id":"x","Name":"\udfff"}"#).unwrap();
        assert_eq!((inspection.answer.id.as_deref(), inspection.is_odd), (Some("x"), true));
    }

    #[test]
    fn what_is_nested_without_end_is_left_out() {
        let mut deep = json!(1);
        for _ in 0..100 {
            deep = json!({"Ports": [deep]});
        }
        let mut odd = deep;
        odd["Id"] = json!("x");
        assert_eq!(row(odd).unwrap().id.as_deref(), Some("x"));
    }
}
