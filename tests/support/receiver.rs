//! A receiver of pushes on loopback that behaves as badly as a test wants. Also a proxy.

use super::fixture;
use std::{
    io::{BufRead, BufReader, Read, Write, copy},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};
use tokio_rustls::rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    pub at: Instant,
    /// Which connection of the receiver it came on, from 1.
    pub connection: usize,
    pub head: String,
    pub body: Vec<u8>,
}

impl Received {
    pub fn line(&self) -> &str {
        self.head.lines().next().unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub fn version(&self) -> Option<&str> {
        self.header("x-prometheus-remote-write-version")
    }

    /// The body, without snappy.
    pub fn unpacked(&self) -> String {
        String::from_utf8(snap::raw::Decoder::new().decompress_vec(&self.body).unwrap()).unwrap()
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A status, headers and a body.
    Status(u16, Vec<(&'static str, String)>, String),
    /// Bytes, and then the end of the connection.
    Raw(Vec<u8>),
    /// Nothing, but the connection stays.
    Nothing,
    /// Bytes, and then one more every so often, for ever.
    Drip(&'static str),
    /// Bytes, and then more as fast as possible.
    Flood(&'static str),
    /// What a proxy answers to CONNECT, and then whatever comes.
    Tunnel,
}

pub fn ok() -> Reply {
    Reply::Status(204, vec![], String::new())
}

/// What a receiver of remote write 2.0 answers.
pub fn written(samples: u32) -> Reply {
    let header = ("X-Prometheus-Remote-Write-Samples-Written", samples.to_string());
    Reply::Status(204, vec![header], String::new())
}

pub fn status(status: u16) -> Reply {
    Reply::Status(status, vec![], format!("the answer is {status}\nsecond line"))
}

type Answers = Box<dyn Fn(&Received) -> Reply + Send>;

struct State {
    answers: Answers,
    requests: Vec<Received>,
    connections: usize,
}

/// A server until the test process ends.
pub struct Receiver {
    pub address: String,
    is_secure: bool,
    state: Arc<Mutex<State>>,
}

impl Receiver {
    pub fn start(answers: impl Fn(&Received) -> Reply + Send + 'static) -> Self {
        Self::listen(None, answers)
    }

    pub fn start_tls(tls: Arc<ServerConfig>, answers: impl Fn(&Received) -> Reply + Send + 'static) -> Self {
        Self::listen(Some(tls), answers)
    }

    fn listen(tls: Option<Arc<ServerConfig>>, answers: impl Fn(&Received) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = State { answers: Box::new(answers), requests: Vec::new(), connections: 0 };
        let state = Arc::new(Mutex::new(state));
        let (shared, is_secure) = (Arc::clone(&state), tls.is_some());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (shared, tls) = (Arc::clone(&shared), tls.clone());
                thread::spawn(move || {
                    let connection = {
                        let mut state = shared.lock().unwrap();
                        state.connections += 1;
                        state.connections
                    };
                    // Clients that go away do not matter here.
                    let _ended = match tls {
                        None => serve(stream, connection, &shared),
                        Some(tls) => {
                            let session = ServerConnection::new(tls).unwrap();
                            serve(StreamOwned::new(session, stream), connection, &shared)
                        }
                    };
                });
            }
        });
        Self { address, is_secure, state }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http{}://{}{path}", if self.is_secure { "s" } else { "" }, self.address)
    }

    /// Answers differently from now on.
    pub fn answer(&self, answers: impl Fn(&Received) -> Reply + Send + 'static) {
        self.state.lock().unwrap().answers = Box::new(answers);
    }

    pub fn requests(&self) -> Vec<Received> {
        self.state.lock().unwrap().requests.clone()
    }

    pub fn count(&self) -> usize {
        self.state.lock().unwrap().requests.len()
    }

    pub fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    /// Waits for so many requests.
    pub fn wait_for(&self, count: usize) -> Vec<Received> {
        super::eventually(&format!("{count} requests"), || {
            Some(self.requests()).filter(|requests| requests.len() >= count)
        })
    }
}

fn serve(stream: impl Tunnels, connection: usize, state: &Mutex<State>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let mut request =
            Received { at: Instant::now(), connection, head: head.trim_end().to_owned(), body: Vec::new() };
        let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
        request.body.resize(length, 0);
        stream.read_exact(&mut request.body)?;
        let reply = {
            let mut state = state.lock().unwrap();
            let reply = (state.answers)(&request);
            state.requests.push(request.clone());
            reply
        };
        match reply {
            Reply::Status(status, headers, body) => {
                let mut answer = format!("HTTP/1.1 {status} Words\r\n");
                if status != 204 {
                    answer += &format!("Content-Length: {}\r\n", body.len());
                }
                for (name, value) in headers {
                    answer += &format!("{name}: {value}\r\n");
                }
                stream.get_mut().write_all(format!("{answer}\r\n{body}").as_bytes())?;
                stream.get_mut().flush()?;
            }
            Reply::Raw(bytes) => {
                stream.get_mut().write_all(&bytes)?;
                stream.get_mut().flush()?;
                return Ok(());
            }
            // The next read lasts until the client closes.
            Reply::Nothing => {}
            Reply::Drip(begin) => {
                stream.get_mut().write_all(begin.as_bytes())?;
                loop {
                    stream.get_mut().write_all(b"x")?;
                    stream.get_mut().flush()?;
                    thread::sleep(Duration::from_millis(50));
                }
            }
            Reply::Flood(begin) => {
                stream.get_mut().write_all(begin.as_bytes())?;
                loop {
                    stream.get_mut().write_all(&[b'x'; 1 << 16])?;
                }
            }
            Reply::Tunnel => {
                let to = request.line().split(' ').nth(1).unwrap().to_owned();
                stream.get_mut().write_all(b"HTTP/1.1 200 Established\r\n\r\n")?;
                return stream.into_inner().tunnel(&to);
            }
        }
    }
}

/// What can be joined to another connection.
trait Tunnels: Read + Write {
    fn tunnel(self, to: &str) -> std::io::Result<()>;
}

impl Tunnels for TcpStream {
    fn tunnel(mut self, to: &str) -> std::io::Result<()> {
        let mut there = Self::connect(to)?;
        let (mut from, mut back) = (self.try_clone()?, there.try_clone()?);
        thread::spawn(move || {
            let _ended = copy(&mut back, &mut from);
            let _closed = from.shutdown(Shutdown::Write);
        });
        copy(&mut self, &mut there)?;
        there.shutdown(Shutdown::Write)
    }
}

impl Tunnels for StreamOwned<ServerConnection, TcpStream> {
    fn tunnel(self, _to: &str) -> std::io::Result<()> {
        panic!("the proxy of the tests speaks plain HTTP");
    }
}

/// A server with the recorded certificate, for any client.
pub fn tls() -> Arc<ServerConfig> {
    let tls = fixture("tls");
    let chain =
        CertificateDer::pem_file_iter(tls.join("ec-chain.crt")).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(tls.join("ec-sec1.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    Arc::new(config)
}
