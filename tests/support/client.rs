//! Clients that misbehave: they send raw bytes and handmade HTTP/2 frames, from any loopback address.

use std::{
    io::{Read, Write},
    net::{IpAddr, SocketAddr, TcpStream},
};

/// A connection from the given loopback address.
pub fn connect_from(from: &str, to: &str) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(from.parse::<IpAddr>().unwrap(), 0)).unwrap();
        socket.connect(to.parse().unwrap()).await.unwrap()
    });
    let stream = stream.into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(super::PATIENCE)).unwrap();
    stream
}

/// The answer to raw bytes, until the other side closes.
pub fn raw(stream: &mut TcpStream, bytes: &[u8]) -> String {
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    let _reset = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Whether the other side has closed. Waits as long as the stream's timeout.
pub fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 4096]) {
        Ok(count) => count == 0,
        Err(error) => error.raw_os_error() == Some(nix::errno::Errno::ECONNRESET as i32),
    }
}

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
const ACK: u8 = 1;
const END_HEADERS_AND_STREAM: u8 = 5;

#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn bytes(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
        bytes.extend([kind, flags]);
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        bytes
    }
}

/// The preface, and a SETTINGS frame with a window for each stream.
pub fn preface(window: u32) -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let mut settings = vec![0, 4];
    settings.extend(window.to_be_bytes());
    bytes.extend(Frame::bytes(SETTINGS, 0, 0, &settings));
    bytes
}

/// A request without a body, with its fields as literals.
pub fn headers(stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.bytes());
        }
    }
    Frame::bytes(HEADERS, END_HEADERS_AND_STREAM, stream, &block)
}

pub fn get(stream: u32, path: &str) -> Vec<u8> {
    headers(stream, &[(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", path)])
}

/// HTTP/2 with prior knowledge.
pub struct Http2 {
    pub stream: TcpStream,
}

impl Http2 {
    pub fn new(mut stream: TcpStream, window: u32) -> Self {
        stream.write_all(&preface(window)).unwrap();
        Self { stream }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next frame that is not SETTINGS or PING, which are acknowledged; `None` if the other side has
    /// closed.
    pub fn next(&mut self) -> Option<Frame> {
        loop {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            self.stream.read_exact(&mut payload).ok()?;
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            let frame = Frame { kind: head[3], flags: head[4], stream, payload };
            match (frame.kind, frame.flags & ACK) {
                (SETTINGS, 0) => self.stream.write_all(&Frame::bytes(SETTINGS, ACK, 0, &[])).ok()?,
                (PING, 0) => self.stream.write_all(&Frame::bytes(PING, ACK, 0, &frame.payload)).ok()?,
                (SETTINGS | PING, _) => {}
                _ => return Some(frame),
            }
        }
    }

    /// The status of a stream's answer, from the first octets of the header block: indexed or as a literal.
    pub fn status(&mut self, stream: u32) -> Option<u16> {
        loop {
            let frame = self.next()?;
            if frame.kind == HEADERS && frame.stream == stream {
                return Some(status(&frame.payload));
            }
            if frame.kind == RST_STREAM && frame.stream == stream || frame.kind == GOAWAY {
                return None;
            }
        }
    }
}

/// The status in a header block (RFC 7541, appendix A), which is the first field that servers send. 503 has
/// no entry in the table, so it is a literal.
pub fn status(block: &[u8]) -> u16 {
    let block = if block[0] & 0xe0 == 0x20 { &block[1..] } else { block };
    match block[0] {
        0x88 => 200,
        0x8c => 400,
        0x8d => 404,
        0x8e => 500,
        first if first & 0x0f == 8 || first & 0x3f == 8 => match &block[1..3] {
            [3, _] | [0x83, _] if block[1] == 3 => {
                std::str::from_utf8(&block[2..5]).unwrap().parse().unwrap()
            }
            // Huffman code: the first digit distinguishes 405 from 503.
            [_, digit] if digit >> 2 == 0b01_1010 => 405,
            _ => 503,
        },
        other => panic!("no status: {other:#x} {block:?}"),
    }
}
