//! Runs the shipped binary on a recorded host.

use super::fixture;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
};

pub const BINARY: &str = env!("CARGO_BIN_EXE_docker-stat-prom");

/// The binary, without the environment variables of the person who runs the tests.
pub fn command() -> Command {
    let mut command = Command::new(BINARY);
    command.env_clear().env("HOME", "/nonexistent").stdin(Stdio::null());
    command
}

/// The binary with the roots of a recorded host.
pub fn on_host(host: &Path) -> Command {
    let mut command = command();
    for (flag, path) in [("--cgroup_root", "sys/fs/cgroup"), ("--proc_root", "proc"), ("--sys_root", "sys")] {
        command.arg(flag).arg(host.join(path));
    }
    command
}

/// The arguments for a Docker daemon that does not exist.
pub const NO_DOCKER: [&str; 2] = ["-H", "unix:///nonexistent/docker.sock"];

/// The binary on a recorded host whose Docker does not answer.
pub fn without_docker() -> Command {
    let mut command = on_host(&fixture("debian13-docker26.1-linux6.12"));
    command.args(NO_DOCKER);
    command
}

pub fn run(command: &mut Command) -> Output {
    command.output().unwrap()
}

/// The output of `--once`, with a short time between its two samples.
pub fn once(command: &mut Command) -> String {
    let output = run(command.args(["--once", "-i", "10"]));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A running exporter.
pub struct Exporter {
    child: Child,
    pub address: String,
    log: Arc<Mutex<String>>,
}

impl Exporter {
    /// Starts it on a free port and waits until it listens.
    pub fn start(command: &mut Command) -> Self {
        Self::start_where_told(command.args(["-b", "127.0.0.1:0"]))
    }

    /// Starts it and waits until it listens on an address and a port: the first such is `address`.
    pub fn start_where_told(command: &mut Command) -> Self {
        let mut child = command.arg("-v").stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let log = Arc::new(Mutex::new(String::new()));
        let address = lines
            .by_ref()
            .inspect(|line| *log.lock().unwrap() += &format!("{line}\n"))
            .find_map(|line| {
                let url = line.split("serving ").nth(1)?;
                Some(url.split("://").nth(1)?.split('/').next()?.to_owned())
            })
            .unwrap_or_else(|| panic!("it did not start: {}", log.lock().unwrap()));
        let rest = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines {
                *rest.lock().unwrap() += &format!("{line}\n");
            }
        });
        Self { child, address, log }
    }

    /// Starts it and waits until it is ready.
    pub fn ready(command: &mut Command) -> Self {
        let exporter = Self::start(command);
        super::eventually("it is ready", || (exporter.get("/readyz").status == 200).then_some(()));
        exporter
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    pub fn metrics(&self) -> String {
        let answer = self.get("/metrics");
        assert_eq!(answer.status, 200);
        answer.text()
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[])
    }

    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(super::PATIENCE)).unwrap();
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        stream.write_all((request + "\r\n").as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        Answer::parse(&answer)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: &str) {
        // Use the shell's built-in kill: a small system has no such program.
        let kill = format!("kill {signal} {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(sent.success());
    }

    /// Sends a signal and waits until the process ends.
    pub fn stop(mut self, signal: &str) -> std::process::ExitStatus {
        self.signal(signal);
        super::eventually("it ends", || self.child.try_wait().unwrap())
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _already_ended = self.child.kill();
        let _already_waited_for = self.child.wait();
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn parse(answer: &[u8]) -> Self {
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8(answer[..end].to_vec()).unwrap().to_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head, body: answer[end + 4..].to_vec() }
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}
