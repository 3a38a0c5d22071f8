//! The way to Docker and back: daemons and proxies that stall, never end, refuse, speak another version, come
//! and go.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use docker_stat_prom::{
    metadata::{DockerHost, News},
    parse::ContainerId,
};
use serde_json::json;
use std::{
    path::Path,
    time::{Duration, Instant},
};
use support::{
    dockerd::{FakeDockerd, Fault},
    eventually, eventually_within,
    exporter::{self, Exporter},
    fixture,
    following::Following,
    front, throughout, value,
};

const HOST: &str = "debian13-docker26.1-linux6.12";
const WEB: &str = "13d53898ca900ddddd308d959ad664b7b9486a3fe172b376a925c3f1b935eaa4";
const CONTAINERS: usize = 14;

fn dockerd(folder: &Path) -> FakeDockerd {
    FakeDockerd::start(&folder.join("docker.sock"), &fixture(HOST))
}

fn unix(folder: &Path) -> DockerHost {
    DockerHost::Unix(folder.join("docker.sock"))
}

fn is_lost(news: &News) -> bool {
    matches!(news, News::Disconnected)
}

/// Peak memory of a process, in KiB.
fn peak(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

#[test]
fn an_answer_that_stalls_in_its_middle_is_given_up_and_asked_for_again() {
    // At the same time, since each waits for a deadline.
    let settings: Vec<_> =
        [("/version", true), ("/info", false), ("/containers/json", true), ("/events", false)]
            .into_iter()
            .flat_map(|(path, ends)| [(path, ends, Fault::Stalls), (path, ends, Fault::Hangs)])
            // Nothing but the head of the stream is waited for.
            .filter(|(path, _, fault)| *path != "/events" || *fault == Fault::Hangs)
            .map(|(path, ends, fault)| {
                let folder = tempfile::tempdir().unwrap();
                let dockerd = dockerd(folder.path());
                dockerd.fault(path, Some(fault));
                let following = Following::start(unix(folder.path()));
                (path, ends, dockerd, following, folder)
            })
            .collect();
    for (path, ends, dockerd, following, _) in &settings {
        if *ends {
            eventually(&format!("{path} is given up"), || (following.count(is_lost) == 1).then_some(()));
        }
        dockerd.fault(path, None);
    }
    for (path, _, dockerd, following, _) in &settings {
        eventually(&format!("{path} is fine again"), || following.last(WEB));
        // Nothing is left open of what was given up.
        eventually("all is closed", || (dockerd.open() == 0).then_some(()));
    }
}

#[test]
fn a_daemon_that_no_longer_answers_is_found_out() {
    // At the same time, since each waits for a ping and its deadline.
    let settings: Vec<_> = [Some(Fault::Stalls), Some(Fault::Hangs), None]
        .into_iter()
        .map(|fault| {
            let folder = tempfile::tempdir().unwrap();
            let dockerd = dockerd(folder.path());
            dockerd.fault("/_ping", fault);
            if fault.is_none() {
                dockerd.set("/_ping", 500, "no");
            }
            let following = Following::start(unix(folder.path()));
            following.connected(1);
            (fault, dockerd, following, folder)
        })
        .collect();
    for (fault, dockerd, following, _) in &settings {
        // A ping comes only every so often.
        eventually("it is asked", || (dockerd.count("GET /_ping") > 0).then_some(()));
        if fault.is_some() {
            eventually("it is lost", || (following.count(is_lost) > 0).then_some(()));
        } else {
            assert_eq!(following.count(is_lost), 0, "any status is a sign of life");
        }
    }
}

#[test]
fn an_answer_without_an_end_costs_neither_the_numbers_nor_the_memory() {
    for (path, bound) in [("/version", 20 << 10), ("/info", 20 << 10), ("/containers/json", 20 << 10)] {
        let folder = tempfile::tempdir().unwrap();
        let dockerd = dockerd(folder.path());
        let mut command = exporter::on_host(&fixture(HOST));
        command.args(["-H", &dockerd.url()]);
        let exporter = Exporter::start(&mut command);
        eventually("it is named", || {
            value(&exporter.metrics(), "container_memory_usage_bytes", &["name=\"web\""])
        });
        let before = peak(exporter.pid());
        dockerd.fault(path, Some(Fault::Endless));
        let asked = dockerd.count(&format!("GET {path}"));
        dockerd.hang_up();
        eventually("it was asked twice", || {
            (dockerd.count(&format!("GET {path}")) >= asked + 2 || path == "/info").then_some(())
        });
        eventually("it is over", || (path != "/info" || dockerd.count("GET /events") > 1).then_some(()));
        let grown = peak(exporter.pid()) - before;
        assert!(grown < bound, "{path}: {grown} KiB");
        assert!(value(&exporter.metrics(), "container_memory_usage_bytes", &["name=\"web\""]).is_some());
    }
}

#[test]
fn an_answer_of_countless_small_things_costs_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let dockerd = dockerd(folder.path());
    let mut command = exporter::on_host(&fixture(HOST));
    command.args(["-H", &dockerd.url()]);
    let exporter = Exporter::start(&mut command);
    let named = || value(&exporter.metrics(), "container_memory_usage_bytes", &["name=\"web\""]);
    eventually("it is named", named);
    let before = peak(exporter.pid());
    let mut inspect = dockerd.inspect(WEB);
    inspect["Mounts"] = vec![json!({}); 1_000_000].into();
    dockerd.set(&format!("/containers/{WEB}/json"), 200, inspect.to_string());
    dockerd.event(WEB, "start", &json!({}));
    // Millions of values take a while on a busy machine, and what takes too long is asked for again.
    let said = |what: &'static str| {
        let look = || exporter.log().contains(what).then_some(());
        eventually_within(Duration::from_secs(120), || format!("the log has {what:?}"), look);
    };
    said("too long");
    dockerd.set("/containers/json", 200, format!("[{}{{}}]", "{},".repeat(1_000_000)));
    dockerd.hang_up();
    said("1000001 of them left out");
    let grown = peak(exporter.pid()) - before;
    assert!(grown < 40 << 10, "{grown} KiB");
    assert!(named().is_some());
}

#[test]
fn a_head_without_an_end_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let dockerd = dockerd(folder.path());
    dockerd.fault("/containers/json", Some(Fault::EndlessHead));
    let following = Following::start(unix(folder.path()));
    eventually("it is given up", || (following.count(is_lost) == 1).then_some(()));
    dockerd.fault("/containers/json", Some(Fault::Cut));
    let asked = dockerd.count("GET /containers/json");
    eventually("it is tried again", || (dockerd.count("GET /containers/json") > asked).then_some(()));
    dockerd.fault("/containers/json", None);
    following.connected(1);
}

#[test]
fn a_connection_that_is_never_made_is_said_once() {
    // A queue for connections that nobody empties, filled: the next one waits.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(500)) {
        queued.push(stream);
        assert!(queued.len() < 100, "the queue has no end");
    }
    let mut command = exporter::on_host(&fixture(HOST));
    command.args(["-H", &format!("tcp://{address}")]);
    let exporter = Exporter::start(&mut command);
    eventually("it is said", || {
        exporter.log().contains("does not answer (no connection within 10 s)").then_some(())
    });
    assert_eq!(exporter.log().matches("does not answer").count(), 1);
}

#[test]
fn every_question_has_a_version_that_the_daemon_speaks() {
    for (least, most, spoken) in
        [(12, 41, 41), (24, 45, 45), (44, 52, 52), (44, 54, 53), (44, 53, 53), (54, 60, 54)]
    {
        let folder = tempfile::tempdir().unwrap();
        let dockerd = dockerd(folder.path());
        dockerd.speak(least, most);
        let following = Following::start(unix(folder.path()));
        following.connected(1);
        let requests = dockerd.raw_requests();
        assert_eq!(requests[0], "GET /version");
        let version = format!("GET /v1.{spoken}/");
        assert!(requests[1..].iter().all(|request| request.starts_with(&version)), "{requests:?}");
        assert!(following.last(WEB).unwrap().restarts.is_some());
    }
}

/// What the README says that a proxy must let through: `all` of it, or without what can be gone without.
fn is_let_through(path: &str, all: bool) -> bool {
    let Some((minor, path)) = path.strip_prefix("/v1.").and_then(|rest| rest.split_once('/')) else {
        return false;
    };
    let inspects = path.strip_prefix("containers/").and_then(|rest| rest.strip_suffix("/json"));
    let is_inspection = inspects.is_some_and(|id| id.len() == 64);
    assert!(minor.parse::<u32>().is_ok());
    matches!(path, "containers/json" | "events")
        || (all && (is_inspection || path == "version" || path == "info"))
}

#[test]
fn a_proxy_that_lets_through_only_what_the_readme_names_costs_nothing() {
    for (least, most) in [(12, 41), (44, 54)] {
        let folder = tempfile::tempdir().unwrap();
        let dockerd = dockerd(folder.path());
        dockerd.speak(least, most);
        dockerd.let_through(|path| is_let_through(path, true));
        let following = Following::start(unix(folder.path()));
        following.connected(1);
        let web = following.last(WEB).unwrap();
        assert!(web.restarts.is_some() && web.health.is_some());
        dockerd.event(WEB, "oom", &json!({}));
        eventually("events come", || {
            (following.count(|news| matches!(news, News::Oom { .. })) == 1).then_some(())
        });
    }
}

#[test]
fn a_proxy_that_lets_through_only_lists_and_events_leaves_names_and_states() {
    for (least, most) in [(12, 41), (24, 45), (44, 54), (48, 60)] {
        let folder = tempfile::tempdir().unwrap();
        let dockerd = dockerd(folder.path());
        dockerd.speak(least, most);
        dockerd.let_through(|path| is_let_through(path, false));
        let following = Following::start(unix(folder.path()));
        following.connected(1);
        let web = following.last(WEB).unwrap();
        assert_eq!((web.name.as_str(), web.state.is_some(), web.restarts), ("web", true, None));
        // The time is that of the answers' heads.
        let since = "GET /events?since=1795476958.000000000&";
        assert!(dockerd.count(since) > 0, "{:?}", dockerd.requests());
        dockerd.event(WEB, "oom", &json!({}));
        eventually("events come", || {
            (following.count(|news| matches!(news, News::Oom { .. })) == 1).then_some(())
        });
        assert_eq!(following.count(is_lost), 0);
    }
}

#[test]
fn a_refusal_is_said_once_and_shows_no_made_up_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let dockerd = dockerd(folder.path());
    dockerd.let_through(|path| is_let_through(path, false));
    let mut command = exporter::on_host(&fixture(HOST));
    command.args(["-H", &dockerd.url()]);
    let exporter = Exporter::ready(&mut command);
    eventually("it is named", || value(&exporter.metrics(), "container_state", &["name=\"web\""]));
    let page = exporter.metrics();
    for made_up in ["\ncontainer_restarts_total{", "\ncontainer_oom_killed{"] {
        assert!(!page.contains(made_up), "{made_up}");
    }
    // The list tells of one container that it is healthy.
    assert_eq!(page.matches("\ncontainer_health_state{").count(), 1);
    assert_eq!(value(&page, "docker_stat_prom_docker_up", &[]), Some(1.0));
    assert_eq!(exporter.log().matches("does not provide its time").count(), 1, "{}", exporter.log());
    assert_eq!(exporter.log().matches("refuses inspections (status").count(), 1, "{}", exporter.log());
}

#[test]
fn a_daemon_that_tells_no_events_is_listed_again() {
    let folder = tempfile::tempdir().unwrap();
    let dockerd = dockerd(folder.path());
    dockerd.set("/events", 403, "no");
    let following = Following::start(unix(folder.path()));
    following.connected(1);
    let mut list = dockerd.list();
    list.retain(|row| row["Id"] != WEB);
    dockerd.set("/containers/json", 200, serde_json::to_string(&list).unwrap());
    eventually("it is gone", || (following.listed()?.len() == CONTAINERS - 1).then_some(()));
    assert_eq!(dockerd.inspections(), CONTAINERS);
    assert_eq!((dockerd.count("GET /containers/json"), following.count(is_lost)), (2, 0));
}

#[test]
fn a_daemon_whose_event_stream_is_odd_is_listed() {
    let settings: Vec<_> = [Ok(301), Ok(500), Ok(204), Ok(202), Err(Fault::Empty), Err(Fault::Cut)]
        .into_iter()
        .map(|odd| {
            let folder = tempfile::tempdir().unwrap();
            let dockerd = dockerd(folder.path());
            match odd {
                Ok(status) => dockerd.set("/events", status, ""),
                Err(fault) => dockerd.fault("/events", Some(fault)),
            }
            let following = Following::start(unix(folder.path()));
            (odd, dockerd, following, folder)
        })
        .collect();
    for (odd, dockerd, following, _) in &settings {
        following.connected(1);
        assert!(following.last(WEB).unwrap().restarts.is_some(), "{odd:?}");
        let mut list = dockerd.list();
        list.retain(|row| row["Id"] != WEB);
        dockerd.set("/containers/json", 200, serde_json::to_string(&list).unwrap());
    }
    for (odd, dockerd, following, _) in &settings {
        eventually("it is gone", || (following.listed()?.len() == CONTAINERS - 1).then_some(()));
        assert_eq!(following.count(is_lost), 0, "{odd:?}");
        // One that is under way when the list is asked for anew may be asked twice.
        assert!(dockerd.inspections() <= 2 * CONTAINERS, "{odd:?}");
    }
    for (odd, dockerd, following, _) in settings {
        dockerd.stop();
        eventually(&format!("{odd:?}: it is lost"), || (following.count(is_lost) == 1).then_some(()));
    }
}

#[test]
fn a_daemon_whose_event_stream_ends_again_and_again_is_listed_at_last() {
    let folder = tempfile::tempdir().unwrap();
    let dockerd = dockerd(folder.path());
    let following = Following::start(unix(folder.path()));
    let streams = || dockerd.count("GET /events");
    eventually("it goes without", || {
        let before = streams();
        following.connected(before);
        let lists = dockerd.count("GET /containers/json");
        dockerd.hang_up();
        eventually("it is asked again", || (dockerd.count("GET /containers/json") > lists).then_some(()));
        (streams() == before).then_some(())
    });
    assert_eq!(following.count(is_lost) + 1, streams());
    dockerd.stop();
    let lost = following.count(is_lost);
    eventually("it is lost", || (following.count(is_lost) == lost + 1).then_some(()));
}

#[test]
fn a_proxy_that_keeps_the_head_of_the_event_stream_delays_no_name() {
    let folder = tempfile::tempdir().unwrap();
    let dockerd = dockerd(folder.path());
    dockerd.fault("/events", Some(Fault::Hangs));
    let begin = Instant::now();
    let following = Following::start(unix(folder.path()));
    following.connected(1);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    // It is listed instead.
    let mut list = dockerd.list();
    list.retain(|row| row["Id"] != WEB);
    dockerd.set("/containers/json", 200, serde_json::to_string(&list).unwrap());
    eventually("it is gone", || (following.listed()?.len() == CONTAINERS - 1).then_some(()));
    assert_eq!(following.count(is_lost), 0);
}

#[test]
fn a_daemon_that_is_back_is_found_within_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = dockerd(folder.path());
    let following = Following::start(unix(folder.path()));
    following.connected(1);
    daemon.stop();
    // Away long enough for the longest wait.
    eventually("it is lost", || (following.count(is_lost) == 1).then_some(()));
    throughout(Duration::from_secs(5), || assert_eq!(following.count(is_lost), 1));
    let begin = Instant::now();
    daemon = dockerd(folder.path());
    eventually("it asks", || (daemon.count("GET /version") > 0).then_some(()));
    assert!(begin.elapsed() < Duration::from_millis(1500), "{:?}", begin.elapsed());
    following.connected(2);
    // It may have started anything anew.
    eventually("all are inspected", || (daemon.inspections() == CONTAINERS).then_some(()));
    // Nobody needs to hear twice that it is away.
    assert_eq!(following.count(is_lost), 1);
}

#[test]
fn a_daemon_that_is_starting_has_one_question_in_its_queue() {
    let folder = tempfile::tempdir().unwrap();
    let dockerd = dockerd(folder.path());
    dockerd.fault("/version", Some(Fault::Hangs));
    let _following = Following::start(unix(folder.path()));
    eventually("it is asked", || (dockerd.count("GET /version") == 1).then_some(()));
    let mut most = 0;
    eventually("it is asked again", || {
        most = most.max(dockerd.open());
        (dockerd.count("GET /version") == 2).then_some(())
    });
    assert!(most <= 1, "{most}");
}

#[test]
fn what_is_looked_up_while_docker_is_away_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let following = Following::start(unix(folder.path()));
    eventually("it is away", || (following.count(is_lost) == 1).then_some(()));
    let stranger = ContainerId::new(&"f".repeat(64)).unwrap();
    for _ in 0..10_000 {
        following.lookups.send(stranger.clone()).unwrap();
    }
    // The list tells all when it is back.
    let dockerd = dockerd(folder.path());
    following.connected(1);
    let unknown = || following.count(|news| matches!(news, News::Unknown(_)));
    following.lookups.send(ContainerId::new(&"e".repeat(64)).unwrap()).unwrap();
    eventually("look-ups are answered again", || (unknown() == 1).then_some(()));
    assert_eq!(dockerd.inspections(), CONTAINERS + 1);
}

fn certificates(folder: &Path) {
    for (file, name) in [("ca.crt", "ca.pem"), ("ec-chain.crt", "cert.pem"), ("ec-sec1.key", "key.pem")] {
        std::fs::copy(fixture("tls").join(file), folder.join(name)).unwrap();
    }
}

#[test]
fn docker_is_reached_over_mutual_tls() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let dockerd = dockerd(folder.path());
    let address = front::start(dockerd.socket.clone(), Some(front::mutual_tls()));
    let host = DockerHost::parse(&format!("tcp://{address}"), true, folder.path()).unwrap();
    let following = Following::start(host);
    following.connected(1);
    assert!(following.last(WEB).unwrap().restarts.is_some());
    dockerd.event(WEB, "oom", &json!({}));
    eventually("events come", || {
        (following.count(|news| matches!(news, News::Oom { .. })) == 1).then_some(())
    });
    dockerd.fault("/containers/json", Some(Fault::Endless));
    dockerd.hang_up();
    eventually("the limit holds here too", || {
        (following.count(is_lost) == 1 && dockerd.count("GET /containers/json") >= 3).then_some(())
    });
}

#[test]
fn only_the_authority_in_ca_pem_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let dockerd = dockerd(folder.path());
    let tls = fixture("tls");
    std::fs::copy(tls.join("rsa.crt"), folder.path().join("ca.pem")).unwrap();
    let address = front::start(dockerd.socket.clone(), Some(front::mutual_tls()));
    let mut command = exporter::on_host(&fixture(HOST));
    command.args(["-H", &format!("https://{address}")]).env("DOCKER_CERT_PATH", folder.path());
    // What the system trusts is not asked.
    command.env("SSL_CERT_FILE", tls.join("ca.crt"));
    let exporter = Exporter::start(&mut command);
    let log =
        eventually("it gives up", || Some(exporter.log()).filter(|log| log.contains("does not answer")));
    assert!(log.contains("UnknownIssuer"), "{log}");
    assert_eq!(dockerd.requests().len(), 0);
}

#[test]
fn certificates_that_cannot_be_read_are_named_and_nothing_starts() {
    for (wrong, said) in [
        ("ca.pem", "ca.pem: No such file"),
        ("cert.pem", "cert.pem: No such file"),
        ("key.pem", "key.pem: No such file"),
        ("all", "ca.pem: No such file"),
        ("pipe", "ca.pem: not a regular file"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        certificates(folder.path());
        let mut named = folder.path().to_owned();
        match wrong {
            "all" => named.push("nonexistent"),
            "pipe" => {
                std::fs::remove_file(folder.path().join("ca.pem")).unwrap();
                let made = std::process::Command::new("mkfifo").arg(folder.path().join("ca.pem")).status();
                if !made.is_ok_and(|made| made.success()) {
                    return support::skip(
                        "certificates_that_cannot_be_read_are_named_and_nothing_starts",
                        "no mkfifo",
                    );
                }
            }
            file => std::fs::remove_file(folder.path().join(file)).unwrap(),
        }
        let mut command = exporter::on_host(&fixture(HOST));
        command.args(["--once", "-H", "https://127.0.0.1:1"]).env("DOCKER_CERT_PATH", named);
        let output = exporter::run(&mut command);
        let log = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{log}");
        assert!(log.contains(said) && log.contains("DOCKER_CERT_PATH"), "{log}");
    }
}
