//! Relabelling, compared with what a real Prometheus does with the same rules and series.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use docker_stat_prom::push::relabel::{Draft, Rule, apply};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::TcpListener,
    thread,
};
use support::{
    eventually,
    peers::{Peer, has},
};

type Labels = Vec<(String, String)>;

type Series = &'static [(&'static str, &'static str)];

/// Series with values that are odd for some rule.
const SERIES: [Series; 12] = [
    &[("__name__", "container_cpu_usage_seconds_total"), ("id", "/a"), ("name", "web"), ("cpu", "total")],
    &[("__name__", "container_memory_usage_bytes"), ("id", "/a"), ("name", "web")],
    &[("__name__", "container_memory_usage_bytes"), ("id", "/b"), ("name", "DB_1"), ("image", "Postgres:16")],
    &[("__name__", "machine_cpu_cores"), ("a", "1"), ("b", "1")],
    &[("__name__", "machine_cpu_cores"), ("a", "1"), ("b", "2")],
    &[("__name__", "x"), ("a", "ÄÖß"), ("b", "ſK\u{212a}i\u{130}ǅᾳᾈŉﬁ")],
    &[("__name__", "x"), ("a", "1 2"), ("b", "\u{b}\t ")],
    &[("__name__", "x"), ("a", "a;b"), ("b", "$1"), ("c", "${x}")],
    &[("__name__", "x"), ("x_a", "1"), ("x_b", "2"), ("y_a", "3")],
    &[("__name__", "x"), ("a", "12ab"), ("b", "١٢")],
    &[("__name__", "x"), ("a", "[]^-&~<>\\"), ("b", "a.b|c")],
    &[("__name__", "x"), ("a", "0abc"), ("b", "日本")],
];

/// Only Prometheus 3 has a dot that matches the end of a line, as we have.
const LINES: Series = &[("__name__", "x"), ("a", "1\n2")];

/// Rules as `key=value`, separated by spaces; `source` is a list. None of them touches `job`, by which the
/// results are found, or removes `__name__`, without which a scrape fails.
const RULES: &[&str] = &[
    "action=keep source=__name__ regex=container_.*",
    "action=drop source=__name__ regex=container_memory_usage_bytes|x",
    "action=drop source=__name__ regex=memory",
    "action=keep source=a,b regex=1;1",
    "action=keep source=a,b separator= regex=11",
    "action=keep source=a regex=",
    "action=drop source=a regex=.+",
    "action=drop source=none regex=.*",
    "action=keep source=a regex=1.2",
    "action=keep source=a regex=(?i)äöß",
    "action=keep source=name regex=(?i)db_\\d",
    "action=keep source=b regex=\\d+",
    "action=keep source=b regex=\\s+",
    "action=keep source=b regex=[^\\s]+",
    "action=keep source=b regex=\\w*",
    "action=keep source=b regex=..",
    "action=keep source=a regex=[[]].*",
    "action=keep source=a regex=[]^[].*",
    "action=keep source=a regex=[[:punct:]]+",
    "action=keep source=a regex=.*[&&~~].*",
    "action=keep source=a regex=.*\\<\\>.*",
    "action=keep source=b regex=\\Qa.b|c\\E",
    "action=keep source=a regex=[\\d]+[[:alpha:]]{2}",
    "action=keep source=a regex=\\x30\\x{61}.*",
    "action=keep source=a regex=a|",
    "action=keep source=a regex=^1$",
    "action=keep source=a regex=(?m)^1$.*",
    "action=keep source=a regex=1\\b.*",
    "action=keep source=a regex=(?U)1.*",
    "source=a target=b",
    "source=c target=b",
    "source=a target=new",
    "source=a regex=(.)(.*) target=new replacement=$2-$1-$0-$9",
    "source=a regex=(.)(.*) target=new replacement=${1}x",
    "source=a regex=(.)(.*) target=new replacement=$1x",
    "source=a regex=(.)(.*) target=new replacement=$$1$",
    "source=a regex=(.)(.*) target=new replacement=$-${-${1",
    "source=a regex=(.)(.*) target=new replacement=$01",
    "source=a regex=(.)(.*) target=new replacement=$é$1",
    "source=a regex=(?P<first>.)(?P<rest>.*) target=new replacement=$rest/$first/${first}_$first_",
    "source=a regex=(1)|(.*) target=new replacement=$1",
    "source=a regex=(1)|(.*) target=b replacement=$2",
    "source=a regex=(.*?)(2?) target=new replacement=$1",
    "source=a regex=(a|ab)(c|bcd)?(.*) target=new replacement=$1-$2-$3",
    "source=a regex=(.+) target=l_$1 replacement=1",
    "source=a regex=(.+) target=$1 replacement=1",
    "source=a regex=(.+) target=${1}_x replacement=1",
    "target=b replacement=",
    "target=new replacement=fixed",
    "source=none target=new replacement=fixed",
    "source=none regex=.+ target=new replacement=fixed",
    "source=__name__ regex=container_(.+) target=__name__",
    "source=a,none,b separator=: target=new",
    "action=lowercase source=b target=new",
    "action=uppercase source=b target=new",
    "action=uppercase source=a target=new",
    "action=uppercase source=name,image target=new",
    "action=lowercase source=none target=b",
    "action=KeepEqual source=a target=b",
    "action=dropequal source=a target=b",
    "action=hashmod source=a target=new modulus=8",
    "action=hashmod source=a,b,none target=b modulus=1000003",
    "action=hashmod source=none separator=- target=new modulus=18446744073709551615",
    "action=HashMod source=__name__,id separator= target=new modulus=1",
    "action=labeldrop regex=x_.*|id",
    "action=labeldrop regex=[abc]",
    "action=labelkeep regex=__name__|job|instance|a|name",
    "action=labelmap regex=x_(.+)",
    "action=labelmap regex=x_(.+) replacement=a",
    "action=labelmap regex=([ab]) replacement=${1}_${1}",
    "action=labelmap regex=(a)|b replacement=z_$1",
];

fn draft(rule: &str) -> Draft {
    let mut draft = Draft::default();
    for pair in rule.split(' ') {
        let (key, value) = pair.split_once('=').unwrap();
        let value = value.to_owned();
        match key {
            "action" => draft.action = Some(value),
            "source" => draft.source_labels = Some(value.split(',').map(str::to_owned).collect()),
            "separator" => draft.separator = Some(value),
            "regex" => draft.regex = Some(value),
            "target" => draft.target_label = Some(value),
            "replacement" => draft.replacement = Some(value),
            "modulus" => draft.modulus = Some(value.parse().unwrap()),
            _ => panic!("{key}"),
        }
    }
    draft
}

/// The rule in prometheus.yml: JSON is YAML.
fn yaml(draft: &Draft) -> Value {
    let pairs = [
        ("action", json!(draft.action.as_ref().map(|action| action.to_lowercase()))),
        ("source_labels", json!(draft.source_labels)),
        ("separator", json!(draft.separator)),
        ("regex", json!(draft.regex)),
        ("target_label", json!(draft.target_label)),
        ("replacement", json!(draft.replacement)),
        ("modulus", json!(draft.modulus)),
    ];
    let written = pairs.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(written.map(|(key, value)| (key.to_owned(), value)).collect())
}

fn page(all: &[Series]) -> String {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let series = |labels: &[(&str, &str)]| {
        let pairs = labels[1..].iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
        format!("{}{{{}}} 1\n", labels[0].1, pairs.collect::<Vec<_>>().join(","))
    };
    all.iter().map(|labels| series(labels)).collect()
}

/// Serves a page to everybody, for as long as the test runs.
fn serve(page: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _request = stream.read(&mut [0; 4096]);
            let head = "HTTP/1.0 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n";
            let answer = format!("{head}Content-Length: {}\r\n\r\n{page}", page.len());
            let _gone = stream.write_all(answer.as_bytes());
        }
    });
    address
}

/// What we make of all series.
fn ours(rule: &Rule, all: &[Series], job: &str, instance: &str) -> BTreeSet<Labels> {
    let target = [("job", job), ("instance", instance)];
    let relabelled = all.iter().filter_map(|series| {
        let pairs = series.iter().chain(&target);
        let mut labels: Labels =
            pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        labels.sort();
        apply(std::slice::from_ref(rule), &mut labels).then_some(labels)
    });
    relabelled.collect()
}

/// What Prometheus has of a job, but for the series that it makes itself.
fn theirs(peer: &Peer, job: &str) -> BTreeSet<Labels> {
    let answer = peer.get(&format!("/api/v1/series?match[]=%7Bjob%3D%22{job}%22%7D")).text();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let series = answer["data"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let labels = series.iter().map(|labels| {
        let labels = labels.as_object().unwrap().iter();
        let mut labels: Labels =
            labels.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
        labels.sort();
        labels
    });
    let is_own = |labels: &Labels| {
        let name = labels.iter().find(|(name, _)| name == "__name__").map_or("", |(_, name)| name.as_str());
        name == "up" || name.starts_with("scrape_")
    };
    labels.filter(|labels| !is_own(labels)).collect()
}

#[test]
fn each_rule_does_to_series_what_prometheus_2_does() {
    compare("each_rule_does_to_series_what_prometheus_2_does", "prometheus", &SERIES);
}

#[test]
fn each_rule_does_to_series_what_prometheus_3_does() {
    let all: Vec<_> = SERIES.into_iter().chain([LINES]).collect();
    compare("each_rule_does_to_series_what_prometheus_3_does", "prometheus3", &all);
}

fn compare(test: &str, program: &str, all: &[Series]) {
    if !has(test, program) {
        return;
    }
    let address = serve(page(all));
    let job = |at: usize| format!("r{at}");
    let jobs: Vec<_> = RULES
        .iter()
        .enumerate()
        .map(|(at, rule)| {
            json!({
                "job_name": job(at),
                "static_configs": [{"targets": [address]}],
                "metric_relabel_configs": [yaml(&draft(rule))],
            })
        })
        .collect();
    let mut global = json!({"scrape_interval": "1s"});
    if program == "prometheus3" {
        // Names with other characters are no names for older receivers, so that they are none for us.
        global["metric_name_validation_scheme"] = json!("legacy");
    }
    let config = json!({"global": global, "scrape_configs": jobs});
    let peer = Peer::prometheus_that_scrapes(program, &config.to_string());
    eventually("all are scraped", || {
        let answer = peer.get("/api/v1/query?query=count(up%3D%3D1)").text();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        (answer["data"]["result"][0]["value"][1].as_str()? == RULES.len().to_string()).then_some(())
    });
    let mut wrong = Vec::new();
    for (at, text) in RULES.iter().enumerate() {
        match Rule::new(draft(text)) {
            // What is refused at the start can't be wrong later.
            Err(error) => assert!(text.contains("(?i)ä"), "{text}: {error}"),
            Ok(rule) => {
                let (ours, theirs) = (ours(&rule, all, &job(at), &address), theirs(&peer, &job(at)));
                if ours != theirs {
                    let only =
                        |one: &BTreeSet<Labels>, other| one.difference(other).cloned().collect::<Vec<_>>();
                    wrong.push((text, only(&ours, &theirs), only(&theirs, &ours)));
                }
            }
        }
    }
    let wrong: Vec<_> = wrong.iter().map(|wrong| format!("{wrong:?}")).collect();
    assert!(wrong.is_empty(), "rule, only ours, only theirs:\n{}", wrong.join("\n"));
}
