//! The socket that clients connect to.

use std::{
    io::{Error, Result},
    net::SocketAddr,
};
use tokio::net::{TcpListener, TcpSocket};

/// How many connections may wait to be accepted. If there is no room, a scraper's SYN is dropped and sent
/// again only after a second.
const BACKLOG: u32 = 4096;
/// How many bytes of an answer the kernel may buffer per connection. The default can be megabytes, and then a
/// client that reads slowly looks like one that reads nothing.
const SEND_BUFFER: u32 = 128 * 1024;

/// Listens on the first address that is available. Must be called inside a Tokio runtime.
///
/// # Errors
/// If no address is available. The error is that of the last one.
pub fn listen(addresses: &[SocketAddr]) -> Result<TcpListener> {
    let mut problem = None;
    for address in addresses {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        // Accepted sockets inherit it.
        socket.set_send_buffer_size(SEND_BUFFER)?;
        match socket.bind(*address).and_then(|()| socket.listen(BACKLOG)) {
            Ok(listener) => return Ok(listener),
            Err(error) => problem = Some(error),
        }
    }
    Err(problem.unwrap_or_else(|| Error::other("the name has no address")))
}
