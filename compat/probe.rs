//! The readers of what strangers send, without sockets and without a node, for those who feed them random bytes (`fuzz/`, and a short run in the
//! gate). Each returns for any bytes, or it has found something.

use std::sync::LazyLock;

use bitcoin::{Network, Script};

use crate::auth::Subnet;
use crate::config::Config;
use crate::ctx::Ctx;
use crate::descriptor::Known;
use crate::json::{Json, read};
use crate::params::{self, Params};
use crate::server::Shape;
use crate::signing::Covers;
use crate::{address, auth, descriptor, methods, named, request, rest, show, zmq};

/// A server whose node has not started.
static WARMING: LazyLock<Ctx> = LazyLock::new(|| Ctx::new(Config::new(Vec::new(), None)));

/// A body of JSON-RPC: what is answered is one line of JSON, and every reader of arguments bears what is given.
pub fn request(body: &[u8]) {
    let asked = request::Request::read(body);
    // Whoever is let into a lane by what a body looks like is sent away by what it is.
    let _ = (request::Lane::likely(body), asked.lane());
    let answer = futures::executor::block_on(asked.answer(&WARMING, |_| true));
    if let Some(pieces) = answer.body {
        let text = pieces.concat();
        let ends = text.iter().filter(|byte| **byte == b'\n').count();
        assert!(text.ends_with(b"\n") && ends == 1, "not one line");
        assert!(read(&text).is_some(), "not JSON");
    }
    match read(body) {
        Some(Json::List(calls)) => calls.iter().for_each(call),
        Some(one) => call(&one),
        None => {}
    }
}

/// A call, up to the method itself.
fn call(given: &Json) {
    let method = given.get("method").and_then(Json::as_str).and_then(methods::find);
    let Some(method) = method else { return };
    let values = match given.get("params") {
        Some(Json::Object(fields)) => named::place(method.args, fields.clone()),
        Some(Json::List(values)) => Ok(values.clone()),
        _ => Ok(Vec::new()),
    };
    let Ok(values) = values else { return };
    if method.check(&values).is_err() {
        return;
    }
    let given = Params::new(values);
    for place in 0..given.len() {
        let _ = (given.opt_str(place), given.bool_or(place, true), given.verbosity(place, 1, true));
        let _ = (given.opt_int::<i32>(place), given.opt_int::<u64>(place));
        let _ = (given.block_hash(place, "hash"), given.txid(place, "txid"));
        if let Ok(sat) = params::amount(given.get(place)) {
            assert!(sat <= 2_100_000_000_000_000, "{sat}");
        }
        let _ = params::bytes(given.get(place), "bytes");
    }
}

/// What a connection begins with: what is seen in it at once stays what it is when more comes, and its body lies behind its head.
pub fn head(came: &[u8]) {
    let shape = Shape::of(came);
    let more = [came, b"\r\n\r\nContent-Length: 1\r\n\r\n"].concat();
    match &shape {
        Shape::Call { head, .. } => {
            assert!(came.get(..*head).is_some_and(|head| head.ends_with(b"\n")), "a head that does not end");
            assert_eq!(Shape::of(&more), shape);
        }
        Shape::Part => {}
        Shape::Other => assert_eq!(Shape::of(&more), shape),
    }
}

/// A path of REST with its query, a line feed, and a body.
pub fn rest(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == b'\n');
    let (target, body) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if let Ok(target) = std::str::from_utf8(target) {
        rest::probe(target, body);
        let answered = futures::executor::block_on(rest::answer(&WARMING, target, body));
        assert_eq!(answered.is_some(), rest::is_path(target));
    }
}

/// What a subscriber of ZeroMQ sends.
pub fn subscriber(data: &[u8]) {
    zmq::probe(data);
}

/// An output as people and programs name it (an address, a descriptor), and a script as it is shown.
pub fn output(data: &[u8]) {
    for network in [Network::Bitcoin, Network::Regtest] {
        if let Ok(text) = std::str::from_utf8(data) {
            let _ = (descriptor::payable(text, network), show::checksum(text));
            for read in descriptor::read(text, network, false).unwrap_or_default() {
                let _ = (read.scripts(0, &mut Known::default()), read.text());
            }
        }
        let shown = show::script(Script::from_bytes(data), network).to_string();
        assert!(read(shown.as_bytes()).is_some(), "not JSON");
    }
}

/// An argument of whatever kind, as JSON or as the text of one: amounts, hashes, bytes, addresses, networks, ranges; who may call, and a header that
/// says who calls.
pub fn argument(data: &[u8]) {
    let text = String::from_utf8_lossy(data).into_owned();
    let given = [read(data), Some(Json::from(text.clone()))];
    for value in given.iter().flatten() {
        if let Ok(sat) = params::amount(value) {
            assert!(sat <= 2_100_000_000_000_000, "{sat}");
        }
        let _ = (params::bytes(value, "bytes"), params::hash(value, "hash"), methods::range(value));
        let _ = (params::int::<i32>(value), params::int::<u64>(value), params::fields(value));
        assert!(read(&value.to_bytes()).is_some(), "not JSON");
    }
    for network in [Network::Bitcoin, Network::Testnet4, Network::Regtest] {
        match address::read(&text, network) {
            Ok(found) => assert_eq!(address::read(&found.to_string(), network), Ok(found)),
            Err(mistake) => assert!(mistake.places.iter().all(|place| *place < text.len()), "{mistake:?}"),
        }
    }
    let _ = (Covers::read(&text), text.parse::<Subnet>());
    auth::probe(&text);
}

/// A partially signed transaction.
pub fn psbt(data: &[u8]) {
    methods::probe_psbt(data);
}

#[cfg(test)]
mod tests;
