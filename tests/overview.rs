//! What `--once` prints for people and for scripts.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use serde_json::Value;
use std::{
    path::Path,
    process::{Command, Stdio},
};
use support::{dockerd::FakeDockerd, exporter, fixture, value};

const HOST: &str = "debian13-docker26.1-linux6.12";

fn printed(host: &Path, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let dockerd = FakeDockerd::start(&folder.path().join("docker.sock"), host);
    let mut command = exporter::on_host(host);
    exporter::once(command.arg("-H").arg(dockerd.url()).args(arguments))
}

fn json(arguments: &[&str]) -> Value {
    let mut all = vec!["--output", "json"];
    all.extend(arguments);
    serde_json::from_str(&printed(&fixture(HOST), &all)).unwrap()
}

#[test]
fn the_table_has_a_line_per_running_container() {
    let text = printed(&fixture(HOST), &["--output", "table"]);
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("NAME ") && lines[0].contains("MEM USAGE / LIMIT"), "{text}");
    assert!(text.is_ascii() && !text.contains('\u{1b}'), "not a terminal: {text}");
    assert_eq!(lines.len(), 13, "{text}");
    // Every line ends where the heading ends: the last column is one of numbers.
    assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{text}");
    let named = |line: &&str| line.split(' ').next().unwrap().to_owned();
    let mut names: Vec<_> = lines[1..].iter().map(named).collect();
    assert!(names.is_sorted(), "no CPU was used between the two samples, so names decide: {text}");
    names.dedup();
    assert_eq!(names.len(), 12);
}

#[test]
fn scripts_get_the_numbers_of_the_metrics() {
    let page = printed(&fixture(HOST), &[]);
    let document = json(&[]);
    let containers = document["containers"].as_array().unwrap();
    assert_eq!((document["version"].as_u64(), containers.len()), (Some(1), 12));
    assert_eq!(document["memory_bytes"].as_f64(), value(&page, "machine_memory_bytes", &[]));
    let mut known = 0;
    for container in containers {
        let name = format!("name=\"{}\"", container["name"].as_str().unwrap());
        for (key, family) in [
            ("cpu_ratio", "container_cpu_usage_ratios"),
            ("memory_current_bytes", "container_memory_usage_bytes"),
            ("memory_working_set_bytes", "container_memory_working_set_bytes"),
            ("memory_limit_bytes", "container_memory_limit_bytes"),
            ("network_receive_bytes", "container_network_receive_bytes"),
            ("network_transmit_bytes", "container_network_transmit_bytes"),
            ("blkio_receive_bytes", "container_blkio_receive_bytes"),
            ("blkio_transmit_bytes", "container_blkio_transmit_bytes"),
            ("pids", "container_threads"),
            ("restarts", "container_restarts_total"),
            ("oom_kills", "container_oom_events_total"),
        ] {
            let found = container[key].as_f64();
            assert_eq!(found, value(&page, family, &[&name]), "{name} {key}");
            known += usize::from(found.is_some());
        }
        assert!(container["cpu_pressure_ratio"].as_f64().is_none_or(|share| (0.0..=1.0).contains(&share)));
    }
    assert!(known > 100, "{known}");
}

#[test]
fn it_shows_the_same_whatever_is_served() {
    let mut documents = [json(&[]), json(&["--metrics", "core,-memory"])];
    for document in &mut documents {
        document["time"] = Value::Null;
    }
    assert_eq!(documents[0], documents[1]);
}

#[test]
fn output_without_once_is_wrong_usage() {
    for format in ["table", "json"] {
        let output = exporter::run(exporter::command().args(["--output", format]));
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains("--output") && error.contains("--once"), "{error}");
    }
    let output = exporter::run(exporter::command().args(["--once", "--output", "xml"]));
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_terminal_gets_colours_unless_it_wants_none() {
    let host = fixture(HOST);
    let on_terminal = |variables: &[(&str, &str)]| {
        let roots = ["cgroup_root sys/fs/cgroup", "proc_root proc", "sys_root sys"].map(|root| {
            let (flag, path) = root.split_once(' ').unwrap();
            format!("--{flag} {}", host.join(path).display())
        });
        let docker = exporter::NO_DOCKER.join(" ");
        let line = format!(
            "{} {} {docker} --once -i 10 --log_level error --output table",
            exporter::BINARY,
            roots.join(" ")
        );
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).env_remove("NO_COLOR").env("TERM", "xterm");
        let output = command.envs(variables.iter().copied()).stdin(Stdio::null()).output().ok()?;
        Some(String::from_utf8(output.stdout).unwrap())
    };
    let Some(coloured) = on_terminal(&[]) else {
        return support::skip("a_terminal_gets_colours_unless_it_wants_none", "there is no script(1)");
    };
    assert!(coloured.contains("\u{1b}[1mNAME\u{1b}[0m"), "{coloured}");
    for variables in [[("NO_COLOR", "1")], [("TERM", "dumb")]] {
        let plain = on_terminal(&variables).unwrap();
        assert!(plain.contains("NAME") && !plain.contains('\u{1b}'), "{plain}");
    }
    assert!(on_terminal(&[("NO_COLOR", "")]).unwrap().contains('\u{1b}'), "set to nothing is not set");
}
