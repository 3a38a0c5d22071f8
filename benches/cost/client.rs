//! Scrapers, and how long they wait.

use crate::served::Served;
use std::{
    io::{Read, Write},
    sync::mpsc,
    time::{Duration, Instant},
};

pub(super) trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

/// One connection that is kept open, as Prometheus does.
pub(super) struct Client(pub(super) Box<dyn Stream>);

impl Client {
    pub(super) fn get(&mut self, path: &str, encoding: &str) -> Option<(u16, usize)> {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: {encoding}\r\n\r\n");
        self.0.write_all(request.as_bytes()).ok()?;
        let mut answer = Vec::new();
        let mut buffer = vec![0; 256 * 1024];
        loop {
            let read = self.0.read(&mut buffer).ok().filter(|read| *read > 0)?;
            answer.extend_from_slice(&buffer[..read]);
            if let Some(end) = answer.windows(4).take(4096).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
                let length: usize =
                    head.split("content-length: ").nth(1)?.split("\r\n").next()?.parse().ok()?;
                let mut have = answer.len() - end - 4;
                while have < length {
                    have += self.0.read(&mut buffer).ok().filter(|read| *read > 0)?;
                }
                return Some((head.split(' ').nth(1)?.parse().ok()?, length));
            }
        }
    }
}

/// The median and the 99th percentile of some times, in ms.
fn percentiles(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    (at(0.5), at(0.99))
}

pub(super) fn latencies(served: &Served, clients: usize, scrapes: usize) -> (f64, f64) {
    let times = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..clients)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = served.client();
                    (0..scrapes)
                        .map(|_| {
                            let begin = Instant::now();
                            assert_eq!(client.get("/metrics", "identity").unwrap().0, 200);
                            begin.elapsed()
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    percentiles(times)
}

/// How long the slowest `/healthz` takes while scrapes run without a break.
pub(super) fn health_under_load(served: &Served) -> f64 {
    std::thread::scope(|scope| {
        let (stop, stopped) = mpsc::channel::<()>();
        scope.spawn(move || {
            let mut client = served.client();
            while stopped.try_recv().is_err() {
                client.get("/metrics", "identity").unwrap();
            }
        });
        let mut client = served.client();
        let slowest = (0..100)
            .map(|_| {
                let begin = Instant::now();
                assert_eq!(client.get("/healthz", "identity").unwrap().0, 200);
                let took = begin.elapsed();
                std::thread::sleep(Duration::from_millis(3));
                took
            })
            .max()
            .unwrap();
        stop.send(()).unwrap();
        slowest.as_secs_f64() * 1e3
    })
}
