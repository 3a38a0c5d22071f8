//! Pages as bodies: compressed once for all who share one, and counted while they are on their way.

use super::negotiate::Encoding;
use crate::collector::Body;
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use std::{io::Write, sync::Arc};
use tokio::sync::OwnedSemaphorePermit;

/// Text of metrics compresses some twentyfold at any level; this one costs a third of gzip's default.
const GZIP_LEVEL: u32 = 1;
const ZSTD_LEVEL: i32 = 1;
/// Below this, a body fits a packet as it is.
const WORTH_IT: usize = 1024;

/// A body that is being sent: it keeps its page, and the permit to have one, until the last byte is out.
struct Sent {
    page: Arc<Body>,
    encoding: Encoding,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Sent {
    fn as_ref(&self) -> &[u8] {
        let compressed = match self.encoding {
            Encoding::Identity => None,
            Encoding::Gzip => self.page.gzip.get(),
            Encoding::Zstd => self.page.zstd.get(),
        };
        compressed.map_or_else(|| self.page.text(), Vec::as_slice)
    }
}

/// The page in the encoding asked for, or as it is if it is too small or can't be compressed.
pub(super) async fn encode(
    page: Arc<Body>,
    asked: Encoding,
    permit: OwnedSemaphorePermit,
) -> (Bytes, Encoding) {
    let mut encoding = if page.text().len() < WORTH_IT { Encoding::Identity } else { asked };
    if encoding != Encoding::Identity {
        let compress = Arc::clone(&page);
        // Some milliseconds of work that must not delay other answers.
        let done = tokio::task::spawn_blocking(move || {
            let compressed = match encoding {
                Encoding::Zstd => compress.zstd.get_or_init(|| zstd(compress.text())),
                _ => compress.gzip.get_or_init(|| gzip(compress.text())),
            };
            !compressed.is_empty()
        });
        if !done.await.unwrap_or(false) {
            encoding = Encoding::Identity;
        }
    }
    (Bytes::from_owner(Sent { page, encoding, _permit: permit }), encoding)
}

/// Empty if it can't be done, which writing into memory does not know.
fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 16), Compression::new(GZIP_LEVEL));
    encoder.write_all(text).and_then(|()| encoder.finish()).unwrap_or_default()
}

fn zstd(text: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(text, ZSTD_LEVEL).unwrap_or_default()
}
