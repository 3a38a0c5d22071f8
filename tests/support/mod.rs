//! What the tests share: the shipped binary, a controllable Docker daemon, and a small HTTP client.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_docs_in_private_items,
    unreachable_pub,
    missing_docs,
    reason = "test support: each test file uses a part of it, and a failure here is a failed test"
)]

pub mod cgroups;
pub mod client;
pub mod dockerd;
pub mod exporter;
pub mod following;
pub mod front;
pub mod host;
pub mod otlp;
pub mod peers;
pub mod prometheus;
pub mod pushing;
pub mod receiver;
pub mod remote_write;
pub mod viewer;

use std::{
    io::Write,
    net::ToSocketAddrs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// The deadline of the tests: longer than any successful operation takes, even on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// All hosts in the fixtures, recorded and invented.
pub fn hosts() -> Vec<PathBuf> {
    let mut hosts: Vec<_> = std::fs::read_dir(fixture(""))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("sys/fs/cgroup").is_dir())
        .collect();
    hosts.sort();
    assert!(hosts.len() >= 3, "{hosts:?}");
    hosts
}

/// Copies a fixture, with its links, so that a test may change it.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            copy(&entry.path(), &target);
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(entry.path()).unwrap(), target).unwrap();
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Checks again and again until a condition is true, or fails at the deadline.
pub fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, || what.to_owned(), look)
}

/// The same with a deadline of its own, and with words that are made when it has passed.
pub fn eventually_within<T>(
    deadline: Duration,
    what: impl Fn() -> String,
    mut look: impl FnMut() -> Option<T>,
) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < deadline, "never: {}", what());
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Waits until so much time has passed since a moment: for what is about the length of a time.
pub fn until_passed(since: Instant, time: Duration) {
    let said = || format!("{time:?} have passed");
    eventually_within(time + PATIENCE, said, || (since.elapsed() >= time).then_some(()));
}

/// Checks again and again for a while that something does not happen. There is no other way to see that.
pub fn throughout(duration: Duration, mut check: impl FnMut()) {
    let begin = Instant::now();
    while begin.elapsed() < duration {
        check();
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Reports, in the test's output and for CI to count, that a test could not run here.
pub fn skip(test: &str, why: &str) {
    // eprintln! does not work here: its output is hidden when a test passes.
    std::io::stderr().write_all(format!("SKIPPED {test}: {why}\n").as_bytes()).unwrap();
}

/// Whether the system trusts any authority. A minimal one has no list of them.
pub fn system_has_authorities() -> bool {
    !rustls_native_certs::load_native_certs().certs.is_empty()
}

/// Whether the name `localhost` has an address: a minimal system has neither a hosts file nor a resolver.
pub fn localhost_is_known(test: &str) -> bool {
    let is_known = ("localhost", 0).to_socket_addrs().is_ok();
    if !is_known {
        skip(test, "localhost has no address here");
    }
    is_known
}

/// The value of one series: that of the first line that begins with the name and contains all the parts.
pub fn value(page: &str, name: &str, parts: &[&str]) -> Option<f64> {
    let line = page.lines().find(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
            && parts.iter().all(|part| line.contains(part))
    })?;
    line.rsplit(' ').next()?.parse().ok()
}
