//! The check itself, over made-up sources.

use super::{
    dependencies,
    imports::{Tree, named},
};

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
