//! What flags, environment and file make together.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use crate::push::Authorization;
use std::{ffi::OsString, fs, path::Path, time::Duration};

type List<'a> = &'a [(&'a str, &'a str)];

fn read_with(arguments: &[&str], list: List<'_>) -> Result<(Option<push::Config>, Vec<Doubt>), Fault> {
    let arguments = std::iter::once("docker-stat-prom").chain(arguments.iter().copied());
    let config = Config::read(arguments.map(OsString::from)).unwrap();
    let variables =
        |name: &str| list.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    read(&config, &variables, "web-1")
}

fn config(arguments: &[&str]) -> push::Config {
    read_with(arguments, &[]).unwrap().0.unwrap()
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn nothing_is_pushed_unless_the_user_says_so() {
    assert!(read_with(&[], &[]).unwrap().0.is_none());
    // OpenTelemetry's variables are often set for all programs of a host.
    let endpoint = &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318")][..];
    assert!(read_with(&[], endpoint).unwrap().0.is_none());
    for arguments in [&["--otlp"][..], &["--otlp", "env"], &["--otlp", "-v"]] {
        let config = read_with(arguments, endpoint).unwrap().0.unwrap();
        assert_eq!(config.targets[0].endpoint.url, "http://c:4318/v1/metrics");
    }
}

#[test]
fn flags_have_the_defaults_of_prometheus() {
    let config = config(&["--remote_write", "http://p:9090/api/v1/write"]);
    assert_eq!(config.interval, Duration::from_secs(15));
    assert_eq!(config.external_labels, pairs(&[("instance", "web-1"), ("job", "docker-stat-prom")]));
    assert_eq!((config.spool, config.memory_bytes), (None, 32 << 20));
    let [target] = config.targets.as_slice() else { panic!("{:?}", config.targets) };
    assert_eq!(target.name, "http://p:9090/api/v1/write");
    assert_eq!(target.protocol, Protocol::RemoteWrite(Version::Negotiated));
    assert_eq!(target.endpoint.timeout, Duration::from_secs(30));
    assert!(target.endpoint.follow_redirects && target.endpoint.authorization.is_none());
    assert_eq!(target.queue, push::Queue::default());
}

#[test]
fn each_flag_can_be_there_several_times() {
    let config = config(&[
        "--remote_write",
        "http://a/w",
        "--remote_write",
        "http://b/w,http://c/w",
        "--otlp",
        "http://d",
        "--pushgateway",
        "http://e",
        "--push_label",
        "a=1,b=2=3",
        "--push_label",
        "instance=x",
        "--push_interval",
        "1m",
        "--push_spool",
        "/s",
        "--push_spool_bytes",
        "1GB",
        "--otlp_names",
        "prometheus",
    ]);
    let urls: Vec<_> = config.targets.iter().map(|target| target.endpoint.url.to_string()).collect();
    assert_eq!(urls, ["http://a/w", "http://b/w", "http://c/w", "http://d/v1/metrics", "http://e/"]);
    let labels = pairs(&[("a", "1"), ("b", "2=3"), ("instance", "x"), ("job", "docker-stat-prom")]);
    assert_eq!(config.external_labels, labels);
    assert_eq!(config.interval, Duration::from_secs(60));
    assert_eq!(config.spool, Some(Spool { directory: "/s".into(), bytes: 1_000_000_000 }));
    assert!(matches!(&config.targets[3].protocol, Protocol::Otlp(otlp) if !otlp.semantic_names && otlp.gzip));
}

#[test]
fn what_opentelemetrys_variables_say_is_kept() {
    let list = &[
        ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Basic%20aGk%3D"),
        ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "3000"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "none"),
        ("OTEL_SERVICE_NAME", "s"),
    ];
    let config = read_with(&["--otlp", "https://o/x"], list).unwrap().0.unwrap();
    let target = &config.targets[0];
    assert_eq!(target.endpoint.url, "https://o/x");
    let value = Secret::Text("Basic aGk=".to_owned());
    assert_eq!(target.endpoint.headers, [("Authorization".to_owned(), value)]);
    assert_eq!(target.endpoint.timeout, Duration::from_secs(3));
    let Protocol::Otlp(otlp) = &target.protocol else { panic!("{target:?}") };
    assert!(!otlp.gzip && otlp.semantic_names);
    assert_eq!(otlp.resource_attributes, pairs(&[("service.name", "s")]));
}

#[test]
fn labels_of_flags_win_over_those_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("push.yml");
    let text =
        "external_labels: {instance: f, zone: f, none: \"\", a: f}\nremote_write: [{url: \"http://f/w\"}]\n";
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    let config = config(&["--push_config", path, "--push_label", "a=1", "--remote_write", "http://g/w"]);
    let labels = pairs(&[("a", "1"), ("instance", "f"), ("job", "docker-stat-prom"), ("zone", "f")]);
    assert_eq!(config.external_labels, labels);
    let names: Vec<_> = config.targets.iter().map(|target| target.name.as_str()).collect();
    assert_eq!(names, ["http://g/w", "http://f/w"]);
}

#[test]
fn a_password_in_a_url_is_neither_in_the_name_nor_in_what_is_said() {
    let (config, doubts) = read_with(&["--remote_write", "http://u:hunter2@h/w?token=hunter2"], &[]).unwrap();
    let config = config.unwrap();
    assert_eq!(config.targets[0].name, "http://h/w");
    assert!(matches!(&config.targets[0].endpoint.authorization, Some(Authorization::Basic { .. })));
    assert_eq!(doubts, [Doubt::PasswordInArguments("--remote_write".to_owned())]);
    assert!(!doubts[0].to_string().contains("hunter2"));
}

#[test]
fn the_hint_after_a_wrong_url_is_about_that_flag() {
    for (flag, url, hint) in [
        ("--remote_write", "h:9090", "/api/v1/write"),
        ("--otlp", "grpc://h:4317", "is not supported; see"),
        ("--pushgateway", "ftp://h", "http://pushgateway:9091"),
    ] {
        let fault = read_with(&[flag, url], &[]).map(|_| flag).unwrap_err();
        assert!(fault.hint.contains(hint) && fault.problem.contains(url), "{fault:?}");
    }
}

#[test]
fn the_hint_after_a_wrong_file_is_about_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("push.yml");
    let hint = |text: &str| {
        fs::write(&path, text).unwrap();
        read_with(&["--push_config", path.to_str().unwrap()], &[]).map(|_| ()).unwrap_err().hint
    };
    let receiver = |keys: &str| hint(&format!("remote_write:\n- url: http://h/w\n  {keys}\n"));
    assert_eq!(receiver("pasword: x"), advice::push::config());
    assert_eq!(receiver("basic_auth: x"), advice::push::config());
    assert_eq!(receiver("bearer_token_file: none"), advice::push::file());
    assert_eq!(receiver("tls_config: {ca_file: none}"), advice::push::file());
    assert_eq!(hint("remote_write: ["), advice::push::yaml());
    fs::remove_file(&path).unwrap();
    let missing = read_with(&["--push_config", path.to_str().unwrap()], &[]).map(|_| ()).unwrap_err();
    assert_eq!(missing.hint, advice::push::file());
}

#[test]
fn a_secret_that_everybody_can_read_is_doubted_once() {
    let folder = tempfile::tempdir().unwrap();
    let (path, token) = (folder.path().join("push.yml"), folder.path().join("token"));
    fs::write(&token, "x").unwrap();
    let doubts = |receiver: &str, modes: [u32; 2]| {
        fs::write(&path, format!("remote_write: [{{url: \"http://f/w\", {receiver}}}]\n")).unwrap();
        for (file, mode) in [&path, &token].into_iter().zip(modes) {
            fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        }
        read_with(&["--push_config", path.to_str().unwrap()], &[]).unwrap().1
    };
    let twice = "basic_auth: {username_file: token, password_file: token}";
    assert_eq!(doubts(twice, [0o644, 0o644]), [Doubt::SecretForAll(token.clone())]);
    assert_eq!(doubts(twice, [0o644, 0o640]), []);
    let inside = "authorization: {credentials: x}";
    assert_eq!(doubts(inside, [0o644, 0o640]), [Doubt::SecretForAll(path.clone())]);
    assert_eq!(doubts(inside, [0o600, 0o640]), []);
    assert_eq!(doubts("headers: {X-Scope-OrgID: a}", [0o644, 0o640]), []);
}

#[test]
fn what_is_wrong_is_told_in_one_line_with_its_flag() {
    let expected = "expected http://HOST:PORT/PATH or https://HOST:PORT/PATH, found";
    let long = format!("a={}", "x".repeat(10_000));
    for (arguments, list, problem) in [
        (&["--remote_write", "h:9090"][..], &[][..], format!("--remote_write: {expected} \"h:9090\"")),
        (
            &["--remote_write", "http://u:hunter2@"],
            &[],
            format!("--remote_write: {expected} \"http://***@\""),
        ),
        (&["--otlp", "grpc://h:4317"], &[], format!("--otlp: {expected} \"grpc://h:4317\"")),
        (&["--otlp"], &[], "--otlp: no URL, and OTEL_EXPORTER_OTLP_ENDPOINT is not set".to_owned()),
        (
            &["--otlp"],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "c:4318")],
            format!("OTEL_EXPORTER_OTLP_ENDPOINT: {expected} \"c:4318/v1/metrics\""),
        ),
        (
            &["--otlp"],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
            "OTEL_EXPORTER_OTLP_PROTOCOL: expected http/protobuf, found \"grpc\"".to_owned(),
        ),
        (
            &["--otlp", "http://u:hunter2@h"],
            &[("OTEL_EXPORTER_OTLP_HEADERS", "authorization=hunter2")],
            "--otlp: a user in the URL, and Authorization in OTEL_EXPORTER_OTLP_HEADERS".to_owned(),
        ),
        (
            &["--pushgateway", "http://h/metrics/job/x"],
            &[],
            "--pushgateway: expected the Pushgateway's own URL, without /metrics and what follows, found \
             \"http://h/metrics/job/x\""
                .to_owned(),
        ),
        (&["--push_label", "a"], &[], "--push_label: expected NAME=VALUE, found \"a\"".to_owned()),
        (&["--push_label", "a="], &[], "--push_label: expected NAME=VALUE, found \"a=\"".to_owned()),
        (&["--push_label", "a=1,a=2"], &[], "--push_label: a is there twice".to_owned()),
        (
            &["--push_label", &long, "--remote_write", "http://h/w"],
            &[],
            "external labels: expected 8192 bytes at most in all, found 10033".to_owned(),
        ),
        (
            &["--push_label", "a.b=1"],
            &[],
            "--push_label: \"a.b\" can't be a label's name: expected letters, digits and _, not __name__"
                .to_owned(),
        ),
        (
            &["--remote_write", "http://h/w http://h/w?x=1"],
            &[],
            "two receivers are named \"http://h/w\"".to_owned(),
        ),
        (
            &["--push_config", "/nonexistent"],
            &[],
            "--push_config: /nonexistent: No such file or directory".to_owned(),
        ),
    ] {
        let fault = read_with(arguments, list).map(|_| arguments).unwrap_err();
        assert_eq!(fault.problem, problem, "{arguments:?}");
        assert!(!fault.hint.is_empty() && !fault.problem.contains("hunter2"));
    }
    let many: Vec<_> =
        (0..33).flat_map(|n| ["--remote_write".to_owned(), format!("http://h{n}/w")]).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let fault = read_with(&many, &[]).map(|_| ()).unwrap_err();
    assert_eq!(fault.problem, "expected 32 receivers at most, found 33");
}

#[test]
fn what_has_no_effect_is_doubted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("push.yml");
    fs::write(&path, "remote_write: [{url: \"http://f/w\", send_exemplars: true}]\n").unwrap();
    let file = path.to_str().unwrap();
    let doubts = |arguments: &[&str]| read_with(arguments, &[]).unwrap().1;
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        doubts(&["--push_interval", "1m", "--push_label", "a=1"]),
        [Doubt::NothingToPushTo(texts(&["--push_interval", "--push_label"]))]
    );
    assert_eq!(
        doubts(&["--push_config", file]),
        [Doubt::KeysWithoutEffect { file: path.clone(), keys: texts(&["send_exemplars"]) }]
    );
    assert_eq!(
        doubts(&["--remote_write", "http://h/w", "--push_spool_bytes", "1GB"]),
        [Doubt::SpoolBytesWithoutSpool("--push_spool_bytes".to_owned())]
    );
    assert_eq!(
        doubts(&["--remote_write", "http://h:9090"]),
        [Doubt::RemoteWriteWithoutPath {
            origin: "--remote_write".to_owned(),
            url: "http://h:9090".to_owned()
        }]
    );
    assert_eq!(doubts(&["--remote_write", "http://h/w"]), []);
    assert!(Path::new(file).exists());
}
