//! What a method is: its name, its parameters, its words, and the function that carries it out.

use futures::future::BoxFuture;

use crate::ctx::Ctx;
use crate::error::RpcError;
use crate::json::{Json, object};
use crate::params::Params;

/// Where `help` lists a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Category {
    Blockchain,
    Control,
    Hidden,
    Mining,
    Network,
    Rawtransactions,
    Signer,
    Util,
    Zmq,
}

impl Category {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Category::Blockchain => "Blockchain",
            Category::Control => "Control",
            Category::Hidden => "Hidden",
            Category::Mining => "Mining",
            Category::Network => "Network",
            Category::Rawtransactions => "Rawtransactions",
            Category::Signer => "Signer",
            Category::Util => "Util",
            Category::Zmq => "Zmq",
        }
    }
}

/// What an argument must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Str,
    Num,
    Bool,
    /// A number or a text; its reader looks.
    Amount,
    /// What its reader looks at itself.
    Any,
    Obj,
    /// An object whose fields may also be given as named arguments.
    Options,
    List,
}

impl Kind {
    /// The type's name in errors; none where any will do.
    fn type_name(self) -> Option<&'static str> {
        match self {
            Kind::Str => Some("string"),
            Kind::Num => Some("number"),
            Kind::Bool => Some("bool"),
            Kind::Amount | Kind::Any => None,
            Kind::Obj | Kind::Options => Some("object"),
            Kind::List => Some("array"),
        }
    }
}

/// A parameter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arg {
    /// Its name, and others that it goes by, with `|` between.
    pub(crate) names: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    /// Not told by `help`.
    pub(crate) hidden: bool,
    /// The fields of [`Kind::Options`].
    pub(crate) inner: &'static [Arg],
    /// How the line of use has it, where that is not its name.
    pub(crate) shown: Option<&'static str>,
}

/// One that must be given.
pub(crate) const fn req(names: &'static str, kind: Kind) -> Arg {
    Arg { names, kind, required: true, hidden: false, inner: &[], shown: None }
}

/// One that may be left out.
pub(crate) const fn opt(names: &'static str, kind: Kind) -> Arg {
    Arg { names, kind, required: false, hidden: false, inner: &[], shown: None }
}

/// One that may be left out, and that `help` says nothing of.
pub(crate) const fn hidden(names: &'static str, kind: Kind) -> Arg {
    Arg { names, kind, required: false, hidden: true, inner: &[], shown: None }
}

/// An object whose fields may also be given by their names.
pub(crate) const fn options(names: &'static str, inner: &'static [Arg]) -> Arg {
    Arg { names, kind: Kind::Options, required: false, hidden: false, inner, shown: None }
}

impl Arg {
    /// As the line of use has it.
    pub(crate) const fn shown(self, text: &'static str) -> Arg {
        Arg { shown: Some(text), ..self }
    }

    pub(crate) fn first_name(&self) -> &'static str {
        self.names.split('|').next().unwrap_or(self.names)
    }

    fn mismatch(&self, given: &Json) -> Option<String> {
        let expected = self.kind.type_name()?;
        let absent = given.is_null() && !self.required;
        let got = given.type_name();
        (!absent && got != expected)
            .then(|| format!("JSON value of type {got} is not of expected type {expected}"))
    }
}

/// What carries a method out.
pub(crate) type Handler = for<'a> fn(&'a Ctx, Params) -> BoxFuture<'a, Result<Json, RpcError>>;

/// A method.
pub(crate) struct Method {
    pub(crate) name: &'static str,
    pub(crate) category: Category,
    pub(crate) args: &'static [Arg],
    /// What it does, in our words.
    pub(crate) text: &'static str,
    pub(crate) run: Handler,
}

/// A row of a family's table.
pub(crate) const fn method(
    name: &'static str,
    category: Category,
    args: &'static [Arg],
    text: &'static str,
    run: Handler,
) -> Method {
    Method { name, category, args, text, run }
}

impl Method {
    /// Whether so many arguments may be given; beyond that only what is null may be missing.
    fn takes(&self, count: usize) -> bool {
        let needed = self.args.iter().rposition(|arg| arg.required).map_or(0, |last| last.saturating_add(1));
        (needed..=self.args.len()).contains(&count)
    }

    /// Checks number and types of the arguments.
    pub(crate) fn check(&self, given: &[Json]) -> Result<(), RpcError> {
        if !self.takes(given.len()) {
            return Err(RpcError::misc(crate::help::of(self)));
        }
        let all = given.iter().chain(std::iter::repeat(&Json::Null));
        let numbered = self.args.iter().zip(all).zip(1usize..);
        let wrong = numbered.filter_map(|((arg, given), place)| {
            Some((format!("Position {place} ({})", arg.names), Json::from(arg.mismatch(given)?)))
        });
        match object(wrong) {
            Json::Object(fields) if fields.is_empty() => Ok(()),
            wrong => Err(RpcError::wrong_type(format!("Wrong type passed:\n{}", wrong.pretty_flat()))),
        }
    }
}

#[cfg(test)]
mod tests;
