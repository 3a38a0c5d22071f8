//! What can be wrong at the start: one line, one hint, and the right exit code.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};
use support::{
    exporter::{self, Exporter},
    fixture,
};

#[track_caller]
fn fails(command: &mut Command, code: i32, problem: &str, hint: &str) {
    let output = exporter::run(command);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{text}");
    let lines: Vec<_> = text.lines().collect();
    let [first, second] = lines.as_slice() else { panic!("not two lines: {text}") };
    assert!(first.starts_with("error: ") && first.contains(problem), "{text}");
    assert!(second.starts_with("hint: ") && second.contains(hint), "{text}");
}

fn good() -> Command {
    let mut command = exporter::on_host(&fixture("debian13-docker26.1-linux6.12"));
    command.args(["-b", "127.0.0.1:0"]);
    command
}

#[test]
fn wrong_usage_ends_with_2() {
    const SOCKET: &str = "unix:///var/run/docker.sock";
    fails(exporter::command().args(["-i", "0"]), 2, "invalid value '0'", "--help");
    fails(exporter::command().args(["-i", "soon"]), 2, "invalid value 'soon'", "--help");
    fails(exporter::command().arg("--bnd"), 2, "'--bnd'", "--bind");
    fails(exporter::command().args(["-H", "ssh://host"]), 2, "expected unix://PATH, tcp://", SOCKET);
    fails(exporter::command().args(["-H", "/run/docker.sock"]), 2, "found \"/run/docker.sock\"", SOCKET);
    fails(
        exporter::command().args(["-H", "tcp://127.0.0.1:99999"]),
        2,
        "found \"tcp://127.0.0.1:99999\"",
        SOCKET,
    );
    fails(exporter::command().env("DOCKER_HOST", "host:2375"), 2, "found \"host:2375\"", SOCKET);
    fails(exporter::command().args(["--metrics", "all"]), 2, "found \"all\"", "--help");
    fails(exporter::command().args(["--container_labels", "a.b,a-b"]), 2, "\"a.b\" and \"a-b\"", "--help");
    fails(exporter::command().args(["--include", "owner=x"]), 2, "found \"owner=x\"", "--help");
    fails(exporter::command().args(["-i", "-5"]), 2, "invalid value '-5' for '--polling_interval", "--help");
    fails(
        exporter::command().args(["-H", "unix://var/run/docker.sock"]),
        2,
        "an absolute path after",
        SOCKET,
    );
    fails(exporter::command().args(["-H", "unix://"]), 2, "the path of a socket after unix://", SOCKET);
    fails(exporter::command().args(["-H", "tcp://:1"]), 2, "expected a host after tcp://", SOCKET);
}

#[test]
fn a_wrong_address_ends_with_2_before_anything_is_touched() {
    for (address, problem) in [
        ("nowhere", "--bind: expected ADDRESS:PORT, found \"nowhere\""),
        ("unix://", "--bind: expected the absolute path of a socket file after unix:, without colons and"),
        ("unix:run/x.sock", "and at most 107 bytes long, found \"run/x.sock\""),
        (
            "unix:/run/x.sock:0999",
            "--bind: expected the mode of a socket file, from 0000 to 0777, found \"0999\"",
        ),
        ("127.0.0.1:http", "--bind: expected a port from 0 to 65535, found \"http\""),
        ("127.0.0.1:99999", "found \"99999\""),
        ("a name:1", "--bind: expected an address or a host name before the port, found \"a name\""),
    ] {
        // Neither the root nor the certificate is looked at.
        let mut command = exporter::command();
        command.args(["-b", address, "-s", "--cgroup_root", "/nonexistent", "--tls_cert", "/nonexistent"]);
        fails(&mut command, 2, problem, "127.0.0.1:12096");
        fails(exporter::command().args(["--healthcheck", "-b", address]), 2, problem, "127.0.0.1:12096");
    }
}

#[test]
fn wrong_receivers_end_with_2_before_anything_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("push.yml");
    fs::write(&file, "remote_write:\n- url: http://h/w\n  basic_auth: {pass: hunter2}\n").unwrap();
    let file = file.to_str().unwrap();
    for (arguments, problem, hint) in [
        (&["--remote_write", "h:9090"][..], "--remote_write: expected http://HOST:PORT/PATH", "whole URL"),
        (&["--otlp"], "--otlp: no URL, and OTEL_EXPORTER_OTLP_ENDPOINT is not set", "whole URL"),
        (
            &["--push_label", "__name__=x"],
            "--push_label: \"__name__\" can't be a label's name",
            "--push_label",
        ),
        (&["--push_interval", "10ms"], "invalid value '10ms' for '--push_interval", "--help"),
        (&["--push_spool_bytes", "1TiBs"], "invalid value '1TiBs' for '--push_spool_bytes", "--help"),
        (&["--otlp_names", "mine"], "invalid value 'mine' for '--otlp_names", "semconv, prometheus"),
        (
            &["--push_config", file],
            "push.yml:3: unknown key \"pass\" in basic_auth; known keys: username,",
            "remote_write",
        ),
        (&["--push_config", "/dev/zero"], "--push_config: /dev/zero: expected a regular file", "can read"),
        (&["-b", "none"], "--bind: no port is opened, and nothing is pushed", "--remote_write"),
    ] {
        let mut command = exporter::command();
        command.args(["--cgroup_root", "/nonexistent"]).args(arguments);
        fails(&mut command, 2, problem, hint);
    }
    let with = |name: &str, value: &str| {
        let mut command = exporter::command();
        command.env(name, value).args(["--cgroup_root", "/nonexistent"]);
        command
    };
    for (name, value, problem) in [
        ("DOCKER_STAT_PROM_REMOTE_WRITE", "h", "DOCKER_STAT_PROM_REMOTE_WRITE: expected http://"),
        ("DOCKER_STAT_PROM_OTLP", "h", "DOCKER_STAT_PROM_OTLP: expected http://"),
        ("DOCKER_STAT_PROM_PUSHGATEWAY", "h", "DOCKER_STAT_PROM_PUSHGATEWAY: expected http://"),
        ("DOCKER_STAT_PROM_PUSH_LABEL", "a", "DOCKER_STAT_PROM_PUSH_LABEL: expected NAME=VALUE"),
        (
            "DOCKER_STAT_PROM_PUSH_CONFIG",
            "/nonexistent",
            "DOCKER_STAT_PROM_PUSH_CONFIG: /nonexistent: No such",
        ),
        ("DOCKER_STAT_PROM_PUSH_INTERVAL", "1", "invalid value '1' for DOCKER_STAT_PROM_PUSH_INTERVAL"),
        ("DOCKER_STAT_PROM_PUSH_SPOOL_BYTES", "1", "invalid value '1' for DOCKER_STAT_PROM_PUSH_SPOOL_BYTES"),
    ] {
        fails(&mut with(name, value), 2, problem, "");
    }
    let mut headers = with("OTEL_EXPORTER_OTLP_HEADERS", "hunter2");
    fails(
        headers.args(["--otlp", "http://h"]),
        2,
        "OTEL_EXPORTER_OTLP_HEADERS: expected NAME=VALUE",
        "variable",
    );
}

#[test]
fn a_receivers_password_is_nowhere_to_be_seen() {
    let url = "http://user:hunter2@127.0.0.1:1/api/v1/write?token=hunter2";
    for arguments in [
        &["--remote_write", url, "--once", "-i", "10"][..],
        &["--remote_write", url, "--remote_write", url],
        &["--remote_wite", url],
        &["--pushgateway", "htp://user:hun/ter2@h?x=hunter2"],
        &["http://user:hunter2@127.0.0.1:1/api/v1/write"],
    ] {
        let output = exporter::run(exporter::without_docker().args(["-b", "none", "-v"]).args(arguments));
        let text = String::from_utf8([output.stderr, output.stdout].concat()).unwrap();
        assert!(!text.contains("hunter2") && !text.contains("ter2"), "{arguments:?}: {text}");
    }
    let mut help = exporter::command();
    for name in ["REMOTE_WRITE", "OTLP", "PUSHGATEWAY"] {
        help.env(format!("DOCKER_STAT_PROM_{name}"), url);
    }
    let help = exporter::run(help.arg("--help"));
    assert!(!String::from_utf8(help.stdout).unwrap().contains("hunter2"));
}

#[test]
fn no_memory_is_taken_in_huge_pages() {
    let exporter = Exporter::ready(&mut exporter::without_docker());
    let status = fs::read_to_string(format!("/proc/{}/status", exporter.pid())).unwrap();
    match status.lines().find_map(|line| line.strip_prefix("THP_enabled:")) {
        Some(enabled) => assert_eq!(enabled.trim(), "0"),
        None => support::skip("no_memory_is_taken_in_huge_pages", "the kernel does not tell"),
    }
}

#[test]
fn without_a_port_the_exporter_runs_and_has_nothing_to_be_asked() {
    let mut command = exporter::without_docker();
    command.args(["-b", "none", "-s", "--remote_write", "http://127.0.0.1:1/api/v1/write"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    // All that is said before it runs.
    let mut seen = String::new();
    for line in lines {
        seen += &line;
        if line.contains("ready: docker-stat-prom") {
            break;
        }
    }
    let listens = fs::read_to_string(format!("/proc/{}/net/tcp", child.id())).map(|_| ());
    let sockets = fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap();
    let sockets: Vec<_> = sockets.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()).collect();
    let ended = child.try_wait().unwrap();
    let _it_may_have_ended = child.kill();
    child.wait().unwrap();
    assert!(ended.is_none() && listens.is_ok() && !sockets.is_empty(), "{seen}");
    assert!(seen.contains("no port is opened (--bind none)"), "{seen}");
    assert!(seen.contains(", no port, push to http://127.0.0.1:1/api/v1/write, metrics "), "{seen}");
    assert!(seen.contains("--secure has no effect: with --bind none there is no port"), "{seen}");
    let output = exporter::run(exporter::command().args(["--healthcheck", "-b", "none"]));
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("not asked: with --bind none"));
}

#[test]
fn a_start_for_which_there_are_too_few_descriptors_is_told_so() {
    let host = fixture("debian13-docker26.1-linux6.12");
    let mut failures = 0;
    for limit in 3..24 {
        let mut shell = Command::new("sh");
        let script = format!("ulimit -n {limit}; exec \"$0\" \"$@\"");
        shell.env_clear().args(["-c", &script, exporter::BINARY]);
        let mut inner = exporter::on_host(&host);
        shell.args(inner.args(["--once", "-i", "10", "-H", "unix:///nonexistent"]).get_args());
        let output = exporter::run(&mut shell);
        let text = String::from_utf8(output.stderr).unwrap();
        // With less the dynamic linker, or the shell, can't even start it.
        assert!(!text.contains("panicked"), "{limit}: {text}");
        if output.status.code() == Some(1) && text.contains("error: ") {
            failures += 1;
            assert!(text.contains("open files") && text.contains("ulimit -n"), "{limit}: {text}");
            assert!(!text.contains("threads"), "{limit}: {text}");
        }
    }
    assert!(failures > 0);
}

#[test]
fn what_was_set_and_has_no_effect_is_warned_of() {
    let mut command = exporter::on_host(&fixture("debian13-docker26.1-linux6.12"));
    command
        .args(["--tls_cert", "c.pem", "--tls_key", "c.key"])
        .env("DOCKER_STAT_PROM_BINDS", "secret")
        .env("DOCKER_STAT_PROM_PORT", "x");
    let exporter = Exporter::ready(&mut command);
    let log = exporter.log();
    let doubt = "plain HTTP is served, although --tls_cert and --tls_key were given";
    assert_eq!(log.matches(doubt).count(), 1, "{log}");
    assert_eq!(log.matches("DOCKER_STAT_PROM_BINDS is not a setting").count(), 1, "{log}");
    assert!(!log.contains("secret") && !log.contains("DOCKER_STAT_PROM_PORT"), "{log}");
}

#[test]
fn a_wrong_value_from_the_environment_is_told_as_the_variables() {
    let with = |name: &str, value: &str| {
        let mut command = exporter::command();
        command.env(name, value);
        command
    };
    for (name, value, problem) in [
        (
            "DOCKER_STAT_PROM_POLLING_INTERVAL",
            "soon",
            "invalid value 'soon' for DOCKER_STAT_PROM_POLLING_INTERVAL",
        ),
        ("DOCKER_STAT_PROM_SECURE", "maybe", "for DOCKER_STAT_PROM_SECURE"),
        ("DOCKER_STAT_PROM_VERBOSE", "much", "for DOCKER_STAT_PROM_VERBOSE"),
        ("DOCKER_STAT_PROM_LOG_FORMAT", "xml", "for DOCKER_STAT_PROM_LOG_FORMAT"),
        ("DOCKER_STAT_PROM_BIND", "nowhere", "DOCKER_STAT_PROM_BIND: expected ADDRESS:PORT"),
        ("DOCKER_STAT_PROM_METRICS", "all", "DOCKER_STAT_PROM_METRICS: expected sets"),
        ("DOCKER_HOST", "h:1", "DOCKER_HOST: expected unix://"),
    ] {
        fails(&mut with(name, value), 2, problem, "");
    }
    // Where the argument is the wrong one, the variable is not blamed.
    let mut both = with("DOCKER_STAT_PROM_POLLING_INTERVAL", "later");
    fails(both.args(["-i", "soon"]), 2, "'soon' for '--polling_interval", "--help");
}

#[test]
fn the_level_of_the_log_is_the_flags_or_rust_logs() {
    let warns = |arguments: &[&str], rust_log: &str| {
        let output = exporter::run(
            good().args(["--demo", "--once", "-i", "10"]).args(arguments).env("RUST_LOG", rust_log),
        );
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(warns(&[], "").contains("this is a demo"));
    assert_eq!(warns(&["--log_level", "error"], "debug"), "");
    assert_eq!(warns(&[], "off"), "");
    assert!(warns(&[], "a=b=c").contains("RUST_LOG is not understood and has no effect"));
    let debug = warns(&["-v"], "");
    assert!(debug.contains("DEBUG docker_stat_prom::") && !debug.contains("DEBUG hyper"), "{debug}");
    assert!(warns(&[], "docker_stat_prom=debug").contains("DEBUG"));
}

#[test]
fn an_empty_environment_variable_counts_as_none() {
    let mut command = good();
    command.env("DOCKER_HOST", "").env("DOCKER_STAT_PROM_METRICS", "");
    assert!(exporter::once(&mut command).contains("container_memory_usage_bytes{"));
}

#[test]
fn flags_come_from_the_environment_too() {
    let page =
        exporter::once(good().env("DOCKER_STAT_PROM_METRICS", "core").env("DOCKER_HOST", "unix:///none"));
    assert!(page.contains("container_memory_usage_bytes{") && !page.contains("container_memory_rss{"));
}

#[test]
fn a_wrong_root_ends_with_1_and_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let root = |command: &mut Command| {
        command.arg("--cgroup_root").arg(folder.path()).args(["-b", "127.0.0.1:0"]);
    };
    let mut command = exporter::command();
    root(&mut command);
    fails(&mut command, 1, "not a cgroup v2 root", "--cgroup_root");
    fs::create_dir(folder.path().join("memory")).unwrap();
    fails(&mut command, 1, "is cgroup v1", "systemd.unified_cgroup_hierarchy=1");
    fs::create_dir(folder.path().join("unified")).unwrap();
    fs::write(folder.path().join("unified/cgroup.controllers"), "").unwrap();
    fails(&mut command, 1, "(hybrid)", "systemd.unified_cgroup_hierarchy=1");
    fails(
        exporter::command().args(["--cgroup_root", "/nonexistent"]),
        1,
        "/nonexistent: No such file",
        "--cgroup_root",
    );
    // Without sysfs there would be no names of devices: it may be missing where nobody named it.
    let roots = ["--cgroup_root", "--proc_root"].iter().zip(["sys/fs/cgroup", "proc"]);
    let mut command = exporter::command();
    for (flag, path) in roots {
        command.arg(flag).arg(support::fixture("debian13-docker26.1-linux6.12").join(path));
    }
    command.args(exporter::NO_DOCKER);
    exporter::once(&mut command);
    fails(command.args(["--sys_root", "/nonexistent"]), 1, "/nonexistent: No such file", "--sys_root");
    fails(good().args(["--proc_root", "/nonexistent"]), 2, "cannot be used multiple times", "--help");
}

#[test]
fn a_proc_root_that_is_no_procfs_is_named_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let host = fixture("debian13-docker26.1-linux6.12");
    let mut command = exporter::command();
    command.arg("--cgroup_root").arg(host.join("sys/fs/cgroup")).arg("--proc_root").arg(folder.path());
    let exporter = Exporter::ready(&mut command);
    let log = support::eventually("it is said", || {
        exporter.metrics();
        Some(exporter.log()).filter(|log| log.contains("network counters can't be read"))
    });
    let expected = format!("{} is not a procfs: expected a procfs, found ", folder.path().display());
    assert!(log.contains(&expected) && !log.contains("hidepid") && !log.contains("--pid=host"), "{log}");
}

#[test]
fn a_wrong_certificate_ends_with_1_and_a_hint() {
    let tls = |certificate: &str, key: &str| {
        let mut command = good();
        command.arg("-s");
        command.arg("--tls_cert").arg(fixture("tls").join(certificate));
        command.arg("--tls_key").arg(fixture("tls").join(key));
        command
    };
    fails(&mut tls("none.crt", "rsa-pkcs8.key"), 1, "none.crt: No such file", "--tls_cert");
    fails(&mut tls("rsa.crt", "none.key"), 1, "none.key: No such file", "--tls_key");
    fails(
        &mut tls("rsa-pkcs8.key", "rsa-pkcs8.key"),
        1,
        "expected a certificate in PEM, found \"PRIVATE KEY\"",
        "PEM",
    );
    fails(&mut tls("rsa.crt", "rsa.crt"), 1, "expected a private key in PEM, found \"CERTIFICATE\"", "PEM");
    fails(&mut tls("rsa.crt", "ec-sec1.key"), 1, "can't be used together", "--tls_key");
}

#[test]
fn a_damaged_certificate_or_key_is_told_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let text = |file: &str| fs::read_to_string(fixture("tls").join(file)).unwrap();
    let (certificate, key) = (text("rsa.crt"), text("rsa-pkcs8.key"));
    // Its first lines, and its last one.
    let short = |text: &str| {
        let lines: Vec<_> = text.lines().collect();
        format!("{}\n{}\n", lines[..3].join("\n"), lines[lines.len() - 1])
    };
    let wrong = folder.path().join("wrong");
    let both = |certificate_text: &str, key_text: &str, problem: &str| {
        for (flag, text) in [("--tls_cert", certificate_text), ("--tls_key", key_text)] {
            fs::write(&wrong, text).unwrap();
            let (other, good_file) =
                if flag == "--tls_cert" { ("--tls_key", "rsa-pkcs8.key") } else { ("--tls_cert", "rsa.crt") };
            let mut command = good();
            command.arg("-s").arg(flag).arg(&wrong).arg(other).arg(fixture("tls").join(good_file));
            fails(&mut command, 1, problem, "PEM");
        }
    };
    both("", " \n", "wrong: expected a ");
    both("", " \n", "in PEM, found an empty file");
    both("text", "text", "in PEM, found none");
    both(&certificate[..300], &key[..300], "in PEM, found one that is cut off: its last line is missing");
    let odd = |text: &str| text.replacen("\nMII", "\n!!!", 1);
    both(&odd(&certificate), &odd(&key), "in PEM, found one that is damaged: it is not base64");
    both(&short(&certificate), &short(&key), "wrong: expected an ");
    both(&short(&certificate), &short(&key), "found one that is damaged");
    both(&format!("{certificate}{}", &certificate[..300]), &key[..300], "is cut off");
}

#[test]
fn with_once_nothing_is_served_so_no_certificate_is_wanted() {
    let mut command = good();
    command.args(["-s", "--tls_cert", "/nonexistent"]);
    assert!(exporter::once(&mut command).contains("container_memory_usage_bytes{"));
}

#[test]
fn what_the_demo_replaces_is_said_once() {
    let output = exporter::run(good().args(["--demo", "--once", "-i", "10"]).env("DOCKER_HOST", "tcp://h"));
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{log}");
    let warning = "and ignores --cgroup_root, --proc_root, --sys_root";
    assert_eq!(log.matches(warning).count(), 1, "{log}");
}

#[test]
fn a_certificate_that_is_no_file_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    let Ok(made) = Command::new("mkfifo").arg(&fifo).status() else {
        return support::skip("a FIFO as certificate", "no mkfifo");
    };
    assert!(made.success());
    let huge = folder.path().join("huge");
    fs::File::create(&huge).unwrap().set_len(1 << 40).unwrap();
    let begin = Instant::now();
    for (path, found) in [
        (fifo.as_path(), "found a FIFO"),
        (Path::new("/dev/zero"), "found a device"),
        (folder.path(), "found a directory"),
        (huge.as_path(), "more than 1048576 bytes"),
    ] {
        for (flag, other) in [("--tls_cert", "--tls_key"), ("--tls_key", "--tls_cert")] {
            let mut command = good();
            let good_file = if other == "--tls_key" { "rsa-pkcs8.key" } else { "rsa.crt" };
            command.arg("-s").arg(flag).arg(path).arg(other).arg(fixture("tls").join(good_file));
            fails(&mut command, 1, found, "PEM");
        }
        let mut check = exporter::command();
        check.args(["--healthcheck", "-s", "-b", "127.0.0.1:1", "--tls_cert"]).arg(path);
        assert_eq!(exporter::run(&mut check).status.code(), Some(1));
    }
    assert!(begin.elapsed() < support::PATIENCE);
}

#[test]
fn an_encrypted_key_is_told_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let pkcs8 = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let pkcs1 = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMAA=\n\
                 -----END RSA PRIVATE KEY-----\n";
    let openssh = "-----BEGIN OPENSSH PRIVATE KEY-----\nMAA=\n-----END OPENSSH PRIVATE KEY-----\n";
    for (text, problem) in
        [(pkcs8, "encrypted"), (pkcs1, "encrypted"), (openssh, "found \"OPENSSH PRIVATE KEY\"")]
    {
        let key = folder.path().join("key");
        fs::write(&key, text).unwrap();
        let mut command = good();
        command.arg("-s").arg("--tls_cert").arg(fixture("tls").join("rsa.crt")).arg("--tls_key").arg(&key);
        fails(&mut command, 1, problem, "PEM");
    }
}

#[test]
fn what_is_said_of_arguments_is_two_lines_without_passwords() {
    let path = "/nonexistent/a\nb\u{1b}[2J";
    fails(exporter::command().args(["--cgroup_root", path]), 1, "a\\nb\\u{1b}[2J", "--cgroup_root");
    for host in ["ssh://user:secret@h", "user:secret@h:1", "tcp://user:se/secret@h", "tcp://user:secret@h:1"]
    {
        let output = exporter::run(exporter::command().args(["-H", host]));
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("***@h") && !text.contains("secret"), "{text}");
    }
    let help = exporter::run(exporter::command().arg("--help").env("DOCKER_HOST", "tcp://user:secret@h"));
    assert!(!String::from_utf8(help.stdout).unwrap().contains("secret"));
}

#[test]
fn an_address_that_can_not_be_had_ends_with_1_and_a_hint() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let on = |address: &str| {
        let mut command = exporter::on_host(&fixture("debian13-docker26.1-linux6.12"));
        command.args(["-b", address]);
        command
    };
    fails(&mut on(&address), 1, &address, "another exporter");
    fails(&mut on("192.0.2.1:1"), 1, "192.0.2.1:1", "-b");
}

#[test]
fn nobody_answers_a_healthcheck() {
    let output = exporter::run(exporter::command().args(["--healthcheck", "-b", "127.0.0.1:1"]));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn the_version_names_its_origin() {
    let output = exporter::run(exporter::command().arg("--version"));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with(concat!("docker-stat-prom ", env!("CARGO_PKG_VERSION"), " (")), "{text}");
}
