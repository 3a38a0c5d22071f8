//! `Accept` and `Accept-Encoding`: any text is an answer, and case does not matter.
#![no_main]

use docker_stat_prom::server::fuzz_negotiate;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    // The format's and the encoding's names.
    let chosen = fuzz_negotiate(text, text);
    let (upper, lower) = (text.to_ascii_uppercase(), text.to_ascii_lowercase());
    assert_eq!(fuzz_negotiate(&upper, &upper), chosen);
    assert_eq!(fuzz_negotiate(&lower, &lower), chosen);
});
