//! How much of the dashboards made for cAdvisor finds data here. `tests/compat/expressions.txt` has what they
//! ask for, and says of each expression that it finds data, or why it does not. A real Prometheus checks that
//! this is true, and `deploy/cadvisor-compat.md` and the README are generated from it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};
use support::{
    eventually_within,
    exporter::{self, Exporter},
    prometheus::Prometheus,
};

/// What is served beyond the default, as `--metrics` names it.
const METRICS: &str = "+disk,+process";
const FILE: &str = "tests/compat/expressions.txt";
/// The first word of an expression that finds data.
const WORKS: &str = "-";

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn is_update() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some()
}

/// What the file says.
struct Said {
    /// Why an expression finds no data, by the word for it, in the order of the file.
    reasons: Vec<(String, String)>,
    dashboards: Vec<Dashboard>,
}

struct Dashboard {
    /// A number at grafana.com, or the name of a project.
    name: String,
    title: String,
    /// The first word, and the expression.
    expressions: Vec<(String, String)>,
}

impl Dashboard {
    fn empty(&self) -> usize {
        self.expressions.iter().filter(|(word, _)| word != WORKS).count()
    }

    fn heading(&self) -> String {
        let Self { name, title, .. } = self;
        if name.bytes().all(|byte| byte.is_ascii_digit()) {
            format!("[{name}](https://grafana.com/grafana/dashboards/{name}) {title}")
        } else {
            format!("{name}: {title}")
        }
    }
}

impl Said {
    fn read() -> Self {
        let text = fs::read_to_string(path(FILE)).unwrap();
        let mut said = Self { reasons: Vec::new(), dashboards: Vec::new() };
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (word, rest) = line.split_once(' ').unwrap_or_else(|| panic!("{FILE}: {line}"));
            match word {
                "@reason" => {
                    let (reason, meaning) = rest.split_once(' ').unwrap();
                    said.reasons.push((reason.to_owned(), meaning.to_owned()));
                }
                "@dashboard" => {
                    let mut parts = rest.split(" | ");
                    let mut part = || parts.next().unwrap_or_else(|| panic!("{FILE}: {line}")).to_owned();
                    let (name, title, source) = (part(), part(), part());
                    assert!(source.starts_with("github.com/"), "{line}");
                    said.dashboards.push(Dashboard { name, title, expressions: Vec::new() });
                }
                word => {
                    let known = said.reasons.iter().any(|(reason, _)| reason == word);
                    assert!(word == WORKS || known, "{FILE}: no such reason: {line}");
                    let dashboard = said.dashboards.last_mut().unwrap();
                    dashboard.expressions.push((word.to_owned(), rest.to_owned()));
                }
            }
        }
        said
    }

    /// How many expressions there are, and how many find data.
    fn totals(&self) -> (usize, usize) {
        let all = self.dashboards.iter().map(|dashboard| dashboard.expressions.len()).sum();
        (all, all - self.dashboards.iter().map(Dashboard::empty).sum::<usize>())
    }

    /// How many expressions find no data for one of these reasons.
    fn because_of(&self, words: &[&str]) -> usize {
        let all = self.dashboards.iter().flat_map(|dashboard| &dashboard.expressions);
        all.filter(|(word, _)| words.contains(&word.as_str())).count()
    }

    fn report(&self) -> String {
        let with = if METRICS.is_empty() { String::new() } else { format!(" --metrics {METRICS}") };
        let mut text = format!(
            "\nEach expression of these dashboards was evaluated by a Prometheus that scrapes \
             `docker-stat-prom --demo{with}`, and\nnothing else. \"Finds data\" says that there is a number. \
             The table above says where it differs from cAdvisor's. Grafana's\nvariables stand for \"All\" \
             and for 5 minutes. An expression that a dashboard has several times counts once.\n\n\
             | dashboard | expressions | find data | stay empty |\n|---|---|---|---|\n"
        );
        for dashboard in &self.dashboards {
            let (all, empty) = (dashboard.expressions.len(), dashboard.empty());
            writeln!(text, "| {} | {all} | {} | {empty} |", dashboard.heading(), all - empty).unwrap();
        }
        let (all, works) = self.totals();
        writeln!(text, "| all | {all} | {works} | {} |", all - works).unwrap();
        text += "\nWhat stays empty, and why:\n";
        for (reason, meaning) in &self.reasons {
            let mut empty: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
            for dashboard in &self.dashboards {
                for (_, expression) in dashboard.expressions.iter().filter(|(word, _)| word == reason) {
                    empty.entry(expression).or_default().insert(&dashboard.name);
                }
            }
            if empty.is_empty() {
                continue;
            }
            writeln!(text, "\n**{meaning}**\n").unwrap();
            for (expression, dashboards) in empty {
                let dashboards: Vec<_> = dashboards.into_iter().collect();
                writeln!(text, "- `{expression}` ({})", dashboards.join(", ")).unwrap();
            }
        }
        text
    }

    fn summary(&self) -> String {
        let (all, works) = self.totals();
        let others = self.because_of(&["node", "old", "build"]);
        format!(
            "Nine widely copied Grafana dashboards for cAdvisor ask for {all} expressions. {works} of them \
             find data here without a change.\n{others} ask for metrics of other programs, nearly all of \
             them node_exporter's. The other {} stay empty:\n\
             [deploy/cadvisor-compat.md](deploy/cadvisor-compat.md) says which, and why.\n",
            all - works - others
        )
    }
}

fn check(file: &str, expected: &str) {
    const BEGIN: &str = "<!-- dashboards of others -->\n";
    const END: &str = "<!-- end of dashboards of others -->";
    let text = fs::read_to_string(path(file)).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap_or_else(|| panic!("{file} has no {BEGIN}"));
    let (found, after) = rest.split_once(END).unwrap();
    if found == expected {
        return;
    }
    if is_update() {
        fs::write(path(file), format!("{before}{BEGIN}{expected}{END}{after}")).unwrap();
    }
    panic!("{file}: the dashboards of others are out of date (UPDATE_GOLDEN=1 rewrites them)");
}

#[test]
fn the_report_says_what_is_left_of_each_dashboard() {
    let said = Said::read();
    assert_eq!(said.dashboards.len(), 9);
    for dashboard in &said.dashboards {
        let expressions: BTreeSet<_> =
            dashboard.expressions.iter().map(|(_, expression)| expression).collect();
        assert_eq!(expressions.len(), dashboard.expressions.len(), "{} repeats itself", dashboard.name);
        assert!(expressions.len() >= 6, "{}", dashboard.name);
    }
    check("deploy/cadvisor-compat.md", &said.report());
    check("README.md", &said.summary());
}

/// With `UPDATE_GOLDEN=1`, an expression that finds data by now loses its reason. A reason for one that finds
/// none has to be written.
#[test]
fn what_is_said_to_find_data_finds_it_and_nothing_else_does() {
    let mut command = exporter::command();
    command.args(["--demo", "-i", "200", "--metrics", METRICS]);
    let exporter = Exporter::ready(&mut command);
    let Some(prometheus) = Prometheus::start(&exporter.address) else { return };
    prometheus.wait_for_scrapes();
    let said = Said::read();
    let all = said.dashboards.iter().flat_map(|dashboard| &dashboard.expressions);
    let (works, empty): (BTreeSet<_>, BTreeSet<_>) = all.partition(|(word, _)| word == WORKS);
    let finds_data = |expression: &str| {
        // A division by nothing gives series without a number.
        let is_number = |sample: &serde_json::Value| {
            let value = sample["value"][1].as_str().and_then(|value| value.parse::<f64>().ok());
            value.is_some_and(f64::is_finite)
        };
        prometheus.query(expression).is_some_and(|samples| samples.iter().any(is_number))
    };
    for (_, expression) in works {
        let why = || format!("{expression} finds data (or {FILE} says why it does not)");
        eventually_within(support::PATIENCE, why, || finds_data(expression).then_some(()));
    }
    let found: Vec<_> = empty.into_iter().filter(|(_, expression)| finds_data(expression)).collect();
    if is_update() {
        let mut text = fs::read_to_string(path(FILE)).unwrap();
        for (word, expression) in &found {
            text = text.replace(&format!("\n{word} {expression}\n"), &format!("\n{WORKS} {expression}\n"));
        }
        fs::write(path(FILE), text).unwrap();
    }
    assert!(found.is_empty(), "these find data (UPDATE_GOLDEN=1 says so in {FILE}): {found:#?}");
}
