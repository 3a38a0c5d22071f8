//! Where the exporter listens, and where it is asked whether it is ready.

use super::Failure;
use crate::{
    advice,
    sample::host_names,
    server::{
        AllowedHosts, Audience, ListenError, Listener, PageShown,
        access::Reach,
        healthcheck::{Health, Place, Probe, check},
    },
    settings::{Bind, Endpoint, SocketPath},
    systemd::Passed,
};
use anyhow::anyhow;
use std::path::PathBuf;

/// Opens the sockets of `--bind`, and takes those that the service manager has `passed`. These replace the
/// default address, if none `is_given`. Must be called inside a Tokio runtime.
pub(super) fn listeners(bind: &Bind, is_given: bool, passed: Vec<Passed>) -> Result<Vec<Listener>, Failure> {
    let is_replaced = !passed.is_empty() && !is_given;
    let mut listeners = passed
        .into_iter()
        .map(|socket| match socket {
            Passed::Tcp(listener) => Listener::of_tcp(listener),
            Passed::Unix(listener) => Listener::of_unix(listener),
        })
        .collect::<Result<Vec<_>, _>>()?;
    if let Bind::At(places) = bind {
        for place in places.iter().filter(|_| !is_replaced) {
            listeners.push(listen(place)?);
        }
    }
    Ok(listeners)
}

fn listen(place: &Endpoint) -> Result<Listener, Failure> {
    let failed = |problem: String, hint| Failure::new(anyhow!("{place}: {problem}"), hint);
    match place {
        // Names are resolved on this thread: the runtime would need one more, and nothing else runs yet.
        Endpoint::Tcp(address) => address
            .addresses()
            .and_then(|addresses| Listener::tcp(&addresses, address.ipv6_only()))
            .map_err(|error| failed(error.to_string(), advice::listening::address(&error))),
        Endpoint::Unix(SocketPath { path, mode }) => Listener::unix(path, *mode).map_err(|error| {
            let hint = match &error {
                ListenError::System(error) => advice::listening::socket_file(error),
                ListenError::NoSocket | ListenError::Answered => advice::listening::socket_file_taken(),
            };
            failed(error.to_string(), hint)
        }),
    }
}

/// Who may see what.
pub(super) fn audience(allowed_hosts: &[String], debug_pages: bool, page: PageShown) -> Audience {
    Audience { hosts: AllowedHosts::new(allowed_hosts, &host_names()), debug_pages, page }
}

/// Where the exporter is asked.
pub(super) fn asked(places: &[Endpoint]) -> Vec<Place> {
    let of = |place: &Endpoint| match place {
        Endpoint::Tcp(address) => {
            let (hosts, port) = address.local();
            hosts.into_iter().map(|host| Place::Tcp(host, port)).collect()
        }
        Endpoint::Unix(SocketPath { path, .. }) => vec![Place::Unix(path.clone())],
    };
    places.iter().flat_map(of).collect()
}

/// Asks the exporter at these places. Returns what is to be said besides success.
pub(super) async fn check_health(places: Vec<Place>, reach: Reach) -> Result<Option<String>, Failure> {
    match check(&Probe { places, reach }).await? {
        Health::Ready => Ok(None),
        Health::Guarded(guarded) => Ok(Some(guarded.to_string())),
    }
}

/// The socket files that are removed at the end.
pub(super) fn removed(bind: &Bind) -> Vec<PathBuf> {
    let Bind::At(places) = bind else { return Vec::new() };
    let path = |place: &Endpoint| match place {
        Endpoint::Unix(SocketPath { path, .. }) => Some(path.clone()),
        Endpoint::Tcp(_) => None,
    };
    places.iter().filter_map(path).collect()
}
