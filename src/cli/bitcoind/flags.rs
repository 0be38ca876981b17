//! Every flag that Bitcoin Core 31 knows, and what becomes of each here.
//!
//! Owns: the flags' names and how they may be written, as facts of Core's command line; one line on each. Must not know: what
//! is done with a value.

mod general;
mod network;
mod other;

/// How a flag may be written, and where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// `-noflag` makes no sense.
    pub(super) no_negation: bool,
    /// `-flag` without `=value` makes no sense.
    pub(super) needs_value: bool,
    /// In a file it holds for mainnet alone, unless it stands in its network's section.
    pub(super) network_only: bool,
    /// Its value is not logged.
    pub(super) secret: bool,
    /// `-help` lists it only with `-help-debug`.
    pub(super) for_tests: bool,
    /// `-help` never lists it.
    pub(super) hidden: bool,
}

/// What becomes of a flag here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Here {
    /// It does what it says.
    Wired,
    /// It is accepted, and the log says once why it changes nothing.
    Void,
    /// It would matter and is not there: unless it says no, the node does not start.
    Missing,
}

/// One flag.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flag {
    /// Without a dash.
    pub(super) name: &'static str,
    /// What follows the name in the help: `=<n>`.
    pub(super) param: &'static str,
    pub(super) marks: Marks,
    pub(super) here: Here,
    /// What it does; or why it does nothing; or what there is in its place.
    pub(super) text: &'static str,
}

impl Flag {
    const fn new(here: Here, name: &'static str, param: &'static str, text: &'static str) -> Flag {
        let marks = Marks {
            no_negation: false,
            needs_value: false,
            network_only: false,
            secret: false,
            for_tests: false,
            hidden: false,
        };
        Flag { name, param, marks, here, text }
    }

    const fn no_negation(mut self) -> Flag {
        self.marks.no_negation = true;
        self
    }

    const fn needs_value(mut self) -> Flag {
        self.marks.needs_value = true;
        self
    }

    const fn network_only(mut self) -> Flag {
        self.marks.network_only = true;
        self
    }

    const fn secret(mut self) -> Flag {
        self.marks.secret = true;
        self
    }

    const fn for_tests(mut self) -> Flag {
        self.marks.for_tests = true;
        self
    }

    const fn hidden(mut self) -> Flag {
        self.marks.hidden = true;
        self
    }
}

const fn wired(name: &'static str, param: &'static str, text: &'static str) -> Flag {
    Flag::new(Here::Wired, name, param, text)
}

const fn void(name: &'static str, param: &'static str, why: &'static str) -> Flag {
    Flag::new(Here::Void, name, param, why)
}

const fn missing(name: &'static str, param: &'static str, instead: &'static str) -> Flag {
    Flag::new(Here::Missing, name, param, instead)
}

/// The groups that `-help` shows, in its order.
pub(super) const GROUPS: [(&str, &[Flag]); 9] = [
    ("Options", general::OPTIONS),
    ("Connections", network::CONNECTION),
    ("ZeroMQ", other::ZMQ),
    ("Debugging and tests", general::TESTS),
    ("Relay", other::RELAY),
    ("Blocks of our own", other::BLOCKS),
    ("JSON-RPC", other::RPC),
    ("Networks", network::CHAIN),
    ("The wallet, which Adit has not", other::WALLET),
];

/// All of them.
pub(super) fn all() -> impl Iterator<Item = &'static Flag> {
    GROUPS.iter().flat_map(|(_, flags)| flags.iter())
}

/// The flag of this name, which has no dash.
pub(super) fn find(name: &str) -> Option<&'static Flag> {
    all().find(|flag| flag.name == name)
}

#[cfg(test)]
mod tests;
