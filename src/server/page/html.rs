//! The page at `/`, for people to read. Without JavaScript it is whole; with it, `assets/page.js` keeps it up
//! to date. The attributes and identifiers here are what that script looks for.

use super::snapshot::{Row, Snapshot, float};
use crate::{
    collector::Report,
    server::{
        escape::push_escaped,
        targets::{TargetShown, push_table},
    },
    terminal::{binary, decimal},
};
use std::fmt::Write;

/// How often a browser without JavaScript loads the page again, in seconds.
const REFRESH: u32 = 5;
const HEAD: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>docker-stat-prom</title>
"#;
const ASSETS: &str = r#"<link rel="icon" href="assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="assets/page.css">
<script src="assets/page.js" type="module"></script>
"#;

/// The columns of the table: the class of their cells, and their heading.
const COLUMNS: [(&str, &str); 12] = [
    ("name", "name"),
    ("image", "image"),
    ("state", "state"),
    ("cpu", "CPU"),
    ("memory", "memory"),
    ("network", "network in / out"),
    ("block", "block read / written"),
    ("pressure", "pressure CPU / memory / I/O"),
    ("pids", "processes"),
    ("uptime", "uptime"),
    ("restarts", "restarts"),
    ("oom", "OOM kills"),
];

/// What the page shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown<'a> {
    pub(super) report: &'a Report,
    pub(super) snapshot: &'a Snapshot,
    /// Whether the Docker that names come from answers now.
    pub(super) docker_answers: bool,
    /// The receivers of push.
    pub(super) targets: &'a [TargetShown],
    /// Whether cgroup paths are shown, and the way to more.
    pub(super) debug_pages: bool,
    pub(super) demo: bool,
    /// The name of the machine, if it is known.
    pub(super) host_name: Option<&'a str>,
}

/// The page of those who switched it off: the way to everything else.
pub(super) fn links(debug_pages: bool) -> String {
    format!("{HEAD}</head>\n<body>\n{}{}</body>\n</html>\n", heading(), navigation(debug_pages))
}

fn heading() -> String {
    format!(
        "<h1>docker-stat-prom {} <small>({})</small></h1>\n\
         <p>Prometheus exporter for Docker containers: reads cgroup v2 and /proc directly.</p>\n",
        env!("CARGO_PKG_VERSION"),
        env!("BUILD_REVISION"),
    )
}

fn navigation(debug_pages: bool) -> String {
    let debug =
        if debug_pages { " · <a href=\"debug/containers\">All that is known, as JSON</a>" } else { "" };
    format!(
        "<nav><a href=\"metrics\">Metrics</a> · <a href=\"api/v1/containers\">Containers as JSON</a> · <a \
         href=\"healthz\">Health</a> · <a href=\"readyz\">Readiness</a>{debug}</nav>\n"
    )
}

/// The page: what this is, what the containers use, which of their numbers are missing, and where everything
/// else is.
pub(super) fn html(shown: &Shown<'_>) -> String {
    let Report { containers, missing } = shown.report;
    let live = containers.iter().filter(|container| container.live).count();
    let named = containers.iter().filter(|container| container.live && container.named).count();
    let hidden = containers.iter().filter(|container| container.set_aside).count();
    let mut page = format!(
        "{HEAD}<noscript><meta http-equiv=\"refresh\" content=\"{REFRESH}\"></noscript>\n{ASSETS}</head>\n\
         <body>\n<header id=\"top\">\n{}{}</header>\n",
        heading(),
        navigation(shown.debug_pages),
    );
    if shown.demo {
        page.push_str(
            "<p id=\"demo\" role=\"note\">This is a demo: a recorded host whose numbers are made to move, \
             with made-up trouble.</p>\n",
        );
    }
    if !shown.docker_answers {
        page.push_str(
            "<p id=\"outage\">Docker does not answer: names and states are missing or out of date.</p>\n",
        );
    }
    if let Some(missing) = missing {
        let _infallible = writeln!(page, "<p id=\"missing\"><strong>{missing}</strong></p>");
    }
    page.push_str("<div id=\"status\" role=\"status\"></div>\n<div id=\"controls\"></div>\n<main>\n");
    push_containers(&mut page, shown.snapshot, shown.host_name);
    page.push_str("<div id=\"detail\"></div>\n<section id=\"events\"></section>\n");
    let _infallible = write!(
        page,
        "<details id=\"reading\">\n<summary>What is read: {live} containers found, {named} named by Docker, \
         {} without a name, {hidden} hidden, {} not running.</summary>\n",
        live.saturating_sub(named),
        containers.len().saturating_sub(live).saturating_sub(hidden),
    );
    push_reading(&mut page, shown.report, shown.debug_pages);
    page.push_str("</details>\n<section id=\"push\">\n");
    push_table(&mut page, shown.targets);
    page.push_str("</section>\n</main>\n</body>\n</html>\n");
    page
}

/// The table of what the host and the containers use.
fn push_containers(page: &mut String, snapshot: &Snapshot, host_name: Option<&str>) {
    page.push_str("<table id=\"containers\">\n<thead><tr>");
    for (key, heading) in COLUMNS {
        let _infallible = write!(page, "<th scope=\"col\" data-key=\"{key}\">{heading}</th>");
    }
    page.push_str("</tr></thead>\n<tbody id=\"host\">\n<tr>");
    push_cells(page, &host(snapshot, host_name));
    page.push_str("</tr>\n</tbody>\n<tbody id=\"rows\">\n");
    let mut rows: Vec<_> = snapshot.rows.iter().collect();
    rows.sort_by(|one, other| one.name.cmp(&other.name));
    for row in &rows {
        let _infallible = write!(page, "<tr data-id=\"{}\" data-project=\"", row.id);
        push_escaped(page, row.project.as_deref().unwrap_or_default());
        page.push_str("\">");
        push_cells(page, &cells(row, snapshot));
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table>\n");
    if rows.is_empty() {
        page.push_str("<p id=\"none\">No container runs, and Docker knows none.</p>\n");
    }
}

/// A cell: its text, and the value and the most of its bar.
type Cell = (String, Option<(f64, f64)>);

fn push_cells(page: &mut String, cells: &[Cell; COLUMNS.len()]) {
    for ((class, _), (text, bar)) in COLUMNS.iter().zip(cells) {
        let _infallible = write!(page, "<td class=\"{class}\">");
        if let Some((value, most)) = bar {
            let _infallible =
                write!(page, "<meter min=\"0\" max=\"{most:.4}\" value=\"{value:.4}\"></meter> ");
        }
        push_escaped(page, text);
        page.push_str("</td>");
    }
}

fn host(snapshot: &Snapshot, name: Option<&str>) -> [Cell; COLUMNS.len()] {
    let host = &snapshot.host;
    let used = host.memory.zip(host.available).and_then(|(all, available)| all.checked_sub(available));
    let cpus: Option<f64> = snapshot.rows.iter().filter_map(|row| row.rates.cpu_ratio).reduce(|a, b| a + b);
    let pids = snapshot.rows.iter().filter_map(|row| row.pids).reduce(|a, b| a + b);
    let size = match (host.cores, host.memory) {
        (Some(cores), Some(memory)) => format!("{cores} CPUs, {}", binary(memory)),
        _ => String::new(),
    };
    [
        plain(name.map_or_else(|| "host".to_owned(), |name| format!("host {name}"))),
        plain(size),
        plain(""),
        (format!("{} in containers", percent(cpus)), cpus.zip(host.cores.map(float))),
        (amount(used), used.map(float).zip(host.memory.map(float))),
        plain(""),
        plain(""),
        plain(pressure(host.pressure)),
        plain(count(pids)),
        plain(""),
        plain(""),
        plain(""),
    ]
}

fn cells(row: &Row, snapshot: &Snapshot) -> [Cell; COLUMNS.len()] {
    let remark = match row.hidden {
        Some(reason) => format!(" ({reason})"),
        None if row.named => String::new(),
        None => " (no name from Docker)".to_owned(),
    };
    let code = row.exit_code.map(|code| format!(" ({code})")).unwrap_or_default();
    let health = row.health.map(|health| format!(", {health}")).unwrap_or_default();
    let limit = row.memory_limit(snapshot.host.memory);
    let memory = match limit {
        Some(limit) => format!("{} of {}", amount(row.memory), binary(limit)),
        None => amount(row.memory),
    };
    let most = row.cpu_limit.or(snapshot.host.cores.map(float));
    let up = row.started.filter(|_| row.live).map(|started| ago(snapshot.now - started));
    [
        plain(format!("{}{remark}", row.name)),
        plain(row.image.clone().unwrap_or_default()),
        plain(format!("{}{code}{health}", row.state.unwrap_or_default())),
        (percent(row.rates.cpu_ratio), row.rates.cpu_ratio.zip(most)),
        (memory, row.memory.map(float).zip(limit.or(snapshot.host.memory).map(float))),
        plain(both(row.rates.network)),
        plain(both(row.rates.block)),
        plain(pressure(row.pressure)),
        plain(count(row.pids)),
        plain(up.unwrap_or_else(unknown)),
        plain(count(row.restarts)),
        plain(count(row.oom_kills)),
    ]
}

fn plain(text: impl Into<String>) -> Cell {
    (text.into(), None)
}

fn unknown() -> String {
    "–".to_owned()
}

/// CPUs in percent of one, as `docker stats` shows them.
fn percent(cpus: Option<f64>) -> String {
    cpus.map_or_else(unknown, |cpus| format!("{:.1} %", cpus * 100.0))
}

fn amount(bytes: Option<u64>) -> String {
    bytes.map_or_else(unknown, binary)
}

fn count(count: Option<u64>) -> String {
    count.map_or_else(unknown, |count| count.to_string())
}

fn both(rates: Option<(f64, f64)>) -> String {
    let rate = |rate: f64| format!("{}/s", decimal(whole(rate)));
    rates.map_or_else(unknown, |(one, other)| format!("{} / {}", rate(one), rate(other)))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate that people read")]
fn whole(rate: f64) -> u64 {
    rate.round() as u64
}

fn pressure(shares: [Option<f64>; 3]) -> String {
    let share = |share: Option<f64>| share.map_or_else(unknown, |share| format!("{:.1} %", share * 100.0));
    if shares.iter().all(Option::is_none) { unknown() } else { shares.map(share).join(" / ") }
}

/// The two largest units of a time.
fn ago(seconds: f64) -> String {
    let seconds = whole(seconds.max(0.0));
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{minutes} min"),
        3600..86_400 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// The table of how each container is read.
fn push_reading(page: &mut String, report: &Report, debug_pages: bool) {
    let cgroup = if debug_pages { "<th>cgroup</th>" } else { "" };
    let _infallible = writeln!(
        page,
        "<table>\n<tr><th>name</th>{cgroup}<th>network counters</th><th>not offered by the kernel</th></tr>"
    );
    for container in &report.containers {
        let remark = match container.hidden {
            Some(reason) => format!(" ({})", reason.as_str()),
            None if container.named => String::new(),
            None => " (no name from Docker)".to_owned(),
        };
        page.push_str("<tr>");
        let (name, missing) = (format!("{}{remark}", container.name), container.missing_files.join(", "));
        let cells = [
            Some(name.as_str()),
            debug_pages.then_some(container.cgroup.as_str()),
            Some(container.network.as_str()),
            Some(missing.as_str()),
        ];
        for cell in cells.into_iter().flatten() {
            page.push_str("<td>");
            push_escaped(page, cell);
            page.push_str("</td>");
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table>\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{advice::NetworkCounters, collector::ContainerReport, parse::ContainerId};

    fn container(name: &str) -> ContainerReport {
        ContainerReport {
            id: "a".repeat(64),
            name: name.into(),
            named: true,
            image: Some("a&b".into()),
            state: Some("running"),
            cgroup: "/docker/1".into(),
            live: true,
            set_aside: false,
            pid: None,
            network: NetworkCounters::Own,
            missing_files: vec!["memory.peak"],
            hidden: None,
        }
    }

    fn report<const COUNT: usize>(containers: [ContainerReport; COUNT]) -> Report {
        Report { containers: containers.into(), missing: None }
    }

    fn page(report: &Report, docker_answers: bool, debug_pages: bool) -> String {
        let mut snapshot = Snapshot::default();
        snapshot.join(report);
        html(&Shown {
            report,
            snapshot: &snapshot,
            docker_answers,
            targets: &[],
            debug_pages,
            demo: false,
            host_name: Some("<node>"),
        })
    }

    #[test]
    fn what_is_hidden_is_not_counted_as_stopped() {
        let stopped =
            ContainerReport { live: false, network: NetworkCounters::NotRunning, ..container("stopped") };
        let hidden =
            ContainerReport { set_aside: true, network: NetworkCounters::SetAside, ..stopped.clone() };
        let report = report([container("web"), hidden, stopped.clone(), stopped]);
        let shown = page(&report, true, false);
        assert!(
            shown.contains(
                "1 containers found, 1 named by Docker, 0 without a name, 1 hidden, 2 not running."
            )
        );
        assert!(!shown.contains("Docker does not answer"));
        assert!(page(&report, false, false).contains("Docker does not answer"));
    }

    #[test]
    fn cgroup_paths_are_shown_only_on_request() {
        let report = report([container("web")]);
        let (shown, hidden) = (page(&report, true, true), page(&report, true, false));
        let columns = |page: &str| {
            let table = page.split_once("<details").unwrap().1.to_owned();
            (table.matches("<th>").count(), table.matches("<td>").count())
        };
        assert_eq!((columns(&shown), columns(&hidden)), ((4, 4), (3, 3)));
        assert!(shown.contains("/docker/1") && shown.contains("debug/containers"));
        assert!(!hidden.contains("/docker/1") && !hidden.contains("debug"), "{hidden}");
    }

    #[test]
    fn a_name_is_text_and_nothing_else() {
        let report = report([container("<script>alert('x')</script>")]);
        let shown = page(&report, true, true);
        assert_eq!(shown.matches("<script").count(), 1, "the page's own");
        assert!(shown.contains("&lt;script&gt;alert(&#39;x&#39;)") && shown.contains("a&amp;b"));
        assert!(shown.contains("1 containers found, 1 named"));
        assert!(shown.contains("<td class=\"name\">host &lt;node&gt;</td>"), "{shown}");
    }

    #[test]
    fn every_row_has_every_column_and_what_is_unknown_is_a_dash() {
        let mut row = Row::new(ContainerId::new(&"b".repeat(64)).unwrap());
        (row.live, row.named, row.project) = (true, true, Some("\"><i>".into()));
        let snapshot = Snapshot { rows: vec![row.clone()], ..Snapshot::default() };
        let mut shown = String::new();
        push_containers(&mut shown, &snapshot, None);
        assert!(shown.contains("<td class=\"name\">host</td>"), "{shown}");
        assert_eq!((shown.matches("<th ").count(), shown.matches("<td ").count()), (12, 24));
        assert!(shown.contains("<td class=\"cpu\">–</td><td class=\"memory\">–</td>"), "{shown}");
        assert!(shown.contains("data-project=\"&quot;&gt;&lt;i&gt;\""));
        row.rates.cpu_ratio = Some(0.5);
        (row.memory, row.started) = (Some(64 << 20), Some(-90_061.0));
        let mut shown = String::new();
        push_containers(&mut shown, &Snapshot { rows: vec![row], ..snapshot }, None);
        for text in ["50.0 %", "64MiB", "1 d 1 h"] {
            assert!(shown.contains(text), "{text} {shown}");
        }
    }
}
