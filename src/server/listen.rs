//! The socket that clients connect to.

use std::{
    io::{Error, Result},
    net::SocketAddr,
};
use tokio::net::{TcpListener, TcpSocket};

/// Connections that may wait to be accepted; a scraper whose SYN finds no room tries again only after a
/// second.
const BACKLOG: u32 = 4096;
/// What the kernel may hold of each answer. Left to itself it takes megabytes, and a client that reads slowly
/// can't be told from one that reads nothing.
const SEND_BUFFER: u32 = 128 * 1024;

/// Listens on the first of some addresses that can be had. Needs a runtime around it.
///
/// # Errors
/// None can be had: why not the last one.
pub fn listen(addresses: &[SocketAddr]) -> Result<TcpListener> {
    let mut problem = None;
    for address in addresses {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        // Accepted sockets have it too.
        socket.set_send_buffer_size(SEND_BUFFER)?;
        match socket.bind(*address).and_then(|()| socket.listen(BACKLOG)) {
            Ok(listener) => return Ok(listener),
            Err(error) => problem = Some(error),
        }
    }
    Err(problem.unwrap_or_else(|| Error::other("the name has no address")))
}
