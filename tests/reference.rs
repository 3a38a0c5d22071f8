//! What the README says is what the program does: its tables are made from the program's own.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use std::{fmt::Write, fs, path::Path};

fn flags() -> String {
    let mut text = String::from("\n| flag | default | environment | |\n|---|---|---|---|\n");
    for arg in docker_stat_prom::cli::command().get_arguments() {
        let Some(long) = arg.get_long().filter(|long| !matches!(*long, "help" | "version")) else { continue };
        let short = arg.get_short().map(|short| format!("`-{short}`, ")).unwrap_or_default();
        let defaults: Vec<_> =
            arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
        let default = if defaults.is_empty() || defaults == ["false"] || defaults == ["0"] {
            String::new()
        } else {
            format!("`{}`", defaults.join(","))
        };
        let environment =
            arg.get_env().map(|name| format!("`{}`", name.to_string_lossy())).unwrap_or_default();
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        writeln!(text, "| {short}`--{long}` | {default} | {environment} | {help} |").unwrap();
    }
    text
}

fn check(section: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- {section} -->\n"), format!("<!-- end of {section} -->"));
    let (before, rest) = readme.split_once(&begin).unwrap_or_else(|| panic!("README.md has no {begin}"));
    let (found, after) = rest.split_once(&end).unwrap();
    if found != expected {
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, format!("{before}{begin}{expected}{end}{after}")).unwrap();
        }
        panic!("README.md: the section \"{section}\" is out of date (UPDATE_GOLDEN=1 rewrites it)");
    }
}

#[test]
fn the_readme_lists_every_flag() {
    check("flags", &flags());
}

#[test]
fn the_readme_lists_every_metric() {
    check("metrics", &docker_stat_prom::exposition::reference::markdown());
}
