//! Who imports whom, and how long a file and a line may be.
//!
//! Data flows one way: between rooms (the modules of `src/lib.rs`) as [`ROOMS`] says, inside a room without
//! circles. A new edge is a change of the design, made here and in `src/lib.rs`. What a method call reaches
//! is not seen: only paths are, in imports and in code.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs, reason = "tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Each room with those that it may import.
const ROOMS: [(&str, &[&str]); 16] = [
    ("parse", &[]),
    ("sample", &["parse"]),
    ("advice", &["sample"]),
    ("discovery", &["parse", "advice"]),
    ("metadata", &["parse", "advice"]),
    ("model", &["parse", "sample", "metadata"]),
    ("table", &["parse", "sample", "metadata", "model"]),
    ("encode", &["model", "table"]),
    ("collector", &["parse", "sample", "discovery", "metadata", "model", "table", "encode", "advice"]),
    ("server", &["collector", "table", "encode", "advice"]),
    ("demo", &["metadata", "sample"]),
    ("cli", &[]),
    ("settings", &["cli", "table", "metadata", "sample", "advice"]),
    ("log", &["sample"]),
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
            "sample",
            "server",
            "settings",
            "systemd",
            "table",
        ],
    ),
];

/// Where each crate of `Cargo.toml` is used, so that another one can take its place. Tests and benches may
/// use them all.
const CRATES: &[(&str, &[&str])] = &[
    ("anyhow", &["app.rs", "app/", "demo/", "server/healthcheck.rs"]),
    ("bollard", &["metadata/docker/"]),
    ("bytes", &["server/", "demo/dockerd.rs"]),
    ("chrono", &["metadata/docker/convert.rs", "demo/state.rs"]),
    ("clap", &["cli.rs", "cli/"]),
    ("clap_complete", &["tests/reference.rs"]),
    ("clap_mangen", &["tests/reference.rs"]),
    ("flate2", &["server/encoding.rs", "demo/recording.rs"]),
    ("futures_util", &["metadata/docker/", "discovery/watcher.rs", "demo/dockerd.rs"]),
    ("glob", &["metadata/choice.rs", "sample/interfaces.rs"]),
    ("hyper", &["server/", "demo/dockerd.rs", "metadata/docker/"]),
    ("hyper_util", &["server/connection.rs", "demo/dockerd.rs", "metadata/docker/client.rs"]),
    ("inotify", &["discovery/watcher.rs"]),
    ("memchr", &["parse/", "encode/label_block.rs", "metadata/docker/transport.rs"]),
    ("mimalloc", &["main.rs"]),
    ("nix", &["sample/"]),
    ("procfs", &["sample/"]),
    ("rustix", &["sample/stat_file.rs"]),
    ("prometheus", &["table/histogram.rs", "table/own.rs"]),
    ("serde_json", &["metadata/docker/", "server/routes.rs", "demo/"]),
    ("tempfile", &["demo/mod.rs"]),
    ("thiserror", &["parse/", "sample/", "metadata/", "settings/", "table/", "collector/", "server/tls.rs"]),
    (
        "tokio",
        &["discovery/watcher.rs", "metadata/docker/", "collector/", "server/", "demo/", "app.rs", "app/"],
    ),
    ("tokio_rustls", &["server/tls.rs", "server/healthcheck.rs", "metadata/docker/transport.rs"]),
    (
        "tracing",
        &[
            "discovery/watcher.rs",
            "metadata/",
            "collector/",
            "server/",
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
    ("x509_cert", &["server/tls.rs"]),
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

/// Words, `::` and single characters, without comments and texts.
fn tokens(code: &str) -> Vec<String> {
    let chars: Vec<char> = code.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let next = chars.get(at + 1).copied().unwrap_or(' ');
        match chars[at] {
            '/' if next == '/' => at = end(&chars, at, &['\n']),
            '/' if next == '*' => at = end(&chars, at + 2, &['*', '/']),
            'r' if next == '#' || next == '"' => {
                let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
                let close: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
                at = end(&chars, at + hashes + 2, &close);
            }
            '"' => {
                at += 1;
                while at < chars.len() && chars[at] != '"' {
                    at += if chars[at] == '\\' { 2 } else { 1 };
                }
                at += 1;
            }
            '\'' if next == '\\' => at = end(&chars, at + 3, &['\'']),
            '\'' if chars.get(at + 2) == Some(&'\'') => at += 3,
            ':' if next == ':' => {
                found.push("::".to_owned());
                at += 2;
            }
            c if c.is_alphanumeric() || c == '_' => {
                let word = chars[at..].iter().take_while(|c| c.is_alphanumeric() || **c == '_');
                let word: String = word.collect();
                at += word.chars().count();
                found.push(word);
            }
            c => {
                if !c.is_whitespace() {
                    found.push(c.to_string());
                }
                at += 1;
            }
        }
    }
    found
}

/// Where the text after `close` begins.
fn end(chars: &[char], from: usize, close: &[char]) -> usize {
    let rest = chars.get(from..).unwrap_or_default();
    let found = rest.windows(close.len()).position(|window| window == close);
    found.map_or(chars.len(), |found| from + found + close.len())
}

/// A path that a file names.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    path: Vec<String>,
    /// The name under which a `pub use` hands it on.
    handed_on: Option<String>,
}

/// All paths in a file, those in `use` first, and the words of its code.
fn named(code: &str) -> (Vec<Named>, BTreeSet<String>) {
    let tokens = tokens(code);
    let (mut found, mut free, mut words) = (Vec::new(), Vec::new(), BTreeSet::new());
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].as_str() {
            // Not the `use<'a>` of a type.
            "use" if tokens.get(at + 1).is_none_or(|next| next != "<") => {
                let is_handed_on = at > 0 && matches!(tokens[at - 1].as_str(), "pub" | ")");
                at = use_tree(&tokens, at + 1, &[], is_handed_on, &mut found);
            }
            // `pub(in crate::room)` is no import.
            "pub" if tokens.get(at + 1).is_some_and(|next| next == "(") => {
                at += tokens[at..].iter().position(|token| token == ")").unwrap();
            }
            "mod" => at += 2,
            word => {
                words.insert(word.to_owned());
                let is_begin = tokens.get(at + 1).is_some_and(|next| next == "::")
                    && (at == 0 || tokens[at - 1] != "::");
                if is_begin {
                    let mut path = vec![word.to_owned()];
                    while tokens.get(at + 1).is_some_and(|next| next == "::") {
                        let Some(next) = tokens.get(at + 2).filter(|next| is_word(next)) else { break };
                        path.push(next.clone());
                        words.insert(next.clone());
                        at += 2;
                    }
                    free.push(Named { path, handed_on: None });
                }
                at += 1;
            }
        }
    }
    found.extend(free);
    (found, words)
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Reads `a::{b, c::d as e}` from `at` on; where it ends.
fn use_tree(
    tokens: &[String],
    mut at: usize,
    before: &[String],
    handed_on: bool,
    found: &mut Vec<Named>,
) -> usize {
    let mut path = before.to_vec();
    let mut name = None;
    loop {
        match tokens[at].as_str() {
            "::" => {}
            "{" => {
                at += 1;
                while tokens[at] != "}" {
                    at = use_tree(tokens, at, &path, handed_on, found);
                    at += usize::from(tokens[at] == ",");
                }
                return at + 1;
            }
            "as" => {
                at += 1;
                name = Some(tokens[at].clone());
            }
            "," | "}" | ";" => {
                if path.last().is_some_and(|last| last == "self") {
                    path.pop();
                }
                let name = name.or_else(|| path.last().cloned());
                found.push(Named { path, handed_on: name.filter(|_| handed_on) });
                return at;
            }
            word => path.push(word.to_owned()),
        }
        at += 1;
    }
}

/// The modules of the library, each by its path, with its file.
struct Tree(BTreeMap<Vec<String>, Module>);

struct Module {
    file: String,
    named: Vec<Named>,
    words: BTreeSet<String>,
}

impl Tree {
    fn new(files: &BTreeMap<String, String>) -> Self {
        let modules =
            files.iter().filter(|(file, _)| !matches!(file.as_str(), "lib.rs" | "main.rs" | "build.rs"));
        let modules = modules.map(|(file, code)| {
            let path = file.strip_suffix("/mod.rs").or_else(|| file.strip_suffix(".rs")).unwrap();
            let (named, words) = named(code);
            (path.split('/').map(str::to_owned).collect(), Module { file: file.clone(), named, words })
        });
        Self(modules.collect())
    }

    /// The module in which that is defined which a module names; `None` if it is of another crate.
    fn home(&self, from: &[String], path: &[String]) -> Option<Vec<String>> {
        let mut at = from.to_vec();
        let mut rest = path;
        match rest.first()?.as_str() {
            "crate" => {
                at.clear();
                rest = &rest[1..];
            }
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|first| first == "super") {
                    at.pop();
                    rest = &rest[1..];
                }
            }
            // A child of its own; all else is of another crate, or is imported by another path.
            first => {
                at.push(first.to_owned());
                rest = &rest[1..];
                if !self.0.contains_key(&at) {
                    return None;
                }
            }
        }
        while let Some(first) = rest.first() {
            at.push(first.clone());
            if !self.0.contains_key(&at) {
                at.pop();
                break;
            }
            rest = &rest[1..];
        }
        // What a `mod.rs` hands on is defined elsewhere.
        let item = rest.first();
        let handed_on = self.0.get(&at)?.named.iter().find(|named| named.handed_on.as_ref() == item);
        match handed_on.filter(|_| item.is_some()) {
            Some(named) => self.home(&at, &named.path).or(Some(at)),
            None => Some(at),
        }
    }

    /// What each module names, by path.
    fn edges(&self) -> BTreeMap<&Vec<String>, BTreeSet<Vec<String>>> {
        let edges = self.0.iter().map(|(path, module)| {
            // Handing on is no use of its own, unless it is used here too.
            let used = module
                .named
                .iter()
                .filter(|named| named.handed_on.as_ref().is_none_or(|name| module.words.contains(name)));
            let homes = used.filter_map(|named| self.home(path, &named.path));
            (path, homes.filter(|home| home != path && !home.is_empty()).collect())
        });
        edges.collect()
    }

    /// A circle of files in one room, if there is one.
    fn circle(&self, room: &str) -> Option<String> {
        fn walk<'a>(
            edges: &'a BTreeMap<&Vec<String>, BTreeSet<Vec<String>>>,
            at: &'a Vec<String>,
            way: &mut Vec<&'a Vec<String>>,
            done: &mut BTreeSet<&'a Vec<String>>,
        ) -> bool {
            if way.contains(&at) {
                way.push(at);
                return true;
            }
            if !done.insert(at) {
                return false;
            }
            way.push(at);
            let inside = edges[at].iter().filter(|next| next[0] == at[0]);
            for next in inside {
                if walk(edges, next, way, done) {
                    return true;
                }
            }
            way.pop();
            false
        }
        let edges = self.edges();
        let mut done = BTreeSet::new();
        for path in self.0.keys().filter(|path| path[0] == room) {
            let mut way = Vec::new();
            if walk(&edges, path, &mut way, &mut done) {
                let begin = way.iter().position(|step| Some(step) == way.last()).unwrap();
                let steps: Vec<_> = way[begin..].iter().map(|step| self.0[*step].file.as_str()).collect();
                return Some(steps.join(" → "));
            }
        }
        None
    }
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

// ------------------------------------------------------------------------------------------ the check itself

fn tree(files: &[(&str, &str)]) -> Tree {
    Tree::new(&files.iter().map(|(file, code)| ((*file).to_owned(), (*code).to_owned())).collect())
}

#[test]
fn imports_are_seen_in_every_form() {
    let code = "use crate::{\n    parse::{A, b as c},\n    sample,\n};\npub use super::inner::{self, D};\n\
                pub(in crate::no) fn f<'b>() -> x::Y + use<'b> { crate::model::g(); }\n// use crate::no;\n\
                const T: &str = \"crate::no::T\"; /* crate::no */ fn g<'a>(c: char) { c == '\"'; \
                r#\"crate::no\"#; }";
    let (named, words) = named(code);
    let paths: Vec<_> = named.iter().map(|named| named.path.join("::")).collect();
    assert_eq!(
        paths,
        [
            "crate::parse::A",
            "crate::parse::b",
            "crate::sample",
            "super::inner",
            "super::inner::D",
            "x::Y",
            "crate::model::g"
        ]
    );
    let handed_on: Vec<_> = named.iter().filter_map(|named| named.handed_on.as_deref()).collect();
    assert_eq!(handed_on, ["inner", "D"]);
    assert!(words.contains("Y") && !words.contains("D") && !words.contains("no"));
}

#[test]
fn a_circle_of_files_is_found_however_they_name_each_other() {
    for (one, other) in [
        ("use super::b::B;", "use super::a::A;"),
        ("use crate::room::b::B;", "fn f() { super::a::g() }"),
        ("use super::{c, b::{B, C}};", "use crate::{other, room::a};"),
        // By way of what mod.rs hands on.
        ("use super::B;", "use crate::room::A;"),
    ] {
        let files = [
            ("room/mod.rs", "mod a;\nmod b;\nmod c;\npub use a::A;\npub use b::{B, C};"),
            ("room/a.rs", one),
            ("room/b.rs", other),
            ("room/c.rs", ""),
        ];
        let circle = tree(&files).circle("room");
        assert_eq!(circle.as_deref(), Some("room/a.rs → room/b.rs → room/a.rs"), "{one} {other}");
    }
    let long = [
        ("room/mod.rs", "mod a;\nmod b;\nmod c;"),
        ("room/a.rs", "use super::b::B;"),
        ("room/b/mod.rs", "mod deep;\npub use deep::B;"),
        ("room/b/deep.rs", "use super::super::c::C;"),
        ("room/c.rs", "use crate::room::a;"),
    ];
    let circle = tree(&long).circle("room");
    assert_eq!(circle.as_deref(), Some("room/a.rs → room/b/deep.rs → room/c.rs → room/a.rs"));
}

#[test]
fn a_file_that_uses_its_own_children_is_not_used_by_them() {
    let circle =
        |parent: &str| tree(&[("room/mod.rs", parent), ("room/a.rs", "use super::Own;")]).circle("room");
    assert_eq!(
        circle("mod a;\nuse a::A;\npub struct Own(A);").as_deref(),
        Some("room/mod.rs → room/a.rs → room/mod.rs")
    );
    // Also if it is handed on.
    assert!(circle("mod a;\npub use a::A;\npub struct Own(A);").is_some());
    assert!(circle("mod a;\npub struct Own(a::A);").is_some());
}

#[test]
fn what_only_looks_like_a_circle_is_none() {
    let files = [
        // Hands on what others define, and defines what they use.
        ("room/mod.rs", "mod a;\nmod b;\npub use a::A;\npub use b::B;\npub struct Own;"),
        ("room/a.rs", "use super::{B, Own};\npub(in crate::room) struct A;"),
        ("room/b.rs", "use super::Own;\nuse crate::other::a::X;\n// use super::a::A;"),
        ("other/a.rs", "use a::X;"),
    ];
    assert_eq!(tree(&files).circle("room"), None);
}

#[test]
fn crates_are_read_from_the_manifest() {
    let manifest = "[package]\nname = \"x\"\n[dependencies]\na-b = \"1\"\nc = { version = \"1\" }\n\
                    [dev-dependencies]\nd = \"1\"\n[lints.rust]\ne = \"warn\"\n";
    assert_eq!(dependencies(manifest).into_iter().collect::<Vec<_>>(), ["a_b", "c", "d"]);
}
