//! The page's files: style, script, icon. They are in the binary, compressed when it was built.

use crate::server::negotiate::takes_gzip;
use bytes::Bytes;
use flate2::read::GzDecoder;
use hyper::{
    Response, StatusCode,
    header::{self, HeaderMap, HeaderName, HeaderValue},
};
use std::io::Read;

/// A file of the page.
#[derive(Debug)]
struct Asset {
    name: &'static str,
    content_type: &'static str,
    /// Its ETag, which is another one when its content is. It is weak, so that it holds for both forms of it,
    /// compressed and plain.
    tag: &'static str,
    gzip: &'static [u8],
}

const ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The file with this name; `None` if there is none.
pub(super) fn answer(name: &str, asked: &HeaderMap) -> Option<Response<Bytes>> {
    let asset = ASSETS.iter().find(|asset| asset.name == name)?;
    let mut answer = Response::new(Bytes::new());
    let headers = answer.headers_mut();
    headers.insert(header::ETAG, HeaderValue::from_static(asset.tag));
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    // It may be kept, but each use asks whether it is still the same: after an update it is another one.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if is_kept(asset.tag, asked) {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        return Some(answer);
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    *answer.body_mut() = if takes_gzip(&all(asked, &header::ACCEPT_ENCODING)) {
        answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        Bytes::from_static(asset.gzip)
    } else {
        let mut plain = Vec::new();
        // What the build script wrote can be read.
        let _whole = GzDecoder::new(asset.gzip).read_to_end(&mut plain);
        plain.into()
    };
    Some(answer)
}

/// Whether the client has this state of the file already.
fn is_kept(tag: &str, asked: &HeaderMap) -> bool {
    // As If-None-Match compares them (RFC 9110, 8.8.3.2).
    let weakly = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let (known, tag) = (all(asked, &header::IF_NONE_MATCH), weakly(tag));
    known.split(',').map(weakly).any(|known| known == tag || known == "*")
}

/// All values of a header that may come several times.
fn all(asked: &HeaderMap, name: &HeaderName) -> String {
    let values = asked.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a phone must load before it shows anything.
    const MOST: usize = 90 * 1024;

    #[test]
    fn all_files_together_are_small() {
        let all: usize = ASSETS.iter().map(|asset| asset.gzip.len()).sum();
        assert!((1..=MOST).contains(&all), "{all} bytes");
    }

    #[test]
    fn nothing_in_a_file_is_loaded_from_elsewhere() {
        for asset in ASSETS {
            let mut plain = String::new();
            GzDecoder::new(asset.gzip).read_to_string(&mut plain).unwrap();
            for begin in ["src=\"http", "url(http", "from \"http", "import(\"http", "fetch(\"http", "@import"]
            {
                assert!(!plain.contains(begin), "{} has {begin}", asset.name);
            }
        }
    }
}
