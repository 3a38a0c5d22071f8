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
    eventually("it is over", || exporter.log().contains("it takes samples again").then_some(()));
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
