//! Keys as descriptors name them: fixed ones, and those that are derived (BIP32, BIP380).

use std::sync::LazyLock;

use bitcoin::bip32::{ChildNumber, Fingerprint, Xpriv, Xpub};
use bitcoin::hex::FromHex;
use bitcoin::key::Secp256k1;
use bitcoin::secp256k1::All;
use bitcoin::{Network, NetworkKind, PrivateKey, PublicKey};

use super::bad;
use crate::error::RpcError;

/// What signs and derives.
pub(crate) static SECP: LazyLock<Secp256k1<All>> = LazyLock::new(Secp256k1::new);

/// A key's master and the steps from there.
pub(crate) type Origin = (Fingerprint, Vec<ChildNumber>);

/// Where in a descriptor a key or a script stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Top,
    P2sh,
    P2wpkh,
    P2wsh,
    P2tr,
}

/// A key, or one for each index.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    origin: Option<Origin>,
    body: Body,
    /// How a hardened step is written: `'` or `h`.
    mark: char,
}

#[derive(Clone, Debug)]
enum Body {
    Fixed { key: PublicKey, x_only: bool, secret: Option<PrivateKey> },
    Derived { root: Xpub, path: Vec<ChildNumber>, wild: Wild, stem: Option<Stem> },
}

/// What the last step is derived from.
#[derive(Clone, Debug)]
enum Stem {
    Public(Xpub),
    Private(Xpriv),
}

/// The last step of a key that is one for each index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wild {
    None,
    Plain,
    Hardened,
}

/// A key at an index.
#[derive(Clone, Debug)]
pub(crate) struct AtIndex {
    pub(crate) key: PublicKey,
    pub(crate) origin: Origin,
    pub(crate) secret: Option<PrivateKey>,
}

/// The first four bytes of a key's hash.
pub(crate) fn fingerprint(key: &PublicKey) -> Fingerprint {
    let hash = bitcoin::hashes::Hash::to_byte_array(key.pubkey_hash().to_raw_hash());
    let hash: [u8; 20] = hash;
    Fingerprint::from([hash[0], hash[1], hash[2], hash[3]])
}

/// `[d34db33f/44h/0h]`.
pub(crate) fn origin_text((master, path): &Origin, mark: char) -> String {
    format!("[{master}{}]", steps_text(path, mark))
}

fn steps_text(path: &[ChildNumber], mark: char) -> String {
    let step = |step: &ChildNumber| match step {
        ChildNumber::Normal { index } => format!("/{index}"),
        ChildNumber::Hardened { index } => format!("/{index}{mark}"),
    };
    path.iter().map(step).collect()
}

impl Key {
    /// Reads `[origin]KEY/steps/*`.
    pub(crate) fn read(text: &str, place: Place, network: Network) -> Result<Key, RpcError> {
        let parts: Vec<&str> = text.split(']').collect();
        let mut mark = 'h';
        match parts.as_slice() {
            [body] => {
                let body = body_of(body, place, network, &mut mark)?;
                Ok(Key { origin: None, body, mark })
            }
            [origin, body] => {
                let origin = origin_of(origin, &mut mark)?;
                let body = body_of(body, place, network, &mut mark)?;
                Ok(Key { origin: Some(origin), body, mark })
            }
            _ => Err(bad("Multiple ']' characters found for a single pubkey")),
        }
    }

    /// Without what is secret.
    pub(crate) fn text(&self) -> String {
        let origin = self.origin.as_ref().map(|origin| origin_text(origin, self.mark)).unwrap_or_default();
        let body = match &self.body {
            Body::Fixed { key, x_only: true, .. } => bitcoin::XOnlyPublicKey::from(key.inner).to_string(),
            Body::Fixed { key, .. } => key.to_string(),
            Body::Derived { root, path, wild, .. } => {
                let last = match wild {
                    Wild::None => String::new(),
                    Wild::Plain => "/*".to_owned(),
                    Wild::Hardened => format!("/*{}", self.mark),
                };
                format!("{root}{}{last}", steps_text(path, self.mark))
            }
        };
        format!("{origin}{body}")
    }

    pub(crate) fn is_range(&self) -> bool {
        matches!(&self.body, Body::Derived { wild, .. } if *wild != Wild::None)
    }

    pub(crate) fn is_secret(&self) -> bool {
        match &self.body {
            Body::Fixed { secret, .. } => secret.is_some(),
            Body::Derived { stem, .. } => matches!(stem, Some(Stem::Private(_))),
        }
    }

    /// Bytes of the key in a script.
    pub(crate) fn script_bytes(&self) -> usize {
        match &self.body {
            Body::Fixed { key, .. } if !key.compressed => 65,
            _ => 33,
        }
    }

    /// The key at an index; none where a hardened step lacks its private key.
    pub(crate) fn at(&self, index: u32) -> Option<AtIndex> {
        let (key, (master, steps), secret) = match &self.body {
            Body::Fixed { key, secret, .. } => (*key, (fingerprint(key), Vec::new()), *secret),
            Body::Derived { root, path, wild, stem } => {
                let step = match wild {
                    Wild::None => None,
                    Wild::Plain => Some(ChildNumber::from_normal_idx(index).ok()?),
                    Wild::Hardened => Some(ChildNumber::from_hardened_idx(index).ok()?),
                };
                let steps: Vec<ChildNumber> = path.iter().copied().chain(step).collect();
                let (key, secret) = derive(stem.as_ref()?, step)?;
                (key, (root.fingerprint(), steps), secret)
            }
        };
        let origin = match &self.origin {
            Some((above, path)) => (*above, path.iter().copied().chain(steps).collect()),
            None => (master, steps),
        };
        Some(AtIndex { key, origin, secret })
    }
}

/// One step more, or none.
fn derive(stem: &Stem, step: Option<ChildNumber>) -> Option<(PublicKey, Option<PrivateKey>)> {
    let path: Vec<ChildNumber> = step.into_iter().collect();
    match stem {
        Stem::Public(stem) => Some((stem.derive_pub(&SECP, &path).ok()?.to_pub().into(), None)),
        Stem::Private(stem) => {
            let secret = stem.derive_priv(&SECP, &path).ok()?.to_priv();
            Some((secret.public_key(&SECP), Some(secret)))
        }
    }
}

/// `[fingerprint/steps`, without the bracket that closes.
fn origin_of(text: &str, mark: &mut char) -> Result<Origin, RpcError> {
    let Some(inside) = text.strip_prefix('[') else {
        let got = text.chars().next().unwrap_or(']');
        return Err(bad(format!(
            "Key origin start '[ character expected but not found, got '{got}' instead"
        )));
    };
    let mut parts = inside.split('/');
    let master = parts.next().unwrap_or_default();
    if master.len() != 8 {
        let text =
            format!("Fingerprint is not 4 bytes ({} characters instead of 8 characters)", master.len());
        return Err(bad(text));
    }
    let bytes = <[u8; 4]>::from_hex(master);
    let bytes = bytes.map_err(|_| bad(format!("Fingerprint '{master}' is not hex")))?;
    Ok((Fingerprint::from(bytes), steps(parts, mark)?))
}

fn steps<'a>(parts: impl Iterator<Item = &'a str>, mark: &mut char) -> Result<Vec<ChildNumber>, RpcError> {
    parts.map(|part| step(part, mark)).collect()
}

/// `5`, `5'` or `5h`.
fn step(part: &str, mark: &mut char) -> Result<ChildNumber, RpcError> {
    let hardened = part.strip_suffix('\'').or_else(|| part.strip_suffix('h'));
    if hardened.is_some() {
        *mark = if part.ends_with('\'') { '\'' } else { 'h' };
    }
    let digits = hardened.unwrap_or(part);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse::<u32>().ok().filter(|_| plain);
    let number = number.ok_or_else(|| bad(format!("Key path value '{digits}' is not a valid uint32")))?;
    let made = match hardened {
        Some(_) => ChildNumber::from_hardened_idx(number),
        None => ChildNumber::from_normal_idx(number),
    };
    made.map_err(|_| bad(format!("Key path value {number} is out of range")))
}

/// Whether a text is hex as Core's readers take it: at least two digits, an even number of them.
fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn body_of(text: &str, place: Place, network: Network, mark: &mut char) -> Result<Body, RpcError> {
    let mut parts: Vec<&str> = text.split('/').collect();
    let first = parts.remove(0);
    if first.is_empty() {
        return Err(bad("No key provided"));
    }
    if first.starts_with(char::is_whitespace) || first.ends_with(char::is_whitespace) {
        return Err(bad(format!("Key '{first}' is invalid due to whitespace")));
    }
    let alone = if parts.is_empty() { fixed(first, place, network)? } else { None };
    if let Some(fixed) = alone {
        return Ok(fixed);
    }
    derived(first, parts, network, mark)
}

fn fixed(text: &str, place: Place, network: Network) -> Result<Option<Body>, RpcError> {
    let may_be_long = matches!(place, Place::Top | Place::P2sh);
    let is_tr = place == Place::P2tr;
    let allowed = |key: &PublicKey| may_be_long || key.compressed;
    if is_hex(text) {
        let bytes = Vec::from_hex(text).unwrap_or_default();
        if bytes.len() == 65 && matches!(bytes.first(), Some(6 | 7)) {
            return Err(bad("Hybrid public keys are not allowed"));
        }
        if let Ok(key) = PublicKey::from_slice(&bytes) {
            let fixed = Body::Fixed { key, x_only: false, secret: None };
            return if allowed(&key) {
                Ok(Some(fixed))
            } else {
                Err(bad("Uncompressed keys are not allowed"))
            };
        }
        let full = [&[2], bytes.as_slice()].concat();
        return match PublicKey::from_slice(&full) {
            Ok(key) if is_tr && bytes.len() == 32 => {
                Ok(Some(Body::Fixed { key, x_only: true, secret: None }))
            }
            _ => Err(bad(format!("Pubkey '{text}' is invalid"))),
        };
    }
    let Ok(secret) = adit_domain::units::parse_wif(text, network) else { return Ok(None) };
    let key = secret.public_key(&SECP);
    if !allowed(&key) {
        return Err(bad("Uncompressed keys are not allowed"));
    }
    Ok(Some(Body::Fixed { key, x_only: is_tr, secret: Some(secret) }))
}

fn derived(first: &str, mut parts: Vec<&str>, network: Network, mark: &mut char) -> Result<Body, RpcError> {
    let kind = NetworkKind::from(network);
    let secret = first.parse::<Xpriv>().ok().filter(|key| key.network == kind);
    let public = first.parse::<Xpub>().ok().filter(|key| key.network == kind);
    let root = secret.as_ref().map(|key| Xpub::from_priv(&SECP, key)).or(public);
    let root = root.ok_or_else(|| bad(format!("key '{first}' is not valid")))?;
    let wild = match parts.last() {
        Some(&"*") => Wild::Plain,
        Some(&("*'" | "*h")) => Wild::Hardened,
        _ => Wild::None,
    };
    if wild != Wild::None {
        let last = parts.pop().unwrap_or_default();
        if wild == Wild::Hardened {
            *mark = if last.ends_with('\'') { '\'' } else { 'h' };
        }
    }
    let path = steps(parts.into_iter(), mark)?;
    let stem = match secret {
        Some(secret) => secret.derive_priv(&SECP, &path).ok().map(Stem::Private),
        None if wild == Wild::Hardened => None,
        None => root.derive_pub(&SECP, &path).ok().map(Stem::Public),
    };
    Ok(Body::Derived { root, path, wild, stem })
}
