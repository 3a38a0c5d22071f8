//! A viewer of the live page: what a browser's EventSource gets.

use super::exporter::Exporter;
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
};

/// An open stream of events.
pub struct Viewer<S = TcpStream> {
    stream: BufReader<S>,
    text: String,
    /// How many bytes of messages have come.
    pub bytes: usize,
}

/// A message: its event and its data.
#[derive(Debug)]
pub struct Message {
    pub event: String,
    pub data: Value,
    /// How long it was on the wire.
    pub bytes: usize,
}

/// The head of the answer to a request for the stream, and the rest of it.
pub fn ask(exporter: &Exporter, headers: &str) -> (String, BufReader<TcpStream>) {
    let stream = TcpStream::connect(&exporter.address).unwrap();
    stream.set_read_timeout(Some(super::PATIENCE)).unwrap();
    ask_on(stream, headers)
}

/// The same on a connection that there is.
pub fn ask_on<S: Read + Write>(mut stream: S, headers: &str) -> (String, BufReader<S>) {
    write!(stream, "GET /live HTTP/1.1\r\nHost: test\r\nAccept: text/event-stream\r\n{headers}\r\n").unwrap();
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut head).unwrap() > 0, "{head}");
    }
    (head.to_lowercase(), stream)
}

impl Viewer {
    /// A viewer who is let in.
    pub fn open(exporter: &Exporter) -> Self {
        Self::open_with(exporter, "")
    }

    pub fn open_with(exporter: &Exporter, headers: &str) -> Self {
        Self::let_in(ask(exporter, headers))
    }
}

impl<S: Read> Viewer<S> {
    /// A viewer who was let in with this answer.
    pub fn let_in((head, stream): (String, BufReader<S>)) -> Self {
        assert!(
            head.starts_with("http/1.1 200") && head.contains("content-type: text/event-stream"),
            "{head}"
        );
        assert!(head.contains("transfer-encoding: chunked"), "{head}");
        Self { stream, text: String::new(), bytes: 0 }
    }

    /// The next message that is no comment; `None` if the stream has ended.
    pub fn next(&mut self) -> Option<Message> {
        loop {
            if let Some((message, rest)) = self.text.split_once("\n\n") {
                let (message, bytes) = (message.to_owned(), message.len() + 2);
                self.text = rest.to_owned();
                self.bytes += bytes;
                if let Some(message) = parsed(&message, bytes) {
                    return Some(message);
                }
                continue;
            }
            let mut size = String::new();
            self.stream.read_line(&mut size).ok()?;
            let size = usize::from_str_radix(size.trim(), 16).ok().filter(|size| *size > 0)?;
            let mut chunk = vec![0; size + 2];
            self.stream.read_exact(&mut chunk).ok()?;
            self.text += std::str::from_utf8(&chunk[..size]).unwrap();
        }
    }

    /// Waits until the stream has ended.
    pub fn until_end(&mut self) {
        let begin = std::time::Instant::now();
        while self.next().is_some() {
            assert!(begin.elapsed() < super::PATIENCE, "the stream goes on");
        }
    }

    /// The next message of this kind.
    pub fn next_of(&mut self, event: &str) -> Message {
        loop {
            let message = self.next().unwrap_or_else(|| panic!("the stream ended without {event}"));
            if message.event == event {
                return message;
            }
        }
    }

    /// The first message that fits.
    pub fn until<T>(&mut self, mut fits: impl FnMut(&Message) -> Option<T>) -> T {
        let begin = std::time::Instant::now();
        loop {
            let message = self.next().expect("another message");
            if let Some(found) = fits(&message) {
                return found;
            }
            assert!(begin.elapsed() < super::PATIENCE, "no message fits: {message:?}");
        }
    }
}

fn parsed(message: &str, bytes: usize) -> Option<Message> {
    let field = |name: &str| message.lines().find_map(|line| line.strip_prefix(name));
    let event = field("event: ")?.to_owned();
    Some(Message { event, data: serde_json::from_str(field("data: ")?).unwrap(), bytes })
}
