//! A file that does not answer: the endpoints say so, and all is well again when it does.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use support::{
    eventually,
    exporter::{self, Exporter},
    fixture, skip, value,
};

const WEB: &str = "docker-13d53898ca900ddddd308d959ad664b7b9486a3fe172b376a925c3f1b935eaa4.scope";

/// A file system whose server takes no request, mounted over one file as the process sees it.
struct Stuck(Child);

impl Stuck {
    fn on(file: &Path, pid: i32) -> Option<Self> {
        let script = format!(
            "exec 3<>/dev/fuse && mount -i -t fuse -o fd=3,rootmode=100000,user_id=0,group_id=0 none '{}' \
             && exec sleep 300",
            file.display()
        );
        let mut nsenter = Command::new("nsenter");
        nsenter.args(["-m", "-t", &pid.to_string(), "sh", "-c", &script]);
        let mut child = nsenter.stdin(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let mounts = format!("/proc/{pid}/mounts");
        let is_mounted = eventually("the file is mounted, or can't be", || {
            let mounts = fs::read_to_string(&mounts).unwrap_or_default();
            let has_ended = child.try_wait().unwrap().is_some();
            if mounts.contains(file.to_str().unwrap()) { Some(true) } else { has_ended.then_some(false) }
        });
        is_mounted.then_some(Self(child))
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        let _already_ended = self.0.kill();
        let _already_waited_for = self.0.wait();
    }
}

fn in_a_mount_namespace(command: &Command) -> Command {
    let mut own = Command::new("unshare");
    own.args(["-m", "--propagation", "private"]).arg(command.get_program()).args(command.get_args());
    own.env_clear().env("HOME", "/nonexistent").env("PATH", std::env::var_os("PATH").unwrap_or_default());
    own.stdin(Stdio::null());
    own
}

#[test]
fn a_file_that_does_not_answer_is_no_secret() {
    let test = "a_file_that_does_not_answer_is_no_secret";
    let can = Command::new("unshare").args(["-m", "true"]).stderr(Stdio::null()).status();
    if !can.is_ok_and(|status| status.success()) || !Path::new("/dev/fuse").exists() {
        return skip(test, "no mount namespace or no /dev/fuse");
    }
    let folder = tempfile::tempdir().unwrap();
    support::copy(&fixture("debian13-docker26.1-linux6.12"), folder.path());
    let mut command = exporter::on_host(folder.path());
    // Opened at each pass: a descriptor that is kept would be on the file below.
    command.args(["--fd_budget", "0", "-i", "100"]).args(exporter::NO_DOCKER);
    let exporter = Exporter::ready(&mut in_a_mount_namespace(&command));
    let check = || exporter::run(exporter::command().args(["--healthcheck", "-b", &exporter.address]));
    assert!(check().status.success());
    let file = folder.path().join("sys/fs/cgroup/system.slice").join(WEB).join("memory.events");
    let Some(stuck) = Stuck::on(&file, exporter.pid()) else {
        return skip(test, "a FUSE file system can't be mounted");
    };
    std::thread::scope(|scope| {
        let scrape = scope.spawn(|| exporter.get("/metrics"));
        let begin = Instant::now();
        let answer = eventually("it is not ready", || {
            let answer = exporter.get("/readyz");
            (answer.status == 503).then(|| answer.text())
        });
        assert!(begin.elapsed() < Duration::from_secs(10));
        assert!(answer.contains("the collector does not answer"), "{answer}");
        // Nothing but time has passed for those who would restart it.
        assert_eq!(exporter.get("/healthz").status, 200);
        let begin = Instant::now();
        let output = check();
        assert_eq!(output.status.code(), Some(1));
        assert!(begin.elapsed() < Duration::from_secs(5));
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("503") && text.contains("does not answer"), "{text}");
        drop(stuck);
        assert_eq!(scrape.join().unwrap().status, 200);
    });
    eventually("it is ready again", || (exporter.get("/readyz").status == 200).then_some(()));
    let page = exporter.metrics();
    assert_eq!(value(&page, "docker_stat_prom_up", &[]), Some(0.0), "one file fails");
    assert!(value(&page, "container_memory_usage_bytes", &[]).is_some(), "the others are read");
}
