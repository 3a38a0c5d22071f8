//! Completions in real shells on a terminal, as far as they are installed: what a user sees after Tab.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::{
    io::{Read, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// A shell on a terminal of its own, which `script` makes.
struct Shell {
    child: Child,
    screen: Arc<Mutex<String>>,
}

impl Shell {
    /// `setup` loads the completions. `None` if the shell, or `script`, is not installed.
    fn start(name: &str, arguments: &str, setup: &str) -> Option<Self> {
        let is_there = |name: &str, flag: &str| {
            Command::new(name).arg(flag).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
        };
        if !is_there(name, "--version") || !is_there("script", "--version") {
            return None;
        }
        let mut child = Command::new("script")
            .args(["-qec", &format!("{name} {arguments}"), "/dev/null"])
            .env("TERM", "xterm")
            .current_dir(support::fixture("tls"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let screen = Arc::new(Mutex::new(String::new()));
        let (mut output, shown) = (child.stdout.take().unwrap(), Arc::clone(&screen));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                shown.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        });
        let mut shell = Self { child, screen };
        // The word is only whole once the shell has understood the line.
        shell.type_in(&format!("{setup}; echo loa\"\"ded\r"));
        support::eventually("the completions are loaded", || shell.shows("loaded").then_some(()));
        Some(shell)
    }

    fn type_in(&mut self, text: &str) {
        self.child.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn shows(&self, word: &str) -> bool {
        self.screen.lock().unwrap().contains(word)
    }

    /// Types a command and Tab, again and again, until all words are shown.
    fn completes(mut self, typed: &str, words: &[&str]) {
        self.screen.lock().unwrap().clear();
        self.type_in(&format!("docker-stat-prom {typed}"));
        let mut last: Option<Instant> = None;
        let missing = |shell: &Self| words.iter().any(|word| !shell.shows(word));
        let screen = std::sync::Arc::clone(&self.screen);
        let shown = || format!("{typed} shows all of {words:?}: {}", screen.lock().unwrap());
        support::eventually_within(support::PATIENCE, shown, || {
            if !missing(&self) {
                return Some(());
            }
            if last.is_none_or(|last| last.elapsed() > Duration::from_millis(500)) {
                self.type_in("\t");
                last = Some(Instant::now());
            }
            None
        });
        assert!(!self.shows("parse error") && !self.shows("_arguments:comparguments"), "{typed}");
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _already_ended = self.child.kill();
        let _already_waited_for = self.child.wait();
    }
}

fn script(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy/completions").join(file)
}

/// The same in every shell: flags, values, and lists after a comma. Each in a new shell, whose line is empty.
fn try_all(name: &str, arguments: &str, setup: &str) {
    for (typed, words) in [
        ("--pol", &["--polling_interval"][..]),
        ("--log_format ", &["text", "json"]),
        ("--log_level ", &["error", "warn", "info", "debug", "trace"]),
        ("--metrics ", &["core", "cadvisor", "lifecycle", "+hugetlb", "-network"]),
        ("--metrics core,+", &["+hugetlb", "+memory_stat", "+pressure_averages"]),
        // Nothing of an address can be guessed, and what follows it is completed.
        ("-b 127.0.0.1:1 --heal", &["--healthcheck"]),
        ("--tls_cert ec-c", &["ec-chain.crt"]),
    ] {
        let Some(shell) = Shell::start(name, arguments, setup) else {
            return support::skip("completions", "this shell, or script, is not installed");
        };
        shell.completes(typed, words);
    }
}

#[test]
fn bash_completes_flags_and_values() {
    let setup = format!("source {}", script("docker-stat-prom.bash").display());
    try_all("bash", "--norc -i", &setup);
}

#[test]
fn zsh_completes_flags_and_values() {
    let folder = script("");
    let setup = format!("fpath=({} $fpath); autoload -U compinit; compinit -u -D", folder.display());
    try_all("zsh", "-f -i", &setup);
}

#[test]
fn fish_completes_flags_and_values() {
    let setup = format!("source {}", script("docker-stat-prom.fish").display());
    try_all("fish", "--no-config", &setup);
}
