//! The host of `--demo`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use flate2::{Compression, GzBuilder, read::GzDecoder};
use serde_json::{Map, Value, json};
use std::{
    fs,
    io::{Read, Write},
    path::Path,
};

const RECORDED: &str = "debian13-docker26.1-linux6.12";
const PACKED: &str = "demo-host.json.gz";
/// What only tests read.
const LEFT_OUT: [&str; 3] = ["PROVENANCE", "docker-stats.json", "expected"];

fn list(root: &Path, directory: &Path, entries: &mut Map<String, Value>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        if LEFT_OUT.contains(&name.as_str()) {
            continue;
        }
        if let Ok(target) = fs::read_link(&path) {
            entries.insert(name, json!({"link": target}));
        } else if path.is_dir() {
            list(root, &path, entries);
        } else {
            entries.insert(name, fs::read_to_string(&path).unwrap().into());
        }
    }
}

/// `UPDATE_GOLDEN=1` packs it anew, and still fails once if something changed. Compared unpacked: another version of the
/// compression makes other bytes of the same text.
#[test]
fn the_packed_host_is_the_recorded_one() {
    let root = support::fixture(RECORDED);
    let mut entries = Map::new();
    list(&root, &root, &mut entries);
    let expected = Value::Object(entries).to_string();
    let mut packed = String::new();
    let file = fs::File::open(support::fixture(PACKED));
    let _read = file.and_then(|file| GzDecoder::new(file).read_to_string(&mut packed));
    if std::env::var_os("UPDATE_GOLDEN").is_some() && packed != expected {
        let file = fs::File::create(support::fixture(PACKED)).unwrap();
        let mut encoder = GzBuilder::new().mtime(0).write(file, Compression::best());
        encoder.write_all(expected.as_bytes()).unwrap();
        encoder.finish().unwrap();
    }
    assert!(
        packed == expected,
        "run: UPDATE_GOLDEN=1 cargo test --test demo, if the recorded host was changed"
    );
}
