//! Miniscript with keys of descriptors.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use bitcoin::hashes::{hash160, ripemd160, sha256};
use bitcoin::{Network, PublicKey, ScriptBuf, XOnlyPublicKey};
use miniscript::{Miniscript, MiniscriptKey, ScriptContext, ToPublicKey, TranslatePk, Translator, hash256};

use super::bad;
use super::key::{AtIndex, Key, Place};
use crate::error::RpcError;

/// A key's text, not looked at yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct KeyText(pub(super) String);

impl fmt::Display for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyText {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<KeyText, Infallible> {
        Ok(KeyText(text.to_owned()))
    }
}

impl MiniscriptKey for KeyText {
    type Sha256 = sha256::Hash;
    type Hash256 = hash256::Hash;
    type Ripemd160 = ripemd160::Hash;
    type Hash160 = hash160::Hash;
}

/// A script of miniscript, and its keys by what they are called in it.
#[derive(Clone, Debug)]
pub(super) struct Mini<C: ScriptContext> {
    script: Miniscript<KeyText, C>,
    keys: BTreeMap<KeyText, Key>,
}

/// Each key into another; hashes stay.
pub(super) struct Keys<F>(pub(super) F);

impl<P, Q, E, F> Translator<P, Q, E> for Keys<F>
where
    P: MiniscriptKey<
            Sha256 = sha256::Hash,
            Hash256 = hash256::Hash,
            Ripemd160 = ripemd160::Hash,
            Hash160 = hash160::Hash,
        >,
    Q: MiniscriptKey<
            Sha256 = sha256::Hash,
            Hash256 = hash256::Hash,
            Ripemd160 = ripemd160::Hash,
            Hash160 = hash160::Hash,
        >,
    F: FnMut(&P) -> Result<Q, E>,
{
    fn pk(&mut self, pk: &P) -> Result<Q, E> {
        (self.0)(pk)
    }

    fn sha256(&mut self, hash: &sha256::Hash) -> Result<sha256::Hash, E> {
        Ok(*hash)
    }

    fn hash256(&mut self, hash: &hash256::Hash) -> Result<hash256::Hash, E> {
        Ok(*hash)
    }

    fn ripemd160(&mut self, hash: &ripemd160::Hash) -> Result<ripemd160::Hash, E> {
        Ok(*hash)
    }

    fn hash160(&mut self, hash: &hash160::Hash) -> Result<hash160::Hash, E> {
        Ok(*hash)
    }
}

impl<C: ScriptContext> Mini<C> {
    /// Reads miniscript; none where the text is none.
    pub(super) fn read(text: &str, place: Place, network: Network) -> Result<Option<Mini<C>>, RpcError> {
        let Ok(script) = Miniscript::<KeyText, C>::from_str_insane(text) else { return Ok(None) };
        let mut keys = BTreeMap::new();
        for key in script.iter_pk() {
            let read = Key::read(&key.0, place, network)?;
            keys.insert(key, read);
        }
        if let Err(error) = script.sanity_check() {
            return Err(bad(format!("{script} is not sane: {error}")));
        }
        Ok(Some(Mini { script, keys }))
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.values()
    }

    pub(super) fn text(&self) -> String {
        let renamed = |key: &KeyText| {
            Ok::<_, Infallible>(self.keys.get(key).map_or_else(|| key.clone(), |key| KeyText(key.text())))
        };
        match self.script.translate_pk(&mut Keys(renamed)) {
            Ok(script) => script.to_string(),
            // Two keys that are written otherwise and are the same: as it was typed.
            Err(_) => self.script.to_string(),
        }
    }

    /// The script at an index; none where a private key lacks. Each key goes to `seen`.
    fn script_with<Q>(
        &self,
        index: u32,
        into: impl Fn(&PublicKey) -> Q,
        seen: &mut Vec<AtIndex>,
    ) -> Option<ScriptBuf>
    where
        Q: MiniscriptKey<
                Sha256 = sha256::Hash,
                Hash256 = hash256::Hash,
                Ripemd160 = ripemd160::Hash,
                Hash160 = hash160::Hash,
            > + ToPublicKey,
    {
        let derived = |name: &KeyText| {
            let at = self.keys.get(name).and_then(|key| key.at(index)).ok_or(())?;
            let key = into(&at.key);
            seen.push(at);
            Ok::<Q, ()>(key)
        };
        self.script.translate_pk(&mut Keys(derived)).ok().map(|script| script.encode())
    }
}

impl Mini<miniscript::Segwitv0> {
    pub(super) fn script(&self, index: u32, seen: &mut Vec<AtIndex>) -> Option<ScriptBuf> {
        self.script_with(index, |key| *key, seen)
    }
}

impl Mini<miniscript::Tap> {
    pub(super) fn script(&self, index: u32, seen: &mut Vec<AtIndex>) -> Option<ScriptBuf> {
        self.script_with(index, |key| XOnlyPublicKey::from(key.inner), seen)
    }
}
