//! What a row of a list says about the size of its container.

use super::{
    rows::RowText,
    tolerant::{MAX_ROWS, json},
};
use crate::{metadata::DiskUse, parse::ContainerId};
use serde_json::Value;

/// Adds the sizes of a row. A row that can't be read is left out.
pub(super) fn take(sizes: &mut Vec<(ContainerId, DiskUse)>, row: RowText<'_>) {
    let row = row.filter(|_| sizes.len() < MAX_ROWS);
    sizes.extend(row.and_then(|text| size_of(&json(&String::from_utf8_lossy(text))?)));
}

/// What one field of a row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// It is not there.
    Nothing,
    Bytes(u64),
    /// Something that is no size: null, a string, or -1, which is Docker's word for an error.
    NoSize,
}

/// The sizes in a row of a list.
///
/// dockerd leaves out sizes of 0. It also leaves out both if it could not find the container's layer. A whole
/// root file system of 0 bytes does not exist in practice, so this is read as unknown. If it is there, a
/// `SizeRw` that was left out is 0.
fn size_of(row: &Value) -> Option<(ContainerId, DiskUse)> {
    let id = ContainerId::new(row.get("Id")?.as_str()?)?;
    let told = |field| match row.get(field) {
        None => Told::Nothing,
        // dockerd's sizes are signed.
        Some(value) => {
            let bytes = value.as_i64().and_then(|bytes| u64::try_from(bytes).ok());
            bytes.map_or(Told::NoSize, Told::Bytes)
        }
    };
    let unknown = DiskUse::default();
    let sizes = match (told("SizeRw"), told("SizeRootFs")) {
        // The whole includes the writable layer. If one contradicts the other, neither is believed.
        (Told::Bytes(rw), Told::Bytes(root)) if rw > root && root > 0 => unknown,
        (Told::Bytes(rw), Told::Bytes(root)) if root > 0 => {
            DiskUse { rw_bytes: Some(rw), root_bytes: Some(root) }
        }
        (Told::Nothing, Told::Bytes(root)) if root > 0 => {
            DiskUse { rw_bytes: Some(0), root_bytes: Some(root) }
        }
        (Told::Bytes(rw), _) if rw > 0 => DiskUse { rw_bytes: Some(rw), root_bytes: None },
        // After an error, dockerd's whole lacks the writable layer.
        _ => unknown,
    };
    Some((id, sizes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_size_is_shown_only_if_docker_knows_it() {
        let id = "1".repeat(64);
        let unknown = (None, None);
        for (rw, root, expected) in [
            (json!(5), json!(100), (Some(5), Some(100))),
            (json!(0), json!(100), (Some(0), Some(100))),
            (json!(100), json!(100), (Some(100), Some(100))),
            (json!(5), json!(0), (Some(5), None)),
            (json!(5), json!(null), (Some(5), None)),
            (json!(5), json!("100"), (Some(5), None)),
            (json!(null), json!(100), unknown),
            (json!("5"), json!(100), unknown),
            (json!(5.5), json!(100), unknown),
            (json!(-1), json!(100), unknown),
            (json!(-1), json!(-1), unknown),
            (json!(0), json!(0), unknown),
            (json!(null), json!(null), unknown),
            (json!(101), json!(100), unknown),
        ] {
            let row = json!({"Id": id, "SizeRw": rw, "SizeRootFs": root});
            let (_, found) = size_of(&row).unwrap();
            assert_eq!((found.rw_bytes, found.root_bytes), expected, "{row}");
        }
        // What dockerd leaves out.
        for (row, expected) in [
            (json!({"Id": id, "SizeRootFs": 100}), (Some(0), Some(100))),
            (json!({"Id": id, "SizeRw": 5}), (Some(5), None)),
            (json!({"Id": id, "SizeRw": 0}), unknown),
            (json!({"Id": id}), unknown),
        ] {
            let (_, found) = size_of(&row).unwrap();
            assert_eq!((found.rw_bytes, found.root_bytes), expected, "{row}");
        }
        assert!(size_of(&json!({"Id": "short", "SizeRw": 5})).is_none() && size_of(&json!([])).is_none());
    }

    #[test]
    fn what_is_no_row_costs_itself_alone() {
        let mut sizes = Vec::new();
        let row = format!(r#"{{"Id":"{}","SizeRw":1,"Names":["\u0000"]}}"#, "1".repeat(64));
        for text in [None, Some(&b"7"[..]), Some(b"{\"Id\":"), Some(b"\xff"), Some(row.as_bytes())] {
            take(&mut sizes, text);
        }
        assert_eq!(sizes.len(), 1);
    }
}
