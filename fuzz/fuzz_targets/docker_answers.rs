//! What a daemon says, read as a list, an inspection and an event.
#![no_main]

use docker_stat_prom::metadata::{Docker, DockerHost, Filter, Labels};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let labels = Labels::new(&["*".to_owned()], &["A".to_owned()]).expect("a glob and a name");
    let filter = Filter::new(&[], &["name=x*".to_owned()]).expect("a term");
    let docker = Docker::new(DockerHost::Unix("/nonexistent".into()), labels, filter, || ());
    // The same answer is the same news.
    assert_eq!(docker.understand(body), docker.understand(body));
});
