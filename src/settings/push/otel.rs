//! OpenTelemetry's environment variables.

use super::{endpoint::header, fault::Fault, files};
use crate::push::{Pem, Secret, percent_decoded};
use std::{path::PathBuf, time::Duration};

/// What OpenTelemetry's variables say of a receiver, its URL apart.
#[derive(Debug, Clone)]
pub(super) struct Otel {
    pub(super) headers: Vec<(String, Secret)>,
    pub(super) timeout: Duration,
    pub(super) gzip: bool,
    pub(super) ca: Option<Pem>,
    pub(super) identity: Option<(Pem, Pem)>,
}

/// As the specification has it.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);
const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
const SERVICE: &str = "service.name";

type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The value of a variable for metrics, else of that for all signals, with its name.
fn of_metrics(variables: Variables<'_>, rest: &str) -> Option<(String, String)> {
    ["OTEL_EXPORTER_OTLP_METRICS_", "OTEL_EXPORTER_OTLP_"].into_iter().find_map(|begin| {
        let name = format!("{begin}{rest}");
        let value = variables(&name)?;
        Some((name, value))
    })
}

fn fault(name: &str, problem: &str) -> Fault {
    Fault::of_environment(format!("{name}: {problem}"))
}

impl Otel {
    pub(super) fn read(variables: Variables<'_>) -> Result<Self, Fault> {
        let headers = match of_metrics(variables, "HEADERS") {
            None => Vec::new(),
            // The values are usually secret, so that nothing of the text is shown.
            Some((name, text)) => pairs(&text)
                .ok_or_else(|| fault(&name, "expected NAME=VALUE, percent-encoded, separated by commas"))?
                .into_iter()
                .map(|(named, value)| {
                    header(&named, Secret::Text(value)).map_err(|problem| fault(&name, &problem))
                })
                .collect::<Result<_, _>>()?,
        };
        let timeout = match of_metrics(variables, "TIMEOUT") {
            None => TIMEOUT,
            Some((name, text)) => {
                let milliseconds = text.trim().parse().ok().filter(|ms| (1..=86_400_000).contains(ms));
                let wrong = || fault(&name, &format!("expected milliseconds from 1, found \"{text}\""));
                Duration::from_millis(milliseconds.ok_or_else(wrong)?)
            }
        };
        let gzip = match of_metrics(variables, "COMPRESSION") {
            None => true,
            Some((name, text)) => match text.trim() {
                "gzip" => true,
                "none" => false,
                _ => return Err(fault(&name, &format!("expected gzip or none, found \"{text}\""))),
            },
        };
        let file = |rest: &str| {
            let Some((name, path)) = of_metrics(variables, rest) else { return Ok(None) };
            let path = PathBuf::from(path);
            files::check(&path).map_err(|problem| fault(&name, &problem))?;
            Ok(Some(Pem::File(path)))
        };
        let ca = file("CERTIFICATE")?;
        let identity = match (file("CLIENT_CERTIFICATE")?, file("CLIENT_KEY")?) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => {
                return Err(fault("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "the key is missing"));
            }
            (None, Some(_)) => {
                return Err(fault("OTEL_EXPORTER_OTLP_CLIENT_KEY", "the certificate is missing"));
            }
        };
        Ok(Self { headers, timeout, gzip, ca, identity })
    }
}

/// The URL that `--otlp` without one means, with the variable that it comes from. `None` if there is none.
pub(super) fn endpoint(variables: Variables<'_>) -> Result<Option<(String, String)>, Fault> {
    let Some((name, text)) = of_metrics(variables, "ENDPOINT") else { return Ok(None) };
    let protocol = of_metrics(variables, "PROTOCOL");
    if let Some((name, protocol)) = protocol.filter(|(_, protocol)| protocol.trim() != "http/protobuf") {
        return Err(fault(&name, &format!("expected http/protobuf, found \"{protocol}\"")));
    }
    let url = match name.contains("METRICS") {
        true => text.trim().to_owned(),
        false => format!("{}/v1/metrics", text.trim().trim_end_matches('/')),
    };
    Ok(Some((name, url)))
}

/// The attributes of every resource. Without a `service.name` among them, it is the label `job`.
pub(super) fn resource_attributes(variables: Variables<'_>) -> Result<Vec<(String, String)>, Fault> {
    let mut attributes = match variables(ATTRIBUTES) {
        None => Vec::new(),
        Some(text) => pairs(&text)
            .ok_or_else(|| fault(ATTRIBUTES, "expected KEY=VALUE, percent-encoded, separated by commas"))?,
    };
    if let Some(name) = variables("OTEL_SERVICE_NAME") {
        attributes.retain(|(key, _)| key != SERVICE);
        attributes.push((SERVICE.to_owned(), name));
    }
    attributes.sort();
    Ok(attributes)
}

/// Reads `a=1,b=2`. The last of two with the same name counts.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let mut found: Vec<(String, String)> = Vec::new();
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=')?;
        let (name, value) = (percent_decoded(name.trim())?, percent_decoded(value.trim())?);
        if name.is_empty() {
            return None;
        }
        found.retain(|(known, _)| *known != name);
        found.push((name, value));
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(list: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
        |name| list.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn the_variable_for_metrics_wins_and_is_taken_as_it_is() {
        let url = |list| endpoint(&variables(list)).unwrap().unwrap().1;
        assert_eq!(url(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318")]), "http://c:4318/v1/metrics");
        assert_eq!(url(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/x/")]), "http://c:4318/x/v1/metrics");
        let both = &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c"),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://m/x"),
        ];
        assert_eq!(url(both), "http://m/x");
    }

    #[test]
    fn headers_and_attributes_are_percent_decoded() {
        let read = variables(&[
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b, x=1"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "none"),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=a%2Cb,service.name=x"),
            ("OTEL_SERVICE_NAME", "y"),
        ]);
        let otel = Otel::read(&read).unwrap();
        let header = |name: &str, value: &str| (name.to_owned(), Secret::Text(value.to_owned()));
        assert_eq!(otel.headers, [header("api-key", "a b"), header("x", "1")]);
        assert_eq!((otel.timeout, otel.gzip), (Duration::from_millis(2500), false));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            resource_attributes(&read).unwrap(),
            [pair("deployment.environment.name", "a,b"), pair("service.name", "y")]
        );
        assert_eq!(resource_attributes(&|_| None).unwrap(), []);
    }

    #[test]
    fn a_wrong_variable_is_named_and_no_secret_is_shown() {
        for (list, problem) in [
            (
                &[("OTEL_EXPORTER_OTLP_HEADERS", "hunter2")][..],
                "OTEL_EXPORTER_OTLP_HEADERS: expected NAME=VALUE, ",
            ),
            (
                &[("OTEL_EXPORTER_OTLP_HEADERS", "a b=hunter2")],
                "OTEL_EXPORTER_OTLP_HEADERS: expected a header's name, found",
            ),
            (
                &[("OTEL_EXPORTER_OTLP_HEADERS", "a=hunter2%0A")],
                "OTEL_EXPORTER_OTLP_HEADERS: the value of header \"a\" has",
            ),
            (
                &[("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "5s")],
                "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT: expected milliseconds from 1, found \"5s\"",
            ),
            (
                &[("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd")],
                "OTEL_EXPORTER_OTLP_COMPRESSION: expected gzip or none, found \"zstd\"",
            ),
            (
                &[("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nonexistent")],
                "OTEL_EXPORTER_OTLP_CERTIFICATE: /nonexistent: No such file",
            ),
        ] {
            let fault = Otel::read(&variables(list)).map(|_| list).unwrap_err();
            assert!(
                fault.problem.starts_with(problem) && !fault.problem.contains("hunter2"),
                "{}",
                fault.problem
            );
        }
        let grpc =
            &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317")];
        assert!(
            endpoint(&variables(grpc))
                .unwrap_err()
                .problem
                .starts_with("OTEL_EXPORTER_OTLP_PROTOCOL: expected http/protobuf, found \"grpc\"")
        );
        assert!(resource_attributes(&variables(&[("OTEL_RESOURCE_ATTRIBUTES", "x")])).is_err());
    }
}
