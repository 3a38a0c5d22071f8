//! The recorded host that is embedded in the program.

use anyhow::{Context, Result};
use flate2::read::GzDecoder;
use serde_json::Value;
use std::{collections::BTreeMap, io::Read};

/// JSON: maps each path of the recorded host to the file's text, or to `{"link": target}`. `tests/demo.rs`
/// creates it.
static PACKED: &[u8] = include_bytes!("../../fixtures/demo-host.json.gz");

/// A file of the recorded host, or a link.
#[derive(Debug, Clone, Copy)]
pub(super) enum Entry<'a> {
    /// Its text, and its text some seconds later if it changed.
    File(&'a str, Option<&'a str>),
    Link(&'a str),
}

/// A real Debian host, recorded twice some seconds apart. The files that changed in between are also below
/// `later/`.
#[derive(Debug)]
pub(super) struct Recording {
    entries: BTreeMap<String, Value>,
    /// When it was recorded, in Unix seconds.
    pub(super) at: f64,
    /// Seconds between the two recordings.
    pub(super) seconds_apart: f64,
}

impl Recording {
    pub(super) fn read() -> Result<Self> {
        let mut text = String::new();
        GzDecoder::new(PACKED).read_to_string(&mut text).context("the recorded host can't be unpacked")?;
        let mut recording = Self { entries: serde_json::from_str(&text)?, at: 0.0, seconds_apart: 1.0 };
        let time = |path: &str| {
            let capture = recording.json(path)?;
            capture.get("cgroup_read_start_unix").and_then(Value::as_f64).context("capture.json has no time")
        };
        let (first, second) = (time("capture.json")?, time("later/capture.json")?);
        recording.at = first;
        recording.seconds_apart = (second - first).max(1.0);
        Ok(recording)
    }

    /// A file's text.
    ///
    /// # Errors
    /// If there is no such file.
    pub(super) fn text(&self, path: &str) -> Result<&str> {
        self.entries.get(path).and_then(Value::as_str).with_context(|| format!("{path} is not recorded"))
    }

    /// A file's JSON.
    pub(super) fn json(&self, path: &str) -> Result<Value> {
        serde_json::from_str(self.text(path)?).with_context(|| format!("{path} is not JSON"))
    }

    /// The files below a folder, with their paths relative to it.
    pub(super) fn below<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = (&'a str, Entry<'a>)> {
        self.entries.iter().filter_map(move |(path, entry)| {
            let name = path.strip_prefix(folder)?;
            let entry = match entry.get("link") {
                Some(target) => Entry::Link(target.as_str()?),
                None => Entry::File(entry.as_str()?, self.text(&format!("later/{path}")).ok()),
            };
            Some((name, entry))
        })
    }

    /// The cgroup directory of a container that ran, with a slash at the end.
    pub(super) fn scope(&self, id: &str) -> Option<&str> {
        let directory = format!("docker-{id}.scope/");
        self.entries.keys().find_map(|path| {
            let at = path.strip_prefix("sys/")?.find(&directory)?;
            path.get(.."sys/".len() + at + directory.len())
        })
    }
}
