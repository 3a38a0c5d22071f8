//! A Docker API on a Unix socket, with the demo's answers and events.

use bytes::Bytes;
use futures_util::stream::unfold;
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use serde_json::{Value, json};
use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{
    net::UnixListener,
    sync::mpsc::{Sender, channel},
};
use warp::{
    Reply,
    http::{Response, StatusCode},
};

/// How many events are remembered: as many as by a real daemon.
const REMEMBERED: usize = 256;
/// How many events may wait for one listener. A listener that has more is dropped.
const WAITING: usize = 2 * REMEMBERED;

/// What the daemon answers.
#[derive(Debug)]
pub(super) struct Daemon(Mutex<Answers>);

#[derive(Debug)]
struct Answers {
    version: String,
    info: Value,
    list: Value,
    inspections: HashMap<String, String>,
    /// The events with their times, in Unix seconds.
    events: VecDeque<(f64, Bytes)>,
    listeners: Vec<Sender<Bytes>>,
}

impl Daemon {
    pub(super) fn new(version: String, info: Value) -> Self {
        Self(Mutex::new(Answers {
            version,
            info,
            list: json!([]),
            inspections: HashMap::new(),
            events: VecDeque::new(),
            listeners: Vec::new(),
        }))
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the answer to an inspection of a container.
    pub(super) fn set(&self, id: &str, inspection: String) {
        self.answers().inspections.insert(id.to_owned(), inspection);
    }

    /// Removes a container.
    pub(super) fn remove(&self, id: &str) {
        self.answers().inspections.remove(id);
    }

    /// Sets the list, and the daemon's clock.
    pub(super) fn tick(&self, rows: Vec<Value>, system_time: String) {
        let mut answers = self.answers();
        answers.list = Value::Array(rows);
        if let Some(info) = answers.info.as_object_mut() {
            info.insert("SystemTime".into(), json!(system_time));
        }
    }

    /// Sends an event to all listeners.
    pub(super) fn tell(&self, now: f64, line: String) {
        let mut answers = self.answers();
        let line = Bytes::from(line);
        if answers.events.len() >= REMEMBERED {
            answers.events.pop_front();
        }
        answers.events.push_back((now, line.clone()));
        answers.listeners.retain(|listener| listener.try_send(line.clone()).is_ok());
    }

    /// Events since a time, and future ones.
    fn listen(&self, since: f64) -> warp::reply::Response {
        let (sender, receiver) = channel(WAITING);
        let mut answers = self.answers();
        for (_, line) in answers.events.iter().filter(|(time, _)| *time >= since) {
            let _has_room = sender.try_send(line.clone());
        }
        answers.listeners.push(sender);
        let lines = unfold(receiver, |mut receiver| async {
            let line = receiver.recv().await?;
            Some((Ok::<_, Infallible>(line), receiver))
        });
        warp::reply::stream(lines).into_response()
    }

    /// The list. As in dockerd, sizes are in it only if they are asked for.
    fn list(&self, query: &str) -> Value {
        let mut list = self.answers().list.clone();
        if !query.split('&').any(|part| matches!(part, "size=1" | "size=true")) {
            for row in list.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
                row.remove("SizeRw");
                row.remove("SizeRootFs");
            }
        }
        list
    }

    fn answer(&self, path: &str, query: &str) -> warp::reply::Response {
        let mut parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        if parts.first().is_some_and(|first| first.starts_with("v1.")) {
            parts.remove(0);
        }
        let found = match parts.as_slice() {
            ["_ping"] => return "OK".into_response(),
            ["events"] => {
                let since = query.split('&').find_map(|part| part.strip_prefix("since="));
                return self.listen(since.and_then(|since| since.parse().ok()).unwrap_or(f64::INFINITY));
            }
            ["version"] => Some(self.answers().version.clone()),
            ["info"] => Some(self.answers().info.to_string()),
            ["containers", "json"] => Some(self.list(query).to_string()),
            ["containers", id, "json"] => self.answers().inspections.get(*id).cloned(),
            _ => None,
        };
        let (status, body) = match found {
            Some(body) => (StatusCode::OK, body),
            None => (StatusCode::NOT_FOUND, r#"{"message":"no such container or page in the demo"}"#.into()),
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        response.into_response()
    }
}

/// Answers on `socket` until the runtime ends. Must be called inside a Tokio runtime.
pub(super) fn serve(socket: &Path, daemon: Arc<Daemon>) -> std::io::Result<()> {
    let listener = UnixListener::bind(socket)?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let daemon = Arc::clone(&daemon);
            // warp's own server is not used: it panics when a request has no path.
            let service = service_fn(move |request: Request<Incoming>| {
                let uri = request.uri();
                let answer = daemon.answer(uri.path(), uri.query().unwrap_or_default());
                async { Ok::<_, Infallible>(answer) }
            });
            tokio::spawn(async move {
                let builder = Builder::new(TokioExecutor::new());
                let _client_went_away = builder.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    Ok(())
}
