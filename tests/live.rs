//! The page at `/`, the stream of what is new, and the numbers as JSON.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use serde_json::{Value, json};
use std::{
    fs,
    net::TcpStream,
    path::Path,
    time::{Duration, Instant},
};
use support::{
    client::{self, DATA, Http2, connect_from, get},
    dockerd::FakeDockerd,
    eventually,
    exporter::{self, Exporter},
    fixture,
    host::{add_container, empty_host, scope},
    until_passed, value,
    viewer::{self, Viewer},
};

const WEB: &str = "13d53898ca900ddddd308d959ad664b7b9486a3fe172b376a925c3f1b935eaa4";
const MOST: usize = 16;

/// An exporter of a recorded host that polls often.
fn recorded() -> Exporter {
    Exporter::ready(exporter::without_docker().args(["-i", "100"]))
}

/// An exporter of a host that the test changes.
fn of(host: &Path, arguments: &[&str]) -> Exporter {
    Exporter::ready(exporter::on_host(host).args(exporter::NO_DOCKER).args(arguments))
}

fn demo(arguments: &[&str]) -> Exporter {
    Exporter::ready(exporter::command().args(["--demo", "-i", "200"]).args(arguments))
}

fn viewers(exporter: &Exporter) -> f64 {
    value(&exporter.metrics(), "docker_stat_prom_live_viewers", &[]).unwrap()
}

fn id(digit: &str) -> String {
    digit.repeat(64)
}

/// Where a message says that a container is.
fn index_of(containers: &Value, id: &str) -> Option<Value> {
    let found = containers.as_array()?.iter().find(|container| container["id"] == id)?;
    Some(found["i"].clone())
}

#[test]
fn without_javascript_the_page_shows_present_numbers() {
    let exporter = recorded();
    let row = eventually("it has rates", || {
        let page = exporter.get("/").text();
        let row = page.lines().find(|line| line.contains(&format!("<tr data-id=\"{WEB}\"")))?.to_owned();
        row.contains("</meter> 0.0 %").then_some(row)
    });
    for part in ["<td class=\"cpu\"><meter ", "MiB", "of 64MiB</td>", "<td class=\"pids\">"] {
        assert!(row.contains(part), "{part} {row}");
    }
    let answer = exporter.get("/");
    let page = answer.text();
    assert!(page.contains("<noscript><meta http-equiv=\"refresh\""));
    for inline in ["<style", "style=", "<script>", "onclick", "javascript:", "=\"/"] {
        assert!(!page.contains(inline), "{inline}");
    }
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    let head = exporter.ask("HEAD", "/", &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert!(!page.contains("id=\"demo\""));
    let demo = demo(&[]);
    assert!(demo.get("/").text().contains("id=\"demo\""));
}

#[test]
fn the_state_and_the_ticks_agree_with_the_metrics() {
    let host = empty_host();
    let directory = add_container(host.path(), &scope("a"));
    fs::write(directory.join("memory.current"), "1048576\n").unwrap();
    let exporter = of(host.path(), &["-i", "100"]);
    let mut viewer = Viewer::open(&exporter);
    let state = viewer.next().unwrap();
    assert_eq!(state.event, "state");
    assert_eq!((&state.data["version"], &state.data["interval"]), (&json!(1), &json!(0.1)));
    assert_eq!(state.data["span"], 600, "the history is on by default");
    let a = index_of(&state.data["containers"], &id("a")).unwrap();
    let of_a = &state.data["containers"][0];
    assert_eq!((&of_a["now"][1], &of_a["live"], &of_a["named"]), (&json!(1024), &json!(true), &json!(false)));
    fs::write(directory.join("memory.current"), "128974848\n").unwrap();
    let told = viewer.until(|message| {
        let at = message.data["i"].as_array().filter(|_| message.event == "tick")?;
        let at = at.iter().position(|index| *index == a)?;
        Some(message.data["m"][at].clone())
    });
    assert_eq!(told, 125_952);
    let page = exporter.metrics();
    assert_eq!(value(&page, "container_memory_usage_bytes", &[&id("a")]), Some(125_952.0 * 1024.0));
    let list: Value = serde_json::from_slice(&exporter.get("/api/v1/containers").body).unwrap();
    assert_eq!(list["version"], 1);
    assert_eq!(list["containers"][0]["memory_current_bytes"], 128_974_848);
    assert_eq!(list["containers"][0]["cpu_ratio"], 0.0);
}

#[test]
fn a_container_that_comes_and_goes_is_told() {
    let host = empty_host();
    add_container(host.path(), &scope("a"));
    // Its history has run out soon.
    let exporter = of(host.path(), &["-i", "100", "--history", "10s"]);
    let mut viewer = Viewer::open(&exporter);
    assert_eq!(viewer.next().unwrap().data["containers"].as_array().unwrap().len(), 1);
    let directory = add_container(host.path(), &scope("b"));
    let b = viewer.until(|message| index_of(&message.data["came"], &id("b")));
    fs::remove_dir_all(directory).unwrap();
    let ended = viewer.until(|message| {
        let mut changed = message.data["changed"].as_array()?.iter();
        changed.find(|changed| changed["i"] == b && changed["live"] == false).cloned()
    });
    assert_eq!(ended["now"], json!([null, null, null, null, null, null]));
    assert!(ended["ended"].is_f64(), "{ended}");
    viewer.until(|message| message.data["gone"].as_array()?.contains(&b).then_some(()));
    add_container(host.path(), &scope("c"));
    let c = viewer.until(|message| index_of(&message.data["came"], &id("c")));
    assert_eq!(c, b, "an index is used again");
}

#[test]
fn one_container_is_shown_in_detail() {
    let exporter = recorded();
    let path = format!("/api/v1/containers/{WEB}");
    let detail = eventually("there is a history", || {
        let detail: Value = serde_json::from_slice(&exporter.get(&path).body).unwrap();
        detail["history"]["ticks"].as_array().is_some_and(|ticks| ticks.len() > 2).then_some(detail)
    });
    let page = exporter.metrics();
    let name = format!("name=\"{}\"", &WEB[..12]);
    let series = detail["series"].as_array().unwrap();
    let of_page = page.lines().filter(|line| line.starts_with("container_") && line.contains(&name)).count();
    assert_eq!(series.len(), of_page);
    let memory = series.iter().find(|series| series["name"] == "container_memory_usage_bytes").unwrap();
    let shown = value(&page, "container_memory_usage_bytes", &[&name]).unwrap();
    assert_eq!(memory["value"].as_str().unwrap().parse(), Ok(shown));
    assert_eq!(memory["type"], "gauge");
    assert!(memory["labels"].as_str().unwrap().contains(&name) && memory["help"] != "");
    assert!(detail["memory"]["anon"].is_u64());
    let quantities = detail["history"]["quantities"].as_object().unwrap();
    let steps = detail["history"]["steps"].as_array().unwrap().len();
    assert_eq!(quantities.len(), 12);
    assert!(quantities.values().all(|of| of["mean"].as_array().unwrap().len() == steps));
    assert_eq!(detail["debug"], Value::Null);
    for (unknown, words) in [
        (id("0"), "no container has this ID"),
        ("x".repeat(64), "expected the ID of a container"),
        (WEB[..12].to_owned(), "64 hexadecimal digits"),
        (WEB.to_uppercase(), "in lower case"),
        (String::new(), "expected the ID of a container"),
    ] {
        let answer = exporter.get(&format!("/api/v1/containers/{unknown}"));
        let text = answer.text();
        assert_eq!(answer.status, 404, "{unknown}");
        assert!(text.contains(words) && text.contains("/api/v1/containers lists them"), "{unknown}: {text}");
    }
    let open = Exporter::ready(exporter::without_docker().arg("--debug_pages"));
    let detail: Value = serde_json::from_slice(&open.get(&path).body).unwrap();
    assert!(detail["debug"]["cgroup"].as_str().unwrap().contains(WEB), "{detail}");
}

#[test]
fn a_changed_container_is_at_most_sixty_bytes_per_tick() {
    let exporter = demo(&[]);
    let mut viewer = Viewer::open(&exporter);
    assert_eq!(viewer.next().unwrap().event, "state");
    let (mut bytes, mut changed) = (0, 0);
    for _ in 0..60 {
        let message = viewer.next().unwrap();
        bytes += message.bytes;
        changed += message.data["i"].as_array().map_or(0, Vec::len);
    }
    assert!(changed > 200 && bytes <= 60 * changed, "{bytes} bytes for {changed}");
}

#[test]
fn there_are_sixteen_viewers_and_one_that_leaves_makes_room() {
    let exporter = recorded();
    let mut open: Vec<_> = (0..MOST).map(|_| Viewer::open(&exporter)).collect();
    for viewer in &mut open {
        assert_eq!(viewer.next().unwrap().event, "state");
    }
    let (head, _) = viewer::ask(&exporter, "");
    assert!(head.starts_with("http/1.1 503") && head.contains("retry-after: 10"), "{head}");
    assert!((viewers(&exporter) - 16.0).abs() < 0.1);
    let head = exporter.ask("HEAD", "/live", &[]);
    assert_eq!(
        (head.status, head.header("retry-after"), head.header("x-live")),
        (503, Some("10"), Some("full"))
    );
    open.pop();
    eventually("there is room again", || (exporter.ask("HEAD", "/live", &[]).status == 200).then_some(()));
    assert_eq!(exporter.ask("HEAD", "/live", &[]).status, 200, "the first one took no place");
    assert!(viewer::ask(&exporter, "").0.starts_with("http/1.1 200"));
}

/// A viewer from this loopback address; `None` if it is not let in.
fn from(address: &str, exporter: &Exporter) -> Option<Viewer> {
    let answer = viewer::ask_on(connect_from(address, &exporter.address), "");
    answer.0.starts_with("http/1.1 200").then(|| Viewer::let_in(answer))
}

#[test]
fn an_address_that_holds_all_places_gives_half_of_them_to_another() {
    let exporter = demo(&[]);
    let mut held: Vec<_> = (0..MOST).map(|_| from("127.0.0.2", &exporter).unwrap()).collect();
    for viewer in &mut held {
        assert_eq!(viewer.next().unwrap().event, "state");
    }
    // They get places by and by, and the oldest one goes each time.
    let mut others = Vec::new();
    for gone in &mut held[..MOST / 2] {
        let mut other = from("127.0.0.3", &exporter).expect("a place");
        assert_eq!(other.next().unwrap().event, "state");
        others.push(other);
        gone.until_end();
    }
    assert!((viewers(&exporter) - 16.0).abs() < 0.1);
    // Neither takes more than its half from the other.
    assert!(from("127.0.0.3", &exporter).is_none() && from("127.0.0.2", &exporter).is_none());
    let third = from("127.0.0.4", &exporter);
    assert!(third.is_some(), "who has none gets one");
    held[MOST - 1].next_of("tick");
    others[MOST / 2 - 1].next_of("tick");
}

#[test]
fn a_viewer_that_takes_nothing_is_the_first_to_go() {
    let exporter = demo(&[]);
    let mut held: Vec<_> = (0..MOST - 1).map(|_| Viewer::open(&exporter)).collect();
    // Nothing fits into this window.
    let mut slow = Http2::new(connect_from("127.0.0.2", &exporter.address), 0);
    slow.send(&get(1, "/live"));
    assert_eq!(slow.status(1), Some(200));
    // It waits for the whole state, and then for eight messages.
    let newcomer = eventually("it gives its place", || from("127.0.0.1", &exporter));
    assert!(slow.next().is_none(), "its connection is closed");
    held.push(newcomer);
    for viewer in &mut held {
        viewer.next_of("tick");
    }
}

#[test]
fn a_viewer_that_takes_nothing_is_cut_and_the_others_go_on() {
    let exporter = demo(&[]);
    let mut other = Viewer::open(&exporter);
    // Nothing fits into this window.
    let mut slow = Http2::new(TcpStream::connect(&exporter.address).unwrap(), 0);
    slow.send(&get(1, "/live"));
    assert_eq!(slow.status(1), Some(200));
    assert!((viewers(&exporter) - 2.0).abs() < 0.1);
    let begin = Instant::now();
    eventually("it is cut", || {
        other.next_of("tick");
        ((viewers(&exporter) - 1.0).abs() < 0.1).then_some(())
    });
    assert!(begin.elapsed() > Duration::from_secs(9), "{:?}", begin.elapsed());
    assert!(slow.next().is_none(), "its connection is closed");
    let reason = ["reason=\"slow\""];
    assert_eq!(value(&exporter.metrics(), "docker_stat_prom_http_refused_total", &reason), Some(1.0));
    other.next_of("tick");
}

#[test]
fn nothing_is_read_when_nobody_looks() {
    let host = empty_host();
    add_container(host.path(), &scope("a"));
    // No rate is served, so only viewers need the polling.
    let exporter = of(host.path(), &["--metrics=-core", "-i", "20"]);
    let reads = || {
        let io = fs::read_to_string(format!("/proc/{}/io", exporter.pid())).unwrap();
        let reads = io.lines().find_map(|line| line.strip_prefix("syscr: ")).unwrap();
        reads.parse::<u64>().unwrap()
    };
    let in_a_second = || {
        let (begin, before) = (Instant::now(), reads());
        until_passed(begin, Duration::from_secs(1));
        reads() - before
    };
    let resting = in_a_second();
    let mut viewer = Viewer::open(&exporter);
    assert_eq!(viewer.next().unwrap().event, "state");
    let looked_at = in_a_second();
    assert!(looked_at > resting + 50, "{resting} {looked_at}");
    drop(viewer);
    eventually("it is forgotten", || (viewers(&exporter) < 0.5).then_some(()));
    let resting = in_a_second();
    assert!(resting < looked_at / 2, "{looked_at} {resting}");
}

#[test]
fn strangers_are_refused_everything_of_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    fs::write(&tokens, "0123456789abcdef0123456789abcdef\n").unwrap();
    let mut command = exporter::without_docker();
    let exporter = Exporter::start(command.args(["-i", "100"]).arg("--auth_token_file").arg(&tokens));
    let one = format!("/api/v1/containers/{WEB}");
    for path in ["/", "/live", "/assets/page.js", "/api/v1/containers", &one] {
        assert_eq!(exporter.get(path).status, 401, "{path}");
    }
    let token = "Authorization: Bearer 0123456789abcdef0123456789abcdef\r\n";
    assert_eq!(Viewer::open_with(&exporter, token).next().unwrap().event, "state");
}

#[test]
fn a_withdrawn_token_does_not_keep_an_open_stream() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    let write = |text: &str| {
        fs::write(folder.path().join("new"), text).unwrap();
        fs::rename(folder.path().join("new"), &tokens).unwrap();
    };
    write("token-of-yesterday\ntoken-that-stays..\n");
    let mut command = exporter::command();
    let exporter =
        Exporter::start(command.args(["--demo", "-i", "100"]).arg("--auth_token_file").arg(&tokens));
    let header = |token: &str| format!("Authorization: Bearer {token}\r\n");
    let (yesterday, stays) = (header("token-of-yesterday"), header("token-that-stays.."));
    let mut open: Vec<_> = [&yesterday, &stays].map(|token| Viewer::open_with(&exporter, token)).into();
    let mut http2 = Http2::new(TcpStream::connect(&exporter.address).unwrap(), 1 << 20);
    let bearer = ("authorization", "Bearer token-of-yesterday");
    let fields = [(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", "/live"), bearer];
    http2.send(&client::headers(1, &fields));
    assert_eq!(http2.status(1), Some(200));
    // What changes nothing, and what can't be used, ends nothing.
    for (told, text) in [
        ("are in force", "# The same\ntoken-of-yesterday\ntoken-that-stays..\n"),
        ("16 characters or more", "short\n"),
    ] {
        write(text);
        exporter.signal("-HUP");
        eventually("it is read", || exporter.log().contains(told).then_some(()));
        for viewer in &mut open {
            // More than what was on its way.
            (0..20).for_each(|_| drop(viewer.next().expect("the stream goes on")));
        }
    }
    write("token-that-stays..\n");
    exporter.signal("-HUP");
    for viewer in &mut open {
        viewer.until_end();
    }
    eventually("it ends over HTTP/2 too", || {
        let frame = http2.next().expect("the connection stays");
        (frame.kind == DATA && frame.flags & 1 == 1).then_some(())
    });
    assert!(viewer::ask(&exporter, &yesterday).0.starts_with("http/1.1 401"));
    assert_eq!(Viewer::open_with(&exporter, &stays).next().unwrap().event, "state", "the others are let in");
}

#[test]
fn it_is_live_over_http_2_too() {
    let exporter = demo(&[]);
    let mut client = Http2::new(TcpStream::connect(&exporter.address).unwrap(), 1 << 20);
    client.send(&get(1, "/live"));
    assert_eq!(client.status(1), Some(200));
    let mut text = String::new();
    while !text.contains("event: tick") {
        let frame = client.next().unwrap();
        if frame.kind == DATA {
            text += std::str::from_utf8(&frame.payload).unwrap();
        }
    }
    assert!(text.starts_with("retry: 3000\nevent: state\n"), "{text}");
    // The connection does something else beside it.
    client.send(&get(3, "/healthz"));
    assert_eq!(client.status(3), Some(200));
}

#[test]
fn viewers_do_not_delay_the_end() {
    let exporter = recorded();
    let mut open: Vec<_> = (0..3).map(|_| Viewer::open(&exporter)).collect();
    for viewer in &mut open {
        assert_eq!(viewer.next().unwrap().event, "state");
    }
    let mut client = Http2::new(TcpStream::connect(&exporter.address).unwrap(), 65_535);
    client.send(&get(1, "/live"));
    assert_eq!(client.status(1), Some(200));
    // It answers the PING that comes with the end.
    let client = std::thread::spawn(move || while client.next().is_some() {});
    let begin = Instant::now();
    assert!(exporter.stop("-TERM").success());
    // Connections that are still open would be waited for 5 s.
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    assert!(open[0].next().is_none(), "the stream has ended");
    client.join().unwrap();
}

#[test]
fn a_hostile_name_is_text_on_the_page_and_in_json() {
    let name = "<img src=x onerror=alert(1)>\"'&\u{202e}\n\nevent: tick\u{2028}";
    let image = "x".repeat(300);
    let folder = tempfile::tempdir().unwrap();
    let host = fixture("debian13-docker26.1-linux6.12");
    let dockerd = FakeDockerd::start(&folder.path().join("docker.sock"), &host);
    let mut list = dockerd.list();
    let web = list.iter_mut().find(|container| container["Id"] == WEB).unwrap();
    (web["Names"], web["Image"]) = (json!([format!("/{name}")]), json!(image));
    let mut inspect = dockerd.inspect(WEB);
    (inspect["Name"], inspect["Config"]["Image"]) = (json!(format!("/{name}")), json!(image));
    dockerd.set("/containers/json", 200, Value::from(list).to_string());
    dockerd.set(&format!("/containers/{WEB}/json"), 200, inspect.to_string());
    let exporter = Exporter::ready(exporter::on_host(&host).args(["-i", "100", "-H", &dockerd.url()]));
    let state = eventually("it has its name", || {
        let state = Viewer::open(&exporter).next().unwrap();
        assert_eq!(state.event, "state");
        state.data.to_string().contains("onerror").then_some(state.data)
    });
    let of_web = state["containers"].as_array().unwrap().iter().find(|of| of["id"] == WEB).unwrap();
    assert_eq!((of_web["name"].as_str(), of_web["image"].as_str()), (Some(name), Some(image.as_str())));
    let page = exporter.get("/").text();
    assert!(page.contains("&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp;") && !page.contains("<img"));
    let one: Value =
        serde_json::from_slice(&exporter.get(&format!("/api/v1/containers/{WEB}")).body).unwrap();
    assert_eq!(one["container"]["name"], name);
}

#[test]
fn the_page_can_be_switched_off() {
    let exporter = Exporter::ready(exporter::without_docker().args(["--page", "off"]));
    for path in ["/live", "/assets/page.js", "/assets/page.css"] {
        let answer = exporter.get(path);
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (404, "not found: --page on turns it on\n"),
            "{path}"
        );
    }
    let page = exporter.get("/").text();
    assert!(page.contains("href=\"metrics\"") && !page.contains(&WEB[..12]) && !page.contains("<script"));
    assert_eq!(exporter.get("/api/v1/containers").status, 200);
}

#[test]
fn the_files_of_the_page_are_kept_by_browsers_until_they_change() {
    let exporter = recorded();
    for (name, content_type) in
        [("page.js", "text/javascript"), ("page.css", "text/css"), ("icon.svg", "image/svg+xml")]
    {
        let path = format!("/assets/{name}");
        let plain = exporter.get(&path);
        assert!(plain.status == 200 && plain.header("content-type").unwrap().starts_with(content_type));
        assert_eq!(plain.header("content-encoding"), None);
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/server/page/assets").join(name);
        assert_eq!(plain.body, fs::read(file).unwrap());
        let gzip = exporter.ask("GET", &path, &[("Accept-Encoding", "gzip, deflate, br, zstd")]);
        assert_eq!(gzip.header("content-encoding"), Some("gzip"));
        assert!(gzip.body.starts_with(b"\x1f\x8b"));
        assert_eq!(gzip.header("cache-control"), Some("no-cache"));
        // Two bodies have the same tag, so it is weak.
        let told = gzip.header("etag").unwrap();
        let strong = told.strip_prefix("w/").expect("a weak one");
        let tag = format!("W/{strong}");
        assert_eq!(plain.header("etag"), Some(told));
        for known in [&tag, strong, &format!("\"x\", {tag}"), "*"] {
            for encoding in ["gzip", "identity"] {
                let asked = [("If-None-Match", known), ("Accept-Encoding", encoding)];
                let kept = exporter.ask("GET", &path, &asked);
                assert_eq!((kept.status, kept.body.len()), (304, 0), "{known} {encoding}");
                assert_eq!(kept.header("etag"), Some(told));
            }
        }
        assert_eq!(exporter.ask("GET", &path, &[("If-None-Match", "\"x\"")]).status, 200);
        let head = exporter.ask("HEAD", &path, &[]);
        assert_eq!((head.status, head.body.len()), (200, 0));
    }
    for missing in ["/assets/", "/assets/list.rs", "/assets/../page.js"] {
        assert_eq!(exporter.get(missing).status, 404, "{missing}");
    }
}
