//! HTTP and HTTPS: takes requests and sends the collector's answers. Only the page at `/`, and what belongs
//! to it, knows anything about containers.

pub mod access;
mod admission;
mod audit;
mod client;
mod connection;
mod encoding;
mod escape;
mod headers;
pub mod healthcheck;
mod hosts;
mod listen;
mod negotiate;
mod page;
mod pages;
mod peer;
mod refusals;
mod routes;
mod service;
mod target;
mod targets;
mod tls;
mod wire;

pub use connection::{Audience, serve};
pub use hosts::AllowedHosts;
pub use listen::{ListenError, Listener};
pub use page::PageShown;
pub use targets::{TargetShown, Targets};

/// An entry point for `fuzz/`: what is chosen for `Accept` and `Accept-Encoding`, in words.
#[doc(hidden)]
#[must_use]
pub fn fuzz_negotiate(accept: &str, accept_encoding: &str) -> String {
    format!("{:?} {:?}", negotiate::format(accept), negotiate::encoding(accept_encoding))
}
