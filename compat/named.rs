//! Named arguments into their places.

use std::collections::BTreeMap;

use crate::error::RpcError;
use crate::json::{Json, Name};
use crate::table::{Arg, Kind};

/// What is given by name and not taken yet.
struct Given(BTreeMap<Name, Json>);

impl Given {
    fn of(fields: Vec<(Name, Json)>) -> Result<Given, RpcError> {
        let mut given = BTreeMap::new();
        for (name, value) in fields {
            if given.insert(name.clone(), value).is_some() {
                return Err(twice(&name));
            }
        }
        Ok(Given(given))
    }

    /// Takes what is given under any of an argument's names.
    fn take(&mut self, arg: &Arg) -> Option<(&'static str, Json)> {
        arg.names.split('|').find_map(|name| Some((name, self.0.remove(name)?)))
    }
}

fn twice(name: &str) -> RpcError {
    RpcError::invalid_parameter(format!("Parameter {name} specified multiple times"))
}

/// The arguments in their places, while they are gathered.
#[derive(Default)]
struct Places {
    values: Vec<Json>,
    /// Arguments left out since the last one that was given.
    hole: usize,
    /// Those left out before the first one.
    hole_first: usize,
    first: Option<&'static str>,
}

impl Places {
    fn skip(&mut self) {
        self.hole = self.hole.saturating_add(1);
        if self.values.is_empty() {
            self.hole_first = self.hole;
        }
    }

    fn put(&mut self, arg: &Arg, value: Json) {
        let filled = self.values.len().saturating_add(self.hole);
        self.values.resize(filled, Json::Null);
        self.hole = 0;
        self.first.get_or_insert(arg.names);
        self.values.push(value);
    }
}

/// Puts named arguments where the method wants them; `args` may hold those that come first. The fields of an options object may
/// stand among them.
pub(crate) fn place(args: &'static [Arg], fields: Vec<(Name, Json)>) -> Result<Vec<Json>, RpcError> {
    let mut given = Given::of(fields)?;
    let mut places = Places::default();
    for arg in args {
        let options = if arg.kind == Kind::Options { take_options(arg, &mut given)? } else { Vec::new() };
        match (given.take(arg), options.first()) {
            (Some((name, _)), Some((option, _))) => {
                let text = format!("Parameter {name} conflicts with parameter {option}");
                return Err(RpcError::invalid_parameter(text));
            }
            (Some((_, value)), None) => places.put(arg, value),
            (None, Some(_)) => places.put(arg, Json::Object(options)),
            (None, None) => places.skip(),
        }
    }
    let values = match given.0.remove("args") {
        Some(Json::List(first)) => behind(first, places)?,
        other => {
            given.0.extend(other.map(|value| (Name::Borrowed("args"), value)));
            places.values
        }
    };
    match given.0.keys().next() {
        Some(name) => Err(RpcError::invalid_parameter(format!("Unknown named parameter {name}"))),
        None => Ok(values),
    }
}

fn take_options(arg: &Arg, given: &mut Given) -> Result<Vec<(Name, Json)>, RpcError> {
    let mut options: Vec<(Name, Json)> = Vec::new();
    for inner in arg.inner {
        let Some((name, value)) = given.take(inner) else { continue };
        if options.iter().any(|(taken, _)| taken == name) {
            return Err(twice(name));
        }
        options.push((Name::Borrowed(name), value));
    }
    Ok(options)
}

/// Positional arguments, and behind them what was named.
fn behind(mut first: Vec<Json>, named: Places) -> Result<Vec<Json>, RpcError> {
    if let Some(name) = named.first.filter(|_| named.hole_first < first.len()) {
        let text = format!("Parameter {name} specified twice both as positional and named argument");
        return Err(RpcError::invalid_parameter(text));
    }
    let rest = named.values.into_iter().skip(first.len());
    first.extend(rest);
    Ok(first)
}

#[cfg(test)]
mod tests;
