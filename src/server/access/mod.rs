//! Who may ask, and how: TLS, client certificates, passwords, tokens and the rate of requests. All of it
//! comes from files, which are read again when they change.

mod certificates;
mod changes;
mod clients;
mod config;
mod digest;
mod gate;
mod handshake;
mod names;
mod passwords;
mod rate;
mod reach;
mod rules;
mod sources;
mod tokens;
mod users;
mod watch;

pub(in crate::server) use changes::Changes;
pub use gate::Access;
pub use reach::{Identity, Reach, reach};
pub use sources::{LoadError, Sources};
pub use watch::{Watch, watch};
