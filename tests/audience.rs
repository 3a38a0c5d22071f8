//! What is shown to whom: hosts, headers, debug pages, and what the log says of refused requests.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use std::{io::Write, net::TcpStream};
use support::{
    client::{Http2, headers, raw},
    eventually,
    exporter::{self, Answer, Exporter},
    value,
};

/// A browser's headers, as it sends them to a name over plain HTTP.
const BROWSER: &str =
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: text/html\r\nAccept-Language: en\r\n";
const PROMETHEUS: &str = "User-Agent: Prometheus/3.5.0\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n\
                          X-Prometheus-Scrape-Timeout-Seconds: 10\r\n";

fn ask(exporter: &Exporter, path: &str, host: &str, rest: &str) -> Answer {
    let mut stream = TcpStream::connect(&exporter.address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{rest}\r\n");
    let answer = raw(&mut stream, request.as_bytes());
    Answer::parse(answer.as_bytes())
}

fn audit(exporter: &Exporter) -> Vec<String> {
    let log = exporter.log();
    log.lines().filter(|line| line.contains("refused with ")).map(str::to_owned).collect()
}

#[test]
fn a_browser_is_answered_under_the_exporters_own_names_only() {
    let exporter = Exporter::ready(&mut exporter::without_docker());
    let port = exporter.address.rsplit(':').next().unwrap();
    for host in ["127.0.0.1", "localhost", "[::1]", "docker-stat-prom", "192.0.2.1"] {
        assert_eq!(ask(&exporter, "/", &format!("{host}:{port}"), BROWSER).status, 200, "{host}");
    }
    for path in ["/metrics", "/", "/healthz", "/nothing"] {
        let answer = ask(&exporter, path, &format!("evil.example:{port}"), BROWSER);
        assert_eq!(answer.status, 421, "{path}");
        let text = answer.text();
        assert!(text.contains("--allowed_hosts") && text.lines().count() == 1, "{text}");
    }
    // Scrapers are told any name of the machine, and run no scripts.
    assert_eq!(ask(&exporter, "/healthz", "node1.example.com:12096", PROMETHEUS).status, 200);
    let refused = value(&exporter.metrics(), "docker_stat_prom_http_refused_total", &["reason=\"host\""]);
    assert_eq!(refused, Some(4.0));
    let line = eventually("it is written down", || audit(&exporter).into_iter().next());
    assert!(
        line.contains("INFO") && line.contains("refused with 421: ") && line.contains("evil.example"),
        "{line}"
    );
}

#[test]
fn with_a_list_everybody_is_answered_under_its_names_only() {
    let command = |hosts: &str| {
        let mut command = exporter::without_docker();
        command.args(["--allowed_hosts", hosts]);
        command
    };
    let exporter = Exporter::ready(&mut command("metrics.example,node1.example.com"));
    for (host, status) in [
        ("metrics.example", 200),
        ("NODE1.example.com.:12096", 200),
        ("127.0.0.1:12096", 200),
        ("docker-stat-prom:12096", 200),
        ("node2.example.com", 421),
        ("evil.example", 421),
    ] {
        for client in [BROWSER, PROMETHEUS] {
            assert_eq!(ask(&exporter, "/healthz", host, client).status, status, "{host}");
        }
    }
    let mut check = exporter::command();
    assert!(exporter::run(check.args(["--healthcheck", "-b", &exporter.address])).status.success());
    let any = Exporter::ready(&mut command("*"));
    assert_eq!(ask(&any, "/healthz", "evil.example", BROWSER).status, 200);
    let wrong = exporter::run(exporter::command().args(["--allowed_hosts", "node1:12096"]));
    let text = String::from_utf8(wrong.stderr).unwrap();
    assert!(
        wrong.status.code() == Some(2) && text.contains("--allowed_hosts: expected host names"),
        "{text}"
    );
}

#[test]
fn the_host_of_a_request_is_known_however_it_is_told() {
    let exporter = Exporter::ready(&mut exporter::without_docker());
    let mut stream = TcpStream::connect(&exporter.address).unwrap();
    let request = format!("GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n{BROWSER}\r\n");
    stream.write_all(b"").unwrap();
    let answer = raw(&mut stream, (request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).as_bytes());
    assert!(answer.starts_with("HTTP/1.1 421"), "{answer}");
    let status = |authority: &str| {
        let mut client = Http2::new(TcpStream::connect(&exporter.address).unwrap(), 65_535);
        let authority = (":authority", authority);
        let fields = [(":method", "GET"), (":scheme", "http"), authority, (":path", "/healthz")];
        client.send(&headers(1, &[&fields[..], &[("accept-language", "en")]].concat()));
        client.status(1)
    };
    assert_eq!(status("localhost"), Some(200));
    assert_ne!(status("evil.example"), Some(200));
    let refused = value(&exporter.metrics(), "docker_stat_prom_http_refused_total", &["reason=\"host\""]);
    assert_eq!(refused, Some(2.0));
}

#[test]
fn every_answer_tells_browsers_to_keep_it_to_themselves() {
    let exporter = Exporter::ready(&mut exporter::without_docker());
    let mut answers: Vec<_> = ["/metrics", "/", "/healthz", "/readyz", "/nothing", "/debug/containers"]
        .iter()
        .map(|path| (*path, exporter.get(path)))
        .collect();
    answers.push(("POST", exporter.ask("POST", "/metrics", &[])));
    answers.push(("HEAD", exporter.ask("HEAD", "/metrics", &[])));
    answers.push(("no path", exporter.ask("OPTIONS", "*", &[])));
    answers.push(("another host", ask(&exporter, "/metrics", "evil.example", BROWSER)));
    for (what, answer) in answers {
        for (name, expected) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "deny"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(answer.header(name), Some(expected), "{what}");
        }
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        // The version is told on the page and among the metrics, and nowhere else.
        assert_eq!(answer.header("server"), None, "{what}");
        let is_page = matches!(what, "/" | "/metrics");
        assert!(is_page || !answer.text().contains(env!("CARGO_PKG_VERSION")), "{what}");
    }
}

#[test]
fn strangers_see_neither_processes_nor_cgroups_on_pages_for_people() {
    let exporter = Exporter::ready(&mut exporter::without_docker());
    let answer = exporter.get("/debug/containers");
    assert_eq!((answer.status, answer.text().as_str()), (404, "not found: --debug_pages turns it on\n"));
    let page = exporter.get("/").text();
    assert!(
        page.contains("containers found") && !page.contains(".scope") && !page.contains("debug"),
        "{page}"
    );
    let open = Exporter::ready(exporter::without_docker().arg("--debug_pages"));
    let answer = open.get("/debug/containers");
    assert!(answer.status == 200 && answer.text().contains("\"pid\""));
    assert!(open.get("/").text().contains(".scope"));
}

#[test]
fn a_flood_of_refused_requests_fills_no_log_and_can_not_write_into_it() {
    let exporter = Exporter::ready(&mut exporter::without_docker());
    let fake = "/%0a2026-01-01T00:00:00Z\u{1b}[2J?token=hunter2";
    let mut stream = TcpStream::connect(&exporter.address).unwrap();
    let answer = raw(&mut stream, format!("GET {fake} HTTP/1.1\r\nConnection: close\r\n\r\n").as_bytes());
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    for _ in 0..300 {
        assert_eq!(ask(&exporter, "/x?token=hunter2", "a\"b\u{e9}", PROMETHEUS).status, 404);
    }
    let lines = audit(&exporter);
    assert!((10..=20).contains(&lines.len()), "{}", lines.len());
    assert!(lines[0].contains("refused with 400: 127.0.0.1:"), "{}", lines[0]);
    let line = &lines[1];
    assert!(line.contains("refused with 404: 127.0.0.1:") && line.contains("\"GET\" \"/x\""), "{line}");
    assert!(!exporter.log().contains("hunter2") && !exporter.log().contains('\u{1b}'));
}
