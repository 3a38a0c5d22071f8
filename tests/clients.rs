//! Clients that misbehave, against the shipped binary: it lives, and others are served.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use std::{
    io::{Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    process::Command,
    time::{Duration, Instant},
};
use support::{
    client::{Frame, HEADERS, Http2, PING, connect_from, get, headers, is_closed, preface, raw},
    exporter::{self, Exporter},
    fixture, value,
};

fn demo() -> Command {
    let mut command = exporter::command();
    command.arg("--demo");
    command
}

fn refused(exporter: &Exporter, reason: &str) -> f64 {
    let reason = format!("reason=\"{reason}\"");
    value(&exporter.metrics(), "docker_stat_prom_http_refused_total", &[&reason]).unwrap()
}

/// Targets and what they are answered; `None` for either a status of hyper's own or a closed connection.
const TARGETS: [(&str, Option<u16>); 14] = [
    ("GET localhost", Some(400)),
    ("GET localhost:443", Some(400)),
    ("CONNECT localhost:443", Some(400)),
    ("CONNECT /metrics", None),
    ("CONNECT *", None),
    ("OPTIONS *", Some(400)),
    ("GET *", Some(400)),
    ("GET http://localhost/metrics", Some(200)),
    ("GET http://localhost", Some(200)),
    ("GET http://localhost?x", Some(400)),
    ("GET //metrics", Some(404)),
    ("GET ?x", None),
    ("GET  ", None),
    ("DELETE http://[::1]:80", Some(405)),
];

#[test]
fn a_request_without_a_path_is_answered_400_and_ends_nothing() {
    for mut command in [exporter::without_docker(), demo()] {
        let exporter = Exporter::ready(&mut command);
        for version in ["1.1", "1.0"] {
            for (target, status) in TARGETS {
                let mut stream = TcpStream::connect(&exporter.address).unwrap();
                let answer = raw(
                    &mut stream,
                    format!("{target} HTTP/{version}\r\nConnection: close\r\n\r\n").as_bytes(),
                );
                let found = answer.split(' ').nth(1).and_then(|found| found.parse().ok());
                assert!(status.is_none() || found == status, "{target}: {answer}");
            }
        }
        assert_eq!(exporter.get("/healthz").status, 200);
        assert!(refused(&exporter, "target") >= 10.0);
    }
}

#[test]
fn http2_without_a_path_is_refused_and_ends_nothing() {
    for mut command in [exporter::without_docker(), demo()] {
        let exporter = Exporter::ready(&mut command);
        for fields in [
            &[(":method", "GET"), (":scheme", "http"), (":authority", "x")][..],
            &[(":method", "GET"), (":scheme", "http")],
            &[(":method", "CONNECT"), (":authority", "x:443")],
            &[(":method", "CONNECT"), (":authority", "x:443"), (":protocol", "websocket")],
            &[(":method", "OPTIONS"), (":scheme", "http"), (":authority", "x"), (":path", "*")],
            &[(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", "")],
            &[(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", "metrics")],
            &[(":method", "GET"), (":scheme", "http"), (":authority", ""), (":path", "localhost")],
        ] {
            let mut client = Http2::new(TcpStream::connect(&exporter.address).unwrap(), 65_535);
            client.send(&headers(1, fields));
            // Either our own answer, or h2's reset of a stream that is malformed; without authority and path,
            // h2 makes it `/`.
            let status = client.status(1);
            let is_root = fields.len() == 2 && status == Some(200);
            assert!(matches!(status, None | Some(400)) || is_root, "{fields:?}: {status:?}");
        }
        assert_eq!(exporter.get("/healthz").status, 200);
    }
}

#[test]
fn an_answer_to_head_over_http2_has_no_body() {
    let exporter = Exporter::ready(&mut exporter::without_docker());
    for path in ["/healthz", "/metrics", "/", "/nothing"] {
        let mut client = Http2::new(TcpStream::connect(&exporter.address).unwrap(), 65_535);
        let fields = [(":method", "HEAD"), (":scheme", "http"), (":authority", "x"), (":path", path)];
        client.send(&headers(1, &fields));
        let frame = client.next().unwrap();
        let ends_the_stream = frame.flags & 1 == 1;
        assert!(frame.kind == HEADERS && ends_the_stream, "{path}: {frame:?}");
        // The connection goes on.
        client.send(&get(3, "/healthz"));
        assert_eq!(client.status(3), Some(200));
    }
}

#[test]
fn https_without_a_path_is_answered_400_and_ends_nothing() {
    let mut command = exporter::without_docker();
    command.arg("-s");
    command.arg("--tls_cert").arg(fixture("tls").join("rsa.crt"));
    command.arg("--tls_key").arg(fixture("tls").join("rsa-pkcs8.key"));
    let exporter = Exporter::start(&mut command);
    let url = format!("https://{}/", exporter.address);
    for target in ["localhost", "*", "localhost:1"] {
        for version in ["--http1.1", "--http2"] {
            let mut curl = Command::new("curl");
            curl.args(["-sk", version, "--max-time", "10", "--request-target", target, &url]);
            curl.args(["-o", "/dev/null", "-w", "%{http_code}"]);
            let Ok(output) = curl.output() else { return support::skip("https targets", "no curl") };
            let code = String::from_utf8(output.stdout).unwrap();
            // curl does not let every such target out over HTTP/2.
            assert!(code == "400" || (version == "--http2" && code == "000"), "{target} {version}: {code}");
        }
    }
    let alive = Command::new("curl").args(["-sk", "--max-time", "10", &format!("{url}healthz")]).output();
    assert_eq!(alive.unwrap().stdout, b"ok\n");
}

#[test]
fn the_demos_docker_api_takes_any_target() {
    let folder = tempfile::tempdir().unwrap();
    let exporter = Exporter::ready(demo().env("TMPDIR", folder.path()));
    let demo = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap();
    for (target, _) in TARGETS {
        let mut stream = UnixStream::connect(demo.path().join("docker.sock")).unwrap();
        stream.set_read_timeout(Some(support::PATIENCE)).unwrap();
        stream.write_all(format!("{target} HTTP/1.1\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let _reset = stream.read_to_end(&mut Vec::new());
    }
    assert_eq!(exporter.get("/healthz").status, 200);
}

/// HTTP/2 clients that ask and never take, until all pages but none of somebody else are theirs.
fn hold_pages(exporter: &Exporter, path: &str) -> Vec<Http2> {
    let mut clients = Vec::new();
    for address in ["127.0.0.2", "127.0.0.3"] {
        for _ in 0..4 {
            let mut client = Http2::new(connect_from(address, &exporter.address), 0);
            client.send(&[get(1, path), get(3, path)].concat());
            assert_eq!((client.status(1), client.status(3)), (Some(200), Some(200)));
            clients.push(client);
        }
    }
    clients
}

#[test]
fn a_client_that_takes_nothing_holds_two_pages_and_its_address_half() {
    let exporter = Exporter::ready(exporter::without_docker().arg("--debug_pages"));
    for path in ["/metrics", "/", "/debug/containers"] {
        let connect = || Http2::new(connect_from("127.0.0.2", &exporter.address), 0);
        let ask = |client: &mut Http2, stream| {
            client.send(&get(stream, path));
            client.status(stream)
        };
        let mut clients: Vec<_> = (0..4).map(|_| connect()).collect();
        for client in &mut clients {
            assert_eq!((ask(client, 1), ask(client, 3)), (Some(200), Some(200)));
            assert_eq!(ask(client, 5), Some(503), "{path}");
        }
        assert_eq!(ask(&mut connect(), 1), Some(503), "{path}");
        let begin = Instant::now();
        assert_eq!(exporter.get(path).status, 200);
        assert!(begin.elapsed() < Duration::from_secs(2));
    }
    assert!(refused(&exporter, "connection_pages") >= 12.0 && refused(&exporter, "peer_pages") >= 3.0);
    assert!(exporter.log().contains("two pages are being sent on this connection"));
}

#[test]
fn others_are_served_while_two_addresses_hold_all_pages() {
    let exporter = Exporter::ready(&mut exporter::without_docker());
    let mut clients = hold_pages(&exporter, "/metrics");
    let begin = Instant::now();
    assert_eq!(exporter.get("/metrics").status, 200);
    assert!(begin.elapsed() < Duration::from_secs(2));
    assert!(refused(&exporter, "pushed_out") >= 1.0);
    assert!(clients.iter_mut().any(|client| {
        client.stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        is_closed(&mut client.stream)
    }));
}

#[test]
fn a_page_that_nobody_takes_is_given_up() {
    let exporter = Exporter::ready(&mut exporter::without_docker());
    let mut client = Http2::new(connect_from("127.0.0.2", &exporter.address), 0);
    client.send(&get(1, "/metrics"));
    assert_eq!(client.status(1), Some(200));
    client.stream.set_read_timeout(Some(Duration::from_secs(90))).unwrap();
    let begin = Instant::now();
    // PINGs do not help.
    while begin.elapsed() < Duration::from_secs(60) {
        let ping = Frame::bytes(PING, 0, 0, &[0; 8]);
        if client.stream.write_all(&ping).is_err() || is_closed(&mut client.stream) {
            break;
        }
    }
    assert!((25..50).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
    support::eventually("it is counted", || (refused(&exporter, "slow") >= 1.0).then_some(()));
}

#[test]
fn from_accept_to_the_first_head_it_is_ten_seconds() {
    let exporter = Exporter::ready(&mut exporter::without_docker());
    let begin = Instant::now();
    let mut silent = connect_from("127.0.0.2", &exporter.address);
    let mut half = connect_from("127.0.0.2", &exporter.address);
    half.write_all(b"GET /metrics HTTP/1.1\r\nX: ").unwrap();
    let mut part = connect_from("127.0.0.2", &exporter.address);
    part.write_all(&preface(0)[..10]).unwrap();
    let mut idle = Http2::new(connect_from("127.0.0.2", &exporter.address), 0);
    let state = |name: &str| {
        value(&exporter.metrics(), "docker_stat_prom_http_connections", &[&format!("\"{name}\"")])
    };
    assert_eq!((state("new"), state("active")), (Some(4.0), Some(1.0)));
    for stream in [&mut silent, &mut half, &mut part] {
        assert!(is_closed(stream));
    }
    while idle.next().is_some() {}
    assert!((8..18).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
    support::eventually("all are counted", || (refused(&exporter, "no_request") >= 4.0).then_some(()));
}

#[test]
fn silent_connections_lock_nobody_out() {
    let exporter = Exporter::ready(&mut exporter::without_docker());
    let mut held: Vec<_> = (0..200)
        .map(|index| connect_from(&format!("127.0.0.{}", 2 + index % 10), &exporter.address))
        .collect();
    for address in ["127.0.0.1", "127.0.0.100"] {
        let begin = Instant::now();
        let mut stream = connect_from(address, &exporter.address);
        let answer = raw(&mut stream, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(begin.elapsed() < Duration::from_secs(2));
    }
    let mut check = exporter::command();
    let check = check.args(["--healthcheck", "-b", &exporter.address]).output().unwrap();
    assert_eq!(check.status.code(), Some(0));
    let open = |name: &str| {
        value(&exporter.metrics(), "docker_stat_prom_http_connections", &[&format!("\"{name}\"")]).unwrap()
    };
    assert!(open("new") <= 128.0 && refused(&exporter, "pushed_out") >= 72.0);
    // The first ones were pushed out.
    assert!(is_closed(&mut held[0]));
    // One address alone pushes out its own, and what asks is not idle.
    let more: Vec<_> = (0..60).map(|_| connect_from("127.0.0.200", &exporter.address)).collect();
    support::eventually("the rest of it is there", || {
        let by_peer = refused(&exporter, "pushed_out");
        (by_peer >= 100.0).then_some(())
    });
    drop((held, more));
    support::eventually("places come back", || (open("new") < 1.0).then_some(()));
}

#[test]
fn what_is_no_http_is_counted() {
    let exporter = Exporter::ready(&mut exporter::without_docker());
    for bytes in [&b"\x16\x03\x01\x02\x00\x01"[..], b"HELO me\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"] {
        raw(&mut TcpStream::connect(&exporter.address).unwrap(), bytes);
    }
    support::eventually("all are counted", || (refused(&exporter, "malformed") >= 3.0).then_some(()));
    let said =
        exporter.log().lines().filter(|line| line.contains("WARN") && line.contains("not HTTP")).count();
    assert_eq!(said, 1);
    let answers = value(&exporter.metrics(), "docker_stat_prom_http_requests_total", &["code=\"400\""]);
    assert_eq!(answers, Some(3.0));
    assert_eq!(exporter.log().matches("refused with 400: 127.0.0.1:").count(), 3, "{}", exporter.log());
}

#[test]
fn failed_handshakes_are_counted_and_knocking_is_none() {
    let mut command = exporter::without_docker();
    command.arg("-s");
    command.arg("--tls_cert").arg(fixture("tls").join("rsa.crt"));
    command.arg("--tls_key").arg(fixture("tls").join("rsa-pkcs8.key"));
    let exporter = Exporter::start(&mut command);
    drop(TcpStream::connect(&exporter.address).unwrap());
    for _ in 0..2 {
        raw(&mut TcpStream::connect(&exporter.address).unwrap(), b"GET / HTTP/1.1\r\n\r\n");
    }
    let mut silent = TcpStream::connect(&exporter.address).unwrap();
    silent.set_read_timeout(Some(support::PATIENCE)).unwrap();
    let begin = Instant::now();
    assert!(is_closed(&mut silent) && (8..18).contains(&begin.elapsed().as_secs()));
    let url = format!("https://{}/metrics", exporter.address);
    let Ok(output) = Command::new("curl").args(["-sk", &url]).output() else {
        return support::skip("failed handshakes", "no curl");
    };
    let page = String::from_utf8(output.stdout).unwrap();
    assert_eq!(value(&page, "docker_stat_prom_tls_handshake_failures_total", &[]), Some(3.0));
    let warned =
        exporter.log().lines().filter(|line| line.contains("WARN") && line.contains("handshake")).count();
    assert_eq!(warned, 1);
}

#[test]
fn connections_that_can_not_be_accepted_are_counted() {
    let mut command = Command::new("sh");
    command.env_clear().args(["-c", "ulimit -n 64; exec \"$0\" \"$@\"", exporter::BINARY]);
    let host = fixture("debian13-docker26.1-linux6.12");
    for (flag, path) in [("--cgroup_root", "sys/fs/cgroup"), ("--proc_root", "proc"), ("--sys_root", "sys")] {
        command.arg(flag).arg(host.join(path));
    }
    command.args(["--fd_budget", "0"]).args(exporter::NO_DOCKER);
    let exporter = Exporter::ready(&mut command);
    let held: Vec<_> = (0..100)
        .map(|index| connect_from(&format!("127.0.0.{}", 2 + index % 10), &exporter.address))
        .collect();
    support::eventually("it is said", || {
        exporter.log().contains("accept: Too many open files").then_some(())
    });
    drop(held);
    support::eventually("it is counted", || {
        value(&exporter.metrics(), "docker_stat_prom_accept_errors_total", &[]).filter(|count| *count > 0.0)
    });
    let warned =
        exporter.log().lines().filter(|line| line.contains("WARN") && line.contains("accept:")).count();
    assert_eq!(warned, 1);
}
