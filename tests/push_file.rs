//! `--push_config` with a real Prometheus that wants TLS, a client's certificate and a password.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};
use support::{
    eventually,
    exporter::{self, without_docker},
    fixture,
    peers::{free_port, has},
};

/// "hunter2" with the lowest cost.
const BCRYPT: &str = "$2y$04$abcdefghijklmnopqrstuuV3duMsC0HpUex6N9qapiuOHHWkwRXVm";

fn tls(file: &str) -> PathBuf {
    fixture("tls").join(file)
}

/// Prometheus that nobody gets at without the client's certificate and the password.
struct Guarded {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let _already_ended = self.child.kill();
        let _already_waited_for = self.child.wait();
    }
}

impl Guarded {
    fn start() -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let web = format!(
            "tls_server_config: {{cert_file: '{}', key_file: '{}', client_ca_file: '{}', \
             client_auth_type: RequireAndVerifyClientCert}}\nbasic_auth_users: {{user: '{BCRYPT}'}}\n",
            tls("ec-chain.crt").display(),
            tls("ec-sec1.key").display(),
            tls("ca.crt").display()
        );
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", write("prometheus.yml", "global: {}\n")))
            .arg(format!("--web.config.file={}", write("web.yml", &web)))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--web.enable-remote-write-receiver")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let guarded = Self { child, port, folder };
        eventually("it is ready", || guarded.get("/-/ready").status.success().then_some(()));
        guarded
    }

    fn get(&self, path: &str) -> Output {
        Command::new("curl")
            .args(["-s", "-f", "-g", "--max-time", "10", "-u", "user:hunter2", "--cacert"])
            .arg(tls("ca.crt"))
            .arg("--cert")
            .arg(tls("ec-chain.crt"))
            .arg("--key")
            .arg(tls("ec-sec1.key"))
            .arg(format!("https://localhost:{}{path}", self.port))
            .output()
            .unwrap()
    }

    /// Whether there is a series.
    fn knows(&self, selector: &str) -> bool {
        let answer = self.get(&format!("/api/v1/series?match[]={selector}"));
        let answer: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap();
        !answer["data"].as_array().unwrap_or_else(|| panic!("{answer}")).is_empty()
    }

    /// Pushes once, as a file with these keys says.
    fn push(&self, case: &str, keys: &str) -> (Option<i32>, String) {
        let path = self.folder.path().join(format!("{case}.yml"));
        let url = format!("https://localhost:{}/api/v1/write", self.port);
        let text = format!("external_labels: {{case: {case}}}\nremote_write:\n- url: {url}\n  {keys}\n");
        fs::write(&path, text).unwrap();
        let mut command = without_docker();
        command.args(["--once", "-i", "10", "--push_config"]).arg(path);
        let output = exporter::run(&mut command);
        let log = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!log.contains("hunter2") && !log.contains("wrong-secret"), "{case}: {log}");
        (output.status.code(), log)
    }
}

/// An HTTP proxy that connects to what it is told, and how often it was.
fn proxy() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let counted = Arc::clone(&counted);
            thread::spawn(move || {
                let mut client = stream.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    if client.read(&mut byte).unwrap_or(0) == 0 {
                        return;
                    }
                    head.push(byte[0]);
                }
                let head = String::from_utf8(head).unwrap();
                // "u:p"
                assert!(head.to_lowercase().contains("proxy-authorization: basic dtpw"), "{head}");
                let target = head.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap();
                let mut server = TcpStream::connect(target).unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
                let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || std::io::copy(&mut from, &mut to));
                let _gone = std::io::copy(&mut server, &mut client);
            });
        }
    });
    (address, count)
}

fn keys(password: &Path, tls_config: &str) -> String {
    format!(
        "basic_auth: {{username: user, password_file: '{}'}}\n  tls_config: {{{tls_config}}}",
        password.display()
    )
}

#[test]
fn a_guarded_prometheus_takes_what_has_password_and_certificate_and_nothing_else() {
    const TEST: &str = "a_guarded_prometheus_takes_what_has_password_and_certificate_and_nothing_else";
    if !has(TEST, "prometheus") || !has(TEST, "curl") {
        return;
    }
    let guarded = Guarded::start();
    let folder = guarded.folder.path();
    let (right, wrong) = (folder.join("right"), folder.join("wrong"));
    fs::write(&right, "hunter2\n").unwrap();
    fs::write(&wrong, "wrong-secret\n").unwrap();
    let ca = format!("ca_file: '{}'", tls("ca.crt").display());
    let client = format!(
        "cert_file: '{}', key_file: '{}'",
        tls("ec-chain.crt").display(),
        tls("ec-sec1.key").display()
    );
    let (address, connected) = proxy();
    let inline = format!(
        "ca: {}, cert: {}, key: {}",
        serde_json::json!(fs::read_to_string(tls("ca.crt")).unwrap()),
        serde_json::json!(fs::read_to_string(tls("ec-chain.crt")).unwrap()),
        serde_json::json!(fs::read_to_string(tls("ec-sec1.key")).unwrap()),
    );
    let rules = [
        "write_relabel_configs:",
        "  - {source_labels: [__name__], regex: container_fs_.*, action: drop}",
        "  - {source_labels: [name], target_label: who, regex: '(.).*', replacement: '${1}!'}",
    ]
    .join("\n");
    let good = keys(&right, &format!("{ca}, {client}, min_version: TLS13"));
    let through = format!("{good}\n  proxy_url: http://u:p@{address}");
    let cases = [
        ("file", keys(&right, &format!("{ca}, {client}")), true),
        ("inline", keys(&right, &inline), true),
        ("unverified", keys(&right, &format!("insecure_skip_verify: true, {client}")), true),
        ("relabelled", format!("{good}\n  {rules}"), true),
        ("wrong_password", keys(&wrong, &format!("{ca}, {client}")), false),
        ("no_certificate", keys(&right, &ca), false),
        ("no_ca", keys(&right, &client), false),
        ("other_name", keys(&right, &format!("{ca}, {client}, server_name: other")), false),
    ];
    // A push that fails is tried again for a while: so all at once.
    thread::scope(|scope| {
        for (case, keys, is_taken) in &cases {
            let guarded = &guarded;
            scope.spawn(move || {
                let (code, log) = guarded.push(case, keys);
                assert_eq!(code == Some(0), *is_taken, "{case}: {log}");
                let found = guarded.knows(&format!("container_memory_usage_bytes%7Bcase=%22{case}%22%7D"));
                assert_eq!(found, *is_taken, "{case}: {log}");
            });
        }
    });
    assert!(guarded.knows("container_fs_reads_total%7Bcase=%22file%22%7D"));
    assert!(!guarded.knows("container_fs_reads_total%7Bcase=%22relabelled%22%7D"));
    assert!(guarded.knows("container_memory_usage_bytes%7Bcase=%22relabelled%22,who=~%22.!%22%7D"));
    // This machine is reached without a proxy only by what the environment or no_proxy says.
    let (code, log) = guarded.push("proxy", &through);
    assert_eq!((code, connected.load(Ordering::SeqCst) > 0), (Some(0), true), "{log}");
}
