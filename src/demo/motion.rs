//! Continues the numbers of recorded files as they changed between the two recordings.

use super::roles::{Change, whole};
use crate::sample::KernelFile;

/// Files whose numbers only rise, and files whose numbers go up and down. In `memory.stat` and `*.pressure`
/// it depends on the key.
const RISING: [&str; 4] =
    [KernelFile::CpuStat.name(), KernelFile::CpuStatLocal.name(), KernelFile::IoStat.name(), "dev"];
const SWINGING: [&str; 2] = [KernelFile::MemoryCurrent.name(), KernelFile::PidsCurrent.name()];

/// A text in which some numbers change.
#[derive(Debug)]
pub(super) struct Motion {
    /// The text of the first recording, split into numbers and the text between them.
    first: Vec<Piece>,
    /// The numbers of the second recording.
    second: Vec<u64>,
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

fn kind_of(name: &str) -> Option<Kind> {
    if RISING.contains(&name) {
        Some(Kind::Rising)
    } else if SWINGING.contains(&name) {
        Some(Kind::Swinging)
    } else if name == KernelFile::MemoryStat.name() {
        Some(Kind::MemoryStat)
    } else if name.ends_with(".pressure") {
        Some(Kind::Pressure)
    } else {
        None
    }
}

impl Motion {
    /// The texts of a file in both recordings. `None` if it is not known how its numbers change. They do not
    /// change if the recordings differ in more than numbers.
    pub(super) fn new(file: &str, first: &str, second: Option<&str>) -> Option<Self> {
        let kind = kind_of(file)?;
        let number = |piece: &Piece| match piece {
            Piece::Number(number, _) => Some(*number),
            Piece::Text(_) => None,
        };
        let texts = |pieces: &[Piece]| {
            let text = |piece: &Piece| match piece {
                Piece::Text(text) => Some(text.clone()),
                Piece::Number(..) => None,
            };
            pieces.iter().filter_map(text).collect::<Vec<_>>()
        };
        let first = pieces(first, kind);
        let second = second.map(|text| pieces(text, kind)).filter(|second| texts(second) == texts(&first));
        let second = second.as_ref().unwrap_or(&first).iter().filter_map(number).collect();
        Some(Self { first, second })
    }

    /// The text after `progress` times the time between the recordings. In a `new_run`, rising numbers began
    /// at 0.
    pub(super) fn text(&self, progress: f64, new_run: bool) -> String {
        let mut text = String::new();
        let mut second = self.second.iter();
        for piece in &self.first {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Number(first, rises) => {
                    let second = second.next().unwrap_or(first);
                    let (low, high) = if new_run && *rises {
                        (0, second.saturating_sub(*first))
                    } else {
                        (*first, *second)
                    };
                    text.push_str(&moved(low, high, progress, *rises).to_string());
                }
            }
        }
        text
    }
}

/// A rising number continues at its recorded pace; another number swings between its two values.
#[expect(clippy::cast_precision_loss, reason = "a demo's numbers need no more than 53 bits")]
fn moved(first: u64, second: u64, progress: f64, rises: bool) -> u64 {
    let (low, high) = (first as f64, second as f64);
    if rises {
        return whole(low + (high - low).max(0.0) * progress);
    }
    let phase = progress.rem_euclid(2.0);
    let swing = if phase < 1.0 { phase } else { 2.0 - phase };
    whole(low + (high - low) * swing)
}

/// A text after a change.
pub(super) fn changed(text: &str, change: Change) -> String {
    let after_key = |wanted: &str, change: &dyn Fn(u64) -> u64| {
        let line = |line: &str| match line.trim_end().split_once(' ') {
            Some((key, number)) if key == wanted => {
                format!("{key} {}\n", change(number.parse().unwrap_or(0)))
            }
            _ => line.to_owned(),
        };
        text.split_inclusive('\n').map(line).collect()
    };
    match change {
        Change::Number(number) => format!("{number}\n"),
        Change::Value(key, number) => after_key(key, &|_| number),
        Change::More(key, more) => after_key(key, &|number| number.saturating_add(more)),
        Change::Waits { seconds, some, full } => {
            let line = |line: &str| {
                let (kind, total) = (line.split(' ').next()?, line.trim_end().split_once("total=")?.1);
                let part = if kind == "some" { some } else { full };
                let total = total.parse::<u64>().ok()?.saturating_add(whole(part * seconds * 1e6));
                let percent = part * 100.0;
                Some(format!(
                    "{kind} avg10={percent:.2} avg60={percent:.2} avg300={percent:.2} total={total}\n"
                ))
            };
            text.split_inclusive('\n').map(|text| line(text).unwrap_or_else(|| text.to_owned())).collect()
        }
    }
}

/// A pressure file whose averages are the shares of time that its totals tell, `passed` seconds after they
/// began. `earlier` has the file as it was so many seconds ago.
pub(super) fn averaged(text: &str, passed: f64, earlier: impl Fn(f64) -> String) -> String {
    if passed <= 0.0 {
        return text.to_owned();
    }
    let windows = [("avg10", 10.0_f64), ("avg60", 60.0), ("avg300", 300.0)];
    let windows = windows.map(|(key, seconds)| {
        let seconds = seconds.min(passed);
        (key, seconds, earlier(seconds))
    });
    let line = |line: &str| {
        let (kind, _) = line.split_once(' ')?;
        let total = total_of(line)?;
        let mut averages = String::new();
        for (key, seconds, earlier) in &windows {
            let then = earlier.lines().find(|earlier| earlier.starts_with(kind)).and_then(total_of)?;
            let percent = (total - then).max(0.0) / (seconds * 1e6) * 100.0;
            averages.push_str(&format!(" {key}={:.2}", percent.min(100.0)));
        }
        Some(format!("{kind}{averages} total={}\n", whole(total)))
    };
    text.split_inclusive('\n').map(|text| line(text).unwrap_or_else(|| text.to_owned())).collect()
}

/// The total of a line of a pressure file, µs.
fn total_of(line: &str) -> Option<f64> {
    line.trim_end().split_once("total=")?.1.parse().ok()
}

/// Splits a text into the numbers that may change and the text between them.
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
            // Digits inside a name (eth0, avg10, slab2) or a device number are not quantities.
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

    #[test]
    fn a_new_run_counts_from_zero() {
        let motion = |file, first, second| Motion::new(file, first, Some(second)).unwrap();
        let cpu = motion("cpu.stat", "usage_usec 100\n", "usage_usec 150\n");
        assert_eq!(
            (cpu.text(2.0, false), cpu.text(2.0, true)),
            ("usage_usec 200\n".into(), "usage_usec 100\n".into())
        );
        let memory = motion("memory.stat", "anon 7\npgfault 5\n", "anon 7\npgfault 6\n");
        assert_eq!(memory.text(0.0, true), "anon 7\npgfault 0\n");
        assert!(Motion::new("cpu.max", "max 100000\n", None).is_none());
    }

    #[test]
    fn the_averages_of_a_pressure_file_are_those_of_its_totals() {
        let at = |second: f64| {
            let total = whole(second * 0.25 * 1e6);
            format!("some avg10=18.50 avg60=1.00 avg300=0.00 total={total}\nfull avg10=9.00 total=7\n")
        };
        let told = averaged(&at(30.0), 30.0, |before| at(30.0 - before));
        let (some, full) = told.split_once('\n').unwrap();
        assert_eq!(some, "some avg10=25.00 avg60=25.00 avg300=25.00 total=7500000");
        assert_eq!(full, "full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n");
        // Nothing has passed that there could be an average of.
        assert_eq!(averaged(&at(0.0), 0.0, |_| at(0.0)), at(0.0));
    }

    #[test]
    fn a_change_leaves_the_rest_as_it_is() {
        let text = "low 0\nhigh 5\nmax 7\n";
        assert_eq!(changed(text, Change::More("max", 3)), "low 0\nhigh 5\nmax 10\n");
        assert_eq!(changed(text, Change::Value("low", 3)), "low 3\nhigh 5\nmax 7\n");
        assert_eq!(changed("max\n", Change::Number(3)), "3\n");
        let waits = Change::Waits { seconds: 10.0, some: 0.5, full: 0.25 };
        assert_eq!(
            changed(
                "some avg10=0.00 avg60=0.00 avg300=0.00 total=7\nfull avg10=0.00 avg60=0.00 avg300=0.00 \
                 total=0\n",
                waits
            ),
            "some avg10=50.00 avg60=50.00 avg300=50.00 total=5000007\nfull avg10=25.00 avg60=25.00 \
             avg300=25.00 total=2500000\n"
        );
    }
}
