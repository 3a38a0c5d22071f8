//! Tells the program what it was built from (the git revision, where there is one, and the compiler), and packs the
//! recorded host of `--demo`.
#![expect(clippy::expect_used, reason = "a build that can't be done ends here")]

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const DEMO_HOST: &str = "fixtures/debian13-docker26.1-linux6.12";

fn main() {
    tell_origin();
    pack_demo_host();
}

fn tell_origin() {
    let output = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        (output.status.success() && !text.is_empty()).then_some(text)
    };
    let revision = std::env::var("SOURCE_REVISION")
        .ok()
        .filter(|revision| !revision.is_empty())
        .or_else(|| output("git", &["rev-parse", "--short=12", "HEAD"]))
        .unwrap_or_else(|| "unknown".to_owned());
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let rustc = output(&rustc, &["--version"]).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=BUILD_REVISION={revision}");
    println!("cargo::rustc-env=BUILD_RUSTC={rustc}");
    println!("cargo::rerun-if-env-changed=SOURCE_REVISION");
    for path in [".git/HEAD", ".git/refs/heads"] {
        if Path::new(path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
}

fn pack_demo_host() {
    println!("cargo::rerun-if-changed={DEMO_HOST}");
    let variable = |name| PathBuf::from(std::env::var_os(name).expect("cargo sets it"));
    let root = variable("CARGO_MANIFEST_DIR").join(DEMO_HOST);
    let mut entries = Vec::new();
    list(&root, &root, &mut entries);
    entries.sort();
    let code = format!("static HOST: &[(&str, Entry)] = &[\n{}];\n", entries.concat());
    fs::write(variable("OUT_DIR").join("demo_host.rs"), code).expect("OUT_DIR can be written");
}

fn list(root: &Path, directory: &Path, entries: &mut Vec<String>) {
    for entry in fs::read_dir(directory).expect("the recorded host is there") {
        let path = entry.expect("it can be listed").path();
        let name = path.strip_prefix(root).expect("it is below the root");
        // What only tests read.
        if name.ends_with("PROVENANCE") || name.ends_with("docker-stats.json") || name.starts_with("expected")
        {
            continue;
        }
        let mut code = format!("    ({name:?}, ");
        let _infallible = match fs::read_link(&path) {
            Ok(target) => writeln!(code, "Entry::Link({target:?})),"),
            Err(_) if path.is_dir() => {
                list(root, &path, entries);
                continue;
            }
            Err(_) => writeln!(code, "Entry::File(include_bytes!({path:?}))),"),
        };
        entries.push(code);
    }
}
