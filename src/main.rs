//! The entry point: from arguments to an exit code. The only place that prints an error.

#![forbid(unsafe_code)]

use docker_stat_prom::{
    app,
    cli::NoConfig,
    log::{harmless, last_words},
    settings::Settings,
};
use std::{io::Write, process::ExitCode};

/// Returns memory to the kernel soon after a large page, a list or an attack; glibc's allocator keeps most of
/// it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Where huge pages are always used, the little that each thread allocates would take 2 MiB each. For what
    // is allocated before this line, see .cargo/config.toml.
    let _older_kernels_have_no_such_switch = nix::sys::prctl::set_thp_disable(true);
    // The default hook writes to standard error, and would wait for ever if the reader is stuck.
    std::panic::set_hook(Box::new(|panic| {
        last_words(&format!("{panic}\n{}\n", std::backtrace::Backtrace::capture()));
    }));
    let settings = match Settings::read(std::env::args_os()) {
        Ok(settings) => settings,
        Err(NoConfig::Text(text)) => {
            // A reader that has gone away (`| head`) has seen what it wanted.
            let _reader_went_away = std::io::stdout().write_all(text.as_bytes());
            return ExitCode::SUCCESS;
        }
        Err(NoConfig::Usage { problem, hint }) => return fail(2, &problem, Some(&hint)),
    };
    match app::run(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(1, &format!("{:#}", failure.error), failure.hint.as_deref()),
    }
}

fn fail(code: u8, problem: &str, hint: Option<&str>) -> ExitCode {
    let hint = hint.map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
    last_words(&format!("error: {}\n{hint}", harmless(problem)));
    ExitCode::from(code)
}
