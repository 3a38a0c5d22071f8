//! What is pushed where, from flags, environment and file.

mod endpoint;
mod fault;
mod file;
mod files;
mod otel;
mod proxy;
mod receiver;
mod url;

pub(super) use fault::Fault;

use crate::{
    advice::{self, Doubt},
    cli::{Config, FROM_ENVIRONMENT, OtlpNames},
    files::is_for_all,
    push::{self, Otlp, Protocol, Secret, Spool, Target, Version},
    sample::is_name_of_container,
};
use file::File;
use otel::Otel;
use std::collections::{BTreeMap, BTreeSet};
use url::Address;

/// How much may wait in memory, for each receiver.
const MEMORY_BYTES: u64 = 32 << 20;
/// How many bytes the names and values of all external labels may have. They are in each series of each
/// request.
const LABEL_BYTES: usize = 8 << 10;
/// How many receivers there can be.
const MAX_TARGETS: usize = 32;

/// An environment variable by its name, if it is set and not empty.
pub(super) type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Reads what is pushed where. Nothing is opened for long, and nothing is connected to. The result is `None`
/// if nothing is pushed.
///
/// `host` is this host's name.
///
/// # Errors
/// [`Fault`]
pub(super) fn read(
    config: &Config,
    variables: Variables<'_>,
    host: &str,
) -> Result<(Option<push::Config>, Vec<Doubt>), Fault> {
    let flags = &config.push;
    let mut doubts = Vec::new();
    let mut targets = flag_targets(config, variables, &mut doubts)?;
    let mut external = BTreeMap::new();
    if let Some(path) = &flags.push_config {
        let origin = config.origin_of("push_config");
        let otlp = otlp(config, variables, true)?;
        let file = file::read(path, variables, &otlp)
            .map_err(|(problem, about)| Fault::of_file(format!("{origin}: {problem}"), about))?;
        let File { external_labels, targets: of_file, no_effect } = file;
        let has_secret = of_file.iter().any(|target| target.endpoint.has_secret_of_its_own());
        if has_secret && is_for_all(path) {
            doubts.push(Doubt::SecretForAll(path.clone()));
        }
        targets.extend(of_file);
        external.extend(external_labels.into_iter().filter(|(_, value)| !value.is_empty()));
        if !no_effect.is_empty() {
            let keys = no_effect.into_iter().map(str::to_owned).collect();
            doubts.push(Doubt::KeysWithoutEffect { file: path.clone(), keys });
        }
    }
    external.extend(flag_labels(config)?);
    if targets.is_empty() {
        let idle =
            ["push_config", "push_interval", "push_label", "push_spool", "push_spool_bytes", "otlp_names"];
        let given: Vec<_> = idle
            .into_iter()
            .filter(|flag| config.is_given(flag))
            .map(|flag| config.origin_of(flag))
            .collect();
        if !given.is_empty() {
            doubts.push(Doubt::NothingToPushTo(given));
        }
        return Ok((None, doubts));
    }
    check_targets(&targets)?;
    if flags.push_spool.is_none() && config.is_given("push_spool_bytes") {
        doubts.push(Doubt::SpoolBytesWithoutSpool(config.origin_of("push_spool_bytes")));
    }
    external.entry("job".to_owned()).or_insert_with(|| receiver::JOB.to_owned());
    if !external.contains_key("instance") {
        if is_name_of_container(host) {
            doubts.push(Doubt::InstanceOfContainer(host.to_owned()));
        }
        external.insert("instance".to_owned(), host.to_owned());
    }
    check_size(&external)?;
    doubts.extend(readable_by_all(&targets));
    let spool = flags.push_spool.clone();
    let config = push::Config {
        interval: flags.push_interval,
        external_labels: external.into_iter().collect(),
        spool: spool.map(|directory| Spool { directory, bytes: flags.push_spool_bytes }),
        memory_bytes: MEMORY_BYTES,
        targets,
    };
    Ok((Some(config), doubts))
}

/// The receivers that flags or their variables name.
fn flag_targets(
    config: &Config,
    variables: Variables<'_>,
    doubts: &mut Vec<Doubt>,
) -> Result<Vec<Target>, Fault> {
    let flags = &config.push;
    let mut targets = Vec::new();
    for text in flags.remote_write.iter().flat_map(|text| url::split(text)) {
        let address = flag_address(config, "remote_write", text, doubts)?;
        if address.is_bare() {
            let origin = config.origin_of("remote_write");
            doubts.push(Doubt::RemoteWriteWithoutPath { origin, url: address.name() });
        }
        targets.push(receiver::plain(address, Protocol::RemoteWrite(Version::Negotiated), receiver::TIMEOUT));
    }
    let of_otlp: Vec<_> = flags.otlp.iter().flat_map(|text| url::split(text)).collect();
    if !of_otlp.is_empty() {
        let Otel { headers, timeout, gzip, ca, identity } = Otel::read(variables)?;
        let protocol = Protocol::Otlp(otlp(config, variables, gzip)?);
        for text in of_otlp {
            let address = if text == FROM_ENVIRONMENT {
                let (name, text) = otel::endpoint(variables)?.ok_or_else(|| {
                    let problem = "no URL, and OTEL_EXPORTER_OTLP_ENDPOINT is not set";
                    Fault::of_url("otlp", format!("{}: {problem}", config.origin_of("otlp")))
                })?;
                Address::parse(&text).map_err(|error| Fault::of_environment(format!("{name}: {error}")))?
            } else {
                flag_address(config, "otlp", text, doubts)?.or_path(receiver::OTLP_PATH)
            };
            let has_header = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
            if address.basic.is_some() && has_header {
                let problem = "a user in the URL, and Authorization in OTEL_EXPORTER_OTLP_HEADERS";
                return Err(Fault::of_url("otlp", format!("{}: {problem}", config.origin_of("otlp"))));
            }
            let mut target = receiver::plain(address, protocol.clone(), timeout);
            target.endpoint.headers.clone_from(&headers);
            target.endpoint.tls.ca.clone_from(&ca);
            target.endpoint.tls.identity.clone_from(&identity);
            targets.push(target);
        }
    }
    for text in flags.pushgateway.iter().flat_map(|text| url::split(text)) {
        let address = flag_address(config, "pushgateway", text, doubts)?;
        receiver::check_pushgateway(&address).map_err(|problem| {
            Fault::of_url("pushgateway", format!("{}: {problem}", config.origin_of("pushgateway")))
        })?;
        targets.push(receiver::plain(address, Protocol::Pushgateway, receiver::TIMEOUT));
    }
    Ok(targets)
}

fn flag_address(config: &Config, flag: &str, text: &str, doubts: &mut Vec<Doubt>) -> Result<Address, Fault> {
    let origin = config.origin_of(flag);
    let address = Address::parse(text).map_err(|error| Fault::of_url(flag, format!("{origin}: {error}")))?;
    let has_password = matches!(&address.basic, Some((_, Secret::Text(password))) if !password.is_empty());
    if has_password && origin.starts_with("--") {
        doubts.push(Doubt::PasswordInArguments(origin));
    }
    Ok(address)
}

fn otlp(config: &Config, variables: Variables<'_>, gzip: bool) -> Result<Otlp, Fault> {
    let semantic_names = config.push.otlp_names == OtlpNames::Semconv;
    Ok(Otlp { semantic_names, gzip, resource_attributes: otel::resource_attributes(variables)? })
}

fn flag_labels(config: &Config) -> Result<BTreeMap<String, String>, Fault> {
    let origin = config.origin_of("push_label");
    let wrong = |problem: String| Fault::of_label(format!("{origin}: {problem}"));
    let mut labels = BTreeMap::new();
    for text in &config.push.push_label {
        let pair = text.split_once('=').filter(|(_, value)| !value.is_empty());
        let (name, value) =
            pair.ok_or_else(|| wrong(format!("expected NAME=VALUE, found \"{}\"", advice::shown(text))))?;
        receiver::check_label(name).map_err(wrong)?;
        if labels.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(wrong(format!("{} is there twice", advice::shown(name))));
        }
    }
    Ok(labels)
}

/// Checks that labels leave room for numbers: a request is in memory as a whole, and so are those that wait.
fn check_size(labels: &BTreeMap<String, String>) -> Result<(), Fault> {
    let bytes: usize = labels.iter().map(|(name, value)| name.len() + value.len()).sum();
    let problem = || format!("external labels: expected {LABEL_BYTES} bytes at most in all, found {bytes}");
    (bytes <= LABEL_BYTES).then_some(()).ok_or_else(|| Fault::of_label(problem()))
}

/// The files with secrets that every user of the host can read, each once.
fn readable_by_all(targets: &[Target]) -> Vec<Doubt> {
    let files: BTreeSet<_> = targets.iter().flat_map(|target| target.endpoint.secret_files()).collect();
    files.into_iter().filter(|path| is_for_all(path)).map(Doubt::SecretForAll).collect()
}

/// Checks what only all receivers together show.
fn check_targets(targets: &[Target]) -> Result<(), Fault> {
    if targets.len() > MAX_TARGETS {
        let problem = format!("expected {MAX_TARGETS} receivers at most, found {}", targets.len());
        return Err(Fault { problem, hint: advice::usage() });
    }
    let mut names: Vec<_> = targets.iter().map(|target| target.name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair.first() == pair.last()).and_then(<[_]>::first) {
        None => Ok(()),
        Some(name) => {
            Err(Fault { problem: format!("two receivers are named \"{name}\""), hint: advice::push::names() })
        }
    }
}

#[cfg(test)]
mod tests;
