//! What is known of scripts and keys while one asks what a script is, or signs.

use std::collections::HashMap;

use bitcoin::hashes::{Hash, hash160};
use bitcoin::taproot::LeafVersion;
use bitcoin::{PrivateKey, PublicKey, ScriptBuf, XOnlyPublicKey};

use super::key::{AtIndex, Origin};

/// Keys by their hash, scripts by theirs, taproot outputs by their key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) keys: HashMap<hash160::Hash, PublicKey>,
    pub(crate) origins: HashMap<hash160::Hash, Origin>,
    pub(crate) secrets: HashMap<hash160::Hash, PrivateKey>,
    pub(crate) scripts: HashMap<hash160::Hash, ScriptBuf>,
    pub(crate) taproots: HashMap<XOnlyPublicKey, Tap>,
}

/// How a taproot output came about: its internal key, and its leaves from left to right with their depths.
#[derive(Clone, Debug)]
pub(crate) struct Tap {
    pub(crate) internal: XOnlyPublicKey,
    pub(crate) leaves: Vec<(u8, ScriptBuf, LeafVersion)>,
}

/// A key's hash.
pub(crate) fn id(key: &PublicKey) -> hash160::Hash {
    key.pubkey_hash().to_raw_hash()
}

impl Known {
    pub(crate) fn add_key(&mut self, at: AtIndex) {
        let id = id(&at.key);
        self.keys.insert(id, at.key);
        self.origins.insert(id, at.origin);
        self.secrets.extend(at.secret.map(|secret| (id, secret)));
    }

    /// A private key with its public one.
    pub(crate) fn add_secret(&mut self, secret: PrivateKey) {
        let key = secret.public_key(&super::SECP);
        self.keys.insert(id(&key), key);
        self.secrets.insert(id(&key), secret);
    }

    pub(crate) fn add_script(&mut self, script: ScriptBuf) {
        self.scripts.insert(hash160::Hash::hash(script.as_bytes()), script);
    }

    /// The script of a witness program's hash: it goes by the hash of that.
    pub(crate) fn script_of_sha256(&self, hash: &[u8]) -> Option<&ScriptBuf> {
        let ripemd = bitcoin::hashes::ripemd160::Hash::hash(hash);
        self.scripts.get(&hash160::Hash::from_byte_array(ripemd.to_byte_array()))
    }

    pub(crate) fn script_of_hash160(&self, hash: &[u8]) -> Option<&ScriptBuf> {
        self.scripts.get(&hash160::Hash::from_slice(hash).ok()?)
    }

    pub(crate) fn key_of_hash(&self, hash: &[u8]) -> Option<&PublicKey> {
        self.keys.get(&hash160::Hash::from_slice(hash).ok()?)
    }

    /// Both keys that a key of 32 bytes stands for.
    fn parities(key: &XOnlyPublicKey) -> impl Iterator<Item = hash160::Hash> + use<> {
        let bytes = key.serialize();
        [2u8, 3].into_iter().map(move |first| hash160::Hash::hash(&[&[first], bytes.as_slice()].concat()))
    }

    /// Where a key of 32 bytes comes from.
    pub(crate) fn origin_of_x_only(&self, key: &XOnlyPublicKey) -> Option<&Origin> {
        Known::parities(key).find_map(|id| self.origins.get(&id))
    }

    /// The private key of a key of 32 bytes.
    pub(crate) fn secret_of_x_only(&self, key: &XOnlyPublicKey) -> Option<&PrivateKey> {
        Known::parities(key).find_map(|id| self.secrets.get(&id))
    }
}
