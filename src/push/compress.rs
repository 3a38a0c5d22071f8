//! Compression of bodies.

use flate2::{Compression, write::GzEncoder};
use std::io::Write;

/// Snappy's block format, as remote write demands it.
///
/// # Errors
/// If the body is larger than 4 GiB.
pub fn snappy(body: &[u8]) -> Result<Vec<u8>, snap::Error> {
    snap::raw::Encoder::new().compress_vec(body)
}

/// The opposite.
///
/// # Errors
/// If it is not snappy.
pub(super) fn unsnappy(body: &[u8]) -> Result<Vec<u8>, snap::Error> {
    snap::raw::Decoder::new().decompress_vec(body)
}

/// gzip, fast rather than small.
///
/// # Errors
/// Never, because it goes to memory.
pub fn gzip(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}
