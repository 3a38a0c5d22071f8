//! A file with records, one behind the other.

use crate::push::record::{Kind, Record};
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// The length of a record's header.
pub(super) const HEADER: u64 = HEADER_BYTES as u64;
const HEADER_BYTES: usize = 32;
/// The part of the header that its checksum covers.
const COVERED: usize = HEADER_BYTES - 4;
const MAGIC: &[u8] = b"DSP\x01";
/// No request is larger. A length beyond this is damage.
const LONGEST: u32 = 256 << 20;
/// How much is read at once when the next record is looked for.
const LOOK: usize = 256 << 10;

/// What is known of a segment without reading it.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) number: u64,
    /// Where its last record ends.
    pub(super) bytes: u64,
    pub(super) samples: u64,
}

impl Segment {
    pub(super) fn empty(number: u64) -> Self {
        Self { number, bytes: 0, samples: 0 }
    }

    pub(super) fn add(&mut self, record: &Record) {
        self.bytes += HEADER + record.size();
        self.samples += u64::from(record.samples);
    }
}

/// The header of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    kind: Kind,
    pub(super) samples: u32,
    timestamp: i64,
    pub(super) length: u32,
    sum: u32,
}

impl Header {
    fn encode(&self) -> Vec<u8> {
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&[self.kind.number(), 0, 0, 0]);
        header.extend_from_slice(&self.samples.to_le_bytes());
        header.extend_from_slice(&self.timestamp.to_le_bytes());
        header.extend_from_slice(&self.length.to_le_bytes());
        header.extend_from_slice(&self.sum.to_le_bytes());
        header.extend_from_slice(&crc32fast::hash(&header).to_le_bytes());
        header
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let number = |from: usize| -> Option<u32> {
            Some(u32::from_le_bytes(bytes.get(from..from + 4)?.try_into().ok()?))
        };
        if !bytes.starts_with(MAGIC) || number(COVERED)? != crc32fast::hash(bytes.get(..COVERED)?) {
            return None;
        }
        Some(Self {
            kind: Kind::from_number(*bytes.get(4)?)?,
            samples: number(8)?,
            timestamp: i64::from_le_bytes(bytes.get(12..20)?.try_into().ok()?),
            length: number(20).filter(|length| *length <= LONGEST)?,
            sum: number(24)?,
        })
    }
}

/// The name of a segment's file.
pub(super) fn name(number: u64) -> String {
    format!("{number:020}.segment")
}

/// The largest segment that is read: one that was not quite full, and a last record.
const LARGEST: u64 = (8 << 20) + HEADER + LONGEST as u64;

/// Whether it can be one of ours. Anybody who can write here can put in what blocks or never ends.
fn is_ours(path: &Path, number: u64) -> bool {
    number < u64::MAX / 2
        && fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && found.len() <= LARGEST)
}

/// A segment's number and file.
pub(super) type Numbered = (u64, PathBuf);

/// All segments of a target, in order, and what has the name of one and can't be one. Other files do not
/// matter.
pub(super) fn list(folder: &Path) -> io::Result<(Vec<Numbered>, Vec<PathBuf>)> {
    let (mut found, mut odd) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let file = entry.file_name();
        let number = file.to_str().and_then(|file| file.strip_suffix(".segment")?.parse().ok());
        match number.filter(|number| *file == *name(*number)) {
            Some(number) if is_ours(&entry.path(), number) => found.push((number, entry.path())),
            Some(_) => odd.push(entry.path()),
            None => {}
        }
    }
    found.sort_unstable();
    Ok((found, odd))
}

/// A new segment's file.
pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

pub(super) fn write(file: &File, at: u64, record: &Record) -> io::Result<()> {
    let length = u32::try_from(record.body.len()).ok().filter(|length| *length <= LONGEST);
    let header = Header {
        kind: record.kind,
        samples: record.samples,
        timestamp: record.timestamp,
        length: length.ok_or_else(|| io::Error::other("a request is too large"))?,
        sum: crc32fast::hash(&record.body),
    };
    let mut bytes = header.encode();
    bytes.extend_from_slice(&record.body);
    file.write_all_at(&bytes, at)
}

/// The first header at `at` or behind it, and where it is. `None` if no whole record follows.
pub(super) fn header_of(file: &File, at: u64, end: u64) -> io::Result<Option<(u64, Header)>> {
    let fits = |at: u64, header: &Header| at + HEADER + u64::from(header.length) <= end;
    if end.saturating_sub(at) < HEADER {
        return Ok(None);
    }
    let mut header = [0; HEADER_BYTES];
    file.read_exact_at(&mut header, at)?;
    if let Some(header) = Header::decode(&header) {
        return Ok(fits(at, &header).then_some((at, header)));
    }
    // It is damaged. Look for the next one.
    let mut at = at + 1;
    let mut piece = vec![0; LOOK];
    while end.saturating_sub(at) >= HEADER {
        let length = usize::try_from(end - at).unwrap_or(LOOK).min(LOOK);
        let Some(piece) = piece.get_mut(..length) else { break };
        file.read_exact_at(piece, at)?;
        for (offset, window) in (0..).zip(piece.windows(HEADER_BYTES)) {
            match Header::decode(window) {
                Some(header) if fits(at + offset, &header) => return Ok(Some((at + offset, header))),
                _ => {}
            }
        }
        // The next piece begins with the last bytes of this one, in which a header may begin.
        at += (length - HEADER_BYTES + 1) as u64;
    }
    Ok(None)
}

/// A record. `None` if its body is damaged.
pub(super) fn read_record(file: &File, at: u64, header: &Header) -> io::Result<Option<Record>> {
    let mut body = vec![0; usize::try_from(header.length).map_err(io::Error::other)?];
    file.read_exact_at(&mut body, at + HEADER)?;
    if crc32fast::hash(&body) != header.sum {
        return Ok(None);
    }
    let Header { kind, samples, timestamp, .. } = *header;
    Ok(Some(Record { kind, samples, timestamp, body: body.into() }))
}

/// What a look at a whole segment found.
pub(super) struct Scan {
    pub(super) segment: Segment,
    /// Bytes at the end that are no whole record.
    pub(super) torn: u64,
    /// Bytes between records that are no headers.
    pub(super) damaged: u64,
}

/// Looks at all headers of a segment.
pub(super) fn scan(path: &Path, number: u64) -> io::Result<Scan> {
    let file = File::open(path)?;
    let end = file.metadata()?.len();
    let mut segment = Segment::empty(number);
    let mut damaged = 0;
    while let Some((start, header)) = header_of(&file, segment.bytes, end)? {
        damaged += start - segment.bytes;
        segment.bytes = start + HEADER + u64::from(header.length);
        segment.samples += u64::from(header.samples);
    }
    Ok(Scan { torn: end - segment.bytes, segment, damaged })
}
