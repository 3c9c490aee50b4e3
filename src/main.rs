//! The program: reads the command line, listens for signals, runs.

use std::process::ExitCode;

use coldcut::{ConfigFiles, Stop, fail, foreign, parse, process, refuse, run};

fn main() -> ExitCode {
    if foreign::is_wanted(std::env::args_os()) {
        return match foreign::serve(&mut std::io::stdout().lock()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    process::keep_capabilities_from_children();
    let cli = match parse(std::env::args_os(), &ConfigFiles::read()) {
        Ok(cli) => cli,
        Err(refusal) => refuse(refusal),
    };
    process::keep_secrets_out_of_core_dumps();
    process::keep_freed_memory();
    let stop = Stop::new();
    if let Err(error) = process::stop_on_signals(&stop) {
        return fail(cli.common.json, &format!("cannot listen for signals: {error}")).into();
    }
    run(cli, stop).into()
}
