//! Passes on what the program is built from (the git revision, if there is one, and the compiler), and
//! compresses the files of the page.
#![forbid(unsafe_code)]

use flate2::{Compression, write::GzEncoder};
use std::{
    error::Error,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::Write,
    path::Path,
    process::Command,
};

#[path = "server/page/assets/list.rs"]
mod list;

fn main() -> Result<(), Box<dyn Error>> {
    compress()?;
    say_what_it_is_built_from();
    Ok(())
}

/// Writes each file of the page in compressed form, and the table of them that `server/page/assets.rs` has.
fn compress() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("src/server/page/assets");
    let out = std::env::var("OUT_DIR")?;
    println!("cargo::rerun-if-changed=src/server/page/assets");
    println!("cargo::rerun-if-changed=src/build.rs");
    let mut table = String::from("&[\n");
    for (name, content_type) in list::ASSETS {
        let file = fs::read(folder.join(name))?;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&file)?;
        let gzip = gzip.finish()?;
        let mut hasher = DefaultHasher::new();
        gzip.hash(&mut hasher);
        // Weak: it is the same for the file and its compressed form, whose bytes differ.
        let tag = format!("W/\"{:016x}\"", hasher.finish());
        let path = Path::new(&out).join(format!("{name}.gz"));
        fs::write(&path, gzip)?;
        table += &format!("Asset {{ name: {name:?}, content_type: {content_type:?}, tag: {tag:?}, ");
        table += &format!("gzip: include_bytes!({path:?}) }},\n");
    }
    Ok(fs::write(Path::new(&out).join("assets.rs"), table + "]\n")?)
}

fn say_what_it_is_built_from() {
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
