//! What settings come to together: what one makes of another, and what does not go together, in Core's order and words.
//!
//! Owns: the ladder of checks before anything is opened. Must not know: how a node is started.

use adit_compat::{LOG_CATEGORIES, is_log_category};

use super::chain::Chain;
use super::config::Config;
use super::error::InitError;
use super::flags::{self, Here};
use super::layers::Layers;
use super::paths::Paths;

/// Connections at most, where nothing else is said.
pub(super) const CONNECTIONS: i64 = 125;
/// What a day of blocks, the two before it, and what is being written take in all.
const PRUNE_MIB_MIN: i64 = 550;
/// The most that a block weighs.
pub(super) const BLOCK_WEIGHT_MAX: i64 = 4_000_000;
/// Room that a block keeps for its coinbase, at least.
const RESERVED_WEIGHT_MIN: i64 = 2_000;
/// The same where nothing is said.
pub(super) const RESERVED_WEIGHT: i64 = 8_000;
/// The longest that a node calls itself.
const USER_AGENT_BYTES_MAX: usize = 256;

/// The levels that may be asked for.
const LEVELS: [&str; 3] = ["info", "debug", "trace"];

/// What follows from the settings: a line for the log for each that was set so.
pub(super) fn follow(layers: &mut Layers) -> Vec<String> {
    let mut notes = Vec::new();
    let mut soft = |layers: &mut Layers, why: &str, name: &str, text: &str| {
        if layers.soft_set(name, text) {
            notes.push(format!("parameter interaction: {why} -> setting -{name}={text}"));
        }
    };
    for binds in ["bind", "whitebind"] {
        if !layers.list(binds).is_empty() {
            soft(layers, &format!("-{binds} set"), "listen", "1");
        }
    }
    let named = !layers.list("connect").is_empty() || layers.is_negated("connect");
    if named || layers.number("maxconnections", CONNECTIONS) <= 0 {
        for name in ["dnsseed", "listen"] {
            soft(layers, "-connect or -maxconnections=0 set", name, "0");
        }
    }
    if layers.text("proxy").is_some_and(|text| !text.is_empty() && text != "0") {
        for name in ["listen", "natpmp", "discover"] {
            soft(layers, "-proxy set", name, "0");
        }
    }
    if !layers.switch("listen", true) {
        for name in ["natpmp", "discover", "listenonion", "i2pacceptincoming"] {
            soft(layers, "-listen=0", name, "0");
        }
    }
    if !layers.list("externalip").is_empty() {
        soft(layers, "-externalip set", "discover", "0");
    }
    if layers.switch("blocksonly", false) {
        soft(layers, "-blocksonly=1", "whitelistrelay", "0");
        soft(layers, "-blocksonly=1", "maxmempool", "5");
    }
    if layers.switch("whitelistforcerelay", false) {
        soft(layers, "-whitelistforcerelay=1", "whitelistrelay", "1");
    }
    notes
}

/// What stderr says of settings that Core no longer has.
pub(super) fn gone(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    if config.layers.is_set("checkpoints") {
        let text = "Option '-checkpoints' is set but checkpoints were removed. This option has no effect.";
        warnings.push(text.to_owned());
    }
    for (name, of) in [("limitancestorsize", "ancestor"), ("limitdescendantsize", "descendant")] {
        if config.layers.is_set(name) {
            warnings.push(format!(
                "Option '-{name}' is given but {of} size limits have been replaced with cluster size limits (see -limitclustersize). \
                 This option has no effect."
            ));
        }
    }
    warnings
}

/// What stderr says of sections that are no network's.
pub(super) fn unknown_sections(config: &Config) -> Option<String> {
    let unknown = config.sections.iter().filter(|section| !Chain::is_section(&section.name));
    let lines: String =
        unknown.map(|s| format!("{}:{} Section [{}] is not recognized.\n", s.file, s.line, s.name)).collect();
    Some(lines).filter(|lines| !lines.is_empty())
}

/// A rule of settings that go together; the error is what Core says.
type Check = fn(&Config) -> Result<(), InitError>;

/// In Core's order: whoever breaks two rules hears of the same one.
const CHECKS: [Check; 14] = [
    blocks_dir,
    filter_types,
    prune_and_indexes,
    dns_seeds,
    binds_listen,
    onion_listens,
    connections,
    categories,
    levels,
    peer_timeout,
    mining,
    test_options,
    deployments_on_mainnet,
    hex_numbers,
];

/// All rules, one after the other.
pub(super) fn check(config: &Config) -> Result<(), InitError> {
    CHECKS.iter().try_for_each(|rule| rule(config))?;
    prune_size(config)?;
    mempool(config)?;
    ports(config)?;
    comments(config)?;
    old_fees(config)
}

fn refuse(refused: bool, text: &str) -> Result<(), InitError> {
    if refused { Err(InitError::said(text)) } else { Ok(()) }
}

/// A setting of one network stands in its section.
pub(super) fn sections(config: &Config) -> Result<(), InitError> {
    let chain = config.chain.name();
    let line = |name: &str| {
        format!("Config setting for -{name} only applied on {chain} network when in [{chain}] section.\n")
    };
    let lines: String = config.layers.misplaced().into_iter().map(line).collect();
    refuse(!lines.is_empty(), &lines)
}

fn blocks_dir(config: &Config) -> Result<(), InitError> {
    let named = Paths::of(&config.layers).named("blocksdir");
    let text = config.layers.text("blocksdir").unwrap_or_default();
    let missing = named.is_some_and(|path| !path.is_dir());
    refuse(missing, &format!("Specified blocks directory \"{text}\" does not exist."))
}

/// Whether filters are kept.
pub(super) fn keeps_filters(layers: &Layers) -> bool {
    layers.text("blockfilterindex").is_some_and(|text| text != "0")
}

fn filter_types(config: &Config) -> Result<(), InitError> {
    let value = config.layers.text("blockfilterindex").unwrap_or_else(|| "0".to_owned());
    if ["", "0", "1"].contains(&value.as_str()) {
        return Ok(());
    }
    let names = config.layers.texts("blockfilterindex");
    match names.iter().find(|name| *name != "basic") {
        Some(name) => Err(InitError::said(format!("Unknown -blockfilterindex value {name}."))),
        None => Ok(()),
    }
}

fn prune_and_indexes(config: &Config) -> Result<(), InitError> {
    let layers = &config.layers;
    let without_filters = layers.switch("peerblockfilters", false) && !keeps_filters(layers);
    refuse(without_filters, "Cannot set -peerblockfilters without -blockfilterindex.")?;
    if layers.number("prune", 0) == 0 {
        return Ok(());
    }
    refuse(layers.switch("txindex", false), "Prune mode is incompatible with -txindex.")?;
    refuse(layers.switch("txospenderindex", false), "Prune mode is incompatible with -txospenderindex.")?;
    let text = "Prune mode is incompatible with -reindex-chainstate. Use full -reindex instead.";
    refuse(layers.switch("reindex-chainstate", false), text)
}

fn dns_seeds(config: &Config) -> Result<(), InitError> {
    let layers = &config.layers;
    let both = layers.switch("forcednsseed", false) && !layers.switch("dnsseed", true);
    refuse(both, "Cannot set -forcednsseed to true when setting -dnsseed to false.")
}

fn binds_listen(config: &Config) -> Result<(), InitError> {
    let layers = &config.layers;
    let binds = !layers.list("bind").is_empty() || !layers.list("whitebind").is_empty();
    refuse(binds && !layers.switch("listen", true), "Cannot set -bind or -whitebind together with -listen=0")
}

fn onion_listens(config: &Config) -> Result<(), InitError> {
    let layers = &config.layers;
    let both = !layers.switch("listen", true) && layers.switch("listenonion", true);
    refuse(both, "Cannot set -listen=0 together with -listenonion=1")
}

fn connections(config: &Config) -> Result<(), InitError> {
    let below = config.layers.number("maxconnections", CONNECTIONS) < 0;
    refuse(below, "-maxconnections must be greater or equal than zero")
}

/// Whether anything of `-debug` holds; what stands before the last `0` or `none` does not.
pub(super) fn debug_categories(layers: &Layers) -> Vec<String> {
    let mut categories = layers.texts("debug");
    let last = categories.iter().rposition(|name| name == "0" || name == "none");
    categories.drain(..last.map_or(0, |at| at.saturating_add(1)));
    categories
}

fn categories(config: &Config) -> Result<(), InitError> {
    let on = debug_categories(&config.layers).into_iter().map(|name| ("-debug", name));
    let off = config.layers.texts("debugexclude").into_iter().map(|name| ("-debugexclude", name));
    match on.chain(off).find(|(_, name)| !is_log_category(name)) {
        Some((flag, name)) => Err(InitError::said(format!("Unsupported logging category {flag}={name}."))),
        None => Ok(()),
    }
}

fn levels(config: &Config) -> Result<(), InitError> {
    let all = LEVELS.join(", ");
    for text in config.layers.texts("loglevel") {
        let colon = text.get(3..).and_then(|rest| rest.find(':'));
        if colon.is_none() {
            let said = format!("Unsupported global logging level -loglevel={text}. Valid values: {all}.");
            refuse(!LEVELS.contains(&text.as_str()), &said)?;
            continue;
        }
        let sound = text
            .split_once(':')
            .is_some_and(|(category, level)| LEVELS.contains(&level) && is_log_category(category));
        let names = LOG_CATEGORIES.join(", ");
        refuse(
            !sound,
            &format!(
                "Unsupported category-specific logging level -loglevel={text}. Expected -loglevel=<category>:<loglevel>. Valid \
                 categories: {names}. Valid loglevels: {all}."
            ),
        )?;
    }
    Ok(())
}

fn peer_timeout(config: &Config) -> Result<(), InitError> {
    refuse(config.layers.number("peertimeout", 60) <= 0, "peertimeout must be a positive integer.")
}

/// An amount in BTC as satoshis, as Core reads one: at most eight places behind the point.
pub(super) fn money(text: &str) -> Option<u64> {
    let text = text.trim();
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if text.is_empty() || !digits(whole) || !digits(part) || part.len() > 8 || whole.len() > 10 {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let part: u64 = format!("{part:0<8}").parse().ok()?;
    let sats = whole.checked_mul(100_000_000)?.checked_add(part)?;
    (sats <= 2_100_000_000_000_000).then_some(sats)
}

fn amount(layers: &Layers, name: &str) -> Result<(), InitError> {
    match layers.text(name).filter(|text| money(text).is_none()) {
        Some(text) => Err(InitError::said(format!("Invalid amount for -{name}=<amount>: '{text}'"))),
        None => Ok(()),
    }
}

fn mining(config: &Config) -> Result<(), InitError> {
    let layers = &config.layers;
    amount(layers, "blockmintxfee")?;
    let reserved = layers.number("blockreservedweight", RESERVED_WEIGHT);
    let most = layers.number("blockmaxweight", BLOCK_WEIGHT_MAX);
    let text = format!(
        "-blockreservedweight ({reserved}) is lower than minimum safety value of ({RESERVED_WEIGHT_MIN})"
    );
    refuse((0..RESERVED_WEIGHT_MIN).contains(&reserved), &text)?;
    for (name, value) in [("blockreservedweight", reserved), ("blockmaxweight", most)] {
        let text = format!("-{name} ({value}) exceeds consensus maximum block weight ({BLOCK_WEIGHT_MAX})");
        refuse(!(0..=BLOCK_WEIGHT_MAX).contains(&value), &text)?;
    }
    refuse(reserved > most, &format!("-blockreservedweight ({reserved}) exceeds -blockmaxweight ({most})"))
}

fn test_options(config: &Config) -> Result<(), InitError> {
    let given = !config.layers.list("test").is_empty() && config.chain != Chain::Regtest;
    refuse(given, "-test=<option> can only be used with regtest")
}

fn deployments_on_mainnet(config: &Config) -> Result<(), InitError> {
    let set = |name: &str| config.chain == Chain::Main && config.layers.is_set(name);
    for name in ["testactivationheight", "vbparams"] {
        refuse(set(name), &format!("The -{name} option may not be used on mainnet."))?;
    }
    Ok(())
}

/// Where transactions are relayed at all.
fn old_fees(config: &Config) -> Result<(), InitError> {
    let on = |name: &str| config.layers.switch(name, false);
    let given = on("acceptstalefeeestimates") && !on("blocksonly") && config.chain != Chain::Regtest;
    let text = format!("acceptstalefeeestimates is not supported on {} chain.", config.chain.name());
    refuse(given, &text)
}

fn is_hex_number(text: &str) -> bool {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    (1..=64).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit())
}

fn hex_numbers(config: &Config) -> Result<(), InitError> {
    let bad = |name: &str| config.layers.text(name).filter(|text| !is_hex_number(text));
    if let Some(text) = bad("minimumchainwork") {
        let text = format!("Invalid minimum work specified ({text}), must be up to 64 hex digits");
        return Err(InitError::said(text));
    }
    if let Some(text) = bad("assumevalid") {
        return Err(InitError::said(format!(
            "Invalid assumevalid block hash specified ({text}), must be up to 64 hex digits (or 0 to disable)"
        )));
    }
    let threads = config.layers.number("prevoutfetchthreads", 0);
    let text = format!(
        "-prevoutfetchthreads must be non-negative (got {threads}). Use 0 to disable parallel input fetching."
    );
    refuse(threads < 0, &text)
}

fn prune_size(config: &Config) -> Result<(), InitError> {
    let mib = config.layers.number("prune", 0);
    refuse(mib < 0, "Prune cannot be configured with a negative value.")?;
    let text =
        format!("Prune configured below the minimum of {PRUNE_MIB_MIN} MiB.  Please use a higher number.");
    refuse((2..PRUNE_MIB_MIN).contains(&mib), &text)
}

fn mempool(config: &Config) -> Result<(), InitError> {
    for name in ["incrementalrelayfee", "minrelaytxfee", "dustrelayfee"] {
        amount(&config.layers, name)?;
    }
    let most = config.layers.number("maxmempool", 300);
    refuse(most != 0 && most < 5, "-maxmempool must be at least 5 MB")?;
    let asked = config.chain == Chain::Main && config.layers.switch("acceptnonstdtxn", false);
    refuse(asked, "acceptnonstdtxn is not currently supported for main chain")?;
    refuse(
        config.layers.number("limitclustercount", 0) > 64,
        "limitclustercount must be less than or equal to 64",
    )
}

/// What would matter and is not there: better no node than one that does something else than it was told.
pub(super) fn there(config: &Config) -> Result<(), InitError> {
    let asked = |flag: &&flags::Flag| {
        let texts = config.layers.texts(flag.name);
        flag.here == Here::Missing && texts.iter().any(|text| !["", "0"].contains(&text.as_str()))
            || flag.here == Here::Missing && flag.param.is_empty() && config.layers.switch(flag.name, false)
    };
    match flags::all().find(asked) {
        Some(flag) => {
            Err(InitError::said(format!("-{} is not available in Adit: {}.", flag.name, flag.text)))
        }
        None => Ok(()),
    }
}

/// A host and a port, the last of which may be missing.
pub(super) fn host_and_port(text: &str) -> Option<(&str, Option<u16>)> {
    let Some((host, port)) = text.rsplit_once(':') else { return Some((bare(text), None)) };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    if !bracketed && host.contains(':') {
        return Some((bare(text), None));
    }
    if is_port(port) { Some((bare(host), port.parse().ok())) } else { None }
}

/// A number from 1 to 65535.
fn is_port(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port != 0)
}

/// A host without the brackets that IPv6 has.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

fn ports(config: &Config) -> Result<(), InitError> {
    let layers = &config.layers;
    let bad =
        |name: &str, text: &str| InitError::said(format!("Invalid port specified in -{name}: '{text}'"));
    for name in ["port", "rpcport"] {
        let text = layers.text(name).filter(|text| !is_port(text));
        text.map_or(Ok(()), |text| Err(bad(name, &text)))?;
    }
    for name in ["bind", "rpcbind"] {
        for text in layers.texts(name) {
            let kept = if name == "bind" {
                text.rsplit_once('=').map_or(text.as_str(), |(kept, _)| kept)
            } else {
                &text
            };
            if host_and_port(kept).is_none() {
                return Err(bad(name, &text));
            }
        }
    }
    Ok(())
}

/// What is added to the node's name, which all peers read.
pub(super) fn comments(config: &Config) -> Result<Vec<String>, InitError> {
    let safe = |c: char| c.is_ascii_alphanumeric() || " .,;-_?@".contains(c);
    let comments = config.layers.texts("uacomment");
    if let Some(comment) = comments.iter().find(|comment| !comment.chars().all(safe)) {
        return Err(InitError::said(format!("User Agent comment ({comment}) contains unsafe characters.")));
    }
    let bytes = "/Satoshi:31.99.0/".len().saturating_add(match comments.len() {
        0 => 0,
        count => comments.iter().map(String::len).sum::<usize>().saturating_add(count.saturating_mul(2)),
    });
    let text = format!(
        "Total length of network version string ({bytes}) exceeds maximum length ({USER_AGENT_BYTES_MAX}). Reduce the number or size \
         of uacomments."
    );
    refuse(bytes > USER_AGENT_BYTES_MAX, &text)?;
    Ok(comments)
}

#[cfg(test)]
mod tests;
