//! Messages to the service manager, `sd_notify(3)`, and sockets from it, `sd_listen_fds(3)`. Sending never
//! blocks: if the manager does not read its socket, nothing else stops.

mod sockets;

pub use sockets::{Passed, sockets};

use nix::time::{ClockId, clock_gettime};
use std::{
    env,
    ffi::OsString,
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
    process,
    time::Duration,
};

/// The shortest and the longest time between two signs of life, whatever the service manager requests.
const FASTEST: Duration = Duration::from_millis(100);
const SLOWEST: Duration = Duration::from_secs(600);

/// The service manager, if there is one.
#[derive(Debug)]
pub struct Manager {
    socket: Option<(UnixDatagram, SocketAddr)>,
}

impl Manager {
    /// The service manager that `NOTIFY_SOCKET` names: a path, or `@` and an abstract name.
    #[must_use]
    pub fn from_environment() -> Self {
        let name = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        let socket = name.and_then(|name| {
            connect(&name).inspect_err(|error| tracing::warn!("NOTIFY_SOCKET {name:?}: {error}")).ok()
        });
        Self { socket }
    }

    /// Sends a state such as `READY=1`. Does nothing without a manager.
    ///
    /// # Errors
    /// If the manager can't be reached, or does not read.
    pub fn tell(&self, state: &str) -> io::Result<()> {
        let Some((socket, address)) = &self.socket else { return Ok(()) };
        socket.send_to_addr(state.as_bytes(), address).map(|_bytes| ())
    }
}

/// What to tell the manager before everything is read again, with the time that it expects.
#[must_use]
pub fn reloading() -> String {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC);
    let microseconds = now.map_or(0, |now| Duration::from(now).as_micros());
    format!("RELOADING=1\nMONOTONIC_USEC={microseconds}")
}

fn connect(name: &OsString) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.as_bytes().split_first() {
        Some((b'/', _)) => SocketAddr::from_pathname(name)?,
        Some((b'@', rest)) => SocketAddr::from_abstract_name(rest)?,
        _ => return Err(io::Error::other("expected a path or @NAME")),
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

/// How often the service manager expects a sign of life, from `WATCHDOG_USEC` and `WATCHDOG_PID`; `None` if
/// it expects none.
#[must_use]
pub fn watchdog() -> Option<Duration> {
    let number = |name| env::var(name).ok().and_then(|value| value.trim().parse::<u64>().ok());
    let is_ours =
        env::var_os("WATCHDOG_PID").is_none() || number("WATCHDOG_PID") == Some(process::id().into());
    number("WATCHDOG_USEC").filter(|_| is_ours).and_then(beat)
}

/// Half of the time after which the service would be killed.
fn beat(usec: u64) -> Option<Duration> {
    (usec > 0).then(|| Duration::from_micros(usec / 2).clamp(FASTEST, SLOWEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watchdog_of_zero_is_none() {
        assert_eq!(beat(0), None);
        assert_eq!(beat(1), Some(FASTEST));
        assert_eq!(beat(30_000_000), Some(Duration::from_secs(15)));
        assert_eq!(beat(u64::MAX), Some(SLOWEST));
    }

    #[test]
    fn a_manager_that_does_not_read_blocks_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let receiver = UnixDatagram::bind(&path).unwrap();
        let manager = Manager { socket: Some(connect(&path.into_os_string()).unwrap()) };
        manager.tell("READY=1").unwrap();
        let mut buffer = [0; 32];
        let count = receiver.recv(&mut buffer).unwrap();
        assert_eq!(buffer.get(..count), Some(&b"READY=1"[..]));
        assert!((0..100_000).any(|_| manager.tell("WATCHDOG=1").is_err()));
    }

    #[test]
    fn an_odd_socket_is_told() {
        for name in ["relative", "vsock:2:1234", "@", &format!("/{}", "x".repeat(200))] {
            let connected = connect(&name.into());
            assert_eq!(connected.is_ok(), name == "@", "{name}");
        }
    }
}
