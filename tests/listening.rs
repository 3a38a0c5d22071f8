//! Where the exporter listens: several addresses, socket files and sockets from systemd; health checks there.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream, UdpSocket},
    os::{
        fd::OwnedFd,
        unix::{
            fs::{FileTypeExt, PermissionsExt},
            net::{UnixListener, UnixStream},
        },
    },
    path::Path,
    process::{Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use support::{
    PATIENCE, eventually,
    exporter::{self, Answer, Exporter},
    fixture, front, skip, value,
};

/// What a socket file answers.
fn ask_file(path: &Path, target: &str) -> Option<Answer> {
    let mut stream = UnixStream::connect(path).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(format!("GET {target} HTTP/1.0\r\n\r\n").as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    Some(Answer::parse(&answer))
}

/// What an address answers.
fn ask(address: &str, target: &str) -> u16 {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(format!("GET {target} HTTP/1.0\r\n\r\n").as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    Answer::parse(&answer).status
}

/// The places that the log names, once there are so many.
fn places(exporter: &Exporter, count: usize) -> Vec<String> {
    eventually("all places are named", || {
        let log = exporter.log();
        let places = log.lines().filter_map(|line| line.split(" serving ").nth(1));
        let places: Vec<_> = places.map(|place| place.trim().to_owned()).collect();
        (places.len() == count).then_some(places)
    })
}

fn address(place: &str) -> &str {
    place.split("://").nth(1).unwrap().split('/').next().unwrap()
}

fn healthcheck(arguments: &[&str]) -> Output {
    exporter::run(exporter::command().arg("--healthcheck").args(arguments))
}

fn is_healthy(arguments: &[&str]) -> bool {
    healthcheck(arguments).status.success()
}

fn bind(path: &Path) -> String {
    format!("unix:{}", path.display())
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn fails(command: &mut Command, problem: &str, hint: &str) {
    let output = exporter::run(command);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains(problem) && text.contains(hint), "{text}");
}

#[test]
fn several_addresses_and_a_file_are_served_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.sock");
    let mut command = exporter::without_docker();
    command.args(["-b", "127.0.0.1:0", "-b", &bind(&file)]);
    let exporter = Exporter::ready(&mut command);
    let places = places(&exporter, 3);
    assert_eq!(places[1], format!("{} (http)", bind(&file)));
    for place in [&places[0], &places[2]] {
        assert_eq!(ask(address(place), "/readyz"), 200);
        assert!(is_healthy(&["-b", address(place)]));
    }
    let page = ask_file(&file, "/metrics").unwrap();
    assert!(page.status == 200 && page.text().contains("container_memory_usage_bytes{"));
    assert!(is_healthy(&["-b", &bind(&file)]));
    // One answer is enough, and it is not waited for the others.
    assert!(is_healthy(&["-b", "127.0.0.1:1", "-b", "unix:/nonexistent", "-b", address(&places[0])]));
    let output = healthcheck(&["-b", "127.0.0.1:1", "-b", "unix:/nonexistent"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("127.0.0.1:1: ") && text.contains("unix:/nonexistent: "), "{text}");
}

#[test]
fn in_the_variable_spaces_and_commas_separate_addresses() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    let mut command = exporter::without_docker();
    command.env("DOCKER_STAT_PROM_BIND", format!("127.0.0.1:0, {}\t{},", bind(&one), bind(&other)));
    let exporter = Exporter::start_where_told(&mut command);
    places(&exporter, 3);
    for file in [&one, &other] {
        eventually("it is ready", || (ask_file(file, "/readyz")?.status == 200).then_some(()));
    }
    let mut check = exporter::command();
    check.env("DOCKER_STAT_PROM_BIND", format!("127.0.0.1:1 {}", bind(&one))).arg("--healthcheck");
    assert!(exporter::run(&mut check).status.success());
}

#[test]
fn a_socket_file_has_its_mode_from_the_first_moment_and_goes_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    for (suffix, expected) in [("", 0o660), (":0600", 0o600), (":666", 0o666)] {
        let file = folder.path().join("x.sock");
        let (watched, done) = (file.clone(), Arc::new(AtomicBool::new(false)));
        let ended = Arc::clone(&done);
        let watch = std::thread::spawn(move || {
            let mut modes = std::collections::BTreeSet::new();
            while !ended.load(Ordering::Relaxed) {
                if let Ok(found) = fs::symlink_metadata(&watched) {
                    modes.insert(found.permissions().mode() & 0o7777);
                }
            }
            modes
        });
        let exporter =
            Exporter::ready(exporter::without_docker().args(["-b", &format!("{}{suffix}", bind(&file))]));
        assert_eq!(mode(&file), expected);
        done.store(true, Ordering::Relaxed);
        assert_eq!(watch.join().unwrap().into_iter().collect::<Vec<_>>(), [expected]);
        assert_eq!(exporter.stop("-TERM").code(), Some(0));
        assert!(!file.exists());
    }
}

#[test]
fn a_socket_file_is_replaced_only_if_nobody_answers_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.sock");
    let start = || Exporter::ready(exporter::without_docker().args(["-b", &bind(&file)]));
    let mut second = exporter::without_docker();
    second.args(["-b", &bind(&file)]);
    let first = start();
    fails(&mut second, &format!("{}: another program listens there", bind(&file)), "choose another path");
    assert_eq!(ask_file(&file, "/healthz").unwrap().status, 200);
    // Killed, it leaves its file behind.
    first.stop("-KILL");
    assert!(fs::symlink_metadata(&file).unwrap().file_type().is_socket() && ask_file(&file, "/").is_none());
    let exporter = start();
    assert_eq!(ask_file(&file, "/healthz").unwrap().status, 200);
    // What somebody else has put there meanwhile is not removed.
    fs::remove_file(&file).unwrap();
    fs::write(&file, "mine").unwrap();
    assert_eq!(exporter.stop("-TERM").code(), Some(0));
    fails(&mut second, "there is a file that is not a socket", "choose another path");
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    let link = folder.path().join("link");
    std::os::unix::fs::symlink("/dev/null", &link).unwrap();
    fails(exporter::without_docker().args(["-b", &bind(&link)]), "not a socket", "choose another path");
    // A program that accepts nothing is there all the same.
    let full = folder.path().join("full");
    let _listener = UnixListener::bind(&full).unwrap();
    fails(exporter::without_docker().args(["-b", &bind(&full)]), "another program", "another path");
    let nowhere = folder.path().join("none/x.sock");
    fails(
        exporter::without_docker().args(["-b", &bind(&nowhere)]),
        "No such file",
        "folder of the socket file",
    );
}

#[test]
fn a_user_at_a_socket_file_has_the_connections_of_one_peer() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.sock");
    let exporter = Exporter::ready(exporter::without_docker().args(["-b", &bind(&file)]));
    let held: Vec<_> = (0..60).map(|_| UnixStream::connect(&file).unwrap()).collect();
    let refused = || {
        let page = exporter.metrics();
        value(&page, "docker_stat_prom_http_refused_total", &["reason=\"pushed_out\""]).unwrap()
    };
    eventually("its own make room", || (refused() >= 28.0).then_some(()));
    assert!(is_healthy(&["-b", &bind(&file)]) && is_healthy(&["-b", &exporter.address]));
    drop(held);
}

/// The exporter with sockets that somebody else has opened, passed as the service manager does it: as
/// descriptors 3 and 4. `variables` are the shell's.
fn with_sockets(variables: &str, first: OwnedFd, second: Option<OwnedFd>) -> Command {
    let mut shell = Command::new("sh");
    let script = format!("export {variables}; exec \"$0\" \"$@\" 3<&0 4<&1 </dev/null >/dev/null");
    shell.env_clear().env("HOME", "/nonexistent").args(["-c", &script, exporter::BINARY]);
    shell.args(exporter::without_docker().get_args());
    shell.stdin(Stdio::from(first)).stdout(second.map_or_else(Stdio::null, Stdio::from));
    shell
}

const TWO: &str = "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=web:file";

#[test]
fn sockets_from_the_service_manager_replace_the_default_address() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("passed");
    let both = || {
        let _none = fs::remove_file(&path);
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let file = UnixListener::bind(&path).unwrap();
        (tcp.local_addr().unwrap().to_string(), tcp.into(), Some(file.into()))
    };
    let (tcp, first, second) = both();
    let exporter = Exporter::start_where_told(&mut with_sockets(TWO, first, second));
    assert_eq!(places(&exporter, 2), [format!("http://{tcp}/metrics"), format!("{} (http)", bind(&path))]);
    eventually("it is ready", || (exporter.get("/readyz").status == 200).then_some(()));
    assert_eq!(ask_file(&path, "/healthz").unwrap().status, 200);
    assert!(is_healthy(&["-b", &tcp]) && is_healthy(&["-b", &bind(&path)]));
    exporter.stop("-TERM");
    assert!(path.exists(), "the file is the service manager's");
    // Addresses that are given are served too.
    let (tcp, first, second) = both();
    let exporter = Exporter::start(&mut with_sockets(TWO, first, second));
    let places = places(&exporter, 3);
    assert!(places[0].contains(&tcp) && places[2].starts_with("http://127.0.0.1:"), "{places:?}");
    assert_eq!(ask(address(&places[2]), "/healthz"), 200);
}

#[test]
fn sockets_for_another_process_are_left_alone() {
    for variables in
        ["LISTEN_PID=1 LISTEN_FDS=1", "LISTEN_FDS=1", "LISTEN_PID=$$", "LISTEN_PID=$$ LISTEN_FDS=0"]
    {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let theirs = tcp.local_addr().unwrap().to_string();
        let exporter = Exporter::start(&mut with_sockets(variables, tcp.into(), None));
        assert_ne!(exporter.address, theirs);
        assert_eq!(places(&exporter, 1).len(), 1, "{variables}");
    }
}

#[test]
fn a_socket_that_can_not_be_served_is_told_as_such() {
    let one = "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web";
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    fails(
        &mut with_sockets(one, udp.into(), None),
        "socket 0 from the service manager (\"web\") is no",
        "Accept=no",
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    fails(&mut with_sockets(one, client.into(), None), "(\"web\") does not listen", "Accept=no");
    let many = "LISTEN_PID=$$ LISTEN_FDS=1000000000";
    fails(&mut with_sockets(many, listener.into(), None), "passed 1000000000 sockets", "Accept=no");
}

#[test]
fn systemd_passes_a_socket_to_an_exporter_without_network() {
    const TEST: &str = "systemd_passes_a_socket_to_an_exporter_without_network";
    let has = |program: &str, arguments: &[&str]| {
        Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
    };
    if !has("systemd-socket-activate", &["--version"]) || !has("unshare", &["-rn", "true"]) {
        return skip(TEST, "there is no systemd-socket-activate, or no unshare that may be used");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sock");
    // As with PrivateNetwork=: a network namespace in which there is nothing, not even loopback.
    let mut child = Command::new("systemd-socket-activate")
        .arg("-l")
        .arg(&path)
        .args(["unshare", "-rn", exporter::BINARY])
        .args(exporter::without_docker().get_args())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let ready = std::panic::catch_unwind(|| {
        eventually("it is ready", || (ask_file(&path, "/readyz")?.status == 200).then_some(()));
        ask_file(&path, "/metrics").unwrap().text()
    });
    let _it_may_have_ended = child.kill();
    child.wait().unwrap();
    assert!(ready.unwrap().contains("container_memory_usage_bytes{"));
}

/// In a network of its own, because nothing here may listen on other addresses than loopback.
#[test]
fn all_addresses_are_those_of_both_protocols() {
    const TEST: &str = "all_addresses_are_those_of_both_protocols";
    const SCRIPT: &str = r#"
        ip link set lo up && [ -d /proc/sys/net/ipv6 ] || exit 77
        echo "$1" >/proc/sys/net/ipv6/bindv6only
        echo "$2" >/proc/sys/net/ipv6/conf/all/disable_ipv6
        binary=$3 asked=$4; shift 4
        "$binary" "$@" & exporter=$!
        turn=0
        until "$binary" --healthcheck -b "$asked" || [ $turn = 100 ]; do turn=$((turn + 1)); sleep 0.1; done
        "$binary" --healthcheck -b 127.0.0.1:9; v4=$?
        "$binary" --healthcheck -b '[::1]:9'; v6=$?
        kill $exporter
        echo "in $turn turns: $v4 $v6"
    "#;
    // With whatever the host's default is, and on a host whose IPv6 is switched off.
    for (ipv6_only, ipv6_off, asked, binds, expected) in [
        ("0", "0", "[::]:9", &["[::]:9"][..], "0 0"),
        ("1", "0", "[::]:9", &["[::]:9"], "0 0"),
        ("0", "0", "[::]:9", &["0.0.0.0:9", "[::]:9"], "0 0"),
        ("0", "0", ":9", &[":9"], "0 1"),
        ("0", "1", "[::]:9", &["[::]:9"], "0 1"),
    ] {
        let mut command = Command::new("unshare");
        command.args(["-rn", "sh", "-c", SCRIPT, "sh", ipv6_only, ipv6_off, exporter::BINARY, asked]);
        command.args(exporter::without_docker().get_args());
        for bind in binds {
            command.args(["-b", bind]);
        }
        let Ok(output) = command.output() else { return skip(TEST, "there is no unshare") };
        if output.status.code() != Some(0) {
            return skip(TEST, "there is no ip, no IPv6, or no unshare that may be used");
        }
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.ends_with(&format!("turns: {expected}\n")), "{binds:?}: {text}");
    }
}

fn https() -> Command {
    let mut command = exporter::without_docker();
    command.arg("-s").arg("--tls_cert").arg(fixture("tls/rsa.crt"));
    command.arg("--tls_key").arg(fixture("tls/rsa-pkcs8.key"));
    command
}

#[test]
fn a_certificate_that_was_renewed_in_the_file_does_not_make_the_exporter_ill() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.sock");
    let exporter = Exporter::start(https().args(["-b", &bind(&file)]));
    let check = |place: &str, certificate: &str| {
        let certificate = fixture("tls").join(certificate);
        is_healthy(&["-s", "-b", place, "--tls_cert", certificate.to_str().unwrap()])
    };
    eventually("it is ready", || check(&exporter.address, "rsa.crt").then_some(()));
    for place in [exporter.address.as_str(), &bind(&file)] {
        for (certificate, is_renewed) in
            [("same-key.crt", true), ("same-names.crt", true), ("ec-chain.crt", false)]
        {
            assert_eq!(check(place, certificate), is_renewed, "{place} {certificate}");
        }
    }
}

#[test]
fn an_exporter_that_wants_a_client_certificate_is_alive() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.sock");
    let _exporter = Exporter::ready(exporter::without_docker().args(["-b", &bind(&file)]));
    let front = front::start(file, Some(front::mutual_tls())).to_string();
    let certificate = fixture("tls/ec-chain.crt");
    let output = healthcheck(&["-s", "-b", &front, "--tls_cert", certificate.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text, "alive, but it did not say whether it is ready: it wants a client certificate\n");
    // But only the exporter may say so.
    let other = fixture("tls/rsa.crt");
    assert!(!is_healthy(&["-s", "-b", &front, "--tls_cert", other.to_str().unwrap()]));
}

#[test]
fn an_exporter_that_wants_a_password_is_alive() {
    for (status, remark) in [
        ("401 Unauthorized", Some("it wants a password")),
        ("429 Too Many Requests", Some("it is asked too often")),
        ("403 Forbidden", None),
        ("503 Service Unavailable", None),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 1024];
            let _asked = stream.read(&mut head).unwrap();
            stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes()).unwrap();
        });
        let output = healthcheck(&["-b", &address]);
        server.join().unwrap();
        assert_eq!(output.status.success(), remark.is_some(), "{status}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(remark.is_none_or(|remark| text.contains(remark)), "{status}: {text}");
    }
}
