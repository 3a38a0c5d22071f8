//! What a daemon says, read as an answer to each question.
#![no_main]

use docker_stat_prom::metadata::fuzz_answer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    for question in ["version", "info", "list", "inspect", "event"] {
        // What was told of how many containers; the same answer is the same news.
        assert_eq!(fuzz_answer(question, body), fuzz_answer(question, body), "{question}");
    }
});
