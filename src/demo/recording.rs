//! The recorded host, as it is packed into the program.

use anyhow::{Context, Result};
use flate2::read::GzDecoder;
use serde_json::Value;
use std::{collections::BTreeMap, fs, io::Read, os::unix::fs::symlink, path::Path};

/// JSON: each path of the recorded host with the file's text, or with `{"link": target}`. `tests/demo.rs` makes it.
static PACKED: &[u8] = include_bytes!("../../fixtures/demo-host.json.gz");

/// A real Debian host, recorded twice some seconds apart: what moved in between is there again below `later/`.
#[derive(Debug)]
pub(super) struct Recording {
    entries: BTreeMap<String, Value>,
}

impl Recording {
    pub(super) fn read() -> Result<Self> {
        let mut text = String::new();
        GzDecoder::new(PACKED).read_to_string(&mut text).context("the recorded host can't be unpacked")?;
        Ok(Self { entries: serde_json::from_str(&text)? })
    }

    /// Writes all of it below `to`.
    pub(super) fn unpack(&self, to: &Path) -> Result<()> {
        for (path, entry) in &self.entries {
            let path = to.join(path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            // A link to a namespace dangles, as it must outside its host.
            match entry.get("link").and_then(Value::as_str) {
                Some(target) => symlink(target, &path)?,
                None => fs::write(&path, entry.as_str().unwrap_or_default())?,
            }
        }
        Ok(())
    }
}
