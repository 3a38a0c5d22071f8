//! What sixteen viewers of the live page cost, and what they cost a scrape beside them.

use crate::{client::latencies, served::Served, world::replicate};
use docker_stat_prom::sample::Roots;
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::sleep,
    time::{Duration, Instant},
};

const VIEWERS: usize = 16;
/// How long each situation is measured. The kernel tells CPU time in steps of 10 ms.
const TIME: Duration = Duration::from_secs(60);

/// Prints the CPU time of the served program without and with viewers of a host whose containers all change
/// at each poll, and how long scrapes take.
pub(super) fn viewers(numbers: &[usize]) {
    println!(
        "| N | CPU alone | with {VIEWERS} viewers | bytes per tick | scrape p50 / p99 ms | with viewers |"
    );
    println!("|---|---|---|---|---|---|");
    for number in numbers {
        let folder = tempfile::tempdir().unwrap();
        replicate(*number, folder.path());
        println!("{}", measured(*number, folder.path()));
    }
}

fn measured(number: usize, tree: &Path) -> String {
    let stop = Arc::new(AtomicBool::new(false));
    let roots = Roots { cgroup: tree.join("sys/fs/cgroup"), proc: tree.join("proc"), sys: tree.join("sys") };
    std::thread::scope(|scope| {
        scope.spawn(|| keep_busy(number, tree, &stop));
        let served = Served::start(&roots, false);
        let alone = share(&served);
        let scrapes = latencies(&served, 1, 200);
        let bytes = Arc::new(AtomicUsize::new(0));
        for _ in 0..VIEWERS {
            let mut stream = TcpStream::connect(served.address()).unwrap();
            stream.write_all(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            let bytes = Arc::clone(&bytes);
            // It ends when the program does.
            std::thread::spawn(move || {
                let mut buffer = vec![0; 256 * 1024];
                while let Ok(read @ 1..) = stream.read(&mut buffer) {
                    bytes.fetch_add(read, Ordering::Relaxed);
                }
            });
        }
        // The first message is the whole state.
        sleep(Duration::from_secs(5));
        let before = bytes.load(Ordering::Relaxed);
        let together = share(&served);
        let sent = (bytes.load(Ordering::Relaxed) - before) as f64;
        let ticks = TIME.as_secs_f64() / 2.0 * VIEWERS as f64;
        let beside = latencies(&served, 1, 200);
        stop.store(true, Ordering::Relaxed);
        format!(
            "| {number} | {:.2} % | {:.2} % | {:.0} | {:.2} / {:.2} | {:.2} / {:.2} |",
            alone * 100.0,
            together * 100.0,
            sent / ticks,
            scrapes.0,
            scrapes.1,
            beside.0,
            beside.1,
        )
    })
}

/// The share of one CPU that the program uses.
fn share(served: &Served) -> f64 {
    let (begin, before) = (Instant::now(), served.cpu_seconds());
    sleep(TIME);
    (served.cpu_seconds() - before) / begin.elapsed().as_secs_f64()
}

/// Makes all containers use CPU and memory.
fn keep_busy(number: usize, tree: &Path, stop: &AtomicBool) {
    let mut usec = 10_000_000;
    while !stop.load(Ordering::Relaxed) {
        usec += 123_456;
        for container in 0..number {
            let scope = tree.join(format!("sys/fs/cgroup/system.slice/docker-{container:064x}.scope"));
            let memory = (usec + container * 4096) % 100_000_000;
            // In place, since a file that is written anew is empty for a moment.
            let stat = format!("usage_usec {usec}\nuser_usec {usec}\nsystem_usec 0\n");
            for (file, text) in [("cpu.stat", stat), ("memory.current", format!("{:09}\n", memory))] {
                let mut file = fs::OpenOptions::new().write(true).open(scope.join(file)).unwrap();
                file.write_all(text.as_bytes()).unwrap();
            }
        }
        sleep(Duration::from_millis(500));
    }
}
