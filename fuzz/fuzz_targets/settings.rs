//! What a user may write: hosts, sets of metrics, globs, names of labels.
#![no_main]

use docker_stat_prom::{
    table::Selection,
    metadata::{DockerHost, Filter, Labels, sanitise},
};
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|text: &str| {
    for verify in [false, true] {
        let _either_way = DockerHost::parse(text, verify, Path::new("/certs"));
    }
    let _either_way = Selection::parse(text);
    let words: Vec<String> = text.split(',').map(str::to_owned).collect();
    let (half, rest) = words.split_at(words.len() / 2);
    if let Ok(filter) = Filter::new(half, rest) {
        let _either_way = filter.lets_through(text, text, &|key| Some(key.to_owned()));
    }
    let _either_way =
        Labels::new(half, rest).map(|labels| labels.choose([(text, text)].into_iter(), [text].into_iter()));
    let name = sanitise(text);
    assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{name:?}");
});
