//! The table for people.

use super::{
    overview::{Overview, Row},
    size::{binary, decimal},
};
use crate::metadata::Health;
use std::fmt::Write;

const HEADINGS: [&str; 10] = [
    "NAME",
    "CPU %",
    "MEM USAGE / LIMIT",
    "MEM %",
    "NET I/O",
    "BLOCK I/O",
    "PIDS",
    "HEALTH",
    "RESTARTS",
    "PSI CPU / MEM / I/O",
];
/// The columns of words; the others are numbers, and end on the right.
const WORDS: [bool; HEADINGS.len()] = [true, false, false, false, false, false, false, true, false, false];
/// The longest name that is written.
const LONGEST: usize = 48;
/// Between two columns.
const GAP: usize = 3;

const BOLD: &str = "\x1b[1m";
const YELLOW: &str = "\x1b[33m";
const RED: &str = "\x1b[31m";
const RESET: &str = "\x1b[0m";

/// A cell, and the colour that draws attention to it.
struct Cell {
    text: String,
    colour: Option<&'static str>,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, colour: None }
    }
}

impl Cell {
    /// Red from one share on, yellow from another one.
    fn warns(mut self, share: Option<f64>, yellow: f64, red: f64) -> Self {
        self.colour = match share {
            Some(share) if share >= red => Some(RED),
            Some(share) if share >= yellow => Some(YELLOW),
            _ => None,
        };
        self
    }
}

/// A table with one line per container, with or without colour.
#[must_use]
pub fn table(overview: &Overview, colour: bool) -> String {
    render(&overview.rows, colour)
}

fn render(rows: &[Row], colour: bool) -> String {
    let heading = HEADINGS.map(|heading| Cell { text: heading.to_owned(), colour: Some(BOLD) });
    let lines: Vec<_> = std::iter::once(heading).chain(rows.iter().map(cells)).collect();
    let mut widths = [0; HEADINGS.len()];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.text.len().max(*width);
        }
    }
    let mut text = String::new();
    for line in &lines {
        let mut written = String::new();
        for ((cell, width), is_words) in line.iter().zip(widths).zip(WORDS) {
            let padding = " ".repeat(width.saturating_sub(cell.text.len()));
            let cell = match cell.colour.filter(|_| colour) {
                Some(colour) => format!("{colour}{}{RESET}", cell.text),
                None => cell.text.clone(),
            };
            let (before, after) = if is_words { ("", &*padding) } else { (&*padding, "") };
            let _infallible = write!(written, "{before}{cell}{after}{:GAP$}", "");
        }
        text.push_str(written.trim_end());
        text.push('\n');
    }
    text
}

fn cells(row: &Row) -> [Cell; HEADINGS.len()] {
    let percent = |ratio: Option<f64>| or_dash(ratio.map(|ratio| format!("{:.2}%", ratio * 100.0)));
    let count = |count: Option<u64>| or_dash(count.map(|count| count.to_string()));
    let pair = |pair: Option<(u64, u64)>| {
        or_dash(pair.map(|(one, other)| format!("{} / {}", decimal(one), decimal(other))))
    };
    let memory = |bytes: Option<u64>| or_dash(bytes.map(binary));
    let usage = format!("{} / {}", memory(row.memory_usage), memory(row.memory_limit));
    let waiting = row.pressure.map(|share| or_dash(share.map(|share| format!("{:.1}", share * 100.0))));
    let is_ill = f64::from(u8::from(matches!(row.health, Some(Health::Starting | Health::Unhealthy))));
    let most = row
        .pressure
        .into_iter()
        .flatten()
        .fold(None, |most: Option<f64>, share| Some(most.map_or(share, |most| most.max(share))));
    let ratio = row.memory_ratio();
    [
        harmless(&row.name).into(),
        percent(row.cpu_ratio).into(),
        usage.into(),
        Cell::from(percent(ratio)).warns(ratio, 0.75, 0.9),
        pair(row.network).into(),
        pair(row.block).into(),
        count(row.pids).into(),
        Cell::from(or_dash(row.health.map(|health| health.as_str().to_owned()))).warns(
            Some(is_ill),
            1.0,
            2.0,
        ),
        count(row.restarts).into(),
        Cell::from(waiting.join(" / ")).warns(most, 0.1, 0.5),
    ]
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

/// A name in printable ASCII, each byte of which is one column wide. Docker allows no other names. In one
/// that is not Docker's, characters could be wide, turn the rest of the line around, or control the terminal.
fn harmless(name: &str) -> String {
    let mut text = String::new();
    for character in name.chars() {
        let before = text.len();
        if character.is_ascii_graphic() || character == ' ' {
            text.push(character);
        } else {
            let _infallible = write!(text, "\\u{{{:x}}}", u32::from(character));
        }
        if text.len() > LONGEST {
            text.truncate(before);
            text.push_str("...");
            break;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str) -> Row {
        Row {
            name: name.to_owned(),
            cpu_ratio: Some(0.1234),
            memory_current: Some(70 << 20),
            memory_usage: Some(60 << 20),
            memory_limit: Some(64 << 20),
            network: Some((1_450, 726)),
            block: Some((0, 41_200_000)),
            pids: Some(3),
            health: Some(Health::Unhealthy),
            restarts: Some(2),
            pressure: [Some(0.001), Some(0.6), None],
            ..Row::default()
        }
    }

    #[test]
    fn columns_are_aligned_and_what_is_unknown_is_a_dash() {
        let text = render(&[row("web"), Row { name: "b".to_owned(), ..Row::default() }], false);
        let expected = [
            concat!(
                "NAME    CPU %   MEM USAGE / LIMIT    MEM %         NET I/O     BLOCK ",
                "I/O   PIDS   HEALTH      RESTARTS   PSI CPU / MEM / I/O"
            ),
            concat!(
                "web    12.34%       60MiB / 64MiB   93.75%   1.45kB / 726B   0B / 41.",
                "2MB      3   unhealthy          2        0.1 / 60.0 / -"
            ),
            concat!(
                "b           -               - / -        -               -           ",
                "  -      -   -                  -             - / - / -"
            ),
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn colour_changes_nothing_but_the_colour() {
        let rows = [row("web"), Row { name: "b".to_owned(), ..Row::default() }];
        let mut coloured = render(&rows, true);
        assert!(coloured.contains("\x1b[31m93.75%\x1b[0m"), "{coloured}");
        assert!(coloured.contains("\x1b[33munhealthy\x1b[0m"), "{coloured}");
        for colour in [BOLD, YELLOW, RED, RESET] {
            coloured = coloured.replace(colour, "");
        }
        assert_eq!(coloured, render(&rows, false));
    }

    #[test]
    fn names_can_neither_control_the_terminal_nor_shift_a_column() {
        for (name, expected) in [
            ("\x1b[31mred\x07", "\\u{1b}[31mred\\u{7}"),
            ("a\nb\tc", "a\\u{a}b\\u{9}c"),
            ("\u{202e}evil", "\\u{202e}evil"),
            ("שלום", "\\u{5e9}\\u{5dc}\\u{5d5}\\u{5dd}"),
            ("日本", "\\u{65e5}\\u{672c}"),
        ] {
            assert_eq!(harmless(name), expected);
        }
        let long = harmless(&"x".repeat(300));
        assert_eq!((long.len(), &long[45..]), (LONGEST + 3, "xxx..."));
        let ends: Vec<_> = render(&[row("日本"), row("web")], false)
            .lines()
            .map(|line| (line.len(), line.is_ascii()))
            .collect();
        assert!(ends.iter().all(|end| *end == ends[0]), "{ends:?}");
    }
}
