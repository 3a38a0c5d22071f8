//! Started in a container with the Docker socket and nothing else, as older commands did: the log, `/` and a
//! metric name the flags that are missing, in one line each.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::Command,
};
use support::{
    cgroups::LiveCgroups,
    dockerd::{FakeDockerd, HOST},
    eventually,
    exporter::{self, Exporter},
    fixture,
    host::add_container,
    skip, value,
};

const BOTH: &str = "--pid host -v /sys/fs/cgroup:/sys/fs/cgroup:ro";
const CGROUPS: &str = "-v /sys/fs/cgroup:/sys/fs/cgroup:ro";
const METRIC: &str = "docker_stat_prom_missing_flags";

fn dockerd(folder: &Path) -> FakeDockerd {
    FakeDockerd::start(&folder.join("docker.sock"), &fixture(HOST))
}

/// What is to be seen of the flags that are missing, once something is.
fn says(exporter: &Exporter, flags: &str) {
    let metric = format!("flags=\"{flags}\"");
    eventually("the metric tells it", || value(&exporter.metrics(), METRIC, &[&metric]));
    assert_eq!(exporter.metrics().matches(&format!("\n{METRIC}{{")).count(), 1);
    let log = eventually("the log tells it", || Some(exporter.log()).filter(|log| log.contains(flags)));
    let lines: Vec<_> = log.lines().filter(|line| line.contains("no container can be seen")).collect();
    assert!(matches!(lines.as_slice(), [line] if line.contains(&format!("with {flags} ("))), "{log}");
    let page = exporter.get("/").text();
    let line = page.lines().find(|line| line.contains("no container can be seen")).unwrap();
    assert!(line.contains(&format!("with {flags} (")), "{line}");
    let json: serde_json::Value = serde_json::from_slice(&exporter.get("/debug/containers").body).unwrap();
    assert_eq!(json["missing_flags"], flags);
}

/// Nothing is missing any more.
fn says_nothing(exporter: &Exporter) {
    eventually("the metric is gone", || {
        (!exporter.metrics().contains(&format!("\n{METRIC}{{"))).then_some(())
    });
    assert!(!exporter.get("/").text().contains("no container can be seen"));
    let json: serde_json::Value = serde_json::from_slice(&exporter.get("/debug/containers").body).unwrap();
    assert!(json["missing_flags"].is_null());
}

/// A host as a container sees it that was started without the host's cgroups: `first` is the cgroup of PID 1.
fn secluded(first: &str) -> tempfile::TempDir {
    let folder = support::host::empty_host();
    fs::write(folder.path().join("sys/fs/cgroup/cgroup.events"), "populated 1\n").unwrap();
    for (process, cgroup) in [("self", "0::/\n"), ("1", first)] {
        fs::create_dir(folder.path().join("proc").join(process)).unwrap();
        fs::write(folder.path().join("proc").join(process).join("cgroup"), cgroup).unwrap();
    }
    folder
}

fn start(host: &Path, dockerd: &FakeDockerd) -> Exporter {
    Exporter::ready(exporter::on_host(host).args(["-H", &dockerd.url(), "-i", "100", "--debug_pages"]))
}

#[test]
fn the_flags_that_are_missing_are_named_in_one_line() {
    for (first, flags) in [("0::/\n", BOTH), ("0::/../../init.scope\n", CGROUPS)] {
        let host = secluded(first);
        let dockerd = dockerd(host.path());
        let exporter = start(host.path(), &dockerd);
        says(&exporter, flags);
    }
}

#[test]
fn without_docker_they_are_named_too() {
    let host = secluded("0::/\n");
    let mut command = exporter::on_host(host.path());
    command.arg("--debug_pages");
    let exporter = Exporter::ready(support::host::no_docker(&mut command));
    says(&exporter, BOTH);
    // As on a host that is itself a container, with the first of its own.
    let container = add_container(host.path(), &support::host::scope("a"));
    says_nothing(&exporter);
    // Once there was one, an empty host is an empty host.
    fs::remove_dir_all(container).unwrap();
    eventually("it has gone", || {
        (value(&exporter.metrics(), "docker_stat_prom_containers", &["discovered"])? == 0.0).then_some(())
    });
    says_nothing(&exporter);
}

#[test]
fn where_nothing_runs_nothing_is_missing() {
    let host = secluded("0::/\n");
    let dockerd = dockerd(host.path());
    dockerd.set("/containers/json", 200, "[]");
    let exporter = start(host.path(), &dockerd);
    eventually("Docker answers", || {
        (value(&exporter.metrics(), "docker_stat_prom_docker_up", &[])? > 0.0).then_some(())
    });
    says_nothing(&exporter);
}

#[test]
fn without_the_hosts_processes_pid_host_is_named() {
    let host = support::host::empty_host();
    let scope = add_container(host.path(), &support::host::scope("a"));
    // Processes outside of the reader's PID namespace are shown as 0.
    fs::write(scope.join("cgroup.procs"), "0\n").unwrap();
    fs::write(scope.join("cgroup.events"), "populated 1\n").unwrap();
    let mut command = exporter::on_host(host.path());
    let exporter = Exporter::ready(support::host::no_docker(&mut command));
    eventually("the metric tells it", || value(&exporter.metrics(), METRIC, &["flags=\"--pid host\""]));
    let page = exporter.get("/").text();
    assert!(
        page.contains("network counters can't be read: start the exporter's container with --pid host"),
        "{page}"
    );
    assert_eq!(exporter.log().matches("network counters can't be read").count(), 1, "{}", exporter.log());
}

/// The program in a cgroup of its own and in namespaces, as Docker starts it; `mount` shows what its cgroup
/// namespace has.
fn in_namespaces(leaf: &Path, namespaces: &str, mount: &Path) -> Command {
    let script = r#"
        echo $$ >"$1/cgroup.procs" || exit
        namespaces=$2 mount=$3
        shift 3
        exec unshare $namespaces sh -c 'mount -t cgroup2 none "$1" && shift && exec "$@"' sh "$mount" "$@""#;
    let arguments = [leaf.as_os_str(), namespaces.as_ref(), mount.as_os_str(), exporter::BINARY.as_ref()];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut command = Command::new("sh");
    command.env_clear().env("PATH", path).args(["-c", script, "sh"]).args(arguments);
    command
}

#[test]
fn in_real_namespaces_the_same_is_named() {
    const TEST: &str = "in_real_namespaces_the_same_is_named";
    for (name, namespaces, flags) in [
        ("all", "--cgroup --mount --pid --mount-proc --fork --kill-child", BOTH),
        ("with-host-pids", "--cgroup --mount", CGROUPS),
    ] {
        let Some(cgroups) = LiveCgroups::new(TEST) else { return };
        let leaf = cgroups.root().join(name);
        fs::create_dir(&leaf).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mount = folder.path().join("cgroup");
        fs::create_dir(&mount).unwrap();
        let probe = in_namespaces(&leaf, namespaces, &mount).arg("--version").output();
        if !probe.is_ok_and(|probe| probe.status.success()) {
            return skip(TEST, "no unshare and mount, or not allowed");
        }
        let dockerd = dockerd(folder.path());
        let mut command = in_namespaces(&leaf, namespaces, &mount);
        command.arg("--cgroup_root").arg(&mount).args(["-H", &dockerd.url(), "-i", "100", "--debug_pages"]);
        let exporter = Exporter::ready(&mut command);
        says(&exporter, flags);
        drop(exporter);
        eventually("all its processes have ended", || {
            fs::read_to_string(leaf.join("cgroup.procs")).unwrap().is_empty().then_some(())
        });
    }
}

#[test]
fn a_socket_that_may_not_be_opened_is_said_with_its_cure() {
    const TEST: &str = "a_socket_that_may_not_be_opened_is_said_with_its_cure";
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let as_nobody = |mut command: Command| {
        if is_root {
            command.uid(65534).gid(65534);
        }
        command
    };
    let mut version = exporter::command();
    version.arg("--version");
    if !as_nobody(version).output().is_ok_and(|output| output.status.success()) {
        return skip(TEST, "nobody may not run the binary");
    }
    let host = secluded("0::/\n");
    let dockerd = dockerd(host.path());
    let group = std::os::unix::fs::MetadataExt::gid(&fs::metadata(&dockerd.socket).unwrap());
    fs::set_permissions(&dockerd.socket, fs::Permissions::from_mode(0o000)).unwrap();
    let mut command = exporter::on_host(host.path());
    command.args(["-H", &dockerd.url(), "-i", "100", "--debug_pages"]);
    let exporter = Exporter::ready(&mut as_nobody(command));
    let log = eventually("it is said", || {
        Some(exporter.log()).filter(|log| log.contains("can't connect to docker"))
    });
    let line = log.lines().find(|line| line.contains("can't connect to docker")).unwrap();
    let wanted = if group == 0 {
        "--group-add or --user 0".to_owned()
    } else {
        format!("--group-add {group} or --user 0")
    };
    assert!(line.contains("Permission denied") && line.contains(&wanted), "{line}");
    says(&exporter, BOTH);
    assert_eq!(exporter.log().matches("can't connect to docker").count(), 1, "{}", exporter.log());
}
