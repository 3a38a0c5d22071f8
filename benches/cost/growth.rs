//! Memory and descriptors while containers come and go.

use crate::{served::Served, world::World};
use std::fs;

pub(super) fn growth() {
    let mut world = World::new(1000);
    assert!(world.real, "growth needs a cgroup2 mount that may be written to");
    let served = Served::start(&world.roots, false);
    println!("| scrapes | containers so far | RSS KiB | open descriptors |\n|---|---|---|---|");
    let mut client = served.client();
    for generation in 1..=10 {
        for _ in 0..1000 {
            assert_eq!(client.get("/metrics", "identity").unwrap().0, 200);
        }
        let open = fs::read_dir(format!("/proc/{}/fd", served.child.id())).unwrap().count();
        println!("| {} | {} | {} | {open} |", generation * 1000, generation * 1000, served.status("VmRSS"));
        world.clear();
        for number in 0..1000 {
            world.add(number, generation);
        }
    }
}
