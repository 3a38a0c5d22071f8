//! Push by the program: what it logs, whom it trusts, and a disk that is full.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};
use support::{
    eventually,
    exporter::{BINARY, Exporter, without_docker},
    fixture,
    receiver::{Receiver, Reply, ok, status, tls},
    value,
};

const TOKEN: &str = "s3cr3t-token-of-a-tenant";
const PASSWORD: &str = "correct-horse-battery";

fn pushed(exporter: &Exporter, name: &str, parts: &[&str]) -> f64 {
    value(&exporter.metrics(), &format!("docker_stat_prom_push_{name}"), parts).unwrap_or(0.0)
}

fn every_second(command: &mut Command) -> &mut Command {
    command.args(["-i", "100", "--push_interval", "1s"])
}

#[test]
fn trouble_is_logged_once_and_no_secret_ever() {
    let receiver = Receiver::start(|request| {
        // Everything that was sent, on one line.
        Reply::Status(500, vec![], format!("cannot store: {}", request.head.replace("\r\n", " ")))
    });
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "remote_write:\n  - url: {}\n    name: tenant\n    authorization: {{credentials: {TOKEN}}}\n    \
         headers: {{X-Key: {PASSWORD}}}\n    queue_config: {{max_backoff: 100ms}}\n",
        receiver.url("/api/v1/write")
    );
    fs::write(folder.path().join("push.yml"), config).unwrap();
    let mut command = without_docker();
    // All that any part of the program can log.
    command.arg("--push_config").arg(folder.path().join("push.yml")).env("RUST_LOG", "trace");
    let exporter = Exporter::ready(every_second(&mut command));
    receiver.wait_for(10);
    receiver.answer(|_| ok());
    eventually("it is over", || exporter.log().contains("push to tenant works").then_some(()));
    let page = exporter.metrics();
    let log = exporter.log();
    for secret in [TOKEN, PASSWORD] {
        assert!(!log.contains(secret) && !page.contains(secret), "{log}");
    }
    let said: Vec<_> = log.lines().filter(|line| line.contains("push to tenant: 500")).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("cannot store: POST /api/v1/write"), "{}", said[0]);
}

#[test]
fn a_first_push_is_said_and_so_is_the_end_of_trouble() {
    let receiver = Receiver::start(|_| ok());
    let url = receiver.url("/api/v1/write");
    let config = tempfile::tempdir().unwrap();
    let file = config.path().join("push.yml");
    let text =
        format!("remote_write: [{{url: \"{url}\", name: to, protobuf_message: prometheus.WriteRequest}}]");
    fs::write(&file, text).unwrap();
    let exporter = Exporter::ready(every_second(without_docker().arg("--push_config").arg(&file)));
    let says = |text: &str| eventually(text, || exporter.log().contains(text).then_some(()));
    says("HTTP without TLS, push to to, metrics");
    says("push to to works");
    receiver.answer(|_| status(503));
    says("push to to: 503");
    receiver.answer(|_| ok());
    says("push to to works again");
    let log = exporter.log();
    assert_eq!(log.lines().filter(|line| line.ends_with("push to to works")).count(), 1, "{log}");
}

#[test]
fn a_refusal_is_said_once_and_a_404_of_a_collector_has_a_hint() {
    let receiver = Receiver::start(|_| status(404));
    let url = receiver.url("/otlp");
    let exporter = Exporter::ready(every_second(without_docker().args(["--otlp", &url])));
    receiver.wait_for(3);
    let refusals = |log: &str| log.lines().filter(|line| line.contains("404 Not Found")).count();
    eventually("it is said", || (refusals(&exporter.log()) > 0).then_some(()));
    let log = exporter.log();
    assert!(
        log.contains("the answer is 404 (is the path right? Collectors take metrics at /v1/metrics)"),
        "{log}"
    );
    assert_eq!(refusals(&log), 1, "{log}");
    let output = support::exporter::run(without_docker().args(["--once", "-i", "10", "--otlp", &url]));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((refusals(&said), output.status.code()), (1, Some(1)), "{said}");
}

#[test]
fn a_spool_that_is_a_file_is_refused_with_a_hint() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut command = without_docker();
    command.args(["-b", "none", "--remote_write", "http://127.0.0.1:1/w", "--push_spool"]).arg(file.path());
    let output = support::exporter::run(&mut command);
    let said = String::from_utf8(output.stderr).unwrap();
    let path = file.path().display();
    let error = format!("error: nothing can be pushed: {path}: expected a directory, found a file\n");
    assert!(said.contains(&error) && said.contains("hint: name a directory of its own"), "{said}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn authorities_of_the_system_are_trusted_without_being_named() {
    let receiver = Receiver::start_tls(tls(), |_| ok());
    let url = receiver.url("/api/v1/write");
    let mut command = without_docker();
    command.args(["--remote_write", &url]).env("SSL_CERT_FILE", fixture("tls/ca.crt"));
    let exporter = Exporter::ready(every_second(&mut command));
    receiver.wait_for(1);
    assert!(exporter.stop("-TERM").success());
    let before = receiver.count();
    let mut command = without_docker();
    command.args(["--remote_write", &url]).env("SSL_CERT_FILE", fixture("tls/rsa.crt"));
    let exporter = Exporter::ready(every_second(&mut command));
    eventually("it is told", || exporter.log().contains("TLS fails").then_some(()));
    assert_eq!(receiver.count(), before);
}

/// A shell that may mount, or `None` where that is not allowed.
fn mounting(script: &str) -> Option<Command> {
    for flags in [&["-m"][..], &["-r", "-m"]] {
        let mut command = Command::new("unshare");
        command.args(flags).args(["sh", "-c"]);
        let try_it = Command::new("unshare")
            .args(flags)
            .args(["mount", "-t", "tmpfs", "none", "/mnt"])
            .stderr(Stdio::null())
            .status();
        if try_it.is_ok_and(|status| status.success()) {
            command.arg(script);
            return Some(command);
        }
    }
    None
}

#[test]
fn on_a_full_disk_nothing_is_lost_and_the_exporter_serves() {
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool");
    fs::create_dir(&spool).unwrap();
    let mount = format!("mount -t tmpfs -o size=64k none {} && exec \"$0\" \"$@\"", spool.display());
    let Some(mut command) = mounting(&mount) else {
        return support::skip(
            "on_a_full_disk_nothing_is_lost_and_the_exporter_serves",
            "nothing can be mounted",
        );
    };
    let receiver = Receiver::start(|_| status(503));
    let host = fixture("debian13-docker26.1-linux6.12");
    command.arg(BINARY).arg("--push_spool").arg(&spool).args(["--remote_write", &receiver.url("/w")]);
    command.args(support::exporter::NO_DOCKER).args(roots(&host)).stdin(Stdio::null());
    let exporter = Exporter::ready(every_second(&mut command));
    eventually("the disk is full", || {
        exporter.log().contains("the spool takes nothing (No space left").then_some(())
    });
    let waiting = pushed(&exporter, "queue_bytes", &[]);
    eventually("more waits in memory", || (pushed(&exporter, "queue_bytes", &[]) > waiting).then_some(()));
    receiver.answer(|_| ok());
    eventually("all is sent", || (pushed(&exporter, "queue_bytes", &[]) == 0.0).then_some(()));
    eventually("the disk is used again", || {
        exporter.log().contains("the spool takes requests again").then_some(())
    });
    assert_eq!(pushed(&exporter, "dropped_samples_total", &[]), 0.0, "{}", exporter.log());
}

fn roots(host: &Path) -> Vec<String> {
    let roots = [("--cgroup_root", "sys/fs/cgroup"), ("--proc_root", "proc"), ("--sys_root", "sys")];
    roots
        .into_iter()
        .flat_map(|(flag, path)| [flag.to_owned(), host.join(path).display().to_string()])
        .collect()
}
