//! The page at `/`, for people to read.

use super::{
    escape::push_escaped,
    targets::{TargetShown, push_table},
};
use crate::collector::Report;
use std::fmt::Write;

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>docker-stat-prom</title>
<style>
:root { color-scheme: light dark }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem }
h1 { color: #e6522c; font-size: 1.5rem }
table { border-collapse: collapse; width: 100%; font-size: .9rem }
th, td { text-align: left; vertical-align: top }
th, td { padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #8884 }
td { overflow-wrap: anywhere }
</style>
</head>
<body>
"#;

/// The landing page: what this is, where the metrics are, which containers were found, and which of their
/// numbers are missing. `docker_answers` says whether the Docker that names come from answers now. `targets`
/// are the receivers of push. `debug_pages` says whether cgroup paths are shown, and the way to more.
pub(super) fn html(
    report: &Report,
    docker_answers: bool,
    targets: &[TargetShown],
    debug_pages: bool,
) -> String {
    let Report { containers, missing } = report;
    let live = containers.iter().filter(|container| container.live).count();
    let named = containers.iter().filter(|container| container.live && container.named).count();
    let hidden = containers.iter().filter(|container| container.set_aside).count();
    let outage = if docker_answers {
        ""
    } else {
        "<p>Docker does not answer: names and states are missing or out of date.</p>\n"
    };
    let missing = missing.map(|missing| format!("<p><strong>{missing}</strong></p>\n")).unwrap_or_default();
    let (json, cgroup) = if debug_pages {
        (" · <a href=\"debug/containers\">Containers as JSON</a>", "<th>cgroup</th>")
    } else {
        ("", "")
    };
    let mut page = String::from(HEAD);
    let _infallible = write!(
        page,
        "<h1>docker-stat-prom {} <small>({})</small></h1>\n\
         <p>Prometheus exporter for Docker containers: reads cgroup v2 and /proc directly.</p>\n\
         <p><a href=\"metrics\">Metrics</a> · <a href=\"healthz\">Health</a> · <a \
         href=\"readyz\">Readiness</a>{json}</p>\n\
         <p>{live} containers found, {named} named by Docker, {} without a name, {hidden} hidden, {} not \
         running.</p>\n\
         {missing}{outage}\
         <table>\n<tr><th>name</th><th>image</th><th>state</th>{cgroup}<th>network \
         counters</th><th>not offered by the kernel</th></tr>\n",
        env!("CARGO_PKG_VERSION"),
        env!("BUILD_REVISION"),
        live.saturating_sub(named),
        containers.len().saturating_sub(live).saturating_sub(hidden),
    );
    for container in containers {
        let remark = match container.hidden {
            Some(reason) => format!(" ({})", reason.as_str()),
            None if container.named => String::new(),
            None => " (no name from Docker)".to_owned(),
        };
        page.push_str("<tr>");
        let (name, missing) = (format!("{}{remark}", container.name), container.missing_files.join(", "));
        let cells = [
            Some(name.as_str()),
            Some(container.image.as_deref().unwrap_or_default()),
            Some(container.state.unwrap_or_default()),
            debug_pages.then_some(container.cgroup.as_str()),
            Some(container.network.as_str()),
            Some(missing.as_str()),
        ];
        for cell in cells.into_iter().flatten() {
            page.push_str("<td>");
            push_escaped(&mut page, cell);
            page.push_str("</td>");
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table>\n");
    push_table(&mut page, targets);
    page.push_str("</body>\n</html>\n");
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{advice::NetworkCounters, collector::ContainerReport};

    fn container(name: &str) -> ContainerReport {
        ContainerReport {
            id: String::new(),
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

    #[test]
    fn what_is_hidden_is_not_counted_as_stopped() {
        let stopped =
            ContainerReport { live: false, network: NetworkCounters::NotRunning, ..container("stopped") };
        let hidden =
            ContainerReport { set_aside: true, network: NetworkCounters::SetAside, ..stopped.clone() };
        let report = report([container("web"), hidden, stopped.clone(), stopped]);
        let page = html(&report, true, &[], false);
        assert!(
            page.contains(
                "1 containers found, 1 named by Docker, 0 without a name, 1 hidden, 2 not running."
            )
        );
        assert!(!page.contains("Docker does not answer"));
        assert!(html(&report, false, &[], false).contains("Docker does not answer"));
    }

    #[test]
    fn cgroup_paths_are_shown_only_on_request() {
        let report = report([container("web")]);
        let (shown, hidden) = (html(&report, true, &[], true), html(&report, true, &[], false));
        let columns = |page: &str| (page.matches("<th>").count(), page.matches("<td>").count());
        assert_eq!((columns(&shown), columns(&hidden)), ((6, 6), (5, 5)));
        assert!(shown.contains("/docker/1") && shown.contains("debug/containers"));
        assert!(!hidden.contains("/docker/1") && !hidden.contains("debug"), "{hidden}");
    }

    #[test]
    fn a_name_is_text_and_nothing_else() {
        let page = html(&report([container("<script>alert('x')</script>")]), true, &[], true);
        assert!(!page.contains("<script"));
        assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)") && page.contains("a&amp;b"));
        assert!(page.contains("1 containers found, 1 named"));
    }
}
