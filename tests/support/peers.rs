//! Real receivers of pushed series: Prometheus, VictoriaMetrics, Pushgateway, an OpenTelemetry collector.
//! Those that are not in `PATH` are not tried; `tests/peers/build` builds what no distribution has.

use super::{eventually, exporter::Answer, remote_write::Labels, skip};
use std::{
    collections::HashMap,
    fs::{self, File},
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A receiver that runs until it is dropped.
pub struct Peer {
    child: Child,
    pub port: u16,
    log: PathBuf,
    pub folder: tempfile::TempDir,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _already_ended = self.child.kill();
        let _already_waited_for = self.child.wait();
    }
}

/// Whether the program is installed. If not, the test counts as skipped.
pub fn has(test: &str, program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !found {
        skip(test, &format!("{program} is not in PATH"));
    }
    found
}

/// A port that nobody uses now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Peer {
    /// Starts a program with the arguments that are made from its port and folder. Waits until it answers.
    fn start(program: &str, ready: &str, arguments: impl Fn(u16, &Path) -> Vec<String>) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        Self::start_in(folder, port, program, ready, arguments)
    }

    fn start_in(
        folder: tempfile::TempDir,
        port: u16,
        program: &str,
        ready: &str,
        arguments: impl Fn(u16, &Path) -> Vec<String>,
    ) -> Self {
        let log = folder.path().join("log");
        let output = File::options().create(true).append(true).open(&log).unwrap();
        let mut command = Command::new(program);
        command.args(arguments(port, folder.path())).stdin(Stdio::null());
        command.stdout(output.try_clone().unwrap()).stderr(output);
        let mut peer = Self { child: command.spawn().unwrap(), port, log, folder };
        eventually(&format!("{program} answers"), || {
            let ended = peer.child.try_wait().unwrap();
            assert!(ended.is_none(), "{program} has ended: {}", peer.log());
            (peer.try_get(ready)?.status < 300).then_some(())
        });
        peer
    }

    /// Prometheus that takes remote write, and OTLP if it can.
    pub fn prometheus(program: &str) -> Self {
        Self::start(program, "/-/ready", |port, folder| prometheus(program, port, folder))
    }

    /// Prometheus that scrapes what its configuration says.
    pub fn prometheus_that_scrapes(program: &str, configuration: &str) -> Self {
        Self::start(program, "/-/ready", |port, folder| {
            fs::write(folder.join("prometheus.yml"), configuration).unwrap();
            vec![
                format!("--config.file={}", folder.join("prometheus.yml").display()),
                format!("--storage.tsdb.path={}", folder.join("data").display()),
                format!("--web.listen-address=127.0.0.1:{port}"),
            ]
        })
    }

    /// Ends Prometheus, and gives what is needed to start it again.
    pub fn stop(mut self) -> (tempfile::TempDir, u16) {
        let terminate = format!("kill {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &terminate]).status().unwrap().success());
        eventually("it ends", || self.child.try_wait().unwrap());
        (std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap()), self.port)
    }

    /// Prometheus again, with what it had.
    pub fn prometheus_again(program: &str, (folder, port): (tempfile::TempDir, u16)) -> Self {
        Self::start_in(folder, port, program, "/-/ready", |port, folder| prometheus(program, port, folder))
    }

    pub fn victoria_metrics() -> Self {
        Self::start("victoria-metrics", "/health", |port, folder| {
            vec![
                format!("-httpListenAddr=127.0.0.1:{port}"),
                format!("-storageDataPath={}", folder.join("data").display()),
                "-search.latencyOffset=0s".into(),
            ]
        })
    }

    pub fn pushgateway() -> Self {
        Self::start("prometheus-pushgateway", "/-/ready", |port, _| {
            vec![format!("--web.listen-address=127.0.0.1:{port}")]
        })
    }

    /// An OpenTelemetry collector that prints each data point to its log.
    pub fn collector() -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let configuration = format!(
            "receivers: {{otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:{port}'}}}}}}}}\n\
             exporters: {{debug: {{verbosity: detailed}}}}\n\
             service: {{telemetry: {{metrics: {{level: none}}}}, \
             pipelines: {{metrics: {{receivers: [otlp], exporters: [debug]}}}}}}\n"
        );
        fs::write(folder.path().join("collector.yaml"), configuration).unwrap();
        // It has no page to ask for; a wrong method is answered as soon as it listens.
        let log = folder.path().join("log");
        let output = File::create(&log).unwrap();
        let mut command = Command::new("otelcol");
        command.arg("--config").arg(folder.path().join("collector.yaml")).stdin(Stdio::null());
        command.stdout(output.try_clone().unwrap()).stderr(output);
        let peer = Self { child: command.spawn().unwrap(), port, log, folder };
        eventually("the collector listens", || peer.try_get("/v1/metrics").map(drop));
        peer
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.try_get(path).unwrap()
    }

    fn try_get(&self, path: &str) -> Option<Answer> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(super::PATIENCE)).unwrap();
        let request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        answer.starts_with(b"HTTP/").then(|| Answer::parse(&answer))
    }

    /// The last value of each series that a selector finds, with the time of the sample.
    pub fn instant(&self, selector: &str) -> HashMap<Labels, f64> {
        let answer = self.get(&format!("/api/v1/query?query={}", encoded(selector)));
        let answer: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        let result = answer["data"]["result"].as_array().unwrap_or_else(|| panic!("{answer}"));
        let series = result.iter().map(|series| {
            let labels = serde_json::from_value(series["metric"].clone()).unwrap();
            (labels, series["value"][1].as_str().unwrap().parse().unwrap())
        });
        series.collect()
    }

    /// The times of all samples of one series.
    pub fn times(&self, selector: &str) -> Vec<f64> {
        let answer = self.get(&format!("/api/v1/query?query={}", encoded(&format!("{selector}[1h]"))));
        let answer: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        let values = answer["data"]["result"][0]["values"].as_array().cloned().unwrap_or_default();
        values.iter().map(|pair| pair[0].as_f64().unwrap()).collect()
    }
}

fn prometheus(program: &str, port: u16, folder: &Path) -> Vec<String> {
    fs::write(folder.join("prometheus.yml"), "global: {}\n").unwrap();
    let mut arguments = vec![
        format!("--config.file={}", folder.join("prometheus.yml").display()),
        format!("--storage.tsdb.path={}", folder.join("data").display()),
        format!("--web.listen-address=127.0.0.1:{port}"),
        "--web.enable-remote-write-receiver".into(),
    ];
    if program == "prometheus3" {
        arguments.push("--web.enable-otlp-receiver".into());
    }
    arguments
}

/// A text in a query string.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |all, byte| {
        if byte.is_ascii_alphanumeric() {
            all + &char::from(byte).to_string()
        } else {
            all + &format!("%{byte:02X}")
        }
    })
}
