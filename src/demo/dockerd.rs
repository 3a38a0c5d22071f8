//! The recorded answers of a Docker API, on a unix socket.

use bytes::Bytes;
use futures_util::stream::pending;
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use std::{
    convert::Infallible,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::net::UnixListener;
use warp::{
    Reply,
    http::{Response, StatusCode},
};

/// Answers on `socket` with the files in `answers`, until the runtime ends. Needs a runtime around it.
pub(super) fn serve(socket: &Path, answers: PathBuf) -> std::io::Result<()> {
    let listener = UnixListener::bind(socket)?;
    let answers = Arc::new(answers);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answers = Arc::clone(&answers);
            // Not warp's own path, which panics where a request has none.
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = answer(&answers, request.uri().path());
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

fn answer(answers: &Path, path: &str) -> warp::reply::Response {
    let mut parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    if parts.first().is_some_and(|first| first.starts_with("v1.")) {
        parts.remove(0);
    }
    let file = match parts.as_slice() {
        ["version"] => answers.join("version.json"),
        ["info"] => answers.join("info.json"),
        ["_ping"] => return "OK".into_response(),
        // A host on which nothing happens: the head of the answer comes at once, an event never.
        ["events"] => return warp::reply::stream(pending::<Result<Bytes, Infallible>>()).into_response(),
        ["containers", "json"] => answers.join("containers.json"),
        ["containers", id, "json"] if id.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            answers.join(format!("inspect/{id}.json"))
        }
        _ => PathBuf::new(),
    };
    let (status, body) = match fs::read(file) {
        Ok(body) => (StatusCode::OK, body),
        Err(_) => (StatusCode::NOT_FOUND, br#"{"message":"not recorded"}"#.to_vec()),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.into_response()
}
