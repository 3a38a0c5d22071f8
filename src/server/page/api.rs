//! The JSON documents: `/api/v1/containers`, one container of it in detail, and `/debug/containers`. Their
//! keys are documented in README.md: none is renamed or removed without a new version.

use super::{
    compact::{self, object},
    snapshot::{Host, Row, Snapshot},
};
use crate::{
    advice::{Complaint, Hidden, Missing, NetworkCounters},
    collector::{ContainerHistory, ContainerReport, History, Quantity, Report, View, Visitor},
    encode::{Format, Text},
    parse::{ContainerId, memory_stat::Key},
    server::targets::TargetShown,
};
use serde_json::{Map, Value, json};

/// All containers.
pub(super) fn list(snapshot: &Snapshot) -> String {
    let containers: Vec<_> = snapshot.rows.iter().map(|row| container(row, &snapshot.host)).collect();
    json!({
        "version": compact::VERSION,
        "time": snapshot.now,
        "cpus": snapshot.host.cores,
        "memory_bytes": snapshot.host.memory,
        "memory_available_bytes": snapshot.host.available,
        "containers": containers,
    })
    .to_string()
}

fn container(row: &Row, host: &Host) -> Map<String, Value> {
    let (received, sent) = row.rates.network.unzip();
    let (read, written) = row.rates.block.unzip();
    let [cpu, memory, io] = row.pressure;
    // As in `--output json`: that of the host where there is none or it is larger.
    let limit = row.memory_max.and_then(|limit| limit.within(host.memory));
    object(json!({
        "id": row.id.as_str(),
        "name": row.name,
        "named": row.named,
        "image": row.image,
        "project": row.project,
        "service": row.service,
        "state": row.state,
        "exit_code": row.exit_code,
        "health": row.health,
        "live": row.live,
        "hidden": row.hidden,
        "started": row.started,
        "ended": row.ended,
        "cpu_ratio": row.rates.cpu_ratio,
        "cpu_limit_ratio": row.cpu_limit,
        "memory_current_bytes": row.memory,
        "memory_working_set_bytes": row.working_set,
        "memory_limit_bytes": limit,
        "network_receive_byteps": received,
        "network_transmit_byteps": sent,
        "blkio_receive_byteps": read,
        "blkio_transmit_byteps": written,
        "pids": row.pids,
        "restarts": row.restarts,
        "oom_kills": row.oom_kills,
        "cpu_pressure_ratio": cpu,
        "memory_pressure_ratio": memory,
        "io_pressure_ratio": io,
    }))
}

/// All that is known, also what only those who debug the host may see.
pub(super) fn debug(report: &Report, snapshot: &Snapshot, targets: &[TargetShown]) -> String {
    let containers = report.containers.iter().map(|reported| {
        let found = snapshot.rows.binary_search_by(|row| row.id.as_str().cmp(&reported.id));
        let row = found.ok().and_then(|at| snapshot.rows.get(at));
        let mut told = row.map(|row| container(row, &snapshot.host)).unwrap_or_default();
        told.extend(object(json!({
            "id": reported.id,
            "name": reported.name,
            "named": reported.named,
            "image": reported.image,
            "state": reported.state,
            "cgroup": reported.cgroup.as_str(),
            "live": reported.live,
            "pid": reported.pid,
            "network": reported.network.as_str(),
            "missing_files": reported.missing_files,
            "hidden": reported.hidden.map(Hidden::as_str),
        })));
        told
    });
    let target = |target: &TargetShown| {
        json!({
            "name": target.name,
            "protocol": target.protocol,
            "waiting_bytes": target.waiting_bytes,
            "lag_seconds": target.lag_seconds,
            "last_success": target.last_success,
            "last_error": target.last_error,
        })
    };
    json!({
        "version": compact::VERSION,
        "containers": containers.collect::<Vec<_>>(),
        "missing_flags": report.missing.map(Missing::flags),
        "push_targets": targets.iter().map(target).collect::<Vec<_>>(),
    })
    .to_string()
}

/// What one full pass has read, with more of one container.
#[derive(Debug)]
pub(super) struct Detail {
    id: ContainerId,
    pub(super) snapshot: Snapshot,
    /// Its memory by kind
    memory: Value,
    /// Its series, as a scrape gets them
    lines: Vec<u8>,
}

impl Detail {
    pub(super) fn of(id: ContainerId) -> Self {
        Self { id, snapshot: Snapshot::default(), memory: Value::Null, lines: Vec::new() }
    }

    /// The document; `None` if there is no such container.
    pub(super) fn document(self, report: &Report, history: &History, debug_pages: bool) -> Option<String> {
        let Self { id, mut snapshot, memory, lines } = self;
        snapshot.join(report);
        let kept = history.containers.binary_search_by(|kept| kept.id.cmp(&id)).ok();
        let kept = kept.and_then(|at| history.containers.get(at));
        let found = snapshot.rows.iter().find(|row| row.id == id).cloned();
        let row = found.or_else(|| kept.map(Row::of_history))?;
        let reported = report.containers.iter().find(|reported| reported.id == id.as_str());
        let of_debug = reported
            .filter(|_| debug_pages)
            .map(|reported| json!({ "cgroup": reported.cgroup.as_str(), "pid": reported.pid }));
        let events = history.events.iter().filter(|event| event.id == id).map(compact::event);
        let document = json!({
            "version": compact::VERSION,
            "time": snapshot.now,
            "container": container(&row, &snapshot.host),
            "debug": of_debug,
            "memory": memory,
            "missing": reported.map(missing).unwrap_or_default(),
            "series": series(&String::from_utf8_lossy(&lines)),
            "events": events.collect::<Vec<_>>(),
            "history": kept.map(|kept| quantities(history, kept)),
        });
        Some(document.to_string())
    }
}

impl Visitor for Detail {
    fn visit(&mut self, view: &View<'_>) {
        self.snapshot.visit(view);
        let Some(shown) = view.containers().find(|shown| shown.container.id == self.id) else { return };
        let mut text = Text::default();
        view.render_one(&self.id, Format::Text, &mut text);
        self.lines = text.as_bytes().to_vec();
        let stat = shown.container.sample.memory_stat.as_ref().filter(|_| shown.is_live);
        if let Some(stat) = stat {
            let kinds = Key::ALL.iter().filter(|key| key.is_bytes());
            self.memory =
                kinds.filter_map(|key| Some((key.name().to_owned(), json!(stat.get(*key)?)))).collect();
        }
    }
}

/// What is missing of a container, why, and what would bring it.
fn missing(reported: &ContainerReport) -> Vec<Value> {
    let what =
        |what: &str, why: &str, cure: Option<String>| json!({ "what": what, "why": why, "cure": cure });
    let mut missing = Vec::new();
    missing.extend(reported.hidden.map(|hidden| what("all numbers", hidden.as_str(), None)));
    let network = reported.network;
    if !matches!(network, NetworkCounters::Own | NetworkCounters::NotRunning | NetworkCounters::SetAside) {
        let cure = network.complaint().map(|complaint| complaint.to_string());
        missing.push(what("network counters", network.as_str(), cure));
    }
    for file in &reported.missing_files {
        let cure = match *file {
            "memory.current" => Some(Complaint::NoMemoryController),
            "cpu.pressure" => Some(Complaint::NoPressure),
            _ => None,
        };
        missing.push(what(file, "not offered by the kernel", cure.map(|cure| cure.to_string())));
    }
    missing
}

/// The series of a container on a page in the text format.
fn series(page: &str) -> Vec<Value> {
    let (mut help, mut kind) = ("", "");
    let mut found = Vec::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').map_or("", |(_, help)| help);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            kind = rest.split_once(' ').map_or("", |(_, kind)| kind);
        } else if let Some((series, value)) = line.rsplit_once(' ') {
            // What has no labels is the machine's.
            let Some((name, labels)) =
                series.split_once('{').filter(|(name, _)| name.starts_with("container_"))
            else {
                continue;
            };
            found.push(json!({
                "name": name, "type": kind, "help": help, "labels": format!("{{{labels}"), "value": value,
            }));
        }
    }
    found
}

/// The history of a container, by the name of each number.
fn quantities(history: &History, kept: &ContainerHistory) -> Value {
    let known = |value: f32| (!value.is_nan()).then_some(value);
    let quantities: Map<_, _> = Quantity::ALL
        .into_iter()
        .map(|quantity| {
            let of = |part: fn(crate::collector::Spread) -> f32| {
                json!(kept.steps(quantity).map(|step| known(part(step))).collect::<Vec<_>>())
            };
            let told = if quantity.is_polled() {
                json!({
                    "ticks": kept.ticks(quantity).map(known).collect::<Vec<_>>(),
                    "min": of(|step| step.min),
                    "mean": of(|step| step.mean),
                    "max": of(|step| step.max),
                })
            } else {
                json!({ "mean": of(|step| step.mean) })
            };
            (quantity.name().to_owned(), told)
        })
        .collect();
    json!({
        "ticks": history.ticks,
        "steps": history.steps,
        "step": history.step.as_secs_f64(),
        "quantities": quantities,
    })
}
