//! One request to a receiver: over TCP or TLS, through a proxy, after redirects, with a deadline.

mod answer;
mod blocking;
mod client;
mod connect;
mod credentials;
mod masks;
mod redirect;
mod tls;

pub(super) use answer::{Answer, Failure};
pub(super) use client::{Client, Request};
pub(super) use masks::first_line;
