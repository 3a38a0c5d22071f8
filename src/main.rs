//! Arguments in, exit code out. The only place that prints an error.

use docker_stat_prom::{
    app,
    cli::{Config, NoConfig},
};
use std::{io::Write, process::ExitCode};

fn main() -> ExitCode {
    let config = match Config::read(std::env::args_os()) {
        Ok(config) => config,
        Err(NoConfig::Text(text)) => {
            // A reader that went away (`| head`) has seen what it wanted.
            let _reader_went_away = std::io::stdout().write_all(text.as_bytes());
            return ExitCode::SUCCESS;
        }
        Err(NoConfig::Usage { problem, hint }) => return fail(2, &problem, Some(&hint)),
    };
    match app::run(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(failure.code, &format!("{:#}", failure.error), failure.hint.as_deref()),
    }
}

fn fail(code: u8, problem: &str, hint: Option<&str>) -> ExitCode {
    let hint = hint.map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
    // With standard error closed there is nobody to tell.
    let _nobody_listens = write!(std::io::stderr(), "error: {problem}\n{hint}");
    ExitCode::from(code)
}
