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
fn the_readme_lists_every_flag_and_metric() {
    check("flags", &flags());
    check("metrics", &docker_stat_prom::table::reference::markdown());
}

fn check_file(file: &str, expected: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file);
    if fs::read(&path).is_ok_and(|found| found == expected) {
        return;
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, expected).unwrap();
    }
    panic!("deploy/{file} is out of date (UPDATE_GOLDEN=1 rewrites it)");
}

#[test]
fn man_page_and_completions_are_the_programs_own() {
    use clap_complete::{Shell, generate};
    // Without the revision, which every commit changes.
    let mut command = docker_stat_prom::cli::command().version(env!("CARGO_PKG_VERSION"));
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page).unwrap();
    check_file("man/docker-stat-prom.1", &page);
    for (shell, file) in [
        (Shell::Bash, "docker-stat-prom.bash"),
        (Shell::Zsh, "_docker-stat-prom"),
        (Shell::Fish, "docker-stat-prom.fish"),
    ] {
        let mut script = Vec::new();
        generate(shell, &mut command, "docker-stat-prom", &mut script);
        check_file(&format!("completions/{file}"), &script);
    }
}
