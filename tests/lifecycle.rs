//! The running program and those around it that are not clients: whoever reads its log, signals, the service
//! manager.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::{
        fd::OwnedFd,
        unix::net::{UnixDatagram, UnixStream},
    },
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use support::{
    exporter::{self, Exporter},
    fixture, value,
};

/// A program whose log the test reads, or does not.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    fn kill(&self) {
        // The shell's own kill: a small system has no program of that name.
        let kill = format!("kill {}", self.0.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    fn wait(&mut self) -> Option<i32> {
        support::eventually("it ends", || self.0.try_wait().unwrap()).code()
    }

    fn end(&mut self) -> Option<i32> {
        self.kill();
        self.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _already_ended = self.0.kill();
        let _already_waited_for = self.0.wait();
    }
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(support::PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_reader_of_the_log_that_is_stuck_stops_neither_scrapes_nor_the_end() {
    for format in ["text", "json"] {
        let mut command = exporter::without_docker();
        command.args(["-b", "127.0.0.1:0", "-vv", "--log_format", format]);
        let mut child = Running::start(command.stderr(Stdio::piped()));
        let mut log = BufReader::with_capacity(1, child.0.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("serving http://") {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0);
        }
        let address = line.split("://").nth(1).unwrap().split('/').next().unwrap();
        // From here on nobody reads.
        let page = support::eventually("lines are lost", || {
            let begin = Instant::now();
            let page = get(address, "/metrics");
            assert!(begin.elapsed() < Duration::from_secs(5));
            // Each is told at this level.
            for _ in 0..100 {
                support::client::raw(&mut TcpStream::connect(address).unwrap(), b"no HTTP\r\n\r\n");
            }
            (value(&page, "docker_stat_prom_log_lines_dropped_total", &[])? > 0.0).then_some(page)
        });
        assert!(page.contains("container_memory_usage_bytes{"));
        assert_eq!(child.end(), Some(0));
    }
}

#[test]
fn the_last_lines_are_written() {
    let mut command = exporter::without_docker();
    let mut child = Running::start(command.args(["-b", "127.0.0.1:0"]).stderr(Stdio::piped()));
    let mut lines = BufReader::new(child.0.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("serving http://")));
    child.kill();
    assert!(lines.any(|line| line.contains("told to stop")));
    assert_eq!(child.end(), Some(0));
}

#[test]
fn an_error_at_the_start_ends_it_though_nobody_reads() {
    let folder = tempfile::tempdir().unwrap();
    let (_reader, mut writer) = UnixStream::pair().unwrap();
    writer.set_nonblocking(true).unwrap();
    while writer.write(&[b'x'; 4096]).is_ok() {}
    writer.set_nonblocking(false).unwrap();
    let mut command = exporter::command();
    command.arg("--cgroup_root").arg(folder.path()).stderr(OwnedFd::from(writer));
    assert_eq!(Running::start(&mut command).wait(), Some(1));
}

#[test]
fn one_event_is_one_line_in_either_format() {
    for format in ["text", "json"] {
        let mut command = exporter::on_host(&fixture("debian13-docker26.1-linux6.12"));
        command.args(["--log_format", format, "-H", "unix:///nonexistent/a\nb\u{1b}[2J\u{9b}c"]);
        let exporter = Exporter::ready(&mut command);
        let log = support::eventually("docker is missed", || {
            exporter.log().lines().find(|line| line.contains("/nonexistent/a")).map(str::to_owned)
        });
        assert!(log.contains("/nonexistent/a\\nb") && !log.contains(char::is_control), "{log:?}");
        if format == "json" {
            for line in exporter.log().lines() {
                let event: serde_json::Value = serde_json::from_str(line).unwrap();
                assert!(event["level"].is_string());
            }
        }
    }
}

#[test]
fn a_hangup_is_ignored_and_every_end_cleans_up() {
    for end in ["-TERM", "-INT", "-QUIT"] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = exporter::command();
        let exporter = Exporter::ready(command.arg("--demo").env("TMPDIR", folder.path()));
        for (signal, name) in [("-HUP", "SIGHUP"), ("-USR1", "SIGUSR1"), ("-USR2", "SIGUSR2")] {
            exporter.signal(signal);
            support::eventually("it is said", || {
                exporter.log().contains(&format!("{name} is ignored")).then_some(())
            });
        }
        exporter.signal("-PIPE");
        assert_eq!(exporter.get("/healthz").status, 200);
        assert_eq!(exporter.stop(end).code(), Some(0), "{end}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{end}");
    }
}

#[test]
fn a_signal_ends_once_and_cleans_up_though_nobody_reads() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = exporter::command();
    command.args(["--demo", "--once", "-i", "10"]).env("TMPDIR", folder.path()).stdout(Stdio::piped());
    let mut child = Running::start(&mut command);
    // The page is larger than a pipe: it is being printed when there is one byte of it.
    child.0.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    assert_eq!(child.end(), Some(0));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn an_odd_watchdog_or_manager_ends_nothing() {
    let long = format!("/{}", "x".repeat(300));
    for (usec, socket) in [
        ("0", "/nonexistent/notify"),
        ("1", "relative"),
        ("soon", "@docker-stat-prom-nobody"),
        ("18446744073709551615", "/dev/null"),
        ("99999999999999999999999", "@"),
        ("-1", long.as_str()),
        ("", ""),
    ] {
        let mut command = exporter::without_docker();
        command.env("WATCHDOG_USEC", usec).env("NOTIFY_SOCKET", socket);
        let exporter = Exporter::ready(&mut command);
        // The supervision begins once it is ready, on the thread that serves.
        for _ in 0..3 {
            assert_eq!(exporter.get("/metrics").status, 200, "{usec} {socket}");
        }
        assert_eq!(exporter.stop("-TERM").code(), Some(0), "{usec} {socket}");
    }
}

#[test]
fn the_service_manager_is_told_and_may_stop_reading() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(support::PATIENCE)).unwrap();
    let mut command = exporter::without_docker();
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "1000");
    let exporter = Exporter::ready(&mut command);
    let told = || {
        let mut buffer = [0; 64];
        let count = manager.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..count].to_vec()).unwrap()
    };
    assert_eq!((told(), told()), ("READY=1".to_owned(), "WATCHDOG=1".to_owned()));
    // Its queue holds a dozen or so; then it is full, and nobody waits for it.
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(3) {
        assert_eq!(exporter.get("/healthz").status, 200);
    }
    assert_eq!(exporter.stop("-TERM").code(), Some(0));
}

#[test]
fn one_line_says_what_was_started() {
    let exporter = Exporter::ready(exporter::command().args(["--demo", "--metrics", "core,-network"]));
    let line = support::eventually("it is said", || {
        exporter.log().lines().find(|line| line.contains("ready: ")).map(str::to_owned)
    });
    for part in [
        concat!("docker-stat-prom ", env!("CARGO_PKG_VERSION")),
        "cgroup root /",
        " running containers",
        "Docker 26.1.5",
        "HTTP without TLS",
        "metrics core,-network",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    let count = line.split(" running containers").next().unwrap().rsplit(' ').next().unwrap();
    assert!(count.parse::<u32>().unwrap() > 5, "{line}");
    let without = Exporter::ready(&mut exporter::without_docker());
    support::eventually("it is said", || {
        without.log().contains("no answer from Docker at unix:///nonexistent/docker.sock").then_some(())
    });
}

#[test]
fn a_demo_ends_without_a_false_word() {
    let mut command = exporter::command();
    let output = exporter::run(command.args(["--demo", "--once", "-i", "10"]));
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("this is a demo"), "{log}");
    let mut command = exporter::command();
    let mut child = Running::start(command.args(["--demo", "-b", "127.0.0.1:0"]).stderr(Stdio::piped()));
    let mut lines = BufReader::new(child.0.stderr.take().unwrap()).lines().map_while(Result::ok);
    let serving = lines.find(|line| line.contains("serving http://")).unwrap();
    let address = serving.split("http://").nth(1).unwrap().trim_end_matches("/metrics");
    support::eventually("it is ready", || get(address, "/readyz").contains(" 200 ").then_some(()));
    child.kill();
    let rest: Vec<_> = lines.filter(|line| !line.contains("ready: docker-stat-prom ")).collect();
    assert!(rest.len() == 1 && rest[0].contains("told to stop"), "{rest:?}");
    assert_eq!(child.wait(), Some(0));
}
