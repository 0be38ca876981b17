//! The rules of the network, as the configuration changes them: for tests on regtest, for a signet of one's own, and what is assumed of
//! a chain before it is verified.

use adit_domain::consensus::{BuriedFork, Params, Start};
use adit_domain::script::SCRIPT_BYTES_MAX;
use adit_domain::units::Height;
use bitcoin::hashes::Hash;
use bitcoin::hex::FromHex;
use bitcoin::{BlockHash, Work};

use super::reader::Reader;
use super::{Network, SettingsError};

/// The highest height that a rule's start may have, as in Bitcoin Core: one below the highest that its numbers hold.
const HEIGHT_MAX: u32 = 2_147_483_646;

const HEIGHTS: &str = "chain.test_activation_heights";
const HEIGHTS_EXPECTED: &str = "a list of NAME@HEIGHT such as segwit@432: bip34, dersig, cltv, csv or segwit; a height from 0 to \
                                2147483646";
const VOTES: &str = "chain.version_bits";
const VOTES_EXPECTED: &str = "a list of DEPLOYMENT:START:END or DEPLOYMENT:START:END:HEIGHT such as testdummy:0:999999999999: \
                              times in seconds since 1970 (a start of -1: always, of -2: never), a height from 0 to 2147483646";
const CHALLENGE: &str = "chain.signet_challenge";
const CHALLENGE_EXPECTED: &str = "a script in hex, 10000 bytes at most, or nothing";
const ASSUMED: &str = "chain.assume_valid";
const ASSUMED_EXPECTED: &str = "a block's hash, 0 for no block, or nothing for the network's own";
const LEAST_WORK: &str = "chain.minimum_chain_work";
const LEAST_WORK_EXPECTED: &str = "a number in hex, 64 digits at most, or nothing for the network's own";

const COINS: &str = "chain.assume_utxo";
const COINS_EXPECTED: &str = "a list of HEIGHT:BLOCK:HASH:TRANSACTIONS, the hashes in hex";

/// The network's rules, and what the keys change in them.
pub(super) fn params(r: &mut Reader, network: Network) -> Result<Params, SettingsError> {
    let mut params = Params::of(network.to_bitcoin());
    only_on(r, HEIGHTS, network, Network::Regtest)?;
    only_on(r, VOTES, network, Network::Regtest)?;
    only_on(r, COINS, network, Network::Regtest)?;
    only_on(r, CHALLENGE, network, Network::Signet)?;
    if let Some(challenge) = r.one(CHALLENGE, CHALLENGE_EXPECTED, challenge)? {
        params = Params::signet_with(challenge);
    }
    for (fork, height) in r.many(HEIGHTS, HEIGHTS_EXPECTED, activation)? {
        params.forks.set(fork, height);
    }
    for change in r.many(VOTES, VOTES_EXPECTED, vote)? {
        change.apply(&mut params);
    }
    params.assumed_coins.extend(r.many(COINS, COINS_EXPECTED, |text| text.parse().ok())?);
    if let Some(hash) = r.one(ASSUMED, ASSUMED_EXPECTED, number)? {
        params.assume_valid = block(hash);
    }
    if let Some(work) = r.one(LEAST_WORK, LEAST_WORK_EXPECTED, number)? {
        params.minimum_chain_work = Work::from_be_bytes(work);
    }
    Ok(params)
}

/// A key that is not empty must be on its network: elsewhere the chain is what others say that it is.
fn only_on(r: &Reader, key: &str, network: Network, only: Network) -> Result<(), SettingsError> {
    let typed = r.typed(key);
    if typed.is_empty() || network == only {
        return Ok(());
    }
    let expected = format!("nothing on {network}: the key is for {only}");
    Err(SettingsError::bad(key, &typed, &r.place(key), &expected))
}

fn activation(text: &str) -> Option<(BuriedFork, Height)> {
    let (name, at) = text.split_once('@')?;
    Some((BuriedFork::from_setting(name)?, height(at)?))
}

fn height(text: &str) -> Option<Height> {
    text.parse().ok().filter(|height| *height <= HEIGHT_MAX).map(Height::new)
}

/// What a vote's times and least height become.
struct VoteChange {
    name: &'static str,
    start: Start,
    timeout_s: i64,
    min_activation_height: Height,
}

impl VoteChange {
    fn apply(self, params: &mut Params) {
        for deployment in params.deployments.iter_mut().filter(|d| d.name == self.name) {
            deployment.start = self.start;
            deployment.timeout_s = self.timeout_s;
            deployment.min_activation_height = self.min_activation_height;
        }
    }
}

fn vote(text: &str) -> Option<VoteChange> {
    let mut parts = text.split(':');
    let typed = parts.next()?;
    let known = Params::regtest().deployments;
    let name = known.iter().find(|deployment| deployment.name == typed)?.name;
    let start = Start::from_seconds(parts.next()?.parse().ok()?);
    let timeout_s = parts.next()?.parse().ok()?;
    let min_activation_height = parts.next().map_or(Some(Height::GENESIS), height)?;
    let whole = parts.next().is_none();
    whole.then_some(VoteChange { name, start, timeout_s, min_activation_height })
}

/// A number of up to 64 hex digits, an `0x` before it or not, as 32 bytes big-endian; none where there is nothing.
fn number(text: &str) -> Option<Option<[u8; 32]>> {
    if text.is_empty() {
        return Some(None);
    }
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let sound = (1..=64).contains(&digits.len());
    sound.then(|| <[u8; 32]>::from_hex(&format!("{digits:0>64}")).ok()).flatten().map(Some)
}

/// The block of a number that is not 0: a hash is written with its last byte first.
fn block(mut number: [u8; 32]) -> Option<BlockHash> {
    number.reverse();
    (number != [0; 32]).then(|| BlockHash::from_byte_array(number))
}

/// The script in hex, which is no longer than one that can be carried out; none where there is nothing.
fn challenge(text: &str) -> Option<Option<Vec<u8>>> {
    if text.is_empty() {
        return Some(None);
    }
    let fits = text.len() / 2 <= SCRIPT_BYTES_MAX;
    fits.then(|| Vec::from_hex(text).ok()).flatten().map(Some)
}
