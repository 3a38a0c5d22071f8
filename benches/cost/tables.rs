//! The tables of `cargo bench --bench cost`.

use crate::{
    client::{health_under_load, latencies},
    clock::Cost,
    floor::Floor,
    ours::Ours,
    served::Served,
    world::{World, binary},
};
use docker_stat_prom::{
    discovery::scan,
    sample::{FileSet, KernelFile, Roots, limits::raise_open_files},
    table::Selection,
};
use std::{
    fs,
    time::{Duration, Instant},
};

pub(super) fn cost(numbers: &[usize]) {
    println!("kernel {}", fs::read_to_string("/proc/sys/kernel/osrelease").unwrap().trim());
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap();
    let model =
        cpu.lines().find_map(|line| line.strip_prefix("model name\t: ")).unwrap_or("unknown").to_owned();
    println!("cpu {model}, {} logical", std::thread::available_parallelism().unwrap());
    let size = fs::metadata(binary()).unwrap().len();
    println!("binary {size} bytes (with line tables when built by cargo bench)");
    let mut first = true;
    let mut served_table = vec![
        "| N | start ms | HTTP p50/p99 ms | 8 clients | HTTPS p50/p99 ms | 8 clients | slowest /healthz ms | \
         plain | gzip | RSS KiB | kernel KiB | idle: CPU of 2 s polling | per container and tick, µs |"
            .to_owned(),
    ];
    served_table.push("|---|---|---|---|---|---|---|---|---|---|---|---|---|".into());
    for number in numbers {
        let world = World::new(*number);
        if std::mem::take(&mut first) {
            println!(
                "{}",
                if world.real { "real cgroups" } else { "NOT real cgroups: a recorded tree on tmpfs" }
            );
            missing(&world.roots);
            println!(
                "\n| N | pass | files | user µs | system µs | CPU µs | wall µs | floor µs | ÷ floor | again \
                 and again, µs | floor µs | ÷ floor |"
            );
            println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
        }
        let files = Selection::default().files();
        let rates = FileSet::RATES.intersection(files);
        let present = present(&world.roots).len();
        let limit = raise_open_files().unwrap();
        // The exporter and the floor keep their descriptors at the same time. The budget is only for files;
        // each container also has two directories.
        let all = number * (2 * present + 2) + 500 < limit as usize;
        // The same budget per container for any number of containers, which shows how the cost grows.
        let one_each = 256 + 3 * *number as u64;
        for (name, budget, limit) in [
            ("default fd budget", 3000, limit),
            ("one fd kept each", 3000, one_each),
            ("all fds kept", 10_000_000, limit),
        ] {
            if budget > 3000 && !all {
                continue;
            }
            let ours = Ours::new(&world.roots, budget, limit);
            // During a container's first ten seconds its process is located again and again.
            ours.scrape();
            std::thread::sleep(Duration::from_secs(11));
            let scrape = || assert!(ours.scrape() > 0);
            println!("{}", row(*number, &format!("scrape, {name}"), &world, all.then_some(files), scrape));
            if limit != one_each && budget == 3000 {
                println!("{}", row(*number, "tick", &world, all.then_some(rates), || ours.tick()));
                let keeping = Ours::keeping(&world.roots, budget, limit);
                keeping.scrape();
                std::thread::sleep(Duration::from_secs(11));
                let polled = rates.union(FileSet::of(&[KernelFile::MemoryCurrent]).intersection(files));
                let name = "tick, peaks and history";
                println!("{}", row(*number, name, &world, all.then_some(polled), || keeping.tick()));
            }
        }
        served_table.push(serve(&world, *number));
    }
    println!("\n{}", served_table.join("\n"));
}

/// Measures one kind of pass in turns with its floor, then each of them alone; without the floor if there are
/// not enough descriptors for both.
fn row(number: usize, name: &str, world: &World, files: Option<FileSet>, mut pass: impl FnMut()) -> String {
    let Some(files) = files else {
        let cost = Cost::of(&mut pass);
        let Cost { user, system, wall } = cost;
        return format!(
            "| {number} | {name} | | {user:.0} | {system:.0} | - | {wall:.0} | - | - | {:.0} | - | - |",
            cost.cpu()
        );
    };
    let mut floor = Floor::new(&world.roots, files, true);
    let (bottom, cost) = Cost::of_both(|| floor.read(), &mut pass);
    let alone = Cost::of(&mut pass).cpu();
    let bottom_alone = Cost::of(|| floor.read()).cpu();
    let Cost { user, system, wall } = cost;
    format!(
        "| {number} | {name} | {} | {user:.0} | {system:.0} | {:.0} | {wall:.0} | {:.0} | {:.2} | {alone:.0} \
         | {bottom_alone:.0} | {:.2} |",
        floor.len(),
        cost.cpu(),
        bottom.cpu(),
        cost.cpu() / bottom.cpu(),
        alone / bottom_alone
    )
}

fn serve(world: &World, number: usize) -> String {
    let scrapes = (20_000 / number).clamp(10, 200);
    let plain = Served::start(&world.roots, false);
    let start = plain.start.as_secs_f64() * 1e3;
    let alone = latencies(&plain, 1, scrapes);
    let eight = latencies(&plain, 8, scrapes.div_ceil(4));
    let health = health_under_load(&plain);
    let (_, size) = plain.client().get("/metrics", "identity").unwrap();
    let (_, gzip) = plain.client().get("/metrics", "gzip").unwrap();
    let resident = plain.status("VmRSS");
    let kernel =
        plain.charged.as_ref().map_or_else(|| "-".to_owned(), |charged| charged.kernel().to_string());
    let polling = polling(&plain);
    drop(plain);
    let secure = Served::start(&world.roots, true);
    let tls_alone = latencies(&secure, 1, scrapes);
    let tls_eight = latencies(&secure, 8, scrapes.div_ceil(4));
    format!(
        "| {number} | {start:.1} | {:.2} / {:.2} | {:.2} / {:.2} | {:.2} / {:.2} | {:.2} / {:.2} | \
         {health:.2} | {size} | {gzip} | {resident} | {kernel} | {:.3} % | {:.1} |",
        alone.0,
        alone.1,
        eight.0,
        eight.1,
        tls_alone.0,
        tls_alone.1,
        tls_eight.0,
        tls_eight.1,
        polling * 100.0,
        polling * 2e6 / number as f64
    )
}

/// The program while nobody asks it for anything: it only polls. Also in turns with the collector's own
/// ticks, one after the other.
pub(super) fn idle(numbers: &[usize]) {
    println!(
        "| N | idle: CPU of 2 s polling | per container and tick, µs | tick, peaks and history, µs | per \
         container |"
    );
    println!("|---|---|---|---|---|");
    for number in numbers {
        let world = World::new(*number);
        let served = Served::start(&world.roots, false);
        let ours = Ours::keeping(&world.roots, 3000, raise_open_files().unwrap());
        ours.scrape();
        // During a container's first ten seconds its process is located again and again.
        std::thread::sleep(Duration::from_secs(11));
        let polling = polling(&served);
        let tick = Cost::of(|| ours.tick()).cpu();
        println!(
            "| {number} | {:.3} % | {:.1} | {tick:.0} | {:.1} |",
            polling * 100.0,
            polling * 2e6 / *number as f64,
            tick / *number as f64
        );
    }
}

/// The share of a core that the program takes while nobody asks it for anything.
fn polling(served: &Served) -> f64 {
    let before = served.cpu_seconds();
    let begin = Instant::now();
    std::thread::sleep(Duration::from_secs(40));
    (served.cpu_seconds() - before) / begin.elapsed().as_secs_f64()
}

/// The requested files that this machine's cgroups have.
fn present(roots: &Roots) -> Vec<KernelFile> {
    let scope = scan(&roots.cgroup).into_iter().next().unwrap();
    let directory = scope.cgroup.directory(&roots.cgroup);
    let wanted = KernelFile::ALL.iter().filter(|file| Selection::default().files().contains(**file));
    wanted.copied().filter(|file| directory.join(file.name()).exists()).collect()
}

/// Prints which files this machine's cgroups do not have.
fn missing(roots: &Roots) {
    let present = present(roots);
    let wanted = KernelFile::ALL.iter().filter(|file| Selection::default().files().contains(**file));
    let absent: Vec<_> = wanted.filter(|file| !present.contains(file)).map(|file| file.name()).collect();
    println!("not there: {}", if absent.is_empty() { "nothing".to_owned() } else { absent.join(", ") });
}
