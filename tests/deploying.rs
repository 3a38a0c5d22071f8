//! What stands in `deploy/` and in the documents fits the program and the README.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use docker_stat_prom::metadata::News;
use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use support::{dockerd::Setting, eventually, following::Following, skip};

fn project(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn text(file: &str) -> String {
    fs::read_to_string(project(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The expression of the proxy's allow-list.
fn allowed() -> String {
    let file = text("deploy/compose.proxy.yaml");
    let allows: Vec<_> =
        file.lines().filter(|line| line.contains("-allow") && !line.contains("from=")).collect();
    let [line] = allows.as_slice() else { panic!("more than one method is allowed: {allows:?}") };
    let expression = line.trim().strip_prefix("- '-allowGET=").and_then(|rest| rest.strip_suffix('\''));
    expression.unwrap_or_else(|| panic!("no -allowGET in {line}")).to_owned()
}

/// Whether an expression matches the whole of a path. What is used of Go's syntax here means the same to
/// grep. `None` without grep.
fn matches(expression: &str, path: &str) -> Option<bool> {
    let mut grep =
        Command::new("grep").args(["-E", "-x", "-q", "-e", expression]).stdin(Stdio::piped()).spawn().ok()?;
    writeln!(grep.stdin.take().unwrap(), "{path}").unwrap();
    Some(grep.wait().unwrap().success())
}

#[test]
fn the_socket_proxy_lets_through_what_is_asked_and_nothing_else() {
    const TEST: &str = "the_socket_proxy_lets_through_what_is_asked_and_nothing_else";
    let expression = allowed();
    if matches(&expression, "/").is_none() {
        return skip(TEST, "there is no grep");
    }
    let setting = Setting::new();
    let web = setting.dockerd.list()[0]["Id"].as_str().unwrap().to_owned();
    let gate = expression.clone();
    setting.dockerd.let_through(move |path| matches(&gate, path).unwrap());
    let following = Following::start(setting.host());
    following.connected(1);
    // Nothing was lost: inspections tell restarts, events come.
    assert!(following.last(&web).unwrap().restarts.is_some());
    setting.dockerd.event(&web, "oom", &serde_json::json!({}));
    eventually("events come", || {
        (following.count(|news| matches!(news, News::Oom { .. })) == 1).then_some(())
    });
    let asked: BTreeSet<_> = setting
        .dockerd
        .raw_requests()
        .iter()
        .map(|request| {
            let path = request.strip_prefix("GET ").unwrap_or_else(|| panic!("another method: {request}"));
            path.split('?').next().unwrap().to_owned()
        })
        .collect();
    let (let_through, refused): (BTreeSet<_>, BTreeSet<_>) =
        asked.into_iter().partition(|path| matches(&expression, path).unwrap());
    // Only what is tried without a version, which may be refused.
    assert!(refused.iter().all(|path| matches!(path.as_str(), "/version" | "/_ping")), "{refused:?}");
    // Each part of the list is there for something that was asked.
    let (version, parts) = expression.strip_suffix(')').unwrap().split_once('(').unwrap();
    for part in parts.split('|') {
        let part = format!("{version}{part}");
        assert!(let_through.iter().any(|path| matches(&part, path).unwrap()), "nothing asks for {part}");
    }
    let id = "0".repeat(64);
    for path in [
        "/v1.44/containers/json/",
        "/v1.44/images/json",
        "/v1.44/secrets",
        "/v1.44/containers/web/json",
        "/v1.44/containers/../info",
        "/version",
        "/x/v1.44/version",
        &format!("/v1.44/containers/{id}/logs"),
        &format!("/v1.44/containers/{id}/archive"),
        &format!("/v1.44/containers/{id}/json/../../../images/json"),
    ] {
        assert!(!matches(&expression, path).unwrap(), "{path}");
    }
}

/// What `systemd-analyze` says of the service, with or without the socket unit and its drop-in. `None` if it
/// is not installed.
fn analyze(arguments: &[&str], has_socket: bool) -> Option<(bool, String)> {
    let folder = tempfile::tempdir().unwrap();
    let unit = text("deploy/systemd/docker-stat-prom.service");
    // The program need not be installed.
    let unit = unit.replace("/usr/bin/docker-stat-prom", env!("CARGO_BIN_EXE_docker-stat-prom"));
    let service = folder.path().join("docker-stat-prom.service");
    fs::write(&service, unit).unwrap();
    let mut command = Command::new("systemd-analyze");
    command.args(arguments).arg(&service);
    if has_socket {
        let socket = folder.path().join("docker-stat-prom.socket");
        fs::copy(project("deploy/systemd/socket/docker-stat-prom.socket"), &socket).unwrap();
        let beside = folder.path().join("docker-stat-prom.service.d");
        fs::create_dir(&beside).unwrap();
        let drop_in = project("deploy/systemd/socket/no-network.conf");
        fs::copy(drop_in, beside.join("no-network.conf")).unwrap();
        if arguments[0] == "verify" {
            command.arg(&socket);
        }
    }
    let output = command.output().ok()?;
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8(said).unwrap()))
}

#[test]
fn systemd_understands_the_units_and_finds_the_service_locked_down() {
    const TEST: &str = "systemd_understands_the_units_and_finds_the_service_locked_down";
    for has_socket in [false, true] {
        let Some((is_good, said)) = analyze(&["verify", "--man=no"], has_socket) else {
            return skip(TEST, "there is no systemd-analyze");
        };
        assert!(is_good && !said.contains("Unknown"), "{said}");
    }
    // The larger, the more the service may do: from 0 to 10.
    for (has_socket, most) in [(false, 1.6), (true, 1.0)] {
        let (_, said) = analyze(&["security", "--offline=true", "--no-pager"], has_socket).unwrap();
        let score = said.split("docker-stat-prom.service: ").nth(1);
        let score: Option<f64> = score.and_then(|rest| rest.split(' ').next()?.parse().ok());
        let Some(score) = score else { return skip(TEST, "this systemd-analyze gives no score offline") };
        assert!(score <= most, "{said}");
    }
}

#[test]
fn the_package_brings_the_socket_unit_and_does_not_enable_it() {
    let manifest = text("Cargo.toml");
    for file in ["docker-stat-prom.socket", "no-network.conf"] {
        let asset = format!("[\"deploy/systemd/socket/{file}\", \"usr/share/docker-stat-prom/\", \"644\"]");
        assert!(manifest.contains(&asset), "{file}");
        assert!(text("README.md").contains(&format!("/usr/share/docker-stat-prom/{file}")), "{file}");
        // cargo-deb enables every unit in this folder.
        assert!(!project("deploy/systemd").join(file).exists());
    }
}

#[test]
fn each_row_of_the_readmes_table_of_threats_has_its_test() {
    let readme = text("README.md");
    let table = readme.split("| threat | what protects | test |\n").nth(1).unwrap();
    let rows: Vec<_> = table.lines().skip(1).take_while(|line| line.starts_with('|')).collect();
    assert!(rows.len() >= 13, "{rows:?}");
    for row in rows {
        let tests = row.trim_end_matches('|').rsplit('|').next().unwrap();
        let named: Vec<_> = between(tests, "`", '`').step_by(2).collect();
        assert!(!named.is_empty(), "{row}");
        for test in named {
            assert!(project(test).exists(), "there is no {test}: {row}");
        }
    }
}

#[test]
fn every_file_that_starts_the_image_names_the_one_that_the_readme_builds() {
    let readme = text("README.md");
    let build = readme.lines().find(|line| line.starts_with("docker build -t ")).unwrap();
    let image = build.split(' ').nth(3).unwrap();
    for file in ["compose.yaml", "compose.proxy.yaml", "compose.push.yaml", "swarm.yaml", "kubernetes.yaml"] {
        let text = text(&format!("deploy/{file}"));
        let ours: Vec<_> = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("image: "))
            .filter(|named| named.starts_with("docker-stat-prom"))
            .collect();
        assert_eq!(ours, [image], "{file}");
    }
}

#[test]
fn docker_compose_understands_the_compose_files() {
    let compose = |arguments: &[&str]| {
        Command::new("docker")
            .arg("compose")
            .args(arguments)
            .envs([
                ("DOCKER_GID", "999"),
                ("GRAFANA_PASSWORD", "x"),
                ("HOSTNAME", "x"),
                ("REMOTE_WRITE", "http://x/"),
            ])
            .output()
    };
    if !compose(&["version"]).is_ok_and(|output| output.status.success()) {
        return skip("docker_compose_understands_the_compose_files", "there is no docker compose");
    }
    for (file, services) in [
        ("compose.yaml", ["docker-stat-prom", "grafana", "prometheus"].as_slice()),
        ("compose.proxy.yaml", &["docker-stat-prom", "socket-proxy"]),
        ("compose.push.yaml", &["docker-stat-prom"]),
    ] {
        let path = project("deploy").join(file);
        let output = compose(&["-f", path.to_str().unwrap(), "config", "--services"]).unwrap();
        assert!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stderr));
        let found = String::from_utf8(output.stdout).unwrap();
        let found: BTreeSet<_> = found.split_whitespace().collect();
        assert_eq!(found, services.iter().copied().collect(), "{file}");
    }
}

/// The parts of a document that begin with `open` and end with `close`.
fn between<'a>(text: &'a str, open: &'a str, close: char) -> impl Iterator<Item = &'a str> {
    text.split(open).skip(1).filter_map(move |rest| rest.split(close).next())
}

#[test]
fn what_the_documents_point_to_is_there() {
    for file in [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "deploy/README.md",
        "fixtures/README.md",
    ] {
        let text = text(file);
        let beside = project(file);
        let beside = beside.parent().unwrap();
        let links = between(&text, "](", ')').map(|link| link.split('#').next().unwrap());
        for link in links.filter(|link| !link.is_empty() && !link.contains("://")) {
            assert!(beside.join(link).exists(), "{file}: there is no {link}");
        }
    }
    // Folders and files that are named for whoever wants to change something.
    let text = text("CONTRIBUTING.md");
    let named: Vec<_> = between(&text, "`", '`')
        .filter(|word| {
            ["src/", "tests/", "deploy/", "fixtures/", ".ci/"].iter().any(|begin| word.starts_with(begin))
        })
        .collect();
    assert!(named.len() > 8, "{named:?}");
    for path in named {
        assert!(project(path).exists(), "CONTRIBUTING.md: there is no {path}");
    }
}
