//! What the exporter costs, next to the floor: a reader that keeps every descriptor, `pread`s the same files
//! and discards the bytes. No program can read them more cheaply.
//!
//! ```text
//! cargo bench --bench cost                    N = 10, 100, 500, 1000, 5000 (as root: makes real cgroups)
//! cargo bench --bench cost -- 10 100          other numbers
//! cargo bench --bench cost -- growth          10,000 scrapes while 1,000 containers are replaced ten times
//! cargo bench --bench cost -- kinds [N]       what one reading of each kind of file costs
//! cargo bench --bench cost -- idle [N …]      the program while nobody asks it for anything
//! cargo bench --bench cost -- push [N …]      a push next to a scrape with gzip, on recorded files
//! cargo bench --bench cost -- viewers         16 viewers of the live page of 100 and of 1,000 containers
//! cargo bench --bench cost -- passes K TREE   K full passes over a tree, for valgrind and strace (counts.py)
//! ```
//!
//! To run it on another machine, such as the virtual machine of tests/host: copy the built bench, the binary
//! and fixtures/tls there, and set `DSP_BINARY` and `DSP_FIXTURES`.
//!
//! If no cgroup2 mount is writable, a recorded tree is replicated on tmpfs instead, and the output says so.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a measurement: it prints, and ends when something is wrong"
)]

mod client;
mod clock;
mod floor;
mod growth;
mod kinds;
mod ours;
mod passes;
mod push;
mod served;
mod tables;
mod viewers;
mod world;

use growth::growth;
use kinds::kinds;
use passes::passes;
use push::push;
use std::path::Path;
use tables::{cost, idle};
use viewers::viewers;
use world::replicate;

fn main() {
    // The floor keeps every file open, which needs more descriptors than most hard limits allow at 5,000
    // containers.
    let wanted = 1_000_000;
    let _as_far_as_it_goes =
        nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, wanted, wanted);
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["passes", count, tree] => passes(count.parse().unwrap(), Path::new(tree)),
        ["tree", count, to] => replicate(count.parse().unwrap(), Path::new(to)),
        ["growth"] => growth(),
        ["kinds"] => kinds(100),
        ["kinds", number] => kinds(number.parse().unwrap()),
        ["idle"] => idle(&[10, 50, 100]),
        ["idle", numbers @ ..] => {
            idle(&numbers.iter().map(|number| number.parse().unwrap()).collect::<Vec<_>>())
        }
        ["push"] => push(&[100, 1000]),
        ["push", numbers @ ..] => {
            push(&numbers.iter().map(|number| number.parse().unwrap()).collect::<Vec<_>>())
        }
        ["viewers"] => viewers(&[100, 1000]),
        [] => cost(&[10, 100, 500, 1000, 5000]),
        numbers => cost(&numbers.iter().map(|number| number.parse().unwrap()).collect::<Vec<_>>()),
    }
}
