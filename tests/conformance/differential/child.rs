//! The oracle as a child process.

use std::ffi::OsStr;
use std::io::{self, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A running `adit-oracle`. It ends with its handle.
pub(crate) struct Oracle {
    process: Child,
    /// None once it was told that nothing more comes.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

/// How the oracle ended before it was asked to. What it had to say about it stands on stderr.
#[derive(Debug)]
pub(crate) struct Died(pub(crate) String);

impl Oracle {
    /// Starts the program that `ADIT_ORACLE` names in `mode`. None where it names none, which is told.
    pub(crate) fn start(mode: &str, arguments: &[&str]) -> Option<Oracle> {
        let Some(program) = std::env::var_os("ADIT_ORACLE") else {
            println!("differential {mode}: 0 cases ran, ADIT_ORACLE is not set");
            return None;
        };
        let started = Oracle::run(&program, mode, arguments);
        Some(started.unwrap_or_else(|e| panic!("ADIT_ORACLE={}: {e}", program.display())))
    }

    pub(crate) fn run(program: &OsStr, mode: &str, arguments: &[&str]) -> io::Result<Oracle> {
        let mut command = Command::new(program);
        let mut process =
            command.arg(mode).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (input, output) = (process.stdin.take(), process.stdout.take().expect("it is piped"));
        Ok(Oracle { process, input, output: BufReader::new(output) })
    }

    /// Sends a message; its answer is one `receive` later. The oracle reads a message to its end before it answers, so
    /// one may always be under way while the asker does something else; more only where their answers fit a pipe
    /// (64 KiB).
    pub(crate) fn send(&mut self, message: &[u8]) -> Result<(), Died> {
        let len = u32::try_from(message.len()).expect("a message of less than 4 GiB");
        let input = self.input.as_mut().expect("it is open until the oracle died");
        let sent = input
            .write_all(&len.to_le_bytes())
            .and_then(|()| input.write_all(message))
            .and_then(|()| input.flush());
        sent.map_err(|error| self.died(&error))
    }

    /// The answer to the message that has waited longest.
    pub(crate) fn receive(&mut self) -> Result<Vec<u8>, Died> {
        self.read().map_err(|error| self.died(&error))
    }

    /// Sends a message and waits for its answer.
    pub(crate) fn ask(&mut self, message: &[u8]) -> Result<Vec<u8>, Died> {
        self.send(message)?;
        self.receive()
    }

    fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut len = [0; 4];
        self.output.read_exact(&mut len)?;
        let mut answer = vec![0; usize::try_from(u32::from_le_bytes(len)).expect("32 bits fit")];
        self.output.read_exact(&mut answer)?;
        Ok(answer)
    }

    fn died(&mut self, error: &io::Error) -> Died {
        self.input = None;
        match self.process.wait() {
            Ok(status) => Died(format!("{error}; the oracle ended with {status}")),
            Err(wait) => Died(format!("{error}; {wait}")),
        }
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.process.wait();
    }
}
