//! Bitcoin Core's own consensus library as a child process: it reads cases from its standard input and answers on its
//! standard output. A process of its own, because an assertion of the library's ends whoever called it.
//!
//! Owns: the framing. Must not know: anything of Adit's.

mod frames;

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mode = std::env::args().nth(1).unwrap_or_default();
    let (input, output) = (io::stdin().lock(), BufWriter::new(io::stdout().lock()));
    let ended = match mode.as_str() {
        "echo" => frames::serve(input, output, |case| case),
        _ => Err(io::Error::other(format!("unknown mode {mode:?}: expected echo"))),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "adit-oracle: {error}");
            ExitCode::FAILURE
        }
    }
}
