//! A Docker daemon on a unix socket: a fixture's recorded answers, with delays, lies and events as a test wants them.

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

#[derive(Default)]
struct State {
    answers: PathBuf,
    overrides: HashMap<String, (u16, String)>,
    delay: Duration,
    listeners: Vec<UnixStream>,
    requests: Vec<String>,
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
                std::thread::spawn(move || answer(stream, &shared));
            }
        });
        Self { socket: socket.to_owned(), state, stopped }
    }

    pub fn url(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// What a path answers from now on, instead of the recorded answer.
    pub fn set(&self, path: &str, status: u16, body: impl Into<String>) {
        self.state.lock().unwrap().overrides.insert(path.to_owned(), (status, body.into()));
    }

    /// Lets every answer wait.
    pub fn delay(&self, delay: Duration) {
        self.state.lock().unwrap().delay = delay;
    }

    /// The recorded answer of an inspection, to be changed and set.
    pub fn inspect(&self, id: &str) -> serde_json::Value {
        let path = self.state.lock().unwrap().answers.join(format!("inspect/{id}.json"));
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    /// Sends an event to all who listen; waits until somebody does.
    pub fn event(&self, id: &str, action: &str, attributes: &serde_json::Value) {
        super::eventually("somebody listens to events", || {
            (!self.state.lock().unwrap().listeners.is_empty()).then_some(())
        });
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let event = serde_json::json!({
            "Type": "container", "Action": action, "Actor": {"ID": id, "Attributes": attributes},
            "time": now.as_secs(), "timeNano": u64::try_from(now.as_nanos()).unwrap(),
        });
        let line = format!("{event}\n");
        let chunk = format!("{:x}\r\n{line}\r\n", line.len());
        for listener in &mut self.state.lock().unwrap().listeners {
            listener.write_all(chunk.as_bytes()).unwrap();
        }
    }

    /// What was asked so far: `GET /version`.
    pub fn requests(&self) -> Vec<String> {
        self.state.lock().unwrap().requests.clone()
    }

    /// Goes away as a stopped daemon does: open streams end, the socket is gone.
    pub fn stop(self) {
        self.stopped.store(true, Ordering::SeqCst);
        let _wakes_the_accepting_thread = UnixStream::connect(&self.socket);
        std::fs::remove_file(&self.socket).unwrap();
        for listener in self.state.lock().unwrap().listeners.drain(..) {
            listener.shutdown(std::net::Shutdown::Both).unwrap();
        }
    }
}

fn answer(mut stream: UnixStream, state: &Mutex<State>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(request) = lines.next() else { return };
    for _ in lines.by_ref().take_while(|line| !line.is_empty()) {}
    let target = request.split(' ').nth(1).unwrap().to_owned();
    let path = target.split('?').next().unwrap().to_owned();
    let method = request.split(' ').next().unwrap().to_owned();
    let (delay, answers, changed) = {
        let mut state = state.lock().unwrap();
        state.requests.push(format!("{method} {target}"));
        let changed = state.overrides.get(&target).or_else(|| state.overrides.get(&path)).cloned();
        (state.delay, state.answers.clone(), changed)
    };
    std::thread::sleep(delay);
    if path == "/events" {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        if stream.write_all(head.as_bytes()).is_ok() {
            state.lock().unwrap().listeners.push(stream);
        }
        return;
    }
    let file = match path.as_str() {
        "/version" => "version.json".to_owned(),
        "/info" => "info.json".to_owned(),
        "/containers/json" => "containers.json".to_owned(),
        path => path.replace("/containers/", "inspect/").replace("/json", ".json"),
    };
    let (status, body) = changed.unwrap_or_else(|| match std::fs::read_to_string(answers.join(file)) {
        Ok(body) => (200, body),
        Err(_) if path == "/_ping" => (200, "OK".to_owned()),
        Err(_) => (404, r#"{"message":"no such container"}"#.to_owned()),
    });
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _client_may_have_given_up =
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
}
