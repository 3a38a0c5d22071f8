//! What can be copied from prometheus.yml, and what is said of everything else.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use crate::push::{Authorization, Pem, Secret};
use std::fs;

/// A folder with a file of receivers and with the files that it names.
fn folder(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    for name in ["password", "token", "ca.pem", "cert.pem", "key.pem"] {
        fs::write(folder.path().join(name), "hunter2").unwrap();
    }
    let path = folder.path().join("push.yml");
    fs::write(&path, text).unwrap();
    (folder, path)
}

fn read_text(text: &str) -> Result<File, String> {
    let (folder, path) = folder(text);
    let variables = |name: &str| match name {
        "REGION" => Some("eu1".to_owned()),
        "HTTPS_PROXY" => Some("http://u:p@proxy:3128".to_owned()),
        _ => None,
    };
    let otlp = Otlp { semantic_names: true, gzip: true, resource_attributes: Vec::new() };
    let read = read(&path, &variables, &otlp);
    read.map_err(|(problem, _)| problem.replace(&format!("{}/", folder.path().display()), ""))
}

/// A receiver with some keys more than `url`.
fn one(keys: &str) -> Result<Target, String> {
    let indented = keys.replace('\n', "\n  ");
    read_text(&format!("remote_write:\n- url: https://h/w\n  {indented}\n"))
        .map(|mut file| file.targets.remove(0))
}

#[test]
fn a_block_of_prometheus_yml_can_be_copied() {
    let file = read_text(
        r#"
global:
  scrape_interval: 15s
  external_labels: {region: "${REGION}", replica: 1, price: $$5, none: "$NONE"}

remote_write:
  - url: https://user:pass%40@mimir.example/api/v1/push?x=1
    name: mimir
    remote_timeout: 1m30s
    headers:
      X-Scope-OrgID: 12
    send_exemplars: true
    enable_http2: no
    follow_redirects: false
    protobuf_message: io.prometheus.write.v2.Request
    metadata_config: {send: true, send_interval: 1m}
    queue_config:
      capacity: 10000
      max_shards: 50
      min_backoff: 1s
      max_backoff: 1m
      max_samples_per_send: 500
      sample_age_limit: 2h
    write_relabel_configs:
      - source_labels: [__name__]
        regex: container_tasks_.*
        action: drop
      - regex: id
        action: labeldrop
  - url: http://prometheus:9090/api/v1/write

otlp:
  - url: http://collector:4318
    names: prometheus
    compression: none

pushgateway:
  - url: http://gateway:9091/
"#,
    )
    .unwrap();
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        file.external_labels,
        [label("region", "eu1"), label("replica", "1"), label("price", "$5"), label("none", "")]
    );
    let idle: Vec<_> = file.no_effect.iter().copied().collect();
    let expected =
        ["capacity", "enable_http2", "max_shards", "metadata_config", "scrape_interval", "send_exemplars"];
    assert_eq!(idle, expected);
    let names: Vec<_> = file.targets.iter().map(|target| target.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "mimir",
            "http://prometheus:9090/api/v1/write",
            "http://collector:4318/v1/metrics",
            "http://gateway:9091"
        ]
    );
    let mimir = &file.targets[0];
    assert_eq!(mimir.endpoint.url, "https://mimir.example/api/v1/push?x=1");
    assert_eq!(mimir.endpoint.timeout, Duration::from_secs(90));
    assert_eq!(mimir.endpoint.headers, [("X-Scope-OrgID".to_owned(), Secret::Text("12".to_owned()))]);
    assert!(matches!(
        &mimir.endpoint.authorization,
        Some(Authorization::Basic { username: Secret::Text(user), password: Secret::Text(password) })
            if user == "user" && password == "pass@"
    ));
    assert!(!mimir.endpoint.follow_redirects);
    assert_eq!(mimir.protocol, Protocol::RemoteWrite(Version::V2));
    assert_eq!(mimir.queue.min_backoff, Duration::from_secs(1));
    assert_eq!(mimir.queue.max_backoff, Duration::from_secs(60));
    assert_eq!(mimir.queue.max_samples_per_send, 500);
    assert_eq!(mimir.queue.sample_age_limit, Some(Duration::from_secs(7200)));
    assert_eq!(mimir.relabel.len(), 2);
    let prometheus = &file.targets[1];
    assert_eq!(prometheus.protocol, Protocol::RemoteWrite(Version::Negotiated));
    assert_eq!(prometheus.queue, crate::push::Queue::default());
    assert_eq!(prometheus.endpoint.timeout, Duration::from_secs(30));
    assert!(prometheus.endpoint.follow_redirects && prometheus.endpoint.authorization.is_none());
    let Protocol::Otlp(otlp) = &file.targets[2].protocol else { panic!("{:?}", file.targets[2]) };
    assert!(!otlp.semantic_names && !otlp.gzip);
    assert_eq!(file.targets[2].endpoint.timeout, Duration::from_secs(10));
    assert_eq!(file.targets[3].protocol, Protocol::Pushgateway);
    assert!(!format!("{:?}", mimir.endpoint).contains("pass@"));
}

#[test]
fn secrets_and_certificates_can_be_in_files_beside_it() {
    let target = one("basic_auth: {username: u, password_file: password}\ntls_config: {ca_file: ca.pem, \
                      cert_file: cert.pem, key_file: key.pem, server_name: s, min_version: TLS13}")
    .unwrap();
    let in_file = |secret: &Secret, name: &str| matches!(secret, Secret::File(path) if path.ends_with(name));
    let Some(Authorization::Basic { username, password }) = &target.endpoint.authorization else {
        panic!("{target:?}")
    };
    assert!(*username == Secret::Text("u".to_owned()) && in_file(password, "password"));
    let tls = &target.endpoint.tls;
    assert!(matches!(&tls.ca, Some(Pem::File(path)) if path.ends_with("ca.pem")));
    assert!(tls.identity.is_some() && tls.only_tls13 && !tls.insecure_skip_verify);
    assert_eq!(tls.server_name.as_deref(), Some("s"));
    for (keys, scheme) in [
        ("authorization: {credentials_file: token}", "Bearer"),
        ("authorization: {type: Token, credentials_file: token}", "Token"),
        ("bearer_token_file: token", "Bearer"),
    ] {
        let target = one(keys).unwrap();
        let Some(Authorization::Scheme { scheme: found, credentials }) = target.endpoint.authorization else {
            panic!("{keys}")
        };
        assert!(found == scheme && in_file(&credentials, "token"), "{keys}");
    }
    let target = one("http_headers: {X-A: {values: [1], files: [token]}}").unwrap();
    assert!(in_file(&target.endpoint.headers[1].1, "token"));
    let inline = one("tls_config: {ca: \"-----BEGIN\", insecure_skip_verify: true}").unwrap();
    assert!(inline.endpoint.tls.insecure_skip_verify);
    assert!(matches!(&inline.endpoint.tls.ca, Some(Pem::Text(Secret::Text(_)))));
}

#[test]
fn a_proxy_is_named_or_from_the_environment() {
    for (keys, proxy) in [
        ("proxy_url: http://u:p@x:1", Some("http://x:1/")),
        ("proxy_url: http://x:1\nno_proxy: h", None),
        ("proxy_url: http://x:1\nno_proxy: other", Some("http://x:1/")),
        ("proxy_from_environment: true", Some("http://proxy:3128/")),
        ("proxy_from_environment: false", None),
    ] {
        let found = one(keys).unwrap().endpoint.proxy.map(|proxy| proxy.url.to_string());
        assert_eq!(found.as_deref(), proxy, "{keys}");
    }
}

#[test]
fn what_is_wrong_is_told_with_file_line_and_key() {
    let keys = "url, name, remote_timeout, headers, http_headers, basic_auth, authorization, bearer_token, \
                bearer_token_file, tls_config, proxy_url, no_proxy, proxy_from_environment, \
                follow_redirects, queue_config";
    for (text, problem) in [
        (
            "remote_writes: []",
            "1: unknown key \"remote_writes\" in the file; known keys: remote_write, otlp, pushgateway, \
             external_labels, global",
        ),
        ("remote_write: {url: x}", "1: remote_write: expected a list, found keys with values"),
        ("remote_write:\n- name: x", "2: remote_write: url is missing"),
        (
            "otlp:\n- url: http://h\n  protobuf_message: x",
            &format!("3: unknown key \"protobuf_message\" in otlp; known keys: {keys}, names, compression"),
        ),
        // Better told than not done.
        ("otlp:\n- write_relabel_configs: []", "2: write_relabel_configs is not supported in otlp"),
        (
            "pushgateway:\n- write_relabel_configs: []",
            "2: write_relabel_configs is not supported in pushgateway",
        ),
        (
            "pushgateway:\n- url: http://h/metrics/job/x",
            "2: url: expected the Pushgateway's own URL, without /metrics and what follows, found \
             \"http://h/metrics/job/x\"",
        ),
        (
            "remote_write:\n- url: u:hunter2@h",
            "2: url: expected http://HOST:PORT/PATH or https://HOST:PORT/PATH, found \"***@h\"",
        ),
        (
            "external_labels: {a.b: 1}",
            "1: external_labels: \"a.b\" can't be a label's name: expected letters, digits and _, not \
             __name__",
        ),
        (
            "external_labels: {__name__: x}",
            "1: external_labels: \"__name__\" can't be a label's name: expected letters, digits and _, not \
             __name__",
        ),
        (
            "global: {external_labels: {a: 1}}\nexternal_labels: {b: 1}",
            "2: expected external_labels either in global or beside it, found both",
        ),
        (
            "global: {scrape_intervall: 1s}",
            "1: unknown key \"scrape_intervall\" in global; known keys: external_labels",
        ),
    ] {
        assert_eq!(read_text(text).unwrap_err(), format!("push.yml:{problem}"), "{text}");
    }
}

#[test]
fn what_is_wrong_with_a_receiver_is_told_without_secrets() {
    for (keys, problem) in [
        ("sigv4: {secret_key: hunter2}", "3: sigv4 is not supported in remote_write"),
        ("oauth2: {client_secret: hunter2}", "3: oauth2 is not supported in remote_write"),
        ("azuread: {}", "3: azuread is not supported in remote_write"),
        ("google_iam: {}", "3: google_iam is not supported in remote_write"),
        ("url: http://h", "3: key \"url\" is there twice"),
        (
            "remote_timeout: 30",
            "3: remote_timeout: expected a time such as 30s, 1m30s or 500ms, found \"30\"",
        ),
        ("remote_timeout: 0s", "3: remote_timeout: expected more than 0, and 10m at most"),
        ("follow_redirects: maybe", "3: follow_redirects: expected true or false, found \"maybe\""),
        (
            "protobuf_message: v2",
            "3: protobuf_message: expected prometheus.WriteRequest or io.prometheus.write.v2.Request, \
             found \"v2\"",
        ),
        ("name: \"a\\nb\"", "3: name: expected 200 characters at most, on one line"),
        // Secrets
        (
            "basic_auth: {user: hunter2}",
            "3: unknown key \"user\" in basic_auth; known keys: username, username_file, password, \
             password_file",
        ),
        ("basic_auth: {password: [hunter2]}", "3: password: expected one value, found a list"),
        ("basic_auth: hunter2", "3: basic_auth: expected keys with values, found one value"),
        (
            "basic_auth:\n  password: hunter2\n  password_file: password",
            "5: expected one of password and password_file, found both",
        ),
        (
            "basic_auth:\n  password: <secret>",
            "4: password: \"<secret>\" is what Prometheus shows instead of a secret",
        ),
        ("basic_auth: {password_file: none}", "3: password_file: none: No such file or directory"),
        ("basic_auth: {password_file: .}", "3: password_file: .: expected a regular file, found a directory"),
        ("authorization: {type: Bearer}", "3: authorization: credentials are missing"),
        (
            "authorization: {type: Basic, credentials: hunter2}",
            "3: authorization: use basic_auth for type Basic",
        ),
        (
            "authorization: {type: Bearer hunter2, credentials: x}",
            "3: type: expected one word, such as Bearer; what follows it are credentials",
        ),
        (
            "authorization: {credentials: hunter2}\nbasic_auth: {password: hunter2}",
            "2: expected one of basic_auth and authorization, found both",
        ),
        (
            "headers: {Authorization: hunter2}\nbearer_token: hunter2",
            "2: expected either the header Authorization or another way to say it, found both",
        ),
        (
            "headers: {X: \"hunter2\\n\"}",
            "3: the value of header \"X\" has characters that a header can't have",
        ),
        ("headers: {\"X hunter2\": a}", "3: expected a header's name, found characters that none can have"),
        (
            "http_headers: {\"X hunter2\": {values: [a]}}",
            "3: expected a header's name, found characters that none can have",
        ),
        ("headers: {\"X hunter2\": [a]}", "3: headers: expected one value, found a list"),
        ("headers: {Content-Type: x}", "3: header \"Content-Type\" belongs to the protocol and can't be set"),
        // TLS
        ("tls_config: {cert: x}", "3: tls_config: cert without key"),
        ("tls_config: {key_file: key.pem}", "3: tls_config: key without cert"),
        (
            "tls_config: {min_version: TLS14}",
            "3: min_version: expected TLS10, TLS11, TLS12 or TLS13, found \"TLS14\"",
        ),
        (
            "tls_config: {max_version: TLS12}",
            "3: max_version: only TLS13 is supported: TLS 1.2 and 1.3 are always offered",
        ),
        ("tls_config: {ca_file: none.pem}", "3: ca_file: none.pem: No such file or directory"),
        // Proxy
        (
            "proxy_url: socks5://u:hunter2@x",
            "3: proxy_url: expected http://HOST:PORT/PATH or https://HOST:PORT/PATH, found \
             \"socks5://***@x\"",
        ),
        ("proxy_url: https://x", "3: proxy_url: expected a proxy that is reached over http://"),
        ("no_proxy: x", "3: no_proxy: proxy_url is missing"),
        (
            "proxy_url: http://x\nproxy_from_environment: true",
            "4: expected one of proxy_url and proxy_from_environment, found both",
        ),
        // Queue
        (
            "queue_config: {max_samples_per_send: 0}",
            "3: max_samples_per_send: expected a number from 1 to 100000, found \"0\"",
        ),
        ("queue_config: {min_backoff: 0s}", "3: min_backoff: expected more than 0"),
        ("queue_config: {min_backoff: 10s}", "3: queue_config: min_backoff is longer than max_backoff"),
        (
            "queue_config: {shards: 1}",
            "3: unknown key \"shards\" in queue_config; known keys: min_backoff, max_backoff, \
             max_samples_per_send, sample_age_limit",
        ),
        // Rules
        (
            "write_relabel_configs:\n- action: drop\n  regex: (",
            "4: write_relabel_configs: regex: \"(\" is not understood: found open group without closing ')'",
        ),
        (
            "write_relabel_configs: [{action: hashmod, target_label: a}]",
            "3: write_relabel_configs: action hashmod needs a modulus above 0",
        ),
        (
            "write_relabel_configs: [{action: hashmod, modulus: -1}]",
            "3: modulus: expected a number, found \"-1\"",
        ),
        (
            "write_relabel_configs: [{target_labels: x}]",
            "3: unknown key \"target_labels\" in write_relabel_configs; \
          known keys: source_labels, separator, regex, target_label, replacement, action, modulus",
        ),
        ("write_relabel_configs: [{source_labels: a}]", "3: source_labels: expected a list, found one value"),
    ] {
        let found = one(keys).map(|_| keys).unwrap_err();
        assert_eq!(found, format!("push.yml:{problem}"), "{keys}");
        assert!(!found.contains("hunter2"), "{found}");
    }
}

#[test]
fn what_is_no_file_of_settings_is_told_so() {
    let read = |path: &Path| {
        let otlp = Otlp { semantic_names: true, gzip: true, resource_attributes: Vec::new() };
        let (problem, about) = read(path, &|_| None, &otlp).map(|_| ()).unwrap_err();
        assert_eq!(about, About::File, "{problem}");
        problem
    };
    let (folder, path) = folder("");
    assert_eq!(read(Path::new("/nonexistent")), "/nonexistent: No such file or directory");
    assert!(read(folder.path()).ends_with(": expected a regular file, found a directory"));
    assert!(read(Path::new("/dev/zero")).ends_with("found a device, a FIFO or a socket"));
    fs::write(&path, [0xff]).unwrap();
    assert!(read(&path).ends_with(": expected text in UTF-8"));
    fs::File::create(&path).unwrap().set_len(1 << 30).unwrap();
    assert!(read(&path).ends_with(": more than 1048576 bytes"));
}

#[test]
fn the_file_of_the_readme_is_understood() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (_, begin) = readme.split_once("# --push_config /etc").unwrap();
    let (text, _) = begin.split_once("```").unwrap();
    let text = &format!("#{text}");
    let (folder, path) = folder(text);
    for name in ["grafana-cloud.token", "collector.token", "client.pem", "client.key"] {
        fs::write(folder.path().join(name), "x").unwrap();
    }
    let otlp = Otlp { semantic_names: true, gzip: true, resource_attributes: Vec::new() };
    let file = read(&path, &|_| None, &otlp).unwrap();
    assert_eq!((file.targets.len(), file.no_effect.len()), (4, 0));
    // Each key that there is, and no other, is in the table of keys.
    let (_, table) = readme.split_once("| keys of each receiver |").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let firsts = table.lines().skip(2).filter_map(|line| line.split('|').nth(1));
    let named: BTreeSet<_> = firsts.flat_map(|keys| keys.split('`').skip(1).step_by(2)).collect();
    let known: BTreeSet<_> =
        [REMOTE_WRITE, OTLP, PUSHGATEWAY].iter().flat_map(|keys| keys.known.iter().copied()).collect();
    assert_eq!(named, known);
}
