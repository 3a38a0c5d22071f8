//! `--push_config`: the words of prometheus.yml.

use super::{
    endpoint::{self, Reader},
    files, otel, receiver,
    url::Address,
};
use crate::{
    push::{Endpoint, Otlp, Protocol, Rule, Target, Version, relabel::Draft},
    yaml::{About, Keys, Mistake, Node, Section},
};
use std::{collections::BTreeSet, path::Path, time::Duration};

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) external_labels: Vec<(String, String)>,
    pub(super) targets: Vec<Target>,
    /// Keys that are Prometheus' and have no effect here.
    pub(super) no_effect: BTreeSet<&'static str>,
}

/// A list of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    RemoteWrite,
    Otlp,
    Pushgateway,
}

macro_rules! receiver {
    ($name:literal, [$($own:literal),*], [$($idle:literal),*], [$($missing:literal),*]) => {
        Keys {
            name: $name,
            known: &[
                "url", "name", "remote_timeout", "headers", "http_headers", "basic_auth", "authorization",
                "bearer_token", "bearer_token_file", "tls_config", "proxy_url", "no_proxy",
                "proxy_from_environment", "follow_redirects", "queue_config", $($own),*
            ],
            no_effect: &["enable_http2", $($idle),*],
            not_supported: &[
                "sigv4", "oauth2", "azuread", "google_iam", "proxy_connect_header", $($missing),*
            ],
        }
    };
}

const TOP: Keys = Keys {
    name: "the file",
    known: &["remote_write", "otlp", "pushgateway", "external_labels", "global"],
    no_effect: &[],
    not_supported: &[],
};

const GLOBAL: Keys = Keys {
    name: "global",
    known: &["external_labels"],
    no_effect: &[
        "scrape_interval",
        "scrape_timeout",
        "scrape_protocols",
        "scrape_native_histograms",
        "evaluation_interval",
        "rule_query_offset",
        "query_log_file",
        "scrape_failure_log_file",
        "body_size_limit",
        "sample_limit",
        "label_limit",
        "label_name_length_limit",
        "label_value_length_limit",
        "target_limit",
        "keep_dropped_targets",
        "metric_name_validation_scheme",
        "metric_name_escaping_scheme",
    ],
    not_supported: &[],
};

const REMOTE_WRITE: Keys = receiver!(
    "remote_write",
    ["protobuf_message", "write_relabel_configs"],
    ["send_exemplars", "send_native_histograms", "metadata_config", "round_robin_dns"],
    []
);
const OTLP: Keys = receiver!("otlp", ["names", "compression"], [], ["write_relabel_configs"]);
const PUSHGATEWAY: Keys = receiver!("pushgateway", [], [], ["write_relabel_configs"]);

const RULE: Keys = Keys {
    name: "write_relabel_configs",
    known: &["source_labels", "separator", "regex", "target_label", "replacement", "action", "modulus"],
    no_effect: &[],
    not_supported: &[],
};

/// The longest time that a request may take.
const MAX_TIMEOUT: Duration = Duration::from_secs(600);

impl List {
    fn keys(self) -> &'static Keys {
        match self {
            Self::RemoteWrite => &REMOTE_WRITE,
            Self::Otlp => &OTLP,
            Self::Pushgateway => &PUSHGATEWAY,
        }
    }
}

/// Reads a file. `variables` has the environment, for proxies and for `${NAME}` in external labels. `otlp` is
/// what receivers of OTLP get whose keys say nothing else.
///
/// # Errors
/// What is wrong, with the file and the line, and what it has to do with.
pub(super) fn read(
    path: &Path,
    variables: &dyn Fn(&str) -> Option<String>,
    otlp: &Otlp,
) -> Result<File, (String, About)> {
    let text = files::read(path).map_err(|problem| (problem, About::File))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let reader = Reader { folder, variables };
    let read = Node::read(&text).and_then(|root| file(&root, &reader, otlp));
    read.map_err(|Mistake { line, problem, about }| (format!("{}:{line}: {problem}", path.display()), about))
}

fn file(root: &Node, reader: &Reader<'_>, otlp: &Otlp) -> Result<File, Mistake> {
    let top = root.section(&TOP)?;
    let mut file = File::default();
    let global = top.get("global").map(|node| node.section(&GLOBAL)).transpose()?;
    if let Some(global) = &global {
        file.no_effect.extend(global.without_effect());
    }
    let of_global = global.as_ref().and_then(|global| global.get("external_labels"));
    let labels = match (top.get("external_labels"), of_global) {
        (Some(labels), Some(_)) => {
            let problem = "expected external_labels either in global or beside it, found both";
            return Err(Mistake::new(labels.line, problem));
        }
        (labels, others) => labels.or(others),
    };
    if let Some(labels) = labels {
        for (name, value) in labels.pairs("external_labels")? {
            receiver::check_label(name)
                .map_err(|problem| Mistake::new(value.line, format!("external_labels: {problem}")))?;
            file.external_labels.push((name.to_owned(), expanded(value.text(name)?, reader.variables)));
        }
    }
    for list in [List::RemoteWrite, List::Otlp, List::Pushgateway] {
        let Some(node) = top.get(list.keys().name) else { continue };
        for receiver in node.list(list.keys().name)? {
            let section = receiver.section(list.keys())?;
            file.no_effect.extend(section.without_effect());
            let target = target(list, &section, reader, otlp, &mut file.no_effect)?;
            file.targets.push(target);
        }
    }
    Ok(file)
}

fn target(
    list: List,
    section: &Section<'_>,
    reader: &Reader<'_>,
    otlp: &Otlp,
    no_effect: &mut BTreeSet<&'static str>,
) -> Result<Target, Mistake> {
    let at = |key: &str| section.get(key).map_or(section.line, |node| node.line);
    let url = section
        .text("url")?
        .ok_or_else(|| Mistake::new(section.line, format!("{}: url is missing", list.keys().name)))?;
    let wrong_url = |problem: &dyn std::fmt::Display| Mistake::new(at("url"), format!("url: {problem}"));
    let mut address = Address::parse(url).map_err(|error| wrong_url(&error))?;
    let (protocol, timeout) = match list {
        List::RemoteWrite => {
            let version = |text: &str| match text {
                "prometheus.WriteRequest" => Some(Version::V1),
                "io.prometheus.write.v2.Request" => Some(Version::V2),
                _ => None,
            };
            let expected = "prometheus.WriteRequest or io.prometheus.write.v2.Request";
            let version = section.of("protobuf_message", expected, version)?;
            (Protocol::RemoteWrite(version.unwrap_or(Version::Negotiated)), receiver::TIMEOUT)
        }
        List::Otlp => {
            let names = |text: &str| match text {
                "semconv" => Some(true),
                "prometheus" => Some(false),
                _ => None,
            };
            let compression = |text: &str| match text {
                "gzip" => Some(true),
                "none" => Some(false),
                _ => None,
            };
            let mut otlp = otlp.clone();
            let names = section.of("names", "semconv or prometheus", names)?;
            otlp.semantic_names = names.unwrap_or(otlp.semantic_names);
            otlp.gzip = section.of("compression", "gzip or none", compression)?.unwrap_or(true);
            address = address.or_path(receiver::OTLP_PATH);
            (Protocol::Otlp(otlp), otel::TIMEOUT)
        }
        List::Pushgateway => {
            receiver::check_pushgateway(&address).map_err(|problem| wrong_url(&problem))?;
            (Protocol::Pushgateway, receiver::TIMEOUT)
        }
    };
    let timeout = match section.duration("remote_timeout")? {
        None => timeout,
        Some(timeout) if !timeout.is_zero() && timeout <= MAX_TIMEOUT => timeout,
        Some(_) => {
            let problem = "remote_timeout: expected more than 0, and 10m at most";
            return Err(Mistake::new(at("remote_timeout"), problem));
        }
    };
    let (queue, idle) = endpoint::queue(section.get("queue_config"))?;
    no_effect.extend(idle);
    let headers = reader.headers(section)?;
    let authorization = reader.authorization(section, &address)?;
    if authorization.is_some() && headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization")) {
        let problem = "expected either the header Authorization or another way to say it, found both";
        return Err(Mistake::new(section.line, problem));
    }
    let name = section.text("name")?.map_or_else(|| address.name(), str::to_owned);
    receiver::check_name(&name).map_err(|problem| Mistake::new(at("name"), problem))?;
    Ok(Target {
        name,
        protocol,
        relabel: rules(section)?,
        queue,
        endpoint: Endpoint {
            timeout,
            headers,
            authorization,
            tls: reader.tls(section)?,
            proxy: reader.proxy(section, &address)?,
            follow_redirects: section.flag("follow_redirects")?.unwrap_or(true),
            url: address.url,
        },
    })
}

fn rules(section: &Section<'_>) -> Result<Vec<Rule>, Mistake> {
    let Some(node) = section.get("write_relabel_configs") else { return Ok(Vec::new()) };
    let rule = |node: &Node| {
        let section = node.section(&RULE)?;
        let text = |key: &str| Ok(section.any_text(key)?.map(str::to_owned));
        let labels = section.get("source_labels").map(|node| {
            let labels = node.list("source_labels")?.iter();
            labels.map(|label| label.text("source_labels").map(str::to_owned)).collect::<Result<Vec<_>, _>>()
        });
        let draft = Draft {
            action: text("action")?,
            source_labels: labels.transpose()?,
            separator: text("separator")?,
            regex: text("regex")?,
            target_label: text("target_label")?,
            replacement: text("replacement")?,
            modulus: section.of("modulus", "a number", |text| text.parse().ok())?,
        };
        Rule::new(draft).map_err(|error| Mistake::new(node.line, format!("write_relabel_configs: {error}")))
    };
    node.list("write_relabel_configs")?.iter().map(rule).collect()
}

/// A text with the environment's values for `${NAME}` and `$NAME`, and `$` for `$$`, as Prometheus does in
/// external labels.
fn expanded(text: &str, variables: &dyn Fn(&str) -> Option<String>) -> String {
    let mut found = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        found.push_str(before);
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (name, after) = if let Some(after) = after.strip_prefix('$') {
            found.push('$');
            ("", after)
        } else if let Some((name, after)) = after.strip_prefix('{').and_then(|inside| inside.split_once('}'))
        {
            (name, after)
        } else {
            after.split_at(after.find(|c| !is_of_name(c)).unwrap_or(after.len()))
        };
        if !name.is_empty() {
            found.push_str(&variables(name).unwrap_or_default());
        }
        rest = after;
    }
    found.push_str(rest);
    found
}

#[cfg(test)]
mod tests;
