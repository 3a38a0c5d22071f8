//! Sockets that the service manager has opened for us: `sd_listen_fds(3)`.

use listenfd::ListenFd;
use rustix::net::sockopt::socket_acceptconn;
use std::{env, net::TcpListener, os::unix::net::UnixListener, process};

/// The most sockets that are taken. A unit needs a few.
const MOST: usize = 64;

/// A socket that listens already.
#[derive(Debug)]
pub enum Passed {
    /// At an address and a port.
    Tcp(TcpListener),
    /// At a socket file or an abstract name.
    Unix(UnixListener),
}

/// The sockets that `LISTEN_FDS` counts, if `LISTEN_PID` says that they are for this process. They can be
/// taken once.
///
/// # Errors
/// If one of them is of another kind, or does not listen.
pub fn sockets() -> Result<Vec<Passed>, String> {
    let number = |name| env::var(name).ok().and_then(|value| value.parse::<usize>().ok());
    let is_ours = number("LISTEN_PID") == usize::try_from(process::id()).ok();
    let count = number("LISTEN_FDS").filter(|_| is_ours).unwrap_or_default();
    if count > MOST {
        return Err(format!("the service manager passed {count} sockets: expected {MOST} at most"));
    }
    if count == 0 {
        return Ok(Vec::new());
    }
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':').map(str::to_owned).collect::<Vec<_>>();
    names.resize(count, String::new());
    let mut descriptors = ListenFd::from_env();
    let take = |(index, name)| take(&mut descriptors, index, name);
    names.into_iter().enumerate().map(take).collect()
}

fn take(descriptors: &mut ListenFd, index: usize, name: String) -> Result<Passed, String> {
    let wrong = |problem: &str| format!("socket {index} from the service manager ({name:?}) {problem}");
    let passed = match descriptors.take_tcp_listener(index) {
        Ok(Some(listener)) => Passed::Tcp(listener),
        _ => match descriptors.take_unix_listener(index) {
            Ok(Some(listener)) => Passed::Unix(listener),
            _ => return Err(wrong("is no stream socket")),
        },
    };
    let listens = match &passed {
        Passed::Tcp(listener) => socket_acceptconn(listener),
        Passed::Unix(listener) => socket_acceptconn(listener),
    };
    if listens == Ok(true) { Ok(passed) } else { Err(wrong("does not listen")) }
}
