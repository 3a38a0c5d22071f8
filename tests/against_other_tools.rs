//! Oracles that nobody here wrote: promtool, a real Prometheus, the strict OpenMetrics parser of Python's
//! prometheus_client; and the differential check, which computes every series of every recorded host a second
//! time.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use serde_json::Value;
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use support::{
    dockerd::FakeDockerd,
    eventually,
    exporter::{self, Exporter},
    hosts,
    prometheus::Prometheus,
    skip,
};

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file)
}

/// Runs a tool; `None`, said aloud, if this machine does not have it.
fn tool(test: &str, command: &mut Command, input: &str) -> Option<(i32, String)> {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut child) = child else {
        skip(test, &format!("there is no {}", command.get_program().to_string_lossy()));
        return None;
    };
    // A tool that ends before it has read all, such as a Python that lacks a module, says why in its output.
    let _ended_early = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    Some((output.status.code().unwrap(), text))
}

fn arguments(host: &Path) -> Vec<String> {
    let text = fs::read_to_string(host.join("ARGS")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Both formats of one recorded host.
fn pages(host: &Path) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let dockerd = FakeDockerd::start(&folder.path().join("docker.sock"), host);
    let mut command = exporter::on_host(host);
    command.arg("-H").arg(dockerd.url()).args(["-i", "50"]).args(arguments(host));
    let exporter = Exporter::ready(&mut command);
    eventually("a window is complete", || {
        exporter.metrics().contains("container_cpu_usage_ratios{").then_some(())
    });
    // Between two scrapes, a rate can come or, on a busy machine, be unknown for a moment.
    let rows = |page: &str| page.lines().filter(|line| !line.starts_with('#')).count();
    eventually("two pages have the same series", || {
        let accept = [("Accept", "application/openmetrics-text; version=1.0.0")];
        let openmetrics = exporter.ask("GET", "/metrics", &accept).text();
        let text = exporter.metrics();
        (rows(&text) == rows(&openmetrics)).then_some((text, openmetrics))
    })
}

#[test]
fn promtool_finds_only_what_cadvisors_name_forces() {
    for host in hosts() {
        let (text, _) = pages(&host);
        let Some((_, found)) =
            tool("promtool check metrics", Command::new("promtool").args(["check", "metrics"]), &text)
        else {
            return;
        };
        let unexpected: Vec<_> = found
            .lines()
            .filter(|line| {
                !matches!(
                    *line,
                    "container_memory_failcnt counter metrics should have \"_total\" suffix"
                        | "container_hugetlb_failcnt counter metrics should have \"_total\" suffix"
                )
            })
            .collect();
        assert!(unexpected.is_empty(), "{}: {unexpected:?}", host.display());
        assert!(found.contains("container_memory_failcnt"), "promtool looked: {found}");
    }
}

const STRICT: &str = r#"
import sys
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics
page = sys.stdin.read()
families = list((openmetrics if "--openmetrics" in sys.argv else parser).text_string_to_metric_families(page))
samples = [sample for family in families for sample in family.samples]
series = [(sample.name, tuple(sorted(sample.labels.items()))) for sample in samples]
assert len(series) == len(set(series)), "a series stands twice"
print(len(families), len(series))
"#;

#[test]
fn both_formats_pass_the_strict_parsers() {
    for host in hosts() {
        let (text, openmetrics) = pages(&host);
        let mut counts = Vec::new();
        for (page, flag) in [(&text, "--text"), (&openmetrics, "--openmetrics")] {
            let mut python = Command::new("python3");
            let Some((code, output)) = tool("strict parsers", python.args(["-c", STRICT, flag]), page) else {
                return;
            };
            if output.contains("No module named") {
                return skip("strict parsers", "Python has no prometheus_client");
            }
            assert_eq!(code, 0, "{} {flag}: {output}", host.display());
            let series: usize = output.split_whitespace().nth(1).unwrap().parse().unwrap();
            counts.push(series);
        }
        assert!(counts[0] > 1000 && counts[0] == counts[1], "{counts:?}");
    }
}

#[test]
fn lines_that_say_when_counters_began_pass_the_strict_parser_and_change_nothing_else() {
    const BEGAN: &str = r#"
import sys
from prometheus_client.openmetrics import parser
began = set()
for family in parser.text_string_to_metric_families(sys.stdin.read()):
    for sample in family.samples:
        if sample.name == family.name + "_created":
            assert family.type in ("counter", "histogram"), family
            assert sample.value > 1.5e9, sample
            began.add(family.name)
print(len(began), "families began")
for name in sorted(began):
    print(name)
"#;
    for metrics in ["", "-core"] {
        for host in hosts() {
            let folder = tempfile::tempdir().unwrap();
            let dockerd = FakeDockerd::start(&folder.path().join("docker.sock"), &host);
            let mut command = exporter::on_host(&host);
            command.arg("-H").arg(dockerd.url()).args(["-i", "1h", "--metrics", metrics, "--created_lines"]);
            let exporter = Exporter::ready(&mut command);
            let accept = ("Accept", "application/openmetrics-text; version=1.0.0");
            let page = exporter.ask("GET", "/metrics", &[accept]).text();
            assert!(!exporter.metrics().contains("_created{"), "the text format has none");
            let mut python = Command::new("python3");
            let Some((code, output)) = tool("strict parsers", python.args(["-c", BEGAN]), &page) else {
                return;
            };
            if output.contains("No module named") {
                return skip("strict parsers", "Python has no prometheus_client");
            }
            assert_eq!(code, 0, "{} {metrics}: {output}", host.display());
            let lines: Vec<_> = output.lines().collect();
            for (name, expected) in [
                ("process_cpu_seconds", true),
                ("docker_stat_prom_scrape_duration_seconds", true),
                ("container_cpu_usage_seconds", true),
                // Without core its name belongs to no other family.
                ("container_network_receive_bytes", metrics == "-core"),
                // Added up over all runs.
                ("container_oom_events", false),
                ("container_memory_failcnt", false),
            ] {
                let is_there = page.contains(&format!("# TYPE {name} "));
                assert!(is_there || name == "container_oom_events", "{} {name}", host.display());
                assert_eq!(lines.contains(&name), expected, "{} {metrics:?} {name}", host.display());
            }
        }
    }
}

#[test]
fn every_series_of_every_recorded_host_is_computed_again() {
    for host in hosts() {
        let folder = tempfile::tempdir().unwrap();
        let mut recordings = vec![host.clone()];
        if host.join("later").is_dir() {
            let later = folder.path().join("later-recording");
            support::copy(&host, &later);
            support::copy(&host.join("later"), &later);
            recordings.push(later);
        }
        for recording in recordings {
            let page = folder.path().join("page");
            fs::write(&page, pages_once(&recording)).unwrap();
            let mut python = Command::new("python3");
            python
                .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential.py"))
                .arg(&recording)
                .arg(&page);
            let flags = arguments(&recording);
            if let Some(at) = flags.iter().position(|flag| flag == "--container_labels") {
                python.arg(&flags[at + 1]);
            }
            let Some((code, output)) = tool("differential", &mut python, "") else { return };
            assert_eq!(code, 0, "{output}");
        }
    }
}

fn pages_once(host: &Path) -> String {
    let folder = tempfile::tempdir().unwrap();
    let dockerd = FakeDockerd::start(&folder.path().join("docker.sock"), host);
    exporter::once(exporter::on_host(host).arg("-H").arg(dockerd.url()).args(arguments(host)))
}

#[test]
fn the_alert_rules_do_what_they_say() {
    let mut command = Command::new("promtool");
    command.args(["test", "rules", "alerts_test.yml", "alerts_week_test.yml"]);
    command.current_dir(deploy("prometheus"));
    let Some((code, output)) = tool("promtool test rules", &mut command, "") else { return };
    assert_eq!(code, 0, "{output}");
    for config in ["prometheus.yml", "swarm.yml"] {
        let mut command = Command::new("promtool");
        command.args(["check", "config", config]).current_dir(deploy("prometheus"));
        let (code, output) = tool("promtool check config", &mut command, "").unwrap();
        assert_eq!(code, 0, "{output}");
    }
}

const KUBERNETES: &str = r#"
import sys, yaml, kubernetes_validate
version = kubernetes_validate.latest_version()
documents = list(yaml.safe_load_all(sys.stdin))
for document in documents:
    kubernetes_validate.validate(document, version, strict=True)
print(len(documents), "valid")
"#;

/// Compose and swarm files are run by tests/host; for Kubernetes there is its schema.
#[test]
fn the_daemon_set_is_what_kubernetes_takes() {
    let text = fs::read_to_string(deploy("kubernetes.yaml")).unwrap();
    let check =
        |text: &str| tool("Kubernetes schema", Command::new("python3").args(["-c", KUBERNETES]), text);
    let Some((code, output)) = check(&text) else { return };
    if output.contains("No module named") {
        return skip("Kubernetes schema", "Python has no kubernetes-validate or yaml");
    }
    assert_eq!((code, output.trim()), (0, "1 valid"));
    let (code, output) = check(&text.replace("hostPID:", "hostPIDs:")).unwrap();
    assert!(code != 0 && output.contains("hostPIDs"), "it looks: {output}");
}

/// Expressions of widely used cAdvisor dashboards, as they are out there.
const CADVISOR: [&str; 12] = [
    r#"sum(rate(container_cpu_usage_seconds_total{name=~".+"}[5m])) by (name) * 100"#,
    r#"sum(container_memory_rss{name=~".+"}) by (name)"#,
    r#"sum(container_memory_cache{name=~".+"}) by (name)"#,
    r#"sum(rate(container_network_receive_bytes_total{name=~".+"}[5m])) by (name)"#,
    r#"count(container_last_seen{image!=""})"#,
    r#"sum(rate(container_cpu_user_seconds_total{image!=""}[5m])) / sum(machine_cpu_cores) * 100"#,
    r#"container_memory_usage_bytes{image!=""} / on() group_left() machine_memory_bytes"#,
    r#"(sum(container_memory_working_set_bytes{name!=""}) by (instance, name) / sum(container_spec_memory_limit_bytes > 0) by (instance, name) * 100)"#,
    r"sum(rate(container_cpu_cfs_throttled_periods_total[5m])) by (name) / sum(rate(container_cpu_cfs_periods_total[5m])) by (name)",
    r"time() - container_start_time_seconds",
    r"sum(rate(container_fs_reads_bytes_total[5m])) by (name, device)",
    r#"sum(rate(container_cpu_usage_seconds_total{container_label_com_docker_compose_project=~".+"}[5m])) by (container_label_com_docker_compose_project, container_label_com_docker_compose_service)"#,
];

/// Every expression of the dashboard, with its variables as "All" sets them.
fn dashboard_expressions() -> Vec<String> {
    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("expr").and_then(Value::as_str).map(str::to_owned));
                map.values().for_each(|value| collect(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| collect(value, found)),
            _ => {}
        }
    }
    let text = fs::read_to_string(deploy("grafana/docker-stat-prom.json")).unwrap();
    let mut found = Vec::new();
    collect(&serde_json::from_str(&text).unwrap(), &mut found);
    found
        .into_iter()
        // The demo is served in the clear.
        .filter(|expression| !expression.contains("_tls_"))
        .map(|expression| {
            expression
                .replace("$__rate_interval", "5m")
                .replace("$__interval", "500ms")
                .replace("$__range", "5m")
                .replace("$instance", ".*")
                .replace("$name", ".+")
                .replace("$project", ".*")
        })
        .collect()
}

/// What can be seen without Grafana's packages, with which tests/grafana tries the same file.
#[test]
fn panels_have_units_and_tables_are_asked_for_as_tables() {
    let text = fs::read_to_string(deploy("grafana/docker-stat-prom.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let rows = dashboard["panels"].as_array().unwrap().iter();
    let panels: Vec<&Value> = rows
        .flat_map(|row| std::iter::once(row).chain(row["panels"].as_array().into_iter().flatten()))
        .filter(|panel| panel["type"] != "row")
        .collect();
    assert!(panels.len() > 40, "{}", panels.len());
    for panel in panels {
        let title = &panel["title"];
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title} has no unit");
        for target in panel["targets"].as_array().unwrap() {
            let table = panel["type"] == "table";
            assert_eq!(target["format"] == "table", table, "{title}: {target}");
            assert_ne!(target["instant"], target["range"], "{title}: {target}");
            assert!(!table || target["instant"] == true, "{title}: {target}");
        }
    }
}

/// Every expression of a file with rules.
fn rule_expressions(file: &str) -> Vec<String> {
    let text = fs::read_to_string(deploy(file)).unwrap();
    let mut found: Vec<String> = Vec::new();
    let mut block = false;
    for line in text.lines() {
        if let Some(expression) = line.trim().strip_prefix("expr: ") {
            block = expression == "|";
            found.push(if block { String::new() } else { expression.to_owned() });
        } else if block && line.starts_with("          ") {
            let last = found.last_mut().unwrap();
            *last = format!("{last} {}", line.trim());
        } else {
            block = false;
        }
    }
    found
}

/// The series that alerts are about: most alerts themselves have no result when nothing is wrong.
fn alert_series() -> Vec<String> {
    let expressions = rule_expressions("prometheus/alerts.yml").join(" ");
    let words = expressions.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours =
        words.filter(|word| ["container_", "docker_stat_prom_"].iter().any(|ours| word.starts_with(ours)));
    // The demo is served in the clear, and pushes nothing.
    let shown = ours.filter(|name| !name.contains("_tls_") && !name.contains("_push_"));
    let mut series: Vec<_> = shown.map(str::to_owned).collect();
    series.sort();
    series.dedup();
    series
}

#[test]
fn every_expression_finds_data_in_a_real_prometheus() {
    let exporter = Exporter::ready(exporter::command().args(["--demo", "-i", "200"]));
    let Some(prometheus) = Prometheus::start(&exporter.address) else { return };
    prometheus.wait_for_scrapes();
    let up = prometheus.query("up").unwrap();
    assert_eq!(up[0]["value"][1], "1", "the scrape itself succeeds");
    let mut expressions: Vec<String> = CADVISOR.iter().map(|expression| (*expression).to_owned()).collect();
    let dashboard = dashboard_expressions();
    let (rules, alerts) = (rule_expressions("prometheus/recording.yml"), alert_series());
    let counts = (dashboard.len(), rules.len(), alerts.len());
    assert!(counts.0 >= 80 && counts.1 == 7 && counts.2 >= 16, "{counts:?}");
    expressions.extend(dashboard);
    expressions.extend(rules);
    expressions.extend(alerts);
    let empty: Vec<_> = expressions
        .iter()
        .filter(|expression| prometheus.query(expression).is_none_or(|result| result.is_empty()))
        .collect();
    assert!(empty.is_empty(), "no data: {empty:#?}");
}
