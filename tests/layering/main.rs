//! Who imports whom, and how long a file and a line may be.
//!
//! Data flows one way: between rooms (the modules of `src/lib.rs`) as [`ROOMS`] says, inside a room without
//! circles. A new edge is a change of the design, made here and in `src/lib.rs`. What a method call reaches
//! is not seen: only paths are, in imports and in code.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod imports;
mod itself;

use imports::{Tree, named};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Each room with those that it may import.
const ROOMS: [(&str, &[&str]); 21] = [
    ("files", &[]),
    ("parse", &[]),
    ("sample", &["parse"]),
    ("advice", &["sample"]),
    ("yaml", &["advice"]),
    ("discovery", &["parse", "advice"]),
    ("metadata", &["parse", "advice"]),
    ("model", &["parse", "sample", "metadata"]),
    ("table", &["parse", "sample", "metadata", "model"]),
    ("encode", &["model", "table"]),
    ("collector", &["parse", "sample", "discovery", "metadata", "model", "table", "encode", "advice"]),
    (
        "server",
        &[
            "collector",
            "table",
            "encode",
            "advice",
            "files",
            "yaml",
            "metadata",
            "model",
            "parse",
            "terminal",
        ],
    ),
    ("terminal", &["collector", "metadata", "model", "parse"]),
    ("push", &["collector", "table", "encode", "sample", "advice", "files"]),
    ("demo", &["metadata", "sample"]),
    ("cli", &[]),
    ("settings", &["cli", "table", "metadata", "push", "sample", "advice", "yaml", "files"]),
    ("log", &["sample"]),
    ("sandbox", &["sample"]),
    ("systemd", &[]),
    (
        "app",
        &[
            "advice",
            "collector",
            "demo",
            "discovery",
            "encode",
            "log",
            "metadata",
            "parse",
            "push",
            "sample",
            "sandbox",
            "server",
            "settings",
            "systemd",
            "table",
            "terminal",
        ],
    ),
];

/// Where each crate of `Cargo.toml` is used, so that another one can take its place. Tests and benches may
/// use them all.
const CRATES: &[(&str, &[&str])] = &[
    ("anyhow", &["app.rs", "app/", "demo/", "server/healthcheck.rs"]),
    ("base64", &["push/", "server/access/gate.rs"]),
    ("bcrypt", &["server/access/"]),
    ("bollard", &["metadata/docker/"]),
    ("bytes", &["server/", "demo/dockerd.rs"]),
    ("chrono", &["metadata/docker/time.rs", "demo/state.rs", "push/http/answer.rs"]),
    ("clap", &["cli.rs", "cli/"]),
    ("clap_complete", &["tests/reference.rs"]),
    ("clap_mangen", &["tests/reference.rs"]),
    ("crc32fast", &["push/"]),
    (
        "flate2",
        &["build.rs", "server/encoding.rs", "server/page/assets.rs", "demo/recording.rs", "push/compress.rs"],
    ),
    (
        "futures_util",
        &[
            "server/page/live.rs",
            "metadata/docker/",
            "discovery/watcher.rs",
            "demo/dockerd.rs",
            "push/running.rs",
        ],
    ),
    ("glob", &["metadata/choice.rs", "sample/interfaces.rs"]),
    ("granit_parser", &["yaml/mod.rs"]),
    ("hyper", &["server/", "demo/dockerd.rs", "metadata/docker/", "push/", "settings/"]),
    ("hyper_util", &["server/connection.rs", "demo/dockerd.rs", "metadata/docker/client.rs", "push/http/"]),
    ("inotify", &["discovery/watcher.rs"]),
    ("landlock", &["sandbox/files.rs"]),
    ("listenfd", &["systemd/sockets.rs"]),
    (
        "memchr",
        &["parse/", "encode/label_block.rs", "metadata/docker/tolerant.rs", "metadata/docker/transport.rs"],
    ),
    ("mimalloc", &["main.rs"]),
    ("nix", &["main.rs", "sample/", "sandbox/", "push/spool/directory.rs", "systemd.rs"]),
    ("procfs", &["sample/"]),
    ("prost", &["tests/support/"]),
    ("regex_lite", &["push/relabel/pattern.rs"]),
    ("rustix", &["sample/stat_file.rs", "sandbox/", "server/", "systemd/sockets.rs"]),
    ("seccompiler", &["sandbox/calls.rs"]),
    ("prometheus", &["table/histogram.rs", "table/own.rs"]),
    ("rustls_native_certs", &["push/http/tls.rs", "server/access/handshake.rs"]),
    ("serde_json", &["metadata/docker/", "server/page/", "demo/", "terminal/json.rs", "push/verdict.rs"]),
    ("snap", &["push/compress.rs"]),
    ("tempfile", &["demo/mod.rs"]),
    (
        "thiserror",
        &["parse/", "sample/", "metadata/", "settings/", "table/", "collector/", "push/", "server/"],
    ),
    (
        "tokio",
        &[
            "discovery/watcher.rs",
            "metadata/docker/",
            "collector/",
            "server/",
            "push/",
            "demo/",
            "app.rs",
            "app/",
        ],
    ),
    (
        "tokio_rustls",
        &[
            "server/tls.rs",
            "server/access/",
            "server/connection.rs",
            "server/healthcheck.rs",
            "metadata/docker/transport.rs",
            "push/http/",
        ],
    ),
    (
        "tracing",
        &[
            "discovery/watcher.rs",
            "metadata/",
            "collector/",
            "server/",
            "push/",
            "demo/mod.rs",
            "settings.rs",
            "app.rs",
            "app/",
            "log.rs",
            "systemd.rs",
        ],
    ),
    ("tracing_subscriber", &["log.rs"]),
    ("warp", &["server/", "demo/dockerd.rs"]),
    ("x509_cert", &["server/tls.rs", "server/access/clients.rs"]),
    ("zmij", &["encode/line.rs"]),
    ("zstd", &["server/encoding.rs"]),
];

/// The longest file in `src`.
const LINES: usize = 500;

/// The longest line of Rust, as in `.rustfmt.toml`, which holds neither comments nor strings to it. A raw
/// string is as long as it is: it can't be broken without another meaning.
const COLUMNS: usize = 110;
const RAW: [&str; 2] = ["r\"", "r#\""];

/// All Rust files below a folder of the project, by their path below it.
fn files(folder: &str) -> BTreeMap<String, String> {
    fn list(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                list(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found = Vec::new();
    list(&root, &mut found);
    let named = found.into_iter().map(|path| {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(path).unwrap())
    });
    named.collect()
}

/// The code that is shipped: without the modules of tests.
fn shipped() -> BTreeMap<String, String> {
    let mut files = files("src");
    files.retain(|name, _| !name.ends_with("/tests.rs"));
    for text in files.values_mut() {
        if let Some(at) = text.find("#[cfg(test)]\nmod ") {
            text.truncate(at);
        }
    }
    files
}

#[test]
fn rooms_import_only_what_is_below_them() {
    let tree = Tree::new(&shipped());
    for (path, homes) in tree.edges() {
        let file = &tree.0[path].file;
        let (_, allowed) =
            ROOMS.iter().find(|(name, _)| *name == path[0]).unwrap_or_else(|| panic!("{file} is in no room"));
        for home in homes.iter().filter(|home| home[0] != path[0]) {
            assert!(allowed.contains(&home[0].as_str()), "{file} imports {}", home.join("::"));
        }
    }
}

#[test]
fn files_of_a_room_form_no_circle() {
    let tree = Tree::new(&shipped());
    for (room, _) in ROOMS {
        assert_eq!(tree.circle(room), None, "a circle in {room}");
    }
}

/// The crates that a table of `Cargo.toml` names, as code spells them.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut is_inside = false;
    let mut found = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_inside = matches!(line, "[dependencies]" | "[dev-dependencies]");
        } else if let Some((name, _)) = line.split_once(" = ").filter(|_| is_inside) {
            found.insert(name.replace('-', "_"));
        }
    }
    found
}

#[test]
fn each_crate_has_a_home_and_is_used_there_and_nowhere_else() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let listed: BTreeSet<_> = CRATES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(dependencies(&manifest), listed, "Cargo.toml on the left, CRATES on the right");
    let homes = CRATES.iter().flat_map(|(name, homes)| homes.iter().map(move |home| (*name, *home)));
    let mut used = BTreeSet::new();
    let tests = files("tests").into_iter().map(|(file, code)| (format!("tests/{file}"), code));
    for (file, code) in shipped().into_iter().chain(tests) {
        for name in named(&code).0.into_iter().map(|mut named| named.path.swap_remove(0)) {
            let Some((name, homes)) = CRATES.iter().find(|(known, _)| *known == name) else { continue };
            let home = homes.iter().find(|home| file.starts_with(**home));
            assert!(home.is_some() || file.starts_with("tests/"), "{file} uses {name}, at home in {homes:?}");
            used.extend(home.map(|home| (*name, *home)));
        }
    }
    let unused: Vec<_> = homes.filter(|home| !used.contains(home)).collect();
    assert!(unused.is_empty(), "homes in which the crate is not used: {unused:?}");
}

#[test]
fn no_file_is_too_long_to_read() {
    let lengths = files("src").into_iter().map(|(file, text)| (file, text.lines().count()));
    let long: BTreeMap<_, _> = lengths.filter(|(_, lines)| *lines > LINES).collect();
    assert!(long.is_empty(), "{long:?}: more than {LINES} lines");
}

#[test]
fn no_line_is_wider_than_the_others() {
    let mut wide = Vec::new();
    for folder in ["src", "tests", "benches"] {
        for (file, text) in files(folder) {
            for (at, line) in text.lines().enumerate() {
                let is_raw = RAW.iter().any(|begin| line.trim_start().starts_with(begin));
                if line.chars().count() > COLUMNS && !is_raw {
                    wide.push(format!("{folder}/{file}:{}: {}", at + 1, line.chars().count()));
                }
            }
        }
    }
    assert!(wide.is_empty(), "more than {COLUMNS} columns:\n{}", wide.join("\n"));
}
