//! Writes the log to standard error, through a queue and a thread: if the reader of standard error is stuck,
//! nothing else stops. Text from daemons and paths is made harmless: one event is one line, and passwords in
//! URLs are masked.

use crate::sample::{Errno, errno_of};
use std::{
    borrow::Cow,
    fmt::Write as _,
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};
use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter, Targets},
    fmt::MakeWriter,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// How many lines wait for a slow reader, and how long a line may be: together they limit the memory.
const LINES: usize = 512;
const LINE: usize = 16 * 1024;
/// How long the end of the program waits for the last lines.
const FLUSH: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How events are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Style {
    /// The least important level that is written. Debug applies only to this program: the libraries stay at
    /// info.
    pub level: tracing::Level,
    /// Targets with levels, as in `RUST_LOG`. They take precedence over `level`.
    pub directives: Option<String>,
    /// One JSON object per line instead of text.
    pub json: bool,
    /// Whether to name the part of the program that logged it.
    pub target: bool,
}

#[derive(Debug)]
enum Job {
    Line(Vec<u8>),
    /// Answered when everything before it is written.
    Flush(SyncSender<()>),
}

/// The log. When it is dropped, the waiting lines are written, which takes a second at most.
#[must_use]
#[derive(Debug)]
pub struct Log {
    jobs: SyncSender<Job>,
    /// What its thread is going to need.
    unstarted: Option<(Receiver<Job>, Losses)>,
}

/// Takes lines from now on. They wait until [`Log::start_writing`]. `on_loss` is called for each line that
/// could not be written.
pub fn collect(style: Style, on_loss: impl Fn() + Send + Sync + 'static) -> Log {
    let (jobs, queue) = sync_channel(LINES);
    let lost = Arc::new(AtomicU64::new(0));
    let losses = Losses { count: Arc::clone(&lost), on_loss: Arc::new(on_loss) };
    let unstarted = Some((queue, losses.clone()));
    let colours = !style.json && io::IsTerminal::is_terminal(&io::stderr());
    let queued = Queued { jobs: jobs.clone(), losses, json: style.json, colours };
    let (targets, problem) = targets(&style);
    let most = Layer::<Registry>::max_level_hint(&targets).unwrap_or(LevelFilter::TRACE);
    let builder = tracing_subscriber::fmt()
        .with_max_level(most)
        .with_writer(queued)
        .with_target(style.target)
        .with_ansi(colours);
    // Only a second call can fail, in a test that runs the program twice in one process.
    let _already_started = if style.json {
        builder.json().flatten_event(true).finish().with(targets).try_init()
    } else {
        builder.finish().with(targets).try_init()
    };
    if let Some(problem) = problem {
        tracing::warn!("{problem}");
    }
    Log { jobs, unstarted }
}

impl Log {
    /// Starts the thread that writes. The thread has the limits that this one has, so these come first.
    ///
    /// # Errors
    /// If the thread can't be created.
    pub fn start_writing(&mut self) -> io::Result<()> {
        if let Some((queue, losses)) = self.unstarted.take() {
            thread::Builder::new().name("log".into()).spawn(move || write_lines(&queue, &losses))?;
        }
        Ok(())
    }
}

/// Which targets may log at which levels, and what is wrong with the directives.
fn targets(style: &Style) -> (Targets, Option<String>) {
    // All targets of the crate begin with its name.
    const OURS: &str = env!("CARGO_CRATE_NAME");
    let libraries = if style.level == tracing::Level::DEBUG { tracing::Level::INFO } else { style.level };
    let by_level = || Targets::new().with_default(libraries).with_target(OURS, style.level);
    let Some(directives) = style.directives.as_deref() else { return (by_level(), None) };
    match directives.parse::<Targets>() {
        // A mistyped level is taken for the name of a target. It must not silence this program.
        Ok(targets) if !directives.contains("off") && !targets.would_enable(OURS, &tracing::Level::ERROR) => {
            (targets.with_target(OURS, style.level), None)
        }
        Ok(targets) => (targets, None),
        Err(error) => (by_level(), Some(format!("RUST_LOG is not understood and has no effect: {error}"))),
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if self.start_writing().is_err() {
            return;
        }
        let (done, written) = sync_channel(1);
        let begin = Instant::now();
        let mut job = Job::Flush(done);
        while begin.elapsed() < FLUSH {
            match self.jobs.try_send(job) {
                Ok(()) => {
                    let _in_vain = written.recv_timeout(FLUSH.saturating_sub(begin.elapsed()));
                    return;
                }
                Err(TrySendError::Full(back)) => job = back,
                Err(TrySendError::Disconnected(_)) => return,
            }
            thread::sleep(LOOK_AGAIN);
        }
    }
}

/// Writes the program's last message to standard error, and waits a second at most for the reader.
pub fn last_words(text: &str) {
    let bytes = text.as_bytes().to_vec();
    let (done, written) = sync_channel(1);
    let thread = thread::Builder::new().spawn(move || {
        let _closed = io::stderr().write_all(&bytes);
        let _nobody_waits = done.send(());
    });
    match thread {
        Ok(_) => {
            let _in_vain = written.recv_timeout(FLUSH);
        }
        // The lack of a thread may be the message itself.
        Err(_) => {
            let _closed = io::stderr().write_all(text.as_bytes());
        }
    }
}

#[derive(Clone)]
struct Losses {
    count: Arc<AtomicU64>,
    on_loss: Arc<dyn Fn() + Send + Sync>,
}

impl std::fmt::Debug for Losses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Losses").field("count", &self.count).finish_non_exhaustive()
    }
}

impl Losses {
    fn add(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        (self.on_loss)();
    }
}

fn write_lines(queue: &Receiver<Job>, losses: &Losses) {
    for job in queue {
        match job {
            Job::Line(line) if write(&line) => {
                let lost = losses.count.swap(0, Ordering::Relaxed);
                if lost > 0 {
                    tracing::warn!("{lost} log lines were lost: nobody read standard error");
                }
            }
            Job::Line(_) => losses.add(),
            Job::Flush(done) => {
                let _nobody_waits = done.send(());
            }
        }
    }
}

/// Writes a whole line, even if standard error was made non-blocking.
fn write(mut line: &[u8]) -> bool {
    while !line.is_empty() {
        match io::stderr().write(line) {
            Ok(0) => return false,
            Ok(count) => line = line.get(count..).unwrap_or_default(),
            Err(error) if errno_of(&error) == Errno::EINTR => {}
            Err(error) if errno_of(&error) == Errno::EAGAIN => thread::sleep(LOOK_AGAIN),
            Err(_) => return false,
        }
    }
    true
}

/// Takes one formatted event at a time.
#[derive(Clone)]
struct Queued {
    jobs: SyncSender<Job>,
    losses: Losses,
    json: bool,
    colours: bool,
}

impl<'a> MakeWriter<'a> for Queued {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

impl Write for &Queued {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = line(text.strip_suffix('\n').unwrap_or(&text), self.json, self.colours);
        if self.jobs.try_send(Job::Line(line.into_bytes())).is_err() {
            self.losses.add();
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn line(event: &str, json: bool, colours: bool) -> String {
    let masked = mask_urls(event);
    let mut line = String::with_capacity(masked.len() + 1);
    if json {
        push_json(&mut line, &masked);
    } else {
        push_plain(&mut line, &masked, colours);
    }
    if line.len() > LINE {
        if json {
            // A JSON object that is cut off can't be parsed.
            let length = line.len();
            line =
                format!("{{\"level\":\"WARN\",\"message\":\"a log line of {length} bytes was left out\"}}");
        } else {
            let end = (0..=LINE).rev().find(|end| line.is_char_boundary(*end)).unwrap_or_default();
            line.truncate(end);
            line.push('…');
        }
    }
    line.push('\n');
    line
}

/// Whether a terminal or a line reader would treat a character as more than text: control characters, line
/// separators, and characters that change the direction of writing.
fn is_harmful(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Escapes everything that is not plain text, and masks passwords in URLs: for text from outside the program.
#[must_use]
pub fn harmless(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    push_plain(&mut escaped, &mask_urls(text), false);
    escaped
}

fn push_plain(line: &mut String, text: &str, colours: bool) {
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        // The colours of the level come from the log itself; those in a message were escaped before.
        if let Some(length) = colours.then(|| colour(rest)).flatten() {
            let (sequence, after) = rest.split_at(length);
            line.push_str(sequence);
            rest = after;
            continue;
        }
        if is_harmful(c) {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
}

/// The length of the colour sequence that the text begins with.
fn colour(text: &str) -> Option<usize> {
    let after = text.strip_prefix("\u{1b}[")?;
    let end = after.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    after.get(end..)?.starts_with('m').then_some(end + 3)
}

fn push_json(line: &mut String, text: &str) {
    for c in text.chars() {
        if is_harmful(c) {
            // All of them are below U+10000.
            let _infallible = write!(line, "\\u{:04x}", u32::from(c));
        } else {
            line.push(c);
        }
    }
}

/// `scheme://user:password@host` as `scheme://***@host`.
fn mask_urls(text: &str) -> Cow<'_, str> {
    if !text.contains("://") || !text.contains('@') {
        return Cow::Borrowed(text);
    }
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        masked.push_str(before);
        masked.push_str("://");
        let ends = |c: char| c.is_whitespace() || c.is_control() || "/?#\"'<>\\".contains(c);
        let authority = after.split(ends).next().unwrap_or_default();
        let host = authority.rfind('@').map_or(0, |at| {
            masked.push_str("***");
            at
        });
        rest = after.get(host..).unwrap_or_default();
    }
    masked.push_str(rest);
    Cow::Owned(masked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_level_does_not_silence_this_program() {
        let warns = |directives: &str| {
            let style = Style {
                level: tracing::Level::INFO,
                directives: Some(directives.to_owned()),
                json: false,
                target: false,
            };
            targets(&style).0.would_enable("docker_stat_prom::app", &tracing::Level::WARN)
        };
        for heard in ["inof", "!!!", "hyper=debug", "warn", "docker_stat_prom=debug", "hyper=off,info"] {
            assert!(warns(heard), "{heard}");
        }
        for silent in ["off", "docker_stat_prom=off", "error"] {
            assert!(!warns(silent), "{silent}");
        }
    }

    #[test]
    fn one_event_is_one_line_of_text() {
        let event = "WARN a\nb\r\tc \u{1b}[31mred\u{1b}]0;title\u{7} \u{9b}1m \u{2028}\u{202e}é";
        let expected =
            "WARN a\\nb\\r\\tc \\u{1b}[31mred\\u{1b}]0;title\\u{7} \\u{9b}1m \\u{2028}\\u{202e}é\n";
        assert_eq!(line(event, false, false), expected);
        assert_eq!(
            line("\u{1b}[33m WARN\u{1b}[0m \u{1b}[2J", false, true),
            "\u{1b}[33m WARN\u{1b}[0m \\u{1b}[2J\n"
        );
    }

    #[test]
    fn json_stays_json() {
        let line = line("{\"message\":\"a\u{7f}\u{9b}\u{2028}b\"}", true, false);
        let parsed: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(parsed.get("message").unwrap(), "a\u{7f}\u{9b}\u{2028}b");
        assert!(line.contains("a\\u007f\\u009b\\u2028b"));
    }

    #[test]
    fn a_line_has_a_bound() {
        let text = line(&"é".repeat(LINE), false, false);
        assert!(text.len() < LINE + 8 && text.ends_with("…\n"));
        let json = line(&format!("{{\"message\":\"{}\"}}", "x".repeat(LINE)), true, false);
        assert!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["message"].is_string());
    }

    #[test]
    fn passwords_in_urls_are_masked() {
        for (text, expected) in [
            ("docker at tcp://u:p@h:1: gone", "docker at tcp://***@h:1: gone"),
            ("http://u:p@q@h/x@y and https://v@i", "http://***@h/x@y and https://***@i"),
            ("http://h/a@b", "http://h/a@b"),
            ("mail me@x, see http://h", "mail me@x, see http://h"),
            ("\"http://a:b\"@c", "\"http://a:b\"@c"),
        ] {
            assert_eq!(mask_urls(text), expected);
        }
    }
}
