//! Who imports whom. Data flows one way; a new edge is a change of the design, made here and in `src/lib.rs`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Each room with those that it may import.
const ROOMS: [(&str, &[&str]); 13] = [
    ("parse", &[]),
    ("sample", &["parse"]),
    ("discovery", &["parse"]),
    ("metadata", &["parse"]),
    ("model", &["parse", "sample", "metadata"]),
    ("exposition", &["parse", "sample", "metadata", "model"]),
    ("collector", &["parse", "sample", "discovery", "metadata", "model", "exposition"]),
    ("server", &["collector", "exposition", "cli"]),
    ("demo", &["metadata", "sample"]),
    ("cli", &[]),
    ("log", &["sample"]),
    ("systemd", &[]),
    (
        "app",
        &[
            "cli",
            "collector",
            "demo",
            "discovery",
            "exposition",
            "log",
            "metadata",
            "parse",
            "sample",
            "server",
            "systemd",
        ],
    ),
];

/// Crates that belong to some rooms only, so that another one can take their place.
const CRATES: [(&str, &[&str]); 16] = [
    ("bollard", &["metadata/docker/"]),
    ("procfs", &["sample/"]),
    ("nix", &["sample/"]),
    ("inotify", &["discovery/watcher.rs"]),
    ("warp", &["server/", "demo/dockerd.rs"]),
    ("hyper", &["server/", "demo/dockerd.rs", "metadata/docker/"]),
    ("hyper_util", &["server/connection.rs", "demo/dockerd.rs", "metadata/docker/client.rs"]),
    ("tokio_rustls", &["server/tls.rs", "server/healthcheck.rs", "metadata/docker/transport.rs"]),
    ("prometheus", &["exposition/"]),
    ("tracing_subscriber", &["log.rs"]),
    ("clap", &["cli.rs"]),
    ("mimalloc", &["main.rs"]),
    ("glob", &["metadata/choice.rs", "sample/interfaces.rs"]),
    ("chrono", &["metadata/docker/convert.rs", "demo/state.rs"]),
    ("flate2", &["server/encoding.rs", "demo/recording.rs"]),
    ("anyhow", &["app.rs", "cli.rs", "main.rs", "demo/", "server/healthcheck.rs"]),
];

fn sources(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Each file below `src` with its text before the tests, without comments.
fn code() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    files
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            let code: Vec<_> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            (path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned(), code.join("\n"))
        })
        .collect()
}

/// The rooms that a text names: `crate::room`, also in `use crate::{room, …}`.
fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for after in code.split("crate::").skip(1) {
        let Some(list) = after.strip_prefix('{') else {
            found.insert(after.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_owned());
            continue;
        };
        let mut depth = 0;
        let mut word = String::new();
        for c in list.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => found.extend(std::iter::once(std::mem::take(&mut word))),
                c if depth == 0 => word.push(c),
                _ => {}
            }
        }
        found.insert(word);
    }
    found
        .into_iter()
        .map(|path| path.trim().split("::").next().unwrap().to_owned())
        .filter(|room| !room.is_empty())
        .collect()
}

#[test]
fn rooms_import_only_what_is_below_them() {
    for (file, code) in code() {
        let room = file.split(['/', '.']).next().unwrap();
        if matches!(room, "lib" | "main" | "build") {
            continue;
        }
        let (_, allowed) =
            ROOMS.iter().find(|(name, _)| *name == room).unwrap_or_else(|| panic!("no room {room}"));
        for import in imports(&code).iter().filter(|import| *import != room) {
            assert!(allowed.contains(&import.as_str()), "{file} imports {import}");
        }
    }
}

#[test]
fn each_crate_has_its_place() {
    for (file, code) in code() {
        for (name, places) in CRATES {
            let named =
                [format!("use {name}::"), format!(" {name}::"), format!("({name}::"), format!("<{name}::")];
            if named.iter().any(|named| code.contains(named.as_str())) {
                let at_home = places.iter().any(|place| file.starts_with(place));
                assert!(at_home, "{file} uses {name}, which belongs to {places:?}");
            }
        }
    }
}

#[test]
fn the_check_itself_sees_imports() {
    let seen = imports("use crate::{\n    parse::{A, b},\n    sample,\n};\nfn f() { crate::model::g() }");
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["model", "parse", "sample"]);
}
