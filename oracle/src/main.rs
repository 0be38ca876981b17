//! Bitcoin Core's own consensus library as a child process: it reads messages from its standard input and answers each
//! on its standard output. A process of its own, because an assertion of the library's ends whoever called it.
//!
//! Owns: the framing, and the table of modes. Must not know: anything of Adit's.

mod blocks;
mod frames;
mod scripts;

use std::io::{self, BufReader, BufWriter, Write};
use std::process::ExitCode;

use frames::Answer;

/// What the first argument chooses from: the name, and what answers its messages.
const MODES: [(&str, Mode); 3] = [
    ("echo", |_| Ok(Box::new(|message| Ok(message.to_vec())))),
    ("scripts", scripts::mode),
    ("blocks", blocks::mode),
];

/// A way to answer, made of the arguments behind the mode's name.
type Mode = fn(&[String]) -> io::Result<Answer>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "adit-oracle: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let arguments: Vec<String> = arguments.collect();
    let Some((_, mode)) = MODES.iter().find(|(known, _)| *known == name) else {
        let known: Vec<&str> = MODES.iter().map(|(known, _)| *known).collect();
        return Err(io::Error::other(format!("unknown mode {name:?}: expected one of {known:?}")));
    };
    frames::serve(BufReader::new(io::stdin().lock()), BufWriter::new(io::stdout().lock()), mode(&arguments)?)
}
