//! What is pushed arrives, whatever the receiver answers, and in order.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use docker_stat_prom::{
    collector::{Feed, Message, View, Visitor},
    push::{Otlp, Protocol, Spool, Version, once},
};
use std::{
    collections::BTreeSet,
    net::TcpListener,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};
use support::{
    eventually,
    pushing::{Pushing, SAMPLES, SMALL, config, target, write},
    receiver::{Received, Receiver, Reply, ok, status, written},
    throughout,
};

const NOW: Duration = Duration::ZERO;
const SOON: Duration = Duration::from_secs(3);

/// The texts of the requests that were answered with a success, without repetitions.
fn texts(requests: &[Received]) -> Vec<String> {
    let mut texts: Vec<_> = requests.iter().map(Received::unpacked).collect();
    texts.dedup();
    texts
}

/// That these are the first passes, each once.
fn assert_in_order(texts: &[String]) {
    for (number, text) in (1..).zip(texts) {
        assert_eq!(*text, format!("pass {number}"), "{texts:?}");
    }
}

/// Answers a few requests in one way, and the others in another.
fn first(
    count: usize,
    bad: impl Fn() -> Reply + Send + 'static,
    good: impl Fn() -> Reply + Send + 'static,
) -> impl Fn(&Received) -> Reply + Send + 'static {
    let seen = AtomicUsize::new(0);
    move |_| if seen.fetch_add(1, Ordering::SeqCst) < count { bad() } else { good() }
}

#[test]
fn a_receiver_gets_one_request_per_interval_over_one_connection() {
    let receiver = Receiver::start(|_| written(SAMPLES));
    let mut pushing = Pushing::start(config(vec![write(&receiver, Version::Negotiated)]));
    let requests = receiver.wait_for(5);
    let first = &requests[0];
    assert_eq!(first.line(), "POST /api/v1/write HTTP/1.1");
    assert_eq!(first.header("content-encoding"), Some("snappy"));
    assert_eq!(
        first.header("content-type"),
        Some("application/x-protobuf;proto=io.prometheus.write.v2.Request")
    );
    assert_eq!(first.version(), Some("2.0.0"));
    assert_eq!(first.header("host"), Some(receiver.address.as_str()));
    assert!(first.header("user-agent").unwrap().starts_with("docker-stat-prom/"));
    assert_in_order(&texts(&requests));
    let gap = requests[4].at - requests[1].at;
    assert!(gap > Duration::from_millis(200), "{gap:?}");
    pushing.end(SOON);
    let requests = receiver.requests();
    assert_eq!(requests.last().unwrap().unpacked(), "end");
    assert_eq!(receiver.connections(), 1);
    let count = f64::from(u32::try_from(requests.len()).unwrap());
    assert_eq!(pushing.value("requests_total", &["target=\"to\""]), Some(count));
    assert_eq!(pushing.value("samples_total", &[]), Some(count * f64::from(SAMPLES)));
    assert_eq!(pushing.value("queue_bytes", &[]), Some(0.0));
    assert!(pushing.value("last_success_timestamp_seconds", &[]).unwrap() > 1.7e9);
    assert_eq!(pushing.value("failures_total", &[]), None);
    assert_eq!(pushing.value("dropped_samples_total", &[]), None);
}

#[test]
fn a_receiver_that_does_not_know_remote_write_2_gets_1() {
    for (name, refusal) in [("415", status(415)), ("a 204 that says nothing", ok()), ("400", status(400))] {
        let receiver = Receiver::start(move |request| match request.version() {
            Some("2.0.0") => refusal.clone(),
            _ => ok(),
        });
        let mut pushing = Pushing::start(config(vec![write(&receiver, Version::Negotiated)]));
        let requests = receiver.wait_for(4);
        let seen: Vec<_> =
            requests[..4].iter().map(|request| (request.version().unwrap(), request.unpacked())).collect();
        let seen: Vec<_> = seen.iter().map(|(version, text)| (*version, text.as_str())).collect();
        assert_eq!(
            seen,
            [("2.0.0", "pass 1"), ("0.1.0", "as 1.0: pass 1"), ("0.1.0", "pass 2"), ("0.1.0", "pass 3")],
            "{name}"
        );
        assert_eq!(requests[1].header("content-type"), Some("application/x-protobuf"));
        let board = pushing.push.as_ref().unwrap().board().snapshot();
        assert_eq!((board[0].protocol, board[0].name.as_str()), ("remote write 1.0", "to"));
        pushing.end(SOON);
        assert_eq!(pushing.value("dropped_samples_total", &[]), None, "{name}");
    }
}

#[test]
fn a_400_costs_one_request_and_not_the_version() {
    let receiver =
        Receiver::start(
            |request| {
                if request.unpacked().ends_with("pass 1") { status(400) } else { written(SAMPLES) }
            },
        );
    let mut pushing = Pushing::start(config(vec![write(&receiver, Version::Negotiated)]));
    let requests = receiver.wait_for(4);
    let versions: Vec<_> = requests[..4].iter().map(|request| request.version().unwrap()).collect();
    assert_eq!(versions, ["2.0.0", "0.1.0", "2.0.0", "2.0.0"]);
    assert_eq!(pushing.value("dropped_samples_total", &["reason=\"refused\""]), Some(f64::from(SAMPLES)));
    assert!(pushing.value("failures_total", &["reason=\"400\"", "target=\"to\""]).unwrap() >= 1.0);
    pushing.end(SOON);
}

#[test]
fn an_odd_answer_costs_nothing_and_not_the_version() {
    // It is silent once, then several times as if an older one had taken its place.
    let receiver = Receiver::start(|request| match (request.version(), request.unpacked().as_str()) {
        (Some("2.0.0"), "pass 3" | "pass 5" | "pass 6" | "pass 7") => ok(),
        (Some("2.0.0"), _) => written(SAMPLES),
        _ => ok(),
    });
    let mut pushing = Pushing::start(config(vec![write(&receiver, Version::Negotiated)]));
    let requests = receiver.wait_for(13);
    let seen: Vec<_> =
        requests[..13].iter().map(|request| (request.version().unwrap(), request.unpacked())).collect();
    let seen: Vec<_> = seen.iter().map(|(version, text)| (*version, text.as_str())).collect();
    let expected = [
        ("2.0.0", "pass 1"),
        ("2.0.0", "pass 2"),
        ("2.0.0", "pass 3"),
        ("0.1.0", "as 1.0: pass 3"),
        ("2.0.0", "pass 4"),
        ("2.0.0", "pass 5"),
        ("0.1.0", "as 1.0: pass 5"),
        ("2.0.0", "pass 6"),
        ("0.1.0", "as 1.0: pass 6"),
        ("2.0.0", "pass 7"),
        ("0.1.0", "as 1.0: pass 7"),
        ("0.1.0", "pass 8"),
        ("0.1.0", "pass 9"),
    ];
    assert_eq!(seen, expected);
    pushing.end(SOON);
    assert_eq!(pushing.value("dropped_samples_total", &[]), None);
    assert_eq!(pushing.value("failures_total", &["reason=\"204\""]), Some(3.0));
}

#[test]
fn once_says_that_there_was_no_answer() {
    let receiver = Receiver::start(|_| Reply::Nothing);
    let mut patient = write(&receiver, Version::V1);
    patient.endpoint.timeout = Duration::from_secs(60);
    let mut pushing = Pushing::start(config(vec![]));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let results = runtime.block_on(async {
        once(&config(vec![patient]), &pushing.direct.handle, SMALL, Duration::from_secs(1)).await.unwrap()
    });
    assert_eq!(results, [("to".to_owned(), Err("no answer within 1 s".to_owned()))]);
    assert_eq!(receiver.count(), 1);
    pushing.end(NOW);
}

#[test]
fn a_page_to_log_in_at_is_no_receiver_and_nothing_is_lost() {
    let page = || {
        let html = vec![("Content-Type", "text/html".to_owned())];
        Reply::Status(200, html, "<html>please log in</html>".to_owned())
    };
    let otlp = Protocol::Otlp(Otlp { semantic_names: true, gzip: true, resource_attributes: vec![] });
    for protocol in [otlp, Protocol::RemoteWrite(Version::Negotiated), Protocol::RemoteWrite(Version::V1)] {
        let receiver = Receiver::start(move |_| page());
        let to = target("to", protocol, &receiver.url("/"));
        let mut pushing = Pushing::start(config(vec![to]));
        receiver.wait_for(1);
        let said = "an answer in text/html, which no receiver gives (200 OK: <html>please log in</html>)";
        eventually("it is told", || {
            let board = pushing.push.as_ref().unwrap().board().snapshot();
            (board[0].last_error.as_deref() == Some(said)).then_some(())
        });
        throughout(Duration::from_millis(300), || assert_eq!(receiver.count(), 1));
        assert_eq!(pushing.value("samples_total", &[]), Some(0.0));
        assert_eq!(pushing.value("dropped_samples_total", &[]), None);
        pushing.end(NOW);
    }
}

#[test]
fn a_receiver_of_only_one_version_gets_only_that() {
    let receiver = Receiver::start(|_| ok());
    let mut pushing = Pushing::start(config(vec![write(&receiver, Version::V1)]));
    assert!(receiver.wait_for(3).iter().all(|request| request.version() == Some("0.1.0")));
    pushing.end(SOON);
    let receiver = Receiver::start(|_| ok());
    let mut pushing = Pushing::start(config(vec![write(&receiver, Version::V2)]));
    assert!(receiver.wait_for(3).iter().all(|request| request.version() == Some("2.0.0")));
    // It has stored nothing of that.
    pushing.at_least("dropped_samples_total", &["reason=\"refused\""], 2.0 * f64::from(SAMPLES));
    let error = pushing.push.as_ref().unwrap().board().snapshot()[0].last_error.clone().unwrap();
    assert!(error.contains("remote write 2.0 is not known there"), "{error}");
    pushing.end(SOON);
}

#[test]
fn nothing_is_lost_and_nothing_out_of_order_while_a_receiver_fails() {
    let whole = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
    for (name, reason, bad) in [
        ("500", "500", status(500)),
        ("429", "429", status(429)),
        ("503", "503", status(503)),
        ("never", "timeout", Reply::Nothing),
        ("slow", "timeout", Reply::Drip("HTTP/1.1 200 OK\r\nX-Long: ")),
        ("closes", "closed", Reply::Raw(Vec::new())),
        ("closes midway", "closed", Reply::Raw(whole.into())),
        ("garbage", "closed", Reply::Raw(b"\0\xff\x16SSH-2.0\r\n\r\n".to_vec())),
        ("an endless head", "closed", Reply::Flood("HTTP/1.1 200 OK\r\nX-Long: ")),
    ] {
        let receiver = Receiver::start(first(2, move || bad.clone(), ok));
        let mut pushing = Pushing::start(config(vec![write(&receiver, Version::V1)]));
        let requests = receiver.wait_for(12);
        assert_in_order(&texts(&requests));
        pushing.at_least("failures_total", &[&format!("reason=\"{reason}\"")], 2.0);
        pushing.end(SOON);
        assert_eq!(pushing.value("dropped_samples_total", &[]), None, "{name}");
    }
}

#[test]
fn an_answer_without_an_end_is_read_only_as_far_as_it_is_needed() {
    for begin in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 400 No\r\n\r\nthis is wrong\n"] {
        let receiver = Receiver::start(first(1, move || Reply::Flood(begin), ok));
        let mut patient = write(&receiver, Version::V1);
        patient.endpoint.timeout = Duration::from_secs(60);
        let mut pushing = Pushing::start(config(vec![patient]));
        let requests = receiver.wait_for(3);
        assert_in_order(&texts(&requests));
        assert!(requests[1].at - requests[0].at < Duration::from_secs(10));
        pushing.end(SOON);
    }
}

#[test]
fn a_receiver_gets_the_pause_that_it_wants() {
    let wait = || Reply::Status(429, vec![("Retry-After", "1".into())], String::new());
    let receiver = Receiver::start(first(1, wait, ok));
    let mut pushing = Pushing::start(config(vec![write(&receiver, Version::V1)]));
    let requests = receiver.wait_for(6);
    let pause = requests[1].at - requests[0].at;
    assert!(pause >= Duration::from_secs(1) && pause < Duration::from_secs(5), "{pause:?}");
    assert_in_order(&texts(&requests));
    // What waited meanwhile comes faster than it arose, but not all at once.
    let backlog = requests[4].at - requests[1].at;
    assert!(backlog >= Duration::from_millis(20) && backlog < Duration::from_secs(2), "{backlog:?}");
    pushing.end(SOON);
}

#[test]
fn what_a_person_must_see_to_is_kept_and_not_tried_all_the_time() {
    for bad in [401, 403, 407] {
        let receiver = Receiver::start(move |_| status(bad));
        let mut pushing = Pushing::start(config(vec![write(&receiver, Version::V1)]));
        receiver.wait_for(1);
        throughout(Duration::from_millis(500), || assert_eq!(receiver.count(), 1));
        assert!(pushing.value("queue_bytes", &[]).unwrap() > 0.0);
        eventually("it lags", || pushing.value("lag_seconds", &[]).filter(|lag| *lag > 0.2));
        // Each target gets a last attempt at the end, and that shows that it has recovered.
        receiver.answer(|_| ok());
        pushing.end(SOON);
        assert_in_order(
            &texts(&receiver.requests()).into_iter().filter(|text| text != "end").collect::<Vec<_>>(),
        );
        assert_eq!(pushing.value("queue_bytes", &[]), Some(0.0));
        assert_eq!(pushing.value("dropped_samples_total", &[]), None);
    }
}

#[test]
fn a_target_that_is_dead_delays_nobody() {
    // Nobody accepts, and the queue of the kernel takes a few.
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let deaf = format!("http://{}/", deaf.local_addr().unwrap());
    let refused = "http://127.0.0.1:1/";
    let nowhere = "http://name.that.does.not.exist.invalid/";
    let alive = Receiver::start(|_| ok());
    let dead = |name: &str, url: &str| target(name, Protocol::RemoteWrite(Version::V1), url);
    let mut pushing = Pushing::start(config(vec![
        dead("deaf", &deaf),
        dead("refused", refused),
        dead("nowhere", nowhere),
        write(&alive, Version::V1),
    ]));
    let begin = Instant::now();
    let requests = alive.wait_for(10);
    assert_in_order(&texts(&requests));
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    pushing.at_least("failures_total", &["target=\"refused\"", "reason=\"connect\""], 2.0);
    pushing.at_least("failures_total", &["target=\"nowhere\"", "reason=\"resolve\""], 1.0);
    let begin = Instant::now();
    pushing.end(Duration::from_millis(500));
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    assert_eq!(alive.requests().last().unwrap().unpacked(), "end");
    // What only waited in memory is lost now, and that is told.
    assert!(pushing.value("dropped_samples_total", &["reason=\"end\"", "target=\"refused\""]).unwrap() > 0.0);
}

#[test]
fn when_too_much_waits_in_memory_the_oldest_is_dropped_and_counted() {
    let receiver = Receiver::start(|_| status(500));
    let mut small = config(vec![write(&receiver, Version::V1)]);
    small.memory_bytes = 40;
    let mut pushing = Pushing::start(small);
    pushing.at_least("dropped_samples_total", &["reason=\"queue_full\""], 2.0 * f64::from(SAMPLES));
    receiver.answer(|_| ok());
    let all = receiver.count();
    let later = receiver.wait_for(all + 6);
    let numbers: Vec<u32> = texts(&later[all + 1..])
        .iter()
        .map(|text| text.trim_start_matches("pass ").parse().unwrap())
        .collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    pushing.end(SOON);
}

#[test]
fn samples_that_are_too_old_are_not_sent() {
    let receiver = Receiver::start(|_| status(500));
    let mut old = write(&receiver, Version::V1);
    old.queue.sample_age_limit = Some(Duration::from_millis(500));
    let mut pushing = Pushing::start(config(vec![old]));
    pushing.at_least("dropped_samples_total", &["reason=\"too_old\""], f64::from(SAMPLES));
    assert!(!pushing.push.as_ref().unwrap().board().snapshot()[0].last_error.as_ref().unwrap().is_empty());
    pushing.end(NOW);
}

fn spooled(folder: &Path, receiver: &Receiver) -> docker_stat_prom::push::Config {
    let spool = Some(Spool { directory: folder.join("spool"), bytes: 1 << 20 });
    docker_stat_prom::push::Config { spool, ..config(vec![write(receiver, Version::Negotiated)]) }
}

#[test]
fn what_waits_on_disk_is_sent_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let away = Receiver::start(|_| status(503));
    let mut pushing = Pushing::start(spooled(folder.path(), &away));
    pushing.at_least("queue_bytes", &[], 150.0);
    let busy =
        docker_stat_prom::push::start(spooled(folder.path(), &away), pushing.direct.handle.clone(), SMALL);
    let error = busy.unwrap_err().to_string();
    assert!(error.contains("another docker-stat-prom uses it"), "{error}");
    pushing.end(NOW);
    assert_eq!(pushing.value("dropped_samples_total", &[]), None);
    // The receiver that is back knows only 1.0.
    let back = Receiver::start(|request| match request.version() {
        Some("2.0.0") => status(415),
        _ => ok(),
    });
    let mut pushing = Pushing::start(spooled(folder.path(), &back));
    let requests = eventually("all is sent", || {
        Some(back.requests()).filter(|requests| requests.iter().any(|request| request.unpacked() == "pass 2"))
    });
    let taken: Vec<_> = requests.iter().filter(|request| request.version() == Some("0.1.0")).collect();
    let texts: Vec<_> = taken.iter().map(|request| request.unpacked().replace("as 1.0: ", "")).collect();
    let end = texts.iter().position(|text| text == "end").unwrap();
    assert_in_order(&texts[..end]);
    assert!(end >= 3, "{texts:?}");
    assert_in_order(&texts[end + 1..]);
    pushing.end(SOON);
    // Nothing is sent twice.
    let mut pushing = Pushing::start(spooled(folder.path(), &back));
    let before = back.count();
    let requests = back.wait_for(before + 2);
    assert_eq!(requests[before].unpacked(), "pass 1");
    pushing.end(SOON);
}

#[test]
fn otlp_is_counted_point_by_point_and_not_sent_again() {
    let partial = || Reply::Status(200, vec![], "\n\u{7}\u{8}\u{3}\u{12}\u{3}old".into());
    let receiver = Receiver::start(first(1, partial, || Reply::Status(200, vec![], String::new())));
    let otlp = Otlp { semantic_names: true, gzip: true, resource_attributes: vec![] };
    let to = target("otlp", Protocol::Otlp(otlp), &receiver.url("/v1/metrics"));
    let mut pushing = Pushing::start(config(vec![to]));
    let requests = receiver.wait_for(3);
    assert_eq!(requests[0].line(), "POST /v1/metrics HTTP/1.1");
    assert_eq!(requests[0].header("content-encoding"), Some("gzip"));
    assert_eq!(requests[0].header("content-type"), Some("application/x-protobuf"));
    let bodies: BTreeSet<_> = requests.iter().map(|request| request.body.clone()).collect();
    assert_eq!(bodies.len(), requests.len(), "nothing is sent twice");
    assert_eq!(pushing.value("dropped_samples_total", &["reason=\"refused\""]), Some(3.0));
    pushing.end(SOON);
}

#[test]
fn a_pushgateway_gets_the_page_and_forgets_it_at_the_end() {
    let receiver = Receiver::start(first(3, || status(500), || status(200)));
    let mut pushing =
        Pushing::start(config(vec![target("gateway", Protocol::Pushgateway, &receiver.url("/base/"))]));
    let requests = receiver.wait_for(5);
    let first = &requests[0];
    assert_eq!(first.line(), "PUT /base/metrics/job/docker-stat-prom/instance@base64/YS9i HTTP/1.1");
    assert_eq!(first.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let page = String::from_utf8(first.body.clone()).unwrap();
    assert!(page.contains("container_memory_usage_bytes{"), "{page}");
    assert!(page.contains("docker_stat_prom_push_requests_total{target=\"gateway\"}"), "{page}");
    pushing.end(SOON);
    let requests = receiver.requests();
    let last = requests.last().unwrap();
    assert!(last.line().starts_with("DELETE /base/metrics/job/docker-stat-prom/"), "{}", last.line());
    assert!(last.body.is_empty());
}

#[test]
fn a_push_that_happens_once_tells_who_has_not_taken_it() {
    let good = Receiver::start(first(1, || status(503), ok));
    let bad = Receiver::start(|_| status(422));
    let host = Pushing::start(config(vec![]));
    let targets = vec![
        target("good", Protocol::RemoteWrite(Version::V1), &good.url("/")),
        target("bad", Protocol::RemoteWrite(Version::V1), &bad.url("/")),
        target("away", Protocol::RemoteWrite(Version::V1), "http://127.0.0.1:1/"),
        target("gateway", Protocol::Pushgateway, &good.url("/")),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let patience = Duration::from_secs(1);
    let config = config(targets);
    let once = docker_stat_prom::push::once(&config, &host.direct.handle, SMALL, patience);
    let results = runtime.block_on(once).unwrap();
    let result = |name: &str| results.iter().find(|(found, _)| found == name).unwrap().1.clone();
    assert_eq!((result("good"), result("gateway")), (Ok(()), Ok(())));
    assert_eq!(result("bad").unwrap_err(), "422 Unprocessable Entity: the answer is 422");
    assert!(result("away").unwrap_err().contains("Connection refused"), "{:?}", result("away"));
    assert!(good.requests().iter().all(|request| !request.line().starts_with("DELETE")));
}

#[test]
fn what_a_killed_exporter_left_on_disk_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let away = Receiver::start(|_| status(503));
    let mut pushing = Pushing::start(spooled(folder.path(), &away));
    pushing.at_least("queue_bytes", &[], 150.0);
    // As it is at this moment, and so as it would be after a kill -9.
    let left = tempfile::tempdir().unwrap();
    support::copy(folder.path(), left.path());
    pushing.end(NOW);
    let back = Receiver::start(|_| written(SAMPLES));
    let mut pushing = Pushing::start(spooled(left.path(), &back));
    let sent = || texts(&back.requests()).iter().filter(|text| *text == "pass 1").count();
    eventually("the old ones and the new ones are sent", || (sent() == 2).then_some(()));
    let texts = texts(&back.requests());
    let new = texts.iter().rposition(|text| text == "pass 1").unwrap();
    assert!(new >= 3, "{texts:?}");
    assert_in_order(&texts[..new]);
    pushing.end(SOON);
    assert_eq!(pushing.value("dropped_samples_total", &[]), None);
}

/// Keeps the collector busy until it is told to go on.
struct Hang(std::sync::mpsc::Receiver<()>);

impl Visitor for Hang {
    fn visit(&mut self, _view: &View<'_>) {
        let _goes_on = self.0.recv();
    }
}

#[test]
fn a_pass_that_hangs_is_counted_and_there_is_never_more_than_one() {
    let receiver = Receiver::start(|_| ok());
    let mut pushing = Pushing::start(config(vec![write(&receiver, Version::V1)]));
    receiver.wait_for(1);
    let (go_on, hangs) = std::sync::mpsc::channel();
    let (feed, _comes_back) = Feed::new(Hang(hangs));
    assert!(pushing.direct.handle.send(Message::Feed(feed)));
    let skipped = || pushing.direct.handle.metrics().push_skipped_passes.with_label_values::<&str>(&[]).get();
    eventually("passes are skipped", || (skipped() >= 5.0).then_some(()));
    let before = receiver.count();
    go_on.send(()).unwrap();
    let requests = receiver.wait_for(before + 3);
    assert_in_order(&texts(&requests));
    pushing.end(SOON);
}
