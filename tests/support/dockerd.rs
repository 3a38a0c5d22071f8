//! A Docker daemon on a Unix socket: it gives a fixture's recorded answers, with delays, wrong answers,
//! refusals and events as a test needs them.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// The `Date` header of every answer.
pub const DATE: &str = "Mon, 23 Nov 2026 23:35:58 GMT";

/// The host whose answers a [`Setting`] gives.
pub const HOST: &str = "debian13-docker26.1-linux6.12";

/// A daemon in a folder of its own, for a client without the program around it.
pub struct Setting {
    folder: tempfile::TempDir,
    pub dockerd: FakeDockerd,
}

impl Setting {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dockerd = FakeDockerd::start(&folder.path().join("docker.sock"), &super::fixture(HOST));
        Self { folder, dockerd }
    }

    pub fn host(&self) -> docker_stat_prom::metadata::DockerHost {
        docker_stat_prom::metadata::DockerHost::Unix(self.folder.path().join("docker.sock"))
    }

    /// Sets the answer to a container's inspection.
    pub fn inspection(&self, id: &str, inspect: &serde_json::Value) {
        self.dockerd.set(&format!("/containers/{id}/json"), 200, inspect.to_string());
    }

    pub fn list(&self, list: &[serde_json::Value]) {
        self.dockerd.set("/containers/json", 200, serde_json::to_string(list).unwrap());
    }

    pub fn refuse_inspections(&self) {
        for row in self.dockerd.list() {
            self.dockerd.set(&format!("/containers/{}/json", row["Id"].as_str().unwrap()), 403, "no");
        }
    }
}

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is sent.
    Hangs,
    /// The head and one byte of the body are sent, then nothing.
    Stalls,
    /// The body has no end.
    Endless,
    /// The head has no end.
    EndlessHead,
    /// The connection is closed in the middle of the body.
    Cut,
    /// The body is empty.
    Empty,
}

type Gate = Box<dyn Fn(&str) -> bool + Send>;

#[derive(Default)]
struct State {
    answers: PathBuf,
    overrides: HashMap<String, (u16, String)>,
    faults: HashMap<String, Fault>,
    /// Which requests a proxy in front of the daemon lets through, by the requested path.
    gate: Option<Gate>,
    /// The smallest and largest supported API version, as minor numbers.
    versions: Option<(u32, u32)>,
    delay: Duration,
    listeners: Vec<UnixStream>,
    requests: Vec<String>,
    raw_requests: Vec<String>,
    open: usize,
    most_inspections: usize,
    inspections: usize,
}

pub struct FakeDockerd {
    pub socket: PathBuf,
    state: Arc<Mutex<State>>,
    stopped: Arc<AtomicBool>,
}

impl FakeDockerd {
    /// Answers on `socket` with the files of `<host>/docker`.
    pub fn start(socket: &Path, host: &Path) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let state = Arc::new(Mutex::new(State { answers: host.join("docker"), ..State::default() }));
        let stopped = Arc::new(AtomicBool::new(false));
        let (shared, end) = (Arc::clone(&state), Arc::clone(&stopped));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&shared);
                let stream = stream.unwrap();
                std::thread::spawn(move || {
                    shared.lock().unwrap().open += 1;
                    answer(stream, &shared);
                    shared.lock().unwrap().open -= 1;
                });
            }
        });
        Self { socket: socket.to_owned(), state, stopped }
    }

    pub fn url(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Sets the answer of a path, or of a path with its query, in place of the recorded answer.
    pub fn set(&self, path: &str, status: u16, body: impl Into<String>) {
        self.state.lock().unwrap().overrides.insert(path.to_owned(), (status, body.into()));
    }

    /// Sets what is wrong with the answers of a path, or of a path with its query.
    pub fn fault(&self, path: &str, fault: Option<Fault>) {
        let faults = &mut self.state.lock().unwrap().faults;
        match fault {
            Some(fault) => faults.insert(path.to_owned(), fault),
            None => faults.remove(path),
        };
    }

    /// Puts a proxy in front of the daemon. It answers 403 to what it does not let through, without any text
    /// of the daemon.
    pub fn let_through(&self, gate: impl Fn(&str) -> bool + Send + 'static) {
        self.state.lock().unwrap().gate = Some(Box::new(gate));
    }

    /// Supports only the API versions 1.`least` to 1.`most`.
    pub fn speak(&self, least: u32, most: u32) {
        self.state.lock().unwrap().versions = Some((least, most));
        let version = format!(r#"{{"ApiVersion":"1.{most}","MinAPIVersion":"1.{least}"}}"#);
        self.set("/version", 200, version);
    }

    /// Delays every answer.
    pub fn delay(&self, delay: Duration) {
        self.state.lock().unwrap().delay = delay;
    }

    /// The recorded list, for a test to change and set.
    pub fn list(&self) -> Vec<serde_json::Value> {
        let path = self.state.lock().unwrap().answers.join("containers.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    /// The recorded answer of an inspection, for a test to change and set.
    pub fn inspect(&self, id: &str) -> serde_json::Value {
        let path = self.state.lock().unwrap().answers.join(format!("inspect/{id}.json"));
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    /// Sends an event to all listeners; waits until there is one.
    pub fn event(&self, id: &str, action: &str, attributes: &serde_json::Value) {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        self.event_at(id, action, attributes, i64::try_from(now.as_nanos()).unwrap());
    }

    /// Sends an event with the given time.
    pub fn event_at(&self, id: &str, action: &str, attributes: &serde_json::Value, nanos: i64) {
        let event = serde_json::json!({
            "Type": "container", "Action": action, "Actor": {"ID": id, "Attributes": attributes},
            "time": nanos / 1_000_000_000, "timeNano": nanos,
        });
        self.send(&format!("{event}\n"));
    }

    /// Sends any text on the event streams; waits until there is a listener.
    pub fn send(&self, text: &str) {
        super::eventually("somebody listens to events", || {
            (!self.state.lock().unwrap().listeners.is_empty()).then_some(())
        });
        let chunk = format!("{:x}\r\n{text}\r\n", text.len());
        // A listener that has gone away is noticed here.
        let listeners = &mut self.state.lock().unwrap().listeners;
        listeners.retain_mut(|listener| listener.write_all(chunk.as_bytes()).is_ok());
    }

    /// Ends all event streams.
    pub fn hang_up(&self) {
        for listener in self.state.lock().unwrap().listeners.drain(..) {
            let _already_gone = listener.shutdown(std::net::Shutdown::Both);
        }
    }

    /// All requests so far, without the version: `GET /version`.
    pub fn requests(&self) -> Vec<String> {
        self.state.lock().unwrap().requests.clone()
    }

    /// All requests so far, unchanged: `GET /v1.45/info`.
    pub fn raw_requests(&self) -> Vec<String> {
        self.state.lock().unwrap().raw_requests.clone()
    }

    /// How many requests so far begin with this text.
    pub fn count(&self, begin: &str) -> usize {
        self.requests().iter().filter(|request| request.starts_with(begin)).count()
    }

    /// The number of inspections so far.
    pub fn inspections(&self) -> usize {
        let requests = self.requests();
        requests.iter().filter(|request| is_inspection(request.trim_start_matches("GET "))).count()
    }

    /// The largest number of inspections that ran at once.
    pub fn most_inspections(&self) -> usize {
        self.state.lock().unwrap().most_inspections
    }

    /// The number of open connections, without event streams.
    pub fn open(&self) -> usize {
        self.state.lock().unwrap().open
    }

    /// Stops like a real daemon: open streams end, and the socket is removed.
    pub fn stop(self) {
        self.stopped.store(true, Ordering::SeqCst);
        let _wakes_the_accepting_thread = UnixStream::connect(&self.socket);
        std::fs::remove_file(&self.socket).unwrap();
        self.hang_up();
    }
}

fn is_inspection(path: &str) -> bool {
    path.starts_with("/containers/") && path.ends_with("/json") && path != "/containers/json"
}

/// A path without its version, and the minor number of the version.
fn unversioned(target: &str) -> (String, Option<u32>) {
    let versioned = target.strip_prefix("/v1.").and_then(|rest| rest.split_once('/'));
    match versioned {
        Some((minor, rest)) => (format!("/{rest}"), Some(minor.parse().unwrap())),
        None => (target.to_owned(), None),
    }
}

fn answer(mut stream: UnixStream, state: &Mutex<State>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(request) = lines.next() else { return };
    for _ in lines.by_ref().take_while(|line| !line.is_empty()) {}
    let raw = request.split(' ').nth(1).unwrap().to_owned();
    let method = request.split(' ').next().unwrap().to_owned();
    let (target, minor) = unversioned(&raw);
    let path = target.split('?').next().unwrap().to_owned();
    let inspects = is_inspection(&path);
    let (delay, answers, changed, fault, versions, is_refused) = {
        let mut state = state.lock().unwrap();
        state.requests.push(format!("{method} {target}"));
        state.raw_requests.push(format!("{method} {raw}"));
        if inspects {
            state.inspections += 1;
            state.most_inspections = state.most_inspections.max(state.inspections);
        }
        let changed = state.overrides.get(&target).or_else(|| state.overrides.get(&path)).cloned();
        let is_refused = state.gate.as_ref().is_some_and(|gate| !gate(raw.split('?').next().unwrap()));
        let fault = state.faults.get(&target).or_else(|| state.faults.get(&path)).copied();
        (state.delay, state.answers.clone(), changed, fault, state.versions, is_refused)
    };
    if !delay.is_zero() {
        std::thread::sleep(delay);
    }
    let (status, body) = if is_refused {
        (403, "<html>forbidden</html>".to_owned())
    } else if let Some(complaint) = complaint(minor, versions) {
        (400, serde_json::json!({"message": complaint}).to_string())
    } else {
        let file = match path.as_str() {
            "/version" => "version.json".to_owned(),
            "/info" => "info.json".to_owned(),
            "/containers/json" => "containers.json".to_owned(),
            "/events" => String::new(),
            path => path.replace("/containers/", "inspect/").replace("/json", ".json"),
        };
        changed.unwrap_or_else(|| match std::fs::read_to_string(answers.join(file)) {
            Ok(body) => (200, body),
            Err(_) if matches!(path.as_str(), "/_ping" | "/events") => (200, "OK".to_owned()),
            Err(_) => (404, r#"{"message":"no such container"}"#.to_owned()),
        })
    };
    let mut head = format!("HTTP/1.1 {status} X\r\nDate: {DATE}\r\nContent-Type: application/json\r\n");
    if let Some((_, most)) = versions.filter(|_| !is_refused) {
        head += &format!("Api-Version: 1.{most}\r\n");
    }
    let ended = || {
        if inspects {
            state.lock().unwrap().inspections -= 1;
        }
    };
    // The client may have given up.
    let _sent = match fault {
        Some(fault) => misbehave(&mut stream, &head, &body, fault),
        None if path == "/events" && status == 200 => {
            let sent = stream.write_all(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes());
            state.lock().unwrap().listeners.push(stream);
            sent
        }
        None => {
            let length = body.len();
            let answer = format!("{head}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}");
            // This comes before the answer, because the next request may arrive as soon as the answer is
            // read.
            ended();
            stream.write_all(answer.as_bytes())
        }
    };
    if fault.is_some() {
        ended();
    }
}

/// The daemon's answer to a version that it does not support.
fn complaint(minor: Option<u32>, versions: Option<(u32, u32)>) -> Option<String> {
    let (minor, (least, most)) = (minor?, versions?);
    if minor < least {
        Some(format!(
            "client version 1.{minor} is too old. Minimum supported API version is 1.{least}, \
             please upgrade your client to a newer version"
        ))
    } else if minor > most {
        Some(format!("client version 1.{minor} is too new. Maximum supported API version is 1.{most}"))
    } else {
        None
    }
}

fn misbehave(stream: &mut UnixStream, head: &str, body: &str, fault: Fault) -> std::io::Result<()> {
    let begin = format!("{head}Content-Length: {}\r\n\r\n{}", body.len() + 1, body.get(..1).unwrap_or("x"));
    match fault {
        Fault::Hangs => wait_for_the_end(stream),
        Fault::Stalls => {
            stream.write_all(begin.as_bytes())?;
            wait_for_the_end(stream)
        }
        Fault::Cut => stream.write_all(begin.as_bytes()),
        Fault::Empty => stream.write_all(format!("{head}Content-Length: 0\r\n\r\n").as_bytes()),
        Fault::Endless => {
            stream.write_all(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes())?;
            let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
            loop {
                stream.write_all(chunk.as_bytes())?;
            }
        }
        Fault::EndlessHead => {
            stream.write_all(head.as_bytes())?;
            loop {
                stream.write_all(format!("X-Filler: {}\r\n", "x".repeat(4000)).as_bytes())?;
            }
        }
    }
}

/// Waits until the client closes.
fn wait_for_the_end(stream: &mut UnixStream) -> std::io::Result<()> {
    std::io::copy(stream, &mut std::io::sink()).map(|_| ())
}
