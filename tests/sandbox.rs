//! The exporter's own sandbox: what can't be done from inside, and that nothing is missing in it.
//!
//! What is tried from inside is tried by this test program: it runs itself anew, and that run enters the same
//! sandbox.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use docker_stat_prom::sandbox::{self, Lack, Part, Plan};
use nix::{sys::signal::kill, unistd::Pid};
use seccompiler::{SeccompAction, SeccompFilter};
use std::{
    collections::BTreeMap,
    env, fs, io,
    net::{TcpListener, TcpStream, UdpSocket},
    os::linux::net::SocketAddrExt,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, chown},
        net::{SocketAddr, UnixDatagram, UnixListener, UnixStream},
        process::{CommandExt, ExitStatusExt},
    },
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
};
use support::{
    cgroups::LiveCgroups,
    dockerd::FakeDockerd,
    exporter::{self, Exporter},
    fixture, front, value,
};

/// The variable that tells the second run what to do.
const TASK: &str = "SANDBOX_TEST_TASK";
const WEB: &str = "1c55a27a7a2ee3c2c9ba4f4d5b8fd4f5a0e5cd8f3c4b0d8f25b5b1cdf1a5f0a1";

/// This test program, told to do a task.
fn child(task: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "does_a_task_if_it_is_told_to", "--nocapture", "--test-threads=1"]);
    command.env(TASK, task);
    command
}

fn is_there(test: &str, parts: &[Part]) -> bool {
    // A sandbox can't be left, so another thread enters it.
    let report = thread::spawn(|| sandbox::enter(&Plan { proc: "/proc".into(), ..Plan::default() })).join();
    let report = report.unwrap();
    let lacking: Vec<_> = parts.iter().filter_map(|part| Some((part, report.lack(*part)?))).collect();
    if let Some((part, lack)) = lacking.first() {
        support::skip(test, &format!("no {}: {lack}", part.name()));
    }
    lacking.is_empty()
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn say<T>(what: &str, result: io::Result<T>) {
    match result {
        Ok(_) => println!("{what}: done"),
        Err(error) => println!("{what}: error {}", error.raw_os_error().unwrap_or_default()),
    }
}

#[test]
fn does_a_task_if_it_is_told_to() {
    match env::var(TASK).as_deref() {
        Ok("try") => try_everything(),
        Ok("abort") => {
            let report = sandbox::enter(&Plan { proc: "/proc".into(), ..Plan::default() });
            println!("report: {report}");
            std::process::abort();
        }
        Ok("deny") => {
            let calls = env::var("DENIED").unwrap();
            let rules: BTreeMap<i64, _> =
                calls.split(',').map(|call| (call.parse().unwrap(), Vec::new())).collect();
            let arch = env::consts::ARCH.try_into().unwrap();
            let denied = SeccompAction::Errno(nix::libc::ENOSYS.unsigned_abs());
            let filter = SeccompFilter::new(rules, SeccompAction::Allow, denied, arch).unwrap();
            let program: seccompiler::BpfProgram = filter.try_into().unwrap();
            seccompiler::apply_filter(&program).unwrap();
            let words: Vec<_> = env::var("RUN").unwrap().split('\n').map(str::to_owned).collect();
            panic!("{}", Command::new(&words[0]).args(&words[1..]).exec());
        }
        // A run of the tests: those below start the second runs.
        _ => assert!(env::var_os(TASK).is_none()),
    }
}

/// What a program that was taken over might try.
fn try_everything() {
    let folder = env::var("FOLDER").unwrap();
    let folder = Path::new(&folder);
    let ports = env::var("PORTS").unwrap();
    let mut ports = ports.split(',').map(|port| port.parse::<u16>().unwrap());
    let (allowed, other) = (ports.next().unwrap(), ports.next().unwrap());
    let connects = env::var_os("CONNECTS").is_some();
    let plan = Plan {
        proc: "/proc".into(),
        read: vec![folder.join("read"), "/proc".into()],
        written: env::var_os("WRITES").map(|_| folder.join("written")).into_iter().collect(),
        sockets: vec![folder.join("socket")],
        ports: if connects { vec![allowed] } else { Vec::new() },
        ..Plan::default()
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap();
    let report = sandbox::enter(&plan);
    println!("report: {report}");
    say("read an allowed file", fs::read(folder.join("read/file")));
    say("list an allowed directory", fs::read_dir(folder.join("read")));
    say("connect to a unix socket", UnixStream::connect(folder.join("socket")));
    say("start a thread", thread::Builder::new().spawn(|| ()).map(|thread| thread.join().unwrap()));
    say("accept", {
        let connected = thread::Builder::new().spawn(move || listener.accept().map(|_| ())).unwrap();
        // The other side is the test.
        println!("address: {own}");
        connected.join().unwrap()
    });
    say("write where it may", fs::write(folder.join("written/new"), "new"));
    say("read another file", fs::read(folder.join("secret")));
    say("read /etc/shadow", fs::read("/etc/shadow"));
    say("list another directory", fs::read_dir(folder));
    say("write", fs::write(folder.join("secret"), "changed"));
    say("write what it may read", fs::write(folder.join("read/file"), "changed"));
    say("remove what it may read", fs::remove_file(folder.join("read/file")));
    say("read the environment of another process", {
        fs::read(format!("/proc/{}/environ", std::os::unix::process::parent_id()))
    });
    let parent = Pid::from_raw(i32::try_from(std::os::unix::process::parent_id()).unwrap());
    say("send a signal", kill(parent, None).map_err(io::Error::from));
    let name = SocketAddr::from_abstract_name(folder.as_os_str().as_bytes()).unwrap();
    say("connect to an abstract socket", UnixStream::connect_addr(&name));
    say("start a program", Command::new("/bin/true").status());
    say("become a program", Err::<(), _>(Command::new("/bin/true").exec()));
    say("connect to an allowed port", TcpStream::connect(("127.0.0.1", allowed)));
    say("connect to another port", TcpStream::connect(("127.0.0.1", other)));
    say("listen", TcpListener::bind("127.0.0.1:0"));
    say("listen on a unix socket", UnixListener::bind(folder.join("written/listening")));
    say("send a datagram", UdpSocket::bind("127.0.0.1:0"));
    println!("end");
}

/// Tries everything, and what came of it.
fn tried(variables: &[&str]) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for directory in ["read", "written"] {
        fs::create_dir(path.join(directory)).unwrap();
    }
    fs::write(path.join("read/file"), "content").unwrap();
    fs::write(path.join("secret"), "content").unwrap();
    let _socket = UnixListener::bind(path.join("socket")).unwrap();
    let name = SocketAddr::from_abstract_name(path.as_os_str().as_bytes()).unwrap();
    let _abstract_socket = UnixListener::bind_addr(&name).unwrap();
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let ports = listeners.each_ref().map(|listener| listener.local_addr().unwrap().port().to_string());
    let mut command = child("try");
    command.env("FOLDER", path).env("PORTS", ports.join(",")).stdout(Stdio::piped());
    for variable in variables {
        command.env(variable, "1");
    }
    let mut child = Kept(command.spawn().unwrap());
    let mut text = String::new();
    for line in io::BufRead::lines(io::BufReader::new(child.0.stdout.take().unwrap())) {
        let line = line.unwrap();
        if let Some(address) = line.strip_prefix("address: ") {
            TcpStream::connect(address).unwrap();
        }
        text += &format!("{line}\n");
    }
    assert!(child.0.wait().unwrap().success() && text.contains("\nend\n"), "{text}");
    (folder, text)
}

struct Kept(Child);

impl Drop for Kept {
    fn drop(&mut self) {
        let _already_ended = self.0.kill();
        let _already_waited_for = self.0.wait();
    }
}

#[track_caller]
fn is_done(text: &str, what: &str) {
    assert!(text.contains(&format!("\n{what}: done\n")), "{what}\n{text}");
}

#[track_caller]
fn is_refused(text: &str, what: &str) {
    let refused = [nix::libc::EACCES, nix::libc::EPERM, nix::libc::ENOSYS]
        .iter()
        .any(|errno| text.contains(&format!("\n{what}: error {errno}\n")));
    assert!(refused, "{what}\n{text}");
}

#[test]
fn from_inside_nothing_else_can_be_read_written_run_or_reached() {
    if !is_there("the sandbox from inside", &[Part::Landlock, Part::Seccomp]) {
        return;
    }
    let (folder, text) = tried(&[]);
    for what in [
        "read an allowed file",
        "list an allowed directory",
        "connect to a unix socket",
        "start a thread",
        "accept",
    ] {
        is_done(&text, what);
    }
    for what in [
        "write where it may",
        "read another file",
        "list another directory",
        "write",
        "write what it may read",
        "remove what it may read",
        "read the environment of another process",
        "send a signal",
        "start a program",
        "become a program",
        "connect to an allowed port",
        "connect to another port",
        "listen",
        "listen on a unix socket",
        "send a datagram",
    ] {
        is_refused(&text, what);
    }
    // By seccomp, whatever Landlock says: it holds on older kernels too.
    for what in [
        "write",
        "send a signal",
        "start a program",
        "become a program",
        "connect to an allowed port",
        "listen",
    ] {
        let missing = format!("\n{what}: error {}\n", nix::libc::ENOSYS);
        assert!(text.contains(&missing), "{what}\n{text}");
    }
    let abi = text.split("landlock ABI ").nth(1).unwrap().split([',', ' ']).next().unwrap();
    if abi.parse::<u32>().unwrap() >= 6 {
        is_refused(&text, "connect to an abstract socket");
    }
    if Path::new("/etc/shadow").exists() {
        is_refused(&text, "read /etc/shadow");
    }
    for file in ["secret", "read/file"] {
        assert_eq!(fs::read_to_string(folder.path().join(file)).unwrap(), "content");
    }
}

#[test]
fn what_a_run_needs_beyond_that_is_allowed_and_nothing_more() {
    if !is_there("the sandbox with a spool and a port", &[Part::Landlock, Part::Seccomp]) {
        return;
    }
    let (folder, text) = tried(&["WRITES", "CONNECTS"]);
    for what in ["write where it may", "connect to an allowed port"] {
        is_done(&text, what);
    }
    assert_eq!(fs::read_to_string(folder.path().join("written/new")).unwrap(), "new");
    for what in ["write", "write what it may read", "remove what it may read", "listen", "send a datagram"] {
        is_refused(&text, what);
    }
    if text.contains("no limits on TCP ports") {
        return support::skip("other TCP ports", "Landlock is older than ABI 4");
    }
    is_refused(&text, "connect to another port");
}

#[test]
fn a_crash_in_the_sandbox_ends_the_process() {
    let output = child("abort").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("report: "), "{text}");
    assert_eq!(output.status.signal(), Some(nix::libc::SIGABRT), "{text}");
}

/// The series of containers, without what differs from run to run.
fn series(page: &str, with_values: bool) -> Vec<String> {
    let changing = ["container_last_seen", "container_start_time", "_bps{", "_byteps{", "_ratios{", "_age"];
    let lines = page.lines().filter(|line| line.starts_with("container_") || line.starts_with("machine_"));
    let lines = lines.filter(|line| !with_values || !changing.iter().any(|name| line.contains(name)));
    let kept = lines.map(|line| if with_values { line } else { line.rsplit_once(' ').unwrap().0 });
    kept.map(str::to_owned).collect()
}

#[test]
fn no_series_is_missing_in_the_sandbox() {
    for host in support::hosts() {
        let page = |mode: &str| {
            let folder = tempfile::tempdir().unwrap();
            let mut command = exporter::on_host(&host);
            if host.join("docker").is_dir() {
                let dockerd = FakeDockerd::start(&folder.path().join("docker.sock"), &host);
                return exporter::once(command.args(["-H", &dockerd.url(), "--sandbox", mode]));
            }
            exporter::once(command.args(exporter::NO_DOCKER).args(["--sandbox", mode]))
        };
        let (inside, outside) = (page("auto"), page("off"));
        let (inside_series, outside_series) = (series(&inside, true), series(&outside, true));
        let lost: Vec<_> = outside_series.iter().filter(|line| !inside_series.contains(line)).collect();
        let more: Vec<_> = inside_series.iter().filter(|line| !outside_series.contains(line)).collect();
        assert!(lost.is_empty() && more.is_empty(), "{}: {lost:?}, {more:?}", host.display());
        assert!(series(&inside, true).len() > 10, "{}", host.display());
        assert_eq!(value(&outside, "docker_stat_prom_sandbox", &["landlock"]), Some(0.0));
    }
}

#[test]
fn live_containers_have_the_same_series_in_the_sandbox_as_without() {
    let test = "live containers in the sandbox";
    let Some(mut cgroups) = LiveCgroups::new(test) else { return };
    cgroups.container(&format!("docker-{}.scope", "5b".repeat(32)));
    // One with a network namespace of its own, which is told apart by number or by inode.
    let scope = cgroups.root().join(format!("docker-{WEB}.scope"));
    fs::create_dir(&scope).unwrap();
    let mut command = Command::new("unshare");
    let process = command.args(["-n", "sh", "-c", "echo; read wait"]);
    let process = process.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut has_own = false;
    let _process = process.ok().map(|process| {
        fs::write(scope.join("cgroup.procs"), process.id().to_string()).unwrap();
        let mut process = Kept(process);
        let mut begun = [0];
        has_own = io::Read::read(process.0.stdout.as_mut().unwrap(), &mut begun).unwrap() == 1;
        process
    });
    let page = |mode: &str| {
        let mut command = exporter::command();
        command.arg("--cgroup_root").arg(cgroups.root()).args(exporter::NO_DOCKER);
        exporter::once(command.args(["--sandbox", mode]))
    };
    let (inside, outside) = (page("auto"), page("off"));
    assert_eq!(series(&inside, false), series(&outside, false));
    let name = "container_network_receive_bytes";
    assert_eq!(value(&inside, name, &[WEB]).is_some(), has_own, "{inside}");
    assert!(series(&inside, false).len() > 20, "{inside}");
}

#[test]
fn every_thread_is_in_the_sandbox() {
    if !is_there("the sandbox of each thread", &[Part::Landlock, Part::Seccomp]) {
        return;
    }
    for arguments in [&["--sandbox", "on"][..], &["--sandbox", "on", "--demo"]] {
        let exporter = Exporter::ready(exporter::without_docker().args(arguments));
        let log = support::eventually("it is said", || {
            Some(exporter.log()).filter(|log| log.contains("ready: docker-stat-prom"))
        });
        assert!(log.contains(", sandbox: landlock ABI "), "{log}");
        assert!(log.contains(", seccomp, no capabilities, no_new_privs"), "{log}");
        let mut threads = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", exporter.pid())).unwrap() {
            let status = fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
            for line in ["NoNewPrivs:\t1\n", "Seccomp:\t2\n", "CapEff:\t0000000000000000\n"] {
                assert!(status.contains(line), "{status}");
            }
            assert!(status.contains("CapPrm:\t0000000000000000\n"), "{status}");
            threads += 1;
        }
        assert!(threads >= 4, "{threads}");
        let page = exporter.metrics();
        for part in Part::ALL {
            assert_eq!(value(&page, "docker_stat_prom_sandbox", &[part.name()]), Some(1.0), "{page}");
        }
        exporter.signal("-HUP");
        support::eventually("it lives on", || exporter.log().contains("SIGHUP is ignored").then_some(()));
        assert_eq!(exporter.get("/metrics").status, 200);
        assert_eq!(exporter.stop("-TERM").code(), Some(0));
    }
}

#[test]
fn without_a_sandbox_the_line_about_the_start_says_so() {
    let exporter = Exporter::ready(exporter::without_docker().args(["--sandbox", "off"]));
    support::eventually("it is said", || exporter.log().contains(", sandbox: off").then_some(()));
    let status = fs::read_to_string(format!("/proc/{}/status", exporter.pid())).unwrap();
    let own = fs::read_to_string("/proc/self/status").unwrap();
    let line = |status: &str| status.lines().find(|line| line.starts_with("Seccomp:")).map(str::to_owned);
    assert_eq!(line(&status), line(&own));
}

#[test]
fn https_docker_and_the_health_check_work_in_it() {
    if !is_there("HTTPS and Docker in the sandbox", &[Part::Landlock, Part::Seccomp]) {
        return;
    }
    let host = fixture("debian13-docker26.1-linux6.12");
    let folder = tempfile::tempdir().unwrap();
    let dockerd = FakeDockerd::start(&folder.path().join("docker.sock"), &host);
    let mut command = exporter::on_host(&host);
    command.args(["-H", &dockerd.url(), "--sandbox", "on", "-b", "127.0.0.1:0", "-s", "--tls_cert"]);
    command.arg(fixture("tls/rsa.crt")).arg("--tls_key").arg(fixture("tls/rsa-pkcs8.key"));
    let mut child = Kept(command.stderr(Stdio::piped()).spawn().unwrap());
    let mut lines = io::BufRead::lines(io::BufReader::new(child.0.stderr.take().unwrap()));
    let address = lines.find_map(|line| {
        let line = line.unwrap();
        Some(line.split("serving https://").nth(1)?.split('/').next()?.to_owned())
    });
    let address = address.unwrap();
    support::eventually("it is ready, with names", || {
        let mut check = exporter::command();
        check.args(["--healthcheck", "--sandbox", "on", "-b", &address, "-s", "--tls_cert"]);
        let output = exporter::run(check.arg(fixture("tls/rsa.crt")));
        output.status.success().then_some(())
    });
}

#[test]
fn dockers_certificates_can_be_links() {
    if !is_there("links to Docker's certificates", &[Part::Landlock]) {
        return;
    }
    let host = fixture("debian13-docker26.1-linux6.12");
    let folder = tempfile::tempdir().unwrap();
    let (real, links) = (folder.path().join("real"), folder.path().join("links"));
    std::fs::create_dir(&real).unwrap();
    std::fs::create_dir(&links).unwrap();
    for (file, name) in [("ca.crt", "ca.pem"), ("ec-chain.crt", "cert.pem"), ("ec-sec1.key", "key.pem")] {
        std::fs::copy(fixture("tls").join(file), real.join(file)).unwrap();
        std::os::unix::fs::symlink(real.join(file), links.join(name)).unwrap();
    }
    let _dockerd = FakeDockerd::start(&folder.path().join("docker.sock"), &host);
    let address = front::start(folder.path().join("docker.sock"), Some(front::mutual_tls()));
    let mut command = exporter::on_host(&host);
    command.env("DOCKER_CERT_PATH", &links).args(["-H", &format!("https://{address}"), "--sandbox", "on"]);
    let exporter = Exporter::ready(&mut command);
    support::eventually("names are there", || exporter.metrics().contains("name=\"web\"").then_some(()));
}

#[test]
fn docker_is_reached_by_address_and_by_name() {
    for host in ["127.0.0.1", "localhost"] {
        if host == "localhost" && !support::localhost_is_known("Docker is reached by name") {
            continue;
        }
        let docker = TcpListener::bind("127.0.0.1:0").unwrap();
        docker.set_nonblocking(true).unwrap();
        let url = format!("tcp://{host}:{}", docker.local_addr().unwrap().port());
        let mut command = exporter::on_host(&fixture("debian13-docker26.1-linux6.12"));
        let _exporter = Exporter::start(command.args(["-H", &url, "--sandbox", "auto"]));
        support::eventually("it connects", || docker.accept().ok());
    }
}

#[test]
fn the_service_manager_is_told_at_a_path_and_at_an_abstract_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let name = format!("docker-stat-prom-test-{}", std::process::id());
    let named = SocketAddr::from_abstract_name(&name).unwrap();
    for (socket, variable) in [
        (UnixDatagram::bind(&path).unwrap(), path.to_str().unwrap().to_owned()),
        (UnixDatagram::bind_addr(&named).unwrap(), format!("@{name}")),
    ] {
        let mut command = exporter::without_docker();
        command.env("NOTIFY_SOCKET", &variable).args(["--sandbox", "auto"]);
        let _exporter = Exporter::ready(&mut command);
        socket.set_read_timeout(Some(support::PATIENCE)).unwrap();
        let mut message = [0; 64];
        let length = socket.recv(&mut message).unwrap();
        assert_eq!(&message[..length], b"READY=1", "{variable}");
    }
}

#[test]
fn a_demo_in_the_sandbox_removes_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = exporter::command();
    let page = exporter::once(command.env("TMPDIR", folder.path()).arg("--demo"));
    assert!(page.contains("container_memory_usage_bytes{"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_docker_socket_of_another_user_can_still_be_used_by_root() {
    let test = "a socket of another user";
    if !is_root() {
        return support::skip(test, "not root");
    }
    let host = fixture("debian13-docker26.1-linux6.12");
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users");
    fs::create_dir(&users).unwrap();
    let dockerd = FakeDockerd::start(&users.join("docker.sock"), &host);
    chown(&users, Some(65534), Some(65534)).unwrap();
    chown(&dockerd.socket, Some(65534), Some(65534)).unwrap();
    fs::set_permissions(&dockerd.socket, fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(&users, fs::Permissions::from_mode(0o700)).unwrap();
    let exporter =
        Exporter::ready(exporter::on_host(&host).args(["-H", &dockerd.url(), "--sandbox", "auto"]));
    assert_eq!(value(&exporter.metrics(), "docker_stat_prom_docker_up", &[]), Some(1.0));
    support::eventually("it is said", || {
        exporter.log().contains("only capabilities CAP_DAC_OVERRIDE").then_some(())
    });
}

/// Runs the exporter where some system calls are missing.
fn without_calls(calls: &[i64], arguments: &[&str]) -> Output {
    let mut exporter = exporter::without_docker();
    exporter.args(["--once", "-i", "10"]).args(arguments);
    let words = std::iter::once(exporter.get_program()).chain(exporter.get_args());
    let words: Vec<_> = words.map(|word| word.to_str().unwrap()).collect();
    let calls: Vec<_> = calls.iter().map(ToString::to_string).collect();
    child("deny").env("DENIED", calls.join(",")).env("RUN", words.join("\n")).output().unwrap()
}

#[test]
fn a_sandbox_that_must_be_and_can_not_be_had_is_an_error() {
    if !is_there("a kernel without a sandbox", &[Part::Landlock, Part::Seccomp]) {
        return;
    }
    for (call, part) in [
        (nix::libc::SYS_landlock_create_ruleset, Part::Landlock),
        (nix::libc::SYS_landlock_restrict_self, Part::Landlock),
        (nix::libc::SYS_seccomp, Part::Seccomp),
        (nix::libc::SYS_capset, Part::Capabilities),
    ] {
        if part == Part::Capabilities && !is_root() {
            continue;
        }
        let output = without_calls(&[call], &["--sandbox", "on"]);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with(&format!("error: the sandbox lacks {}: ", part.name())), "{text}");
        assert!(lines[1].starts_with("hint: ") && lines[1].contains("--sandbox auto"), "{text}");
        assert_eq!(lines.len(), 2, "{text}");
        let output = without_calls(&[call], &["--sandbox", "auto"]);
        let page = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{page}");
        for other in Part::ALL {
            let expected = if other == part { 0.0 } else { 1.0 };
            assert_eq!(value(&page, "docker_stat_prom_sandbox", &[other.name()]), Some(expected), "{page}");
        }
    }
}

#[test]
fn processes_that_only_tracers_see_are_not_lost_to_landlock() {
    let test = "a procfs that hides processes";
    if !is_there(test, &[Part::Landlock]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let run = |mode: &str| {
        let script = "mount -t proc -o hidepid=ptraceable proc \"$0\" || exit 99; exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["-m", "--propagation", "private", "sh", "-c", script]).arg(folder.path());
        command.arg(exporter::BINARY).arg("--cgroup_root");
        command.arg(fixture("debian13-docker26.1-linux6.12").join("sys/fs/cgroup"));
        command.arg("--proc_root").arg(folder.path()).args(exporter::NO_DOCKER);
        command.args(["--once", "-i", "10", "--sandbox", mode]).output().ok()
    };
    // In a changed root, there may be no mount whose propagation could be switched off.
    let could_run = |output: &Output| {
        !matches!(output.status.code(), Some(99 | 127)) && !output.stderr.starts_with(b"unshare: ")
    };
    let Some(output) = run("on").filter(could_run) else {
        return support::skip(test, "it can't be mounted");
    };
    let text = String::from_utf8(output.stderr).unwrap();
    if !is_root() || output.status.code() != Some(1) {
        panic!("{:?} {text}", output.status);
    }
    let lack = Lack::HiddenProcesses.to_string();
    assert!(text.contains(&format!("the sandbox lacks landlock: {lack}")), "{text}");
    assert!(text.contains("hidepid="), "{text}");
    let page = String::from_utf8(run("auto").unwrap().stdout).unwrap();
    for (part, expected) in [("landlock", 0.0), ("seccomp", 1.0), ("capabilities", 1.0)] {
        assert_eq!(value(&page, "docker_stat_prom_sandbox", &[part]), Some(expected), "{page}");
    }
}

#[test]
fn a_certificate_is_still_readable_when_it_has_been_replaced() {
    // As certbot and Kubernetes do it: a link is set to a new file.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    for (directory, file) in [("live", "cert.pem"), ("archive", "1.pem"), ("elsewhere", "file")] {
        fs::create_dir(path.join(directory)).unwrap();
        if directory != "live" {
            fs::write(path.join(directory).join(file), "x").unwrap();
        }
    }
    let certificate = path.join("live/cert.pem");
    std::os::unix::fs::symlink("../archive/1.pem", &certificate).unwrap();
    let plan = Plan { proc: "/proc".into(), files: vec![certificate.clone()], ..Plan::default() };
    let (go, ready) = std::sync::mpsc::channel::<()>();
    let (entered, is_inside) = std::sync::mpsc::channel();
    let elsewhere = path.join("elsewhere/file");
    let inside = thread::spawn(move || {
        let report = sandbox::enter(&plan);
        entered.send(report.lack(Part::Landlock).is_none()).unwrap();
        ready.recv().unwrap();
        (fs::read_to_string(certificate).ok(), fs::read(elsewhere).is_err())
    });
    let has_landlock = is_inside.recv().unwrap();
    fs::write(path.join("archive/2.pem"), "new").unwrap();
    std::os::unix::fs::symlink("../archive/2.pem", path.join("live/next")).unwrap();
    fs::rename(path.join("live/next"), path.join("live/cert.pem")).unwrap();
    go.send(()).unwrap();
    let (read, is_refused) = inside.join().unwrap();
    assert_eq!(read.as_deref(), Some("new"));
    assert_eq!(is_refused, has_landlock);
}
