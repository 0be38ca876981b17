use std::fmt::Display;
use std::process::ExitCode;

/// How a command ends. The numbers are those of `sysexits.h` where it has one, so that service managers know them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All was done.
    Done,
    /// What was given does not hold: an invalid block, a refused transaction.
    Invalid,
    /// A file that was named does not read (`EX_NOINPUT`).
    Input,
    /// The configuration does not hold (`EX_CONFIG`).
    Config,
    /// Something is in the way: a port taken, a datadir in use, no node running (`EX_UNAVAILABLE`).
    Unavailable,
    /// The disk failed (`EX_IOERR`).
    Io,
    /// A signal ended it before it was done.
    Interrupted,
    /// The node ended for a reason of its own; the code that it names.
    Node(u8),
}

impl Exit {
    /// The number that the shell sees.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Invalid => 1,
            Exit::Input => 66,
            Exit::Config => 78,
            Exit::Unavailable => 69,
            Exit::Io => 74,
            Exit::Interrupted => 130,
            Exit::Node(code) => code,
        }
    }

    /// Says why on stderr, as one line.
    pub(crate) fn because(self, reason: impl Display) -> Exit {
        eprintln!("adit: {}", one_line(&reason.to_string()));
        self
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// Line ends become `; `: an error is one line, whatever a library made of it.
fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::{Exit, one_line};

    #[test]
    fn an_error_is_one_line() {
        assert_eq!(one_line("a\n  b\n\nc\n"), "a; b; c");
    }

    #[test]
    fn no_two_reasons_share_a_code() {
        let codes = [
            Exit::Done,
            Exit::Invalid,
            Exit::Input,
            Exit::Config,
            Exit::Unavailable,
            Exit::Io,
            Exit::Interrupted,
        ]
        .map(Exit::code);
        for (i, code) in codes.iter().enumerate() {
            assert_eq!(codes.iter().position(|c| c == code), Some(i));
        }
        assert_eq!(Exit::Node(70).code(), 70);
    }
}
