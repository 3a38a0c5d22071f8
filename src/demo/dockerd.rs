//! The recorded answers of a Docker API, on a unix socket.

use bytes::Bytes;
use futures_util::stream::pending;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use std::{
    convert::Infallible,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::net::UnixListener;
use warp::{
    Filter, Reply,
    http::{Response, StatusCode},
};

/// Answers on `socket` with the files in `answers`, until the runtime ends. Needs a runtime around it.
pub(super) fn serve(socket: &Path, answers: PathBuf) -> std::io::Result<()> {
    let listener = UnixListener::bind(socket)?;
    let answers = Arc::new(answers);
    let routes = warp::path::full().then(move |path: warp::path::FullPath| {
        let answers = Arc::clone(&answers);
        async move { answer(&answers, path.as_str()) }
    });
    let service = warp::service(routes);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
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
