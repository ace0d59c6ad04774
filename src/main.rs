//! The `bedside` program: reads the command line and hands over.

use bedside::cli::Cli;
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("bedside: {reason}\n"));
            ExitCode::FAILURE
        }
    }
}
