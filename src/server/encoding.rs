//! Turns pages into response bodies: compressed once for all clients that share a page, and counted while
//! they are being sent.

use super::{negotiate::Encoding, pages::Permit};
use crate::collector::Body;
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use std::{
    io::Write,
    sync::{
        Arc, Weak,
        mpsc::{SyncSender, sync_channel},
    },
    thread,
};
use tokio::sync::oneshot;

/// Half the bytes of level 1 where there are many containers, for little more time: see benches/README.md.
const GZIP_LEVEL: u32 = 2;
const ZSTD_LEVEL: i32 = 1;
/// A smaller body fits a packet without compression.
const WORTH_IT: usize = 1024;
/// How many pages may wait to be compressed: as many as there can be.
const QUEUE: usize = 16;

/// A body that is being sent. It keeps its page, and the permit for it, until the last byte is sent.
struct Sent {
    page: Arc<Body>,
    compressed: Option<Arc<Vec<u8>>>,
    _permit: Permit,
}

impl AsRef<[u8]> for Sent {
    fn as_ref(&self) -> &[u8] {
        self.compressed.as_ref().map_or_else(|| self.page.text(), |compressed| compressed.as_slice())
    }
}

/// Other text that can be as large as a page.
struct Text {
    text: String,
    _permit: Permit,
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

/// Turns a text into bytes that keep the permit until the last byte is sent.
pub(super) fn keep(text: String, permit: Permit) -> Bytes {
    permit.hold(text.as_bytes());
    Bytes::from_owner(Text { text, _permit: permit })
}

struct Job {
    page: Arc<Body>,
    encoding: Encoding,
    done: oneshot::Sender<Option<Arc<Vec<u8>>>>,
}

/// The compressed forms of the pages that still exist, so that scrapers that share a page share these too.
#[derive(Debug, Default)]
struct Forms(Vec<(Weak<Body>, Encoding, Arc<Vec<u8>>)>);

impl Forms {
    /// A page in an encoding, compressed now if it was not before. `None` if that fails.
    fn of(&mut self, page: &Arc<Body>, encoding: Encoding) -> Option<Arc<Vec<u8>>> {
        self.0.retain(|(page, ..)| page.strong_count() > 0);
        let mut known = self.0.iter();
        let found = known.find(|(known, of, _)| known.as_ptr() == Arc::as_ptr(page) && *of == encoding);
        if let Some((_, _, compressed)) = found {
            return Some(Arc::clone(compressed));
        }
        let compressed = Arc::new(compress(page.text(), encoding)?);
        self.0.push((Arc::downgrade(page), encoding, Arc::clone(&compressed)));
        Some(compressed)
    }
}

/// The thread that compresses, so that this work does not delay other answers. It is created once, at the
/// start, so it works even if the system refuses new threads later.
#[derive(Debug, Clone)]
pub(super) struct Compressor {
    jobs: Option<SyncSender<Job>>,
}

impl Compressor {
    /// Starts the thread. Without it, pages are sent uncompressed.
    pub(super) fn start() -> Self {
        let (jobs, queue) = sync_channel::<Job>(QUEUE);
        let thread = thread::Builder::new().name("compress".into()).spawn(move || {
            let mut forms = Forms::default();
            for job in queue {
                // If the client has gone, nothing waits for the result.
                if !job.done.is_closed() {
                    let _client_went_away = job.done.send(forms.of(&job.page, job.encoding));
                }
            }
        });
        if let Err(error) = &thread {
            tracing::warn!("pages will not be compressed: the thread can't be started: {error}");
        }
        Self { jobs: thread.is_ok().then_some(jobs) }
    }

    /// The page in the requested encoding, or uncompressed if it is too small or can't be compressed.
    pub(super) async fn encode(&self, page: Arc<Body>, asked: Encoding, permit: Permit) -> (Bytes, Encoding) {
        permit.hold(page.text());
        let is_asked = asked != Encoding::Identity && page.text().len() >= WORTH_IT;
        let compressed = if is_asked { self.compress(&page, asked).await } else { None };
        let encoding = if compressed.is_some() { asked } else { Encoding::Identity };
        (Bytes::from_owner(Sent { page, compressed, _permit: permit }), encoding)
    }

    async fn compress(&self, page: &Arc<Body>, encoding: Encoding) -> Option<Arc<Vec<u8>>> {
        let (done, result) = oneshot::channel();
        let job = Job { page: Arc::clone(page), encoding, done };
        self.jobs.as_ref()?.try_send(job).ok()?;
        result.await.ok().flatten()
    }
}

/// `None` on an error, which does not happen when writing into memory.
fn compress(text: &[u8], encoding: Encoding) -> Option<Vec<u8>> {
    match encoding {
        Encoding::Identity => None,
        Encoding::Gzip => {
            let room = Vec::with_capacity(text.len() / 16);
            let mut encoder = GzEncoder::new(room, Compression::new(GZIP_LEVEL));
            encoder.write_all(text).and_then(|()| encoder.finish()).ok()
        }
        Encoding::Zstd => zstd::bulk::compress(text, ZSTD_LEVEL).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        server::{client::Client, pages::Pages, peer::Peer, refusals::Refusals},
        table::SelfMetrics,
    };

    async fn encoded(compressor: &Compressor) -> (Bytes, Encoding) {
        let metrics = SelfMetrics::new().unwrap();
        let pages = Pages::new(Refusals::new(metrics.clone()));
        let client = Client::new(Peer::of([127, 0, 0, 1].into()), metrics);
        let permit = pages.acquire(&client).await.unwrap();
        compressor.encode(Arc::new(Body::of(100_000)), Encoding::Gzip, permit).await
    }

    #[test]
    fn a_page_is_compressed_once_and_forgotten_when_it_is_gone() {
        let mut forms = Forms::default();
        let page = Arc::new(Body::of(100_000));
        let once = forms.of(&page, Encoding::Gzip).unwrap();
        assert!(Arc::ptr_eq(&once, &forms.of(&page, Encoding::Gzip).unwrap()));
        let other = Arc::new(Body::of(50_000));
        assert!(!Arc::ptr_eq(&once, &forms.of(&other, Encoding::Gzip).unwrap()));
        assert_ne!(once, forms.of(&page, Encoding::Zstd).unwrap());
        assert_eq!(forms.0.len(), 3);
        drop(page);
        forms.of(&other, Encoding::Gzip).unwrap();
        assert_eq!(forms.0.len(), 1);
    }

    #[tokio::test]
    async fn a_page_goes_out_as_it_is_when_nobody_can_compress_it() {
        let (body, encoding) = encoded(&Compressor::start()).await;
        assert!(encoding == Encoding::Gzip && body.len() < 10_000);
        // The cases: no thread, a thread that has died, a full queue.
        let (jobs, _) = sync_channel(1);
        let (full, _queue) = sync_channel(0);
        for jobs in [None, Some(jobs), Some(full)] {
            let (body, encoding) = encoded(&Compressor { jobs }).await;
            assert_eq!((body.len(), encoding), (100_000, Encoding::Identity));
        }
    }
}
