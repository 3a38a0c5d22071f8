//! Certificates, passwords and tokens that change while the exporter runs.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use std::{
    fs,
    io::{self, Read, Write},
    net::TcpStream,
    os::unix::{fs::symlink, net::UnixDatagram},
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use support::{
    PATIENCE,
    client::connect_from,
    exporter::{self, Answer, Exporter},
    fixture, value,
    viewer::{self, Viewer},
};
use tempfile::TempDir;
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};

const TLS: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";

fn folder(web: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    support::copy(&fixture("tls/web"), folder.path());
    fs::write(folder.path().join("web.yml"), web).unwrap();
    folder
}

fn with_web(folder: &Path) -> Command {
    let mut command = exporter::without_docker();
    command.arg("--web_config").arg(folder.join("web.yml"));
    command
}

/// Replaces a file as a whole.
fn replace(folder: &Path, name: &str, with: &Path) {
    fs::copy(with, folder.join("new")).unwrap();
    fs::rename(folder.join("new"), folder.join(name)).unwrap();
}

fn rewrite(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join("new"), text).unwrap();
    fs::rename(folder.join("new"), folder.join(name)).unwrap();
}

/// A client that trusts the CA of the fixtures and nothing else.
fn client() -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(fixture("tls/web/ca.crt")).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

/// One request on a connection of its own: the server's certificate, and the page.
fn get(
    config: &Arc<ClientConfig>,
    address: &str,
    path: &str,
) -> io::Result<(CertificateDer<'static>, Answer)> {
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, socket);
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let certificate = stream.conn.peer_certificates().unwrap()[0].clone().into_owned();
    Ok((certificate, Answer::parse(&answer)))
}

fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(fixture("tls/web").join(name)).unwrap()
}

fn serves(exporter: &Exporter, config: &Arc<ClientConfig>, name: &str) {
    let expected = certificate(name);
    support::eventually("the certificate is served", || {
        (get(config, &exporter.address, "/healthz").unwrap().0 == expected).then_some(())
    });
}

#[test]
fn a_renewed_certificate_is_served_without_a_signal() {
    let config = client();
    // As written over, as replaced by Kubernetes, and as renewed by certbot.
    let plain = folder(TLS);
    let exporter = Exporter::start(&mut with_web(plain.path()));
    serves(&exporter, &config, "server.crt");
    fs::copy(fixture("tls/web/renewed.key"), plain.path().join("server.key")).unwrap();
    fs::copy(fixture("tls/web/renewed.crt"), plain.path().join("server.crt")).unwrap();
    serves(&exporter, &config, "renewed.crt");

    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (version, name) in [("..1", "server"), ("..2", "renewed")] {
        fs::create_dir(at(version)).unwrap();
        for (kind, as_name) in [("crt", "tls.crt"), ("key", "tls.key")] {
            fs::copy(fixture("tls/web").join(format!("{name}.{kind}")), at(version).join(as_name)).unwrap();
        }
    }
    symlink("..1", at("..data")).unwrap();
    for name in ["tls.crt", "tls.key"] {
        symlink(format!("..data/{name}"), at(name)).unwrap();
    }
    let mut command = exporter::without_docker();
    command.arg("-s").arg("--tls_cert").arg(at("tls.crt")).arg("--tls_key").arg(at("tls.key"));
    let exporter = Exporter::start(&mut command);
    serves(&exporter, &config, "server.crt");
    symlink("..2", at("..new")).unwrap();
    fs::rename(at("..new"), at("..data")).unwrap();
    serves(&exporter, &config, "renewed.crt");
    for (name, target) in [("tls.key", "..1/tls.key"), ("tls.crt", "..1/tls.crt")] {
        fs::remove_file(at(name)).unwrap();
        symlink(target, at(name)).unwrap();
    }
    serves(&exporter, &config, "server.crt");
}

#[test]
fn a_bad_new_state_is_told_and_counted_and_the_old_one_serves_on() {
    let config = client();
    let folder = folder(TLS);
    let exporter = Exporter::start(&mut with_web(folder.path()));
    let counts = || {
        let (_, answer) = get(&config, &exporter.address, "/metrics").unwrap();
        let page = answer.text();
        let total = |result| value(&page, "docker_stat_prom_config_reloads_total", &[result]).unwrap();
        let last = value(&page, "docker_stat_prom_config_last_reload_successful", &[]).unwrap();
        (total("result=\"success\""), total("result=\"failure\""), last)
    };
    support::eventually("it is ready", || {
        (get(&config, &exporter.address, "/readyz").unwrap().1.status == 200).then_some(())
    });
    assert_eq!(counts(), (0.0, 0.0, 1.0));
    replace(folder.path(), "server.crt", &fixture("tls/web/renewed.crt"));
    support::eventually("it is told", || exporter.log().contains("can't be used together").then_some(()));
    assert_eq!(counts(), (0.0, 1.0, 0.0));
    serves(&exporter, &config, "server.crt");
    // A signal asks again, and is answered again.
    exporter.signal("-HUP");
    support::eventually("it is told", || {
        (exporter.log().matches("can't be used together").count() == 2).then_some(())
    });
    rewrite(folder.path(), "web.yml", "tls_server_config: {cert_filse: hunter2}\n");
    support::eventually("it is told", || exporter.log().contains("web.yml:1: unknown key").then_some(()));
    // HTTPS does not become HTTP.
    rewrite(folder.path(), "web.yml", "");
    support::eventually("it is told", || exporter.log().contains("needs a restart").then_some(()));
    assert_eq!(counts(), (0.0, 4.0, 0.0));
    rewrite(folder.path(), "web.yml", TLS);
    replace(folder.path(), "server.key", &fixture("tls/web/renewed.key"));
    serves(&exporter, &config, "renewed.crt");
    let (success, _, last) = counts();
    assert_eq!((success, last), (1.0, 1.0));
    assert!(!exporter.log().contains("hunter2"));
}

#[test]
fn the_time_of_expiry_follows() {
    let folder = folder(TLS);
    let exporter = Exporter::start(&mut with_web(folder.path()));
    let config = client();
    let expiry =
        |page: &str| value(page, "docker_stat_prom_tls_certificate_expiry_timestamp_seconds", &[]).unwrap();
    let page = support::eventually("it is ready", || {
        let (_, answer) = get(&config, &exporter.address, "/metrics").unwrap();
        (answer.status == 200).then(|| answer.text())
    });
    assert!(expiry(&page) > 4e9);
    // It is seen on a connection from before.
    let socket = TcpStream::connect(&exporter.address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = StreamOwned::new(ClientConnection::new(config, name).unwrap(), socket);
    write!(stream, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    stream.read_exact(&mut [0; 15]).unwrap();
    replace(folder.path(), "server.crt", &fixture("tls/web/stale.crt"));
    exporter.signal("-HUP");
    support::eventually("it is in force", || exporter.log().contains("has expired").then_some(()));
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(expiry(&String::from_utf8(answer).unwrap()) < 2e9);
}

#[test]
fn users_and_tokens_count_from_the_next_request_on() {
    let users =
        |password: &str| format!("basic_auth_users:\n  alice: {}\n", bcrypt::hash(password, 4).unwrap());
    let folder = folder(&users("old"));
    rewrite(folder.path(), "tokens", "token-of-yesterday\n");
    let mut command = with_web(folder.path());
    let exporter = Exporter::start(command.arg("--auth_token_file").arg(folder.path().join("tokens")));
    let mut kept = TcpStream::connect(&exporter.address).unwrap();
    kept.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut status = |credentials: &str| {
        let head = "GET /healthz HTTP/1.1\r\nHost: localhost";
        write!(kept, "{head}\r\nAuthorization: {credentials}\r\n\r\n").unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            kept.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let answer = Answer::parse(&head);
        let length: usize = answer.header("content-length").unwrap().parse().unwrap();
        kept.read_exact(&mut vec![0; length]).unwrap();
        answer.status
    };
    // "alice:old" and "alice:new".
    let (old, new) = ("Basic YWxpY2U6b2xk", "Basic YWxpY2U6bmV3");
    assert_eq!([status(old), status(new)], [200, 401]);
    assert_eq!([status("Bearer token-of-yesterday"), status("Bearer token-of-today...")], [200, 401]);
    rewrite(folder.path(), "web.yml", &users("new"));
    rewrite(folder.path(), "tokens", "token-of-today...\n");
    exporter.signal("-HUP");
    support::eventually("the new password counts", || (status(new) == 200).then_some(()));
    assert_eq!(status(old), 401);
    assert_eq!([status("Bearer token-of-yesterday"), status("Bearer token-of-today...")], [401, 200]);
    // An empty file does not open the exporter to everybody.
    rewrite(folder.path(), "tokens", "");
    exporter.signal("-HUP");
    support::eventually("it is told", || exporter.log().contains("there is no token").then_some(()));
    assert_eq!([status("Bearer"), status("Bearer token-of-today...")], [401, 200]);
}

#[test]
fn a_client_whose_authority_is_withdrawn_keeps_neither_its_stream_nor_its_connection() {
    let web =
        |ca: &str| format!("{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: {ca}\n");
    let folder = folder(&web("ca.crt"));
    fs::copy(fixture("tls/ca.crt"), folder.path().join("other-ca.crt")).unwrap();
    let mut command = exporter::command();
    command.args(["--demo", "-i", "100", "--web_config"]).arg(folder.path().join("web.yml"));
    let exporter = Exporter::start(&mut command);
    let mut roots = RootCertStore::empty();
    roots.add(certificate("ca.crt")).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let key = PrivateKeyDer::from_pem_file(fixture("tls/web/client.key")).unwrap();
    let config = Arc::new(config.with_client_auth_cert(vec![certificate("client.crt")], key).unwrap());
    let connect = || {
        let socket = TcpStream::connect(&exporter.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        StreamOwned::new(ClientConnection::new(Arc::clone(&config), name).unwrap(), socket)
    };
    let mut viewer = Viewer::let_in(viewer::ask_on(connect(), ""));
    let mut kept = connect();
    write!(kept, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    kept.read_exact(&mut [0; 15]).unwrap();
    // Another certificate of the server is no change of who may ask.
    replace(folder.path(), "server.crt", &fixture("tls/web/renewed.crt"));
    replace(folder.path(), "server.key", &fixture("tls/web/renewed.key"));
    exporter.signal("-HUP");
    support::eventually("it is in force", || exporter.log().contains("are in force").then_some(()));
    (0..20).for_each(|_| drop(viewer.next().expect("the stream goes on")));
    write!(kept, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();

    rewrite(folder.path(), "web.yml", &web("other-ca.crt"));
    exporter.signal("-HUP");
    viewer.until_end();
    let mut rest = Vec::new();
    kept.read_to_end(&mut rest).unwrap();
    assert_eq!(String::from_utf8(rest).unwrap().matches("HTTP/1.1 200").count(), 1, "the second answer came");
    let mut again = connect();
    let refused = write!(again, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .and_then(|()| again.read_exact(&mut [0; 15]));
    assert!(refused.is_err());
}

#[test]
fn an_emptied_web_config_does_not_open_the_exporter_to_everybody() {
    let users = format!("basic_auth_users:\n  alice: {}\n", bcrypt::hash("old", 4).unwrap());
    let folder = folder(&users);
    let exporter = Exporter::start(&mut with_web(folder.path()));
    let right = [("Authorization", "Basic YWxpY2U6b2xk")];
    assert_eq!(exporter.get("/metrics").status, 401);
    for (told, emptied) in ["", "basic_auth_users:\n", "basic_auth_users: {}\n"].into_iter().enumerate() {
        rewrite(folder.path(), "web.yml", emptied);
        exporter.signal("-HUP");
        support::eventually("it is told", || {
            (exporter.log().matches("no users and no tokens").count() > told).then_some(())
        });
        assert_eq!(exporter.get("/metrics").status, 401, "{emptied:?}");
        assert_eq!(exporter.ask("GET", "/metrics", &right).status, 200, "{emptied:?}");
    }
}

#[test]
fn the_service_manager_is_told_of_each_reload() {
    for has_files in [true, false] {
        let folder = folder(TLS);
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        manager.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut command = if has_files { with_web(folder.path()) } else { exporter::without_docker() };
        let exporter = Exporter::start(command.env("NOTIFY_SOCKET", &path));
        let said = || {
            let mut buffer = [0; 200];
            let length = manager.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..length].to_vec()).unwrap()
        };
        assert_eq!(said(), "READY=1");
        let begin = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).unwrap();
        exporter.signal("-HUP");
        let reloading = said();
        let time: u128 = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().parse().unwrap();
        assert!(time >= Duration::from(begin).as_micros(), "{reloading}");
        assert_eq!(said(), "READY=1");
        let words = if has_files { "are in force" } else { "SIGHUP is ignored" };
        support::eventually("it is said", || exporter.log().contains(words).then_some(()));
    }
}

/// `tests/attack/locked` does the same a hundred times with 50 scrapes a second.
#[test]
fn no_scrape_fails_while_certificates_change() {
    const ROTATIONS: usize = 12;
    let folder = folder(TLS);
    let exporter = Exporter::start(&mut with_web(folder.path()));
    let (config, address) = (client(), exporter.address.clone());
    let (is_over, scrapes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let scrapers: Vec<_> = (0..3)
        .map(|_| {
            let (config, address) = (Arc::clone(&config), address.clone());
            let (is_over, scrapes) = (Arc::clone(&is_over), Arc::clone(&scrapes));
            thread::spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let (_, answer) = get(&config, &address, "/metrics").unwrap();
                    assert_eq!(answer.status, 200);
                    scrapes.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for rotation in 1..=ROTATIONS {
        let name = if rotation % 2 == 1 { "renewed" } else { "server" };
        replace(folder.path(), "server.crt", &fixture("tls/web").join(format!("{name}.crt")));
        replace(folder.path(), "server.key", &fixture("tls/web").join(format!("{name}.key")));
        exporter.signal("-HUP");
        serves(&exporter, &config, &format!("{name}.crt"));
        let before = scrapes.load(Ordering::Relaxed);
        support::eventually("there was a scrape", || {
            (scrapes.load(Ordering::Relaxed) > before).then_some(())
        });
    }
    is_over.store(true, Ordering::Relaxed);
    for scraper in scrapers {
        scraper.join().unwrap();
    }
    assert!(scrapes.load(Ordering::Relaxed) >= ROTATIONS);
}

/// `tests/attack/locked` does the same with a dearer hash and the binary that is shipped.
#[test]
fn wrong_passwords_do_not_hold_up_the_right_one() {
    let folder = folder(&format!("basic_auth_users:\n  alice: {}\n", bcrypt::hash("right", 6).unwrap()));
    let exporter = Exporter::start(&mut with_web(folder.path()));
    let right = "Basic YWxpY2U6cmlnaHQ=";
    let request = |credentials: &str| {
        let head = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close";
        format!("{head}\r\nAuthorization: {credentials}\r\n\r\n")
    };
    let is_over = Arc::new(AtomicBool::new(false));
    let attackers: Vec<_> = (2..6)
        .map(|last: u8| {
            let (address, is_over) = (exporter.address.clone(), Arc::clone(&is_over));
            thread::spawn(move || {
                let mut sent = 0_u64;
                while !is_over.load(Ordering::Relaxed) {
                    use base64::Engine;
                    let wrong = format!("alice:wrong {last} {sent}");
                    let wrong = base64::engine::general_purpose::STANDARD.encode(wrong);
                    let mut stream = connect_from(&format!("127.0.0.{last}"), &address);
                    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
                    let head = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic";
                    let _refused = write!(stream, "{head} {wrong}\r\nConnection: close\r\n\r\n");
                    let mut answer = [0; 12];
                    let count = stream.read(&mut answer).unwrap_or(0);
                    assert!(!answer[..count].ends_with(b"200"));
                    sent += 1;
                }
                sent
            })
        })
        .collect();
    for round in 0..10 {
        // What is kept of results is forgotten.
        exporter.signal("-HUP");
        support::eventually("it is read again", || {
            (exporter.log().matches("are in force").count() > round).then_some(())
        });
        let begin = Instant::now();
        let mut stream = connect_from("127.0.0.9", &exporter.address);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request(right).as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let took = begin.elapsed();
        assert_eq!(Answer::parse(&answer).status, 200);
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
    is_over.store(true, Ordering::Relaxed);
    let sent: u64 = attackers.into_iter().map(|attacker| attacker.join().unwrap()).sum();
    assert!(sent > 20, "{sent}");
}
