//! The document for scripts. Its keys are documented in README.md: none is renamed or removed without a new
//! version.

use super::overview::{Overview, Row};
use crate::metadata::Health;
use serde_json::Value;

const VERSION: u32 = 1;

/// A JSON document, which ends with a line feed. README.md lists its keys.
#[must_use]
pub fn json(overview: &Overview) -> String {
    let document = serde_json::json!({
        "version": VERSION,
        "time": overview.now,
        "cpus": overview.cpus,
        "memory_bytes": overview.memory_bytes,
        "containers": overview.rows.iter().map(container).collect::<Vec<_>>(),
    });
    format!("{document:#}\n")
}

fn container(row: &Row) -> Value {
    let [cpu, memory, io] = row.pressure;
    serde_json::json!({
        "id": row.id,
        "name": row.name,
        "image": row.image,
        "cpu_ratio": row.cpu_ratio,
        "memory_current_bytes": row.memory_current,
        "memory_working_set_bytes": row.memory_usage,
        "memory_limit_bytes": row.memory_limit,
        "memory_ratio": row.memory_ratio(),
        "network_receive_bytes": row.network.map(|(received, _)| received),
        "network_transmit_bytes": row.network.map(|(_, sent)| sent),
        "blkio_receive_bytes": row.block.map(|(read, _)| read),
        "blkio_transmit_bytes": row.block.map(|(_, written)| written),
        "pids": row.pids,
        "health": row.health.map(Health::as_str),
        "restarts": row.restarts,
        "oom_kills": row.oom_kills,
        "cpu_pressure_ratio": cpu,
        "memory_pressure_ratio": memory,
        "io_pressure_ratio": io,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_there_and_what_is_unknown_is_null() {
        let overview = Overview {
            rows: vec![Row { name: "a\u{1b}\u{202e}".into(), ..Row::default() }],
            ..Overview::default()
        };
        let text = json(&overview);
        assert!(!text.contains('\u{1b}'), "control characters are escaped");
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["version"], 1);
        let row = document["containers"][0].as_object().unwrap();
        let known: Vec<_> = row.iter().filter(|(_, value)| !value.is_null()).map(|(key, _)| &**key).collect();
        assert_eq!((row.len(), known), (19, vec!["id", "name"]));
        let readme = include_str!("../../README.md");
        for key in row.keys() {
            assert!(readme.contains(&format!("`{key}`")), "README.md does not explain {key}");
        }
    }
}
