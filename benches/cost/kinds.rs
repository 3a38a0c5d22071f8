//! What one reading of each kind of file costs: through a kept descriptor, and opened for the reading.

use crate::{clock::Cost, world::World};
use docker_stat_prom::{discovery::scan, sample::KernelFile};
use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::PathBuf,
};

/// One of each kind of file, of every container.
pub(super) fn kinds(number: usize) {
    let world = World::new(number);
    let directories: Vec<_> =
        scan(&world.roots.cgroup).iter().map(|scope| scope.cgroup.directory(&world.roots.cgroup)).collect();
    println!("| file | kept, µs | opened for the reading, µs | bytes |\n|---|---|---|---|");
    for file in KernelFile::ALL {
        row(file.name(), directories.iter().map(|directory| directory.join(file.name())).collect());
    }
    let processes = directories.iter().map(|directory| {
        let pids = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
        world.roots.proc.join(pids.lines().next().unwrap_or("none"))
    });
    row("net/dev", processes.map(|process| process.join("net/dev")).collect());
}

fn row(name: &str, paths: Vec<PathBuf>) {
    let mut buffer = vec![0; 64 * 1024];
    // Without PSI, a pressure file can be opened but not read.
    let readable =
        |path: &PathBuf| File::open(path).ok().filter(|file| file.read_at(&mut [0; 16], 0).is_ok());
    let files: Vec<_> = paths.iter().filter_map(readable).collect();
    if files.len() < paths.len() {
        return println!("| {name} | not here | | |");
    }
    let bytes = files[0].read_at(&mut buffer, 0).unwrap();
    let per_file = |cost: Cost| cost.cpu() / files.len() as f64;
    let mut other = vec![0; 64 * 1024];
    let (kept, opened) = Cost::of_both(
        || {
            for file in &files {
                std::hint::black_box(file.read_at(&mut buffer, 0).unwrap());
            }
        },
        || {
            for path in &paths {
                let file = File::open(path).unwrap();
                std::hint::black_box(file.read_at(&mut other, 0).unwrap());
            }
        },
    );
    println!("| {name} | {:.2} | {:.2} | {bytes} |", per_file(kept), per_file(opened));
}
