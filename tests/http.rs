//! The shipped binary over HTTP and HTTPS.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use support::{
    PATIENCE,
    exporter::{self, Exporter},
    fixture, value,
};

#[test]
fn every_path_answers_as_it_should() {
    let exporter = Exporter::ready(exporter::without_docker().arg("--debug_pages"));
    for (method, path, status, content_type) in [
        ("GET", "/metrics", 200, "text/plain; version=0.0.4; charset=utf-8"),
        ("GET", "/", 200, "text/html; charset=utf-8"),
        ("GET", "/healthz", 200, "text/plain; charset=utf-8"),
        ("GET", "/readyz", 200, "text/plain; charset=utf-8"),
        ("GET", "/debug/containers", 200, "application/json"),
        ("GET", "/metrics?name=x", 200, "text/plain; version=0.0.4; charset=utf-8"),
        ("GET", "/nothing", 404, "text/plain; charset=utf-8"),
        ("GET", "/metrics/", 404, "text/plain; charset=utf-8"),
        ("POST", "/metrics", 405, "text/plain; charset=utf-8"),
        ("DELETE", "/", 405, "text/plain; charset=utf-8"),
        ("POST", "/nothing", 404, "text/plain; charset=utf-8"),
    ] {
        let answer = exporter.ask(method, path, &[]);
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (status, Some(content_type)),
            "{method} {path}"
        );
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        if status == 405 {
            assert_eq!(answer.header("allow"), Some("get, head"));
        }
    }
    let head = exporter.ask("HEAD", "/metrics", &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
    let length: usize = head.header("content-length").unwrap().parse().unwrap();
    assert!(length > 10_000, "{length}");
    let page = exporter.metrics();
    assert_eq!(value(&page, "docker_stat_prom_http_requests_total", &["code=\"404\""]), Some(3.0));
    let containers: serde_json::Value =
        serde_json::from_slice(&exporter.get("/debug/containers").body).unwrap();
    assert_eq!(containers["containers"].as_array().unwrap().len(), 12);
}

#[test]
fn formats_and_encodings_are_the_clients_choice() {
    let exporter = Exporter::ready(&mut exporter::without_docker());
    let openmetrics =
        exporter.ask("GET", "/metrics", &[("Accept", "application/openmetrics-text;version=1.0.0")]);
    assert_eq!(
        openmetrics.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert!(openmetrics.text().ends_with("# EOF\n"));
    assert!(openmetrics.text().contains("# TYPE container_network_receive_bytes_total unknown\n"));
    assert!(openmetrics.text().contains("# UNIT container_cpu_usage_seconds seconds\n"));
    let plain = exporter.get("/metrics");
    assert!(!plain.text().contains("# EOF") && plain.header("content-encoding").is_none());
    assert_eq!(plain.header("vary"), Some("accept, accept-encoding"));

    let gzip = exporter.ask("GET", "/metrics", &[("Accept-Encoding", "gzip")]);
    assert_eq!(gzip.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(&gzip.body[..]).read_to_string(&mut text).unwrap();
    assert!(text.contains("container_memory_usage_bytes{") && gzip.body.len() * 10 < text.len());

    let zstd = exporter.ask("GET", "/metrics", &[("Accept-Encoding", "zstd, gzip;q=0.5")]);
    assert_eq!(zstd.header("content-encoding"), Some("zstd"));
    let text = zstd::stream::decode_all(&zstd.body[..]).unwrap();
    assert!(String::from_utf8(text).unwrap().contains("container_memory_usage_bytes{"));
}

#[test]
fn core_alone_is_the_original_output() {
    let exporter = Exporter::ready(exporter::without_docker().args(["--metrics", "core", "-i", "50"]));
    let page = support::eventually("a window is complete", || {
        let page = exporter.metrics();
        page.contains("container_cpu_usage_ratios{").then_some(page)
    });
    let families: Vec<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE container_")?.strip_suffix(" gauge"))
        .collect();
    assert_eq!(
        families,
        [
            "cpu_usage_ratios",
            "memory_usage_bytes",
            "memory_limit_bytes",
            "network_receive_bytes",
            "network_transmit_bytes",
            "blkio_receive_bytes",
            "blkio_transmit_bytes",
            "network_receive_bps",
            "network_transmit_bps",
            "blkio_receive_byteps",
            "blkio_transmit_byteps"
        ]
    );
    for line in page.lines().filter(|line| line.starts_with("container_")) {
        let labels = line.split(['{', '}']).nth(1).unwrap();
        let names: Vec<_> = labels.split(',').map(|label| label.split('=').next().unwrap()).collect();
        assert_eq!(names, ["id", "name"], "{line}");
    }
}

#[test]
fn slow_and_stalled_clients_block_nobody() {
    let exporter = Exporter::ready(&mut exporter::without_docker());
    let mut idle: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(&exporter.address).unwrap()).collect();
    for (index, stream) in idle.iter_mut().enumerate() {
        // Half a head; or a whole request whose answer is never read.
        let text =
            if index % 2 == 0 { "GET /metrics HT" } else { "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" };
        stream.write_all(text.as_bytes()).unwrap();
    }
    let begin = Instant::now();
    assert_eq!(exporter.get("/healthz").status, 200);
    assert!(begin.elapsed() < Duration::from_secs(2));
}

#[test]
fn heads_are_limited() {
    let exporter = Exporter::ready(&mut exporter::without_docker());
    let long = "x".repeat(40_000);
    let answer = exporter.ask("GET", "/metrics", &[("X-Long", &long)]);
    assert_eq!(answer.status, 431);
    let many: Vec<_> = (0..200).map(|_| ("X-Many", "1")).collect();
    assert_eq!(exporter.ask("GET", "/metrics", &many).status, 431);
    // It is hyper that answers, so they are counted and logged apart from other requests.
    let counted = |name: &str, label: &str| {
        support::eventually(name, || {
            value(&exporter.metrics(), &format!("docker_stat_prom_{name}"), &[label]).filter(|n| *n >= 2.0)
        })
    };
    counted("http_requests_total", "code=\"431\"");
    counted("http_refused_total", "reason=\"head\"");
    let log = exporter.log();
    assert_eq!(log.matches("refused with 431: 127.0.0.1:").count(), 2, "{log}");
    let refused =
        value(&exporter.metrics(), "docker_stat_prom_http_refused_total", &["reason=\"malformed\""]);
    assert_eq!(refused, Some(0.0));
}

#[test]
fn both_signals_end_it_with_success_and_idle_clients_do_not_hold_it() {
    for signal in ["-TERM", "-INT"] {
        let exporter = Exporter::ready(&mut exporter::without_docker());
        let _idle = TcpStream::connect(&exporter.address).unwrap();
        let begin = Instant::now();
        let status = exporter.stop(signal);
        assert_eq!(status.code(), Some(0), "{signal}");
        assert!(begin.elapsed() < Duration::from_secs(7));
    }
}

#[test]
fn the_demo_moves_says_that_it_is_one_and_cleans_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = exporter::command();
    command.args(["--demo", "-i", "200"]).env("TMPDIR", folder.path());
    let exporter = Exporter::ready(&mut command);
    let page = exporter.metrics();
    assert_eq!(value(&page, "docker_stat_prom_demo", &[]), Some(1.0));
    assert!(exporter.log().contains("this is a demo"));
    let usage = |page: &str| value(page, "container_cpu_usage_seconds_total", &["name=\"pinger\""]);
    let first = usage(&page).unwrap();
    support::eventually("a counter moves", || (usage(&exporter.metrics())? > first).then_some(()));
    let page = exporter.metrics();
    assert_eq!(value(&page, "docker_stat_prom_up", &[]), Some(1.0));
    assert_eq!(exporter.stop("-TERM").code(), Some(0));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

fn https(certificate: &str, key: &str) -> Command {
    let mut command = exporter::without_docker();
    command.arg("-s");
    command.arg("--tls_cert").arg(fixture("tls").join(certificate));
    command.arg("--tls_key").arg(fixture("tls").join(key));
    command
}

/// curl, which every machine that builds this has; or nothing, said aloud.
fn curl(exporter: &Exporter, authority: &str, arguments: &[&str]) -> Option<(bool, String)> {
    let port = exporter.address.rsplit(':').next().unwrap();
    let output = Command::new("curl")
        .args(["-s", "--max-time", "10", "--cacert"])
        .arg(fixture("tls").join(authority))
        .args(arguments)
        .arg(format!("https://localhost:{port}/healthz"))
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) => Some((output.status.success(), String::from_utf8(output.stdout).unwrap())),
        Err(error) => {
            support::skip("https", &format!("curl: {error}"));
            None
        }
    }
}

#[test]
fn https_takes_every_kind_of_key_and_both_versions() {
    for (certificate, key, authority) in [
        ("rsa.crt", "rsa-pkcs8.key", "rsa.crt"),
        ("rsa.crt", "rsa-pkcs1.key", "rsa.crt"),
        ("ec-chain.crt", "ec-sec1.key", "ca.crt"),
    ] {
        let exporter = Exporter::start(&mut https(certificate, key));
        for (arguments, expected) in [
            (&["-w", "%{http_version}", "--http1.1", "--tlsv1.2", "--tls-max", "1.2"][..], "ok\n1.1"),
            (&["-w", "%{http_version}", "--http2", "--tlsv1.3"], "ok\n2"),
        ] {
            let Some(answer) = curl(&exporter, authority, arguments) else { return };
            assert_eq!(answer, (true, expected.to_owned()), "{certificate} {key} {arguments:?}");
        }
        let (old, _) = curl(&exporter, authority, &["--tls-max", "1.1", "--tlsv1.0"]).unwrap();
        assert!(!old, "TLS 1.1 was taken");
    }
}

#[test]
fn https_serves_nothing_in_the_clear_and_a_stalled_handshake_blocks_nobody() {
    let exporter = Exporter::start(&mut https("rsa.crt", "rsa-pkcs8.key"));
    let _stalled: Vec<_> = (0..20).map(|_| TcpStream::connect(&exporter.address).unwrap()).collect();
    let mut plain = TcpStream::connect(&exporter.address).unwrap();
    plain.set_read_timeout(Some(PATIENCE)).unwrap();
    plain.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    plain.read_to_end(&mut answer).unwrap();
    let answer = exporter::Answer::parse(&answer);
    assert_eq!((answer.status, answer.text().as_str()), (400, "this port speaks HTTPS: use https://\n"));
    let begin = Instant::now();
    let Some((ok, _)) = curl(&exporter, "rsa.crt", &[]) else { return };
    assert!(ok && begin.elapsed() < Duration::from_secs(3));
    let mut check = https("rsa.crt", "rsa-pkcs8.key");
    let status = |command: &mut Command| {
        command.args(["--healthcheck", "-b", &exporter.address]).output().unwrap().status.code()
    };
    support::eventually("it is ready", || (status(&mut check) == Some(0)).then_some(()));
    assert_eq!(status(&mut https("ec-chain.crt", "ec-sec1.key")), Some(1));
}

#[test]
fn a_healthcheck_says_when_one_side_speaks_tls_and_the_other_does_not() {
    let said = |command: &mut Command, address: &str| {
        let output = command.args(["--healthcheck", "-b", address]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let secure = Exporter::start(&mut https("rsa.crt", "rsa-pkcs8.key"));
    let text = said(&mut exporter::command(), &secure.address);
    assert!(text.contains("the server speaks TLS: add -s"), "{text}");
    let plain = Exporter::start(&mut exporter::without_docker());
    let text = said(&mut https("rsa.crt", "rsa-pkcs8.key"), &plain.address);
    assert!(text.contains("the server does not speak TLS: leave out -s"), "{text}");
}

#[test]
fn the_certificates_end_is_told() {
    let exporter = Exporter::start(&mut https("rsa.crt", "rsa-pkcs8.key"));
    let port = exporter.address.rsplit(':').next().unwrap();
    let output = Command::new("curl").args(["-sk", &format!("https://127.0.0.1:{port}/metrics")]).output();
    let Ok(output) = output else { return support::skip("certificate expiry", "no curl") };
    let page = String::from_utf8(output.stdout).unwrap();
    let expiry = value(&page, "docker_stat_prom_tls_certificate_expiry_timestamp_seconds", &[]).unwrap();
    assert!(expiry > 4e9, "{expiry}");
}
