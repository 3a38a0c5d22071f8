//! Compression of bodies.

use flate2::{Compression, write::GzEncoder};
use hyper::body::Bytes;
use std::io::Write;

/// How much snappy compresses at once. It never refers to what was before that.
const BLOCK: usize = 64 << 10;

/// Snappy's block format, as remote write demands it. Keeps its memory for the next body: what is asked for
/// and given back with each request stays with the process for a while, and that is several times the body.
#[derive(Debug)]
pub struct Snappy {
    encoder: snap::raw::Encoder,
    /// One block, compressed.
    block: Vec<u8>,
    /// The whole body, compressed.
    packed: Vec<u8>,
}

impl Default for Snappy {
    fn default() -> Self {
        Self { encoder: snap::raw::Encoder::new(), block: Vec::new(), packed: Vec::new() }
    }
}

impl Snappy {
    /// Compresses a body.
    ///
    /// # Errors
    /// If the body is larger than 4 GiB.
    pub fn pack(&mut self, body: &[u8]) -> Result<Bytes, snap::Error> {
        let Self { encoder, block, packed } = self;
        block.resize(snap::raw::max_compress_len(BLOCK), 0);
        packed.clear();
        let length = u32::try_from(body.len())
            .map_err(|_| snap::Error::TooBig { given: body.len() as u64, max: u64::from(u32::MAX) })?;
        put_length(length, packed);
        for part in body.chunks(BLOCK) {
            let written = encoder.compress(part, block)?;
            // Each begins with its own length, which a part of a body does not have.
            packed.extend_from_slice(block.get(length_bytes(part.len())..written).unwrap_or_default());
        }
        Ok(Bytes::copy_from_slice(packed))
    }
}

/// Writes a length as snappy has it: seven bits in each byte, the lowest first.
fn put_length(mut length: u32, to: &mut Vec<u8>) {
    while length >= 0x80 {
        to.push(length.to_le_bytes()[0] | 0x80);
        length >>= 7;
    }
    to.push(length.to_le_bytes()[0]);
}

/// How many bytes such a length has.
fn length_bytes(length: usize) -> usize {
    (1..5).find(|bytes| length < 1 << (7 * bytes)).unwrap_or(5)
}

/// The same for one body alone.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_of_any_length_is_the_same_as_if_it_were_compressed_at_once() {
        let mut snappy = Snappy::default();
        let text: Vec<u8> = (0..300_000_u32).flat_map(|n| (n % 4096 * 7919 % 977).to_le_bytes()).collect();
        for length in [0, 1, 127, 128, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 3 * BLOCK + 7, text.len()] {
            let body = text.get(..length).unwrap();
            let packed = snappy.pack(body).unwrap();
            assert_eq!(packed, super::snappy(body).unwrap(), "{length}");
            assert_eq!(unsnappy(&packed).unwrap(), body);
        }
    }
}
