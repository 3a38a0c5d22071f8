//! HTTP and HTTPS: takes requests and sends the collector's answers. Knows nothing about containers.

pub mod access;
mod admission;
mod client;
mod connection;
mod encoding;
pub mod healthcheck;
mod landing;
mod listen;
mod negotiate;
mod pages;
mod peer;
mod refusals;
mod routes;
mod service;
mod target;
mod tls;

pub use connection::serve;
pub use listen::listen;

/// An entry point for `fuzz/`: what is chosen for `Accept` and `Accept-Encoding`, in words.
#[doc(hidden)]
#[must_use]
pub fn fuzz_negotiate(accept: &str, accept_encoding: &str) -> String {
    format!("{:?} {:?}", negotiate::format(accept), negotiate::encoding(accept_encoding))
}
