//! Makes the numbers of a recorded host go on as they went between its two recordings.

use anyhow::{Context, Result};
use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::Instant,
};

/// Files whose numbers only rise, and those that go up and down. In `memory.stat` and `*.pressure` it is by key.
const RISING: [&str; 4] = ["cpu.stat", "cpu.stat.local", "io.stat", "dev"];
const SWINGING: [&str; 2] = ["memory.current", "pids.current"];

/// All files that move.
#[derive(Debug)]
pub(super) struct Motion {
    files: Vec<Moving>,
    seconds_apart: f64,
    start: Instant,
}

#[derive(Debug)]
struct Moving {
    file: File,
    /// The text at the first recording, cut into numbers and what stands between.
    first: Vec<Piece>,
    /// The numbers at the second.
    second: Vec<u64>,
    length: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rising,
    Swinging,
    MemoryStat,
    Pressure,
}

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// A number, and whether it only rises.
    Number(u64, bool),
}

impl Motion {
    /// Finds the files that differ between the recording at `root` and the one in its folder `later`.
    pub(super) fn new(root: &Path) -> Result<Self> {
        let read_at = |folder: &str| -> Result<f64> {
            let text = fs::read_to_string(root.join(folder).join("capture.json"))?;
            let capture: serde_json::Value = serde_json::from_str(&text)?;
            let time = capture.get("cgroup_read_start_unix").and_then(serde_json::Value::as_f64);
            time.context("capture.json has no time")
        };
        let seconds_apart = (read_at("later")? - read_at(".")?).max(1.0);
        let later = root.join("later");
        let mut files = Vec::new();
        let mut queue: Vec<PathBuf> = vec![later.clone()];
        while let Some(directory) = queue.pop() {
            for entry in fs::read_dir(&directory)? {
                let path = entry?.path();
                if path.is_dir() {
                    queue.push(path);
                } else if let Some(kind) = kind_of(&path) {
                    let before = root.join(path.strip_prefix(&later)?);
                    files.extend(Moving::new(&before, &path, kind)?);
                }
            }
        }
        Ok(Self { files, seconds_apart, start: Instant::now() })
    }

    /// Writes the numbers as they are by now.
    pub(super) fn step(&mut self) -> Result<()> {
        let progress = self.start.elapsed().as_secs_f64() / self.seconds_apart;
        for moving in &mut self.files {
            moving.write(progress)?;
        }
        Ok(())
    }
}

fn kind_of(path: &Path) -> Option<Kind> {
    let name = path.file_name()?.to_str()?;
    if RISING.contains(&name) {
        Some(Kind::Rising)
    } else if SWINGING.contains(&name) {
        Some(Kind::Swinging)
    } else if name == "memory.stat" {
        Some(Kind::MemoryStat)
    } else if name.ends_with(".pressure") {
        Some(Kind::Pressure)
    } else {
        None
    }
}

impl Moving {
    /// `None` if the two recordings differ in more than numbers.
    fn new(before: &Path, after: &Path, kind: Kind) -> Result<Option<Self>> {
        let (Ok(first), Ok(second)) = (fs::read_to_string(before), fs::read_to_string(after)) else {
            return Ok(None);
        };
        let (first_pieces, second_pieces) = (pieces(&first, kind), pieces(&second, kind));
        let texts = |pieces: &[Piece]| {
            let text = |piece: &Piece| match piece {
                Piece::Text(text) => Some(text.clone()),
                Piece::Number(..) => None,
            };
            pieces.iter().filter_map(text).collect::<Vec<_>>()
        };
        if texts(&first_pieces) != texts(&second_pieces) {
            return Ok(None);
        }
        let number = |piece: Piece| match piece {
            Piece::Number(number, _) => Some(number),
            Piece::Text(_) => None,
        };
        let second = second_pieces.into_iter().filter_map(number).collect();
        let file = OpenOptions::new().write(true).open(before)?;
        Ok(Some(Self { file, first: first_pieces, second, length: first.len() }))
    }

    fn write(&mut self, progress: f64) -> Result<()> {
        let mut text = String::with_capacity(self.length + 32);
        let mut second = self.second.iter();
        for piece in &self.first {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Number(first, rises) => {
                    let second = second.next().unwrap_or(first);
                    text.push_str(&moved(*first, *second, progress, *rises).to_string());
                }
            }
        }
        // In one write and in place, as the exporter keeps the file open; cut only when it got shorter.
        self.file.write_all_at(text.as_bytes(), 0)?;
        if text.len() < self.length {
            self.file.set_len(text.len() as u64)?;
        }
        self.length = text.len();
        Ok(())
    }
}

/// A rising number goes on at its recorded pace; another swings between its two values.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a demo's numbers need no more than 53 bits, and are positive"
)]
fn moved(first: u64, second: u64, progress: f64, rises: bool) -> u64 {
    let (low, high) = (first as f64, second as f64);
    if rises {
        return (low + (high - low).max(0.0) * progress) as u64;
    }
    let phase = progress.rem_euclid(2.0);
    let swing = if phase < 1.0 { phase } else { 2.0 - phase };
    (low + (high - low) * swing) as u64
}

/// Cuts a text into the numbers that may move and what stands between them.
fn pieces(text: &str, kind: Kind) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    for line in text.split_inclusive('\n') {
        let mut rest = line;
        let counts = line.starts_with("pg") || line.starts_with("workingset");
        while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
            let (before, from) = rest.split_at(at);
            let end = from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len());
            let (digits, after) = from.split_at(end);
            plain.push_str(before);
            // Digits inside a name (eth0, avg10, slab2) or a device number are no quantities.
            let in_name = before.chars().next_back().is_some_and(|c| c.is_alphabetic() || c == '_')
                || after.starts_with(':')
                || before.ends_with(':') && kind == Kind::Rising && !before.ends_with(": ");
            let is_total = kind != Kind::Pressure || before.ends_with("total=");
            let is_number = !in_name && is_total && !after.starts_with('.') && !before.ends_with('.');
            match digits.parse() {
                Ok(number) if is_number => {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    let rises = match kind {
                        Kind::Rising | Kind::Pressure => true,
                        Kind::Swinging => false,
                        Kind::MemoryStat => counts,
                    };
                    pieces.push(Piece::Number(number, rises));
                }
                _ => plain.push_str(digits),
            }
            rest = after;
        }
        plain.push_str(rest);
    }
    pieces.push(Piece::Text(plain));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(text: &str, kind: Kind) -> Vec<u64> {
        let number = |piece| match piece {
            Piece::Number(number, _) => Some(number),
            Piece::Text(_) => None,
        };
        pieces(text, kind).into_iter().filter_map(number).collect()
    }

    #[test]
    fn only_quantities_move() {
        assert_eq!(numbers("254:0 rbytes=5 wbytes=6\n", Kind::Rising), [5, 6]);
        assert_eq!(numbers("  eth0: 796 10\n", Kind::Rising), [796, 10]);
        assert_eq!(numbers("some avg10=0.10 avg60=0.00 avg300=0.07 total=52\n", Kind::Pressure), [52]);
        assert_eq!(numbers("anon 1\npgfault 2\n", Kind::MemoryStat), [1, 2]);
    }

    #[test]
    fn what_rises_never_falls_and_what_swings_stays_between() {
        assert_eq!(moved(100, 200, 2.5, true), 350);
        assert_eq!(moved(200, 100, 2.5, true), 200);
        for tenth in 0..50 {
            let value = moved(100, 200, f64::from(tenth) / 10.0, false);
            assert!((100..=200).contains(&value));
        }
    }
}
