//! Who may call: users with their passwords, the cookie, what each may call, and from where.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use adit_domain::units::Entropy;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bitcoin::hashes::{Hash, HashEngine, Hmac, HmacEngine, sha256};
use bitcoin::hex::FromHex;
use subtle::{Choice, ConstantTimeEq};
use thiserror::Error;

use crate::config::Config;

/// The user that stands for the cookie.
const COOKIE_USER: &str = "__cookie__";

/// Why nobody could call.
#[derive(Debug, Error)]
pub enum AuthError {
    /// Not `USER:SALT$HMAC`.
    #[error("Invalid -rpcauth argument.")]
    RpcAuth,
    /// The cookie can't be written.
    #[error("{path}: {source}")]
    Cookie {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Not an address or a network.
    #[error(
        "Invalid -rpcallowip subnet specification: {0}. Valid values are a single IP (e.g. 1.2.3.4), a network/netmask (e.g. 1.2.3.4/255.255.255.0), a network/CIDR (e.g. 1.2.3.4/24), all ipv4 (0.0.0.0/0), or all ipv6 (::/0). RFC4193 is allowed only if -cjdnsreachable=0."
    )]
    Subnet(String),
}

/// A user, and what the password comes to with a salt.
struct User {
    /// The name's hash: whatever is typed, 32 bytes are compared with 32.
    name: Digest,
    salt: String,
    hmac: Digest,
    /// Whether some password may come to it; none does where what was given is no such thing.
    is_sound: Choice,
}

const DIGEST_BYTES: usize = 32;

/// What is compared. Nothing else is: neither names nor passwords, whose lengths and first letters the time to compare them would tell.
type Digest = [u8; DIGEST_BYTES];

impl User {
    fn new(name: &str, salt: String, hmac: Option<Digest>) -> User {
        let is_sound = Choice::from(u8::from(hmac.is_some()));
        User { name: digest(name), salt, hmac: hmac.unwrap_or_default(), is_sound }
    }

    fn with_password(name: &str, password: &str, entropy: &dyn Entropy) -> User {
        let salt = hex_of_chance(2, entropy);
        let hmac = hmac(&salt, password);
        User::new(name, salt, Some(hmac))
    }

    /// `USER:SALT$HMAC`.
    fn parse(text: &str) -> Option<User> {
        let (name, rest) = text.split_once(':')?;
        let (salt, hmac) = rest.split_once('$')?;
        let sound = !rest.contains(':') && !hmac.contains('$');
        // Core compares the text, whose digits are small.
        let small = !hmac.bytes().any(|digit| digit.is_ascii_uppercase());
        let hmac = Digest::from_hex(hmac).ok().filter(|_| small);
        sound.then(|| User::new(name, salt.to_owned(), hmac))
    }

    /// Whether it is this one, by the hash of the name that was typed. What is done depends on the length of what was typed alone: a password
    /// is hashed for every user, whatever the name is, both digests are compared to the end, and what they say is joined without a branch.
    fn is(&self, name: &Digest, password: &str) -> Choice {
        same(&hmac(&self.salt, password), &self.hmac) & same(name, &self.name) & self.is_sound
    }
}

/// Two digests, to their last byte.
fn same(one: &Digest, other: &Digest) -> Choice {
    #[cfg(test)]
    tests::COMPARED.with_borrow_mut(|compared| compared.push(one.len()));
    one.ct_eq(other)
}

fn digest(text: &str) -> Digest {
    sha256::Hash::hash(text.as_bytes()).to_byte_array()
}

fn hmac(salt: &str, password: &str) -> Digest {
    let mut engine = HmacEngine::<sha256::Hash>::new(salt.as_bytes());
    engine.input(password.as_bytes());
    Hmac::from_engine(engine).to_byte_array()
}

fn hex_of_chance(words: usize, entropy: &dyn Entropy) -> String {
    (0..words).map(|_| format!("{:016x}", entropy.next_u64())).collect()
}

/// The cookie's file; taken away when it is dropped.
pub(crate) struct Cookie(PathBuf);

impl Cookie {
    /// Writes a new one beside the old and puts it in its place.
    fn write(path: &Path, mode: u32, entropy: &dyn Entropy) -> Result<(Cookie, User), AuthError> {
        let named = |source| AuthError::Cookie { path: path.to_owned(), source };
        let secret = hex_of_chance(4, entropy);
        let aside = PathBuf::from(format!("{}.tmp", path.display()));
        // A file that a crash has left behind may have another's rights.
        let _ = fs::remove_file(&aside);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside);
        file.and_then(|mut file| {
            write!(file, "{COOKIE_USER}:{secret}")?;
            fs::set_permissions(&aside, fs::Permissions::from_mode(mode))
        })
        .and_then(|()| fs::rename(&aside, path))
        .map_err(named)?;
        Ok((Cookie(path.to_owned()), User::with_password(COOKIE_USER, &secret, entropy)))
    }
}

impl Drop for Cookie {
    fn drop(&mut self) {
        // It may be gone already: then somebody else has done it.
        let _ = fs::remove_file(&self.0);
    }
}

/// Everyone who may call.
pub(crate) struct Users {
    users: Vec<User>,
    whitelist: BTreeMap<String, BTreeSet<String>>,
    whitelist_default: bool,
}

impl Users {
    pub(crate) fn new(config: &Config, entropy: &dyn Entropy) -> Result<(Users, Option<Cookie>), AuthError> {
        let mut users = Vec::new();
        let mut cookie = None;
        match &config.cookie {
            _ if !config.password.is_empty() => {
                users.push(User::with_password(&config.user, &config.password, entropy));
            }
            Some(path) => {
                let (written, user) = Cookie::write(path, config.cookie_mode, entropy)?;
                cookie = Some(written);
                users.push(user);
            }
            None => {}
        }
        for row in &config.auth {
            users.push(User::parse(row).ok_or(AuthError::RpcAuth)?);
        }
        let users = Users {
            users,
            whitelist: whitelist(&config.whitelist),
            whitelist_default: config.whitelist_default.unwrap_or(!config.whitelist.is_empty()),
        };
        Ok((users, cookie))
    }

    /// The user that an `Authorization` header proves.
    pub(crate) fn prove(&self, header: &[u8]) -> Option<String> {
        let encoded = std::str::from_utf8(header).ok()?.strip_prefix("Basic ")?;
        let decoded = STANDARD.decode(encoded.trim()).ok()?;
        let text = String::from_utf8(decoded).ok()?;
        let (name, password) = text.split_once(':')?;
        let hash = digest(name);
        let known = self.users.iter().fold(Choice::from(0), |known, user| known | user.is(&hash, password));
        bool::from(known).then(|| name.to_owned())
    }

    /// Whether a user may call anything at all.
    pub(crate) fn may_call_any(&self, user: &str) -> bool {
        !self.whitelist_default || self.whitelist.contains_key(user)
    }

    /// Whether a user may call this method.
    pub(crate) fn may_call(&self, user: &str, method: &str) -> bool {
        self.whitelist.get(user).map_or(!self.whitelist_default, |methods| methods.contains(method))
    }
}

/// What several rows allow one user is what all of them do.
fn whitelist(rows: &[String]) -> BTreeMap<String, BTreeSet<String>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows {
        let (user, methods) = row.split_once(':').unwrap_or((row, ""));
        let methods = methods.split([',', ' ']).filter(|m| !m.is_empty()).map(str::to_owned).collect();
        let both = match all.get(user) {
            Some(before) => before.intersection(&methods).cloned().collect(),
            None => methods,
        };
        all.insert(user.to_owned(), both);
    }
    all
}

/// Reads a row of `-rpcauth`, one of `-rpcwhitelist` and a header of the same text.
pub(crate) fn probe(text: &str) {
    let whitelist = whitelist(&[text.to_owned()]);
    let users = Users { users: User::parse(text).into_iter().collect(), whitelist, whitelist_default: false };
    let _ = (users.prove(text.as_bytes()), users.may_call_any(text), users.may_call(text, text));
}

/// A network: addresses with the same first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    address: IpAddr,
    mask: u128,
}

impl Subnet {
    /// Whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4()
            && bits(address) & self.mask == bits(self.address) & self.mask
    }

    /// This machine, and whoever else is allowed.
    pub(crate) fn allows(allowed: &[Subnet], address: IpAddr) -> bool {
        address.to_canonical().is_loopback() || allowed.iter().any(|subnet| subnet.contains(address))
    }
}

/// An address's bits, the first one highest.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

impl FromStr for Subnet {
    type Err = AuthError;

    fn from_str(text: &str) -> Result<Subnet, AuthError> {
        let bad = || AuthError::Subnet(text.to_owned());
        let (address, mask) = text.split_once('/').map_or((text, None), |(a, m)| (a, Some(m)));
        // As in an address with a port: `[::1]`.
        let bare = address.strip_prefix('[').and_then(|inside| inside.strip_suffix(']'));
        let address: IpAddr = bare.unwrap_or(address).parse().map_err(|_| bad())?;
        let width: u32 = if address.is_ipv4() { 32 } else { 128 };
        let ones = |count: u32| u128::MAX.checked_shl(128u32.saturating_sub(count)).unwrap_or(0);
        let mask = match mask {
            None => ones(width),
            Some(mask) => match (mask.parse::<u32>(), mask.parse::<IpAddr>()) {
                (Ok(count), _) if count <= width => ones(count),
                (_, Ok(mask)) if mask.is_ipv4() == address.is_ipv4() => bits(mask),
                _ => return Err(bad()),
            },
        };
        // Bits that are set behind one that isn't are no network.
        if mask.leading_ones().saturating_add(mask.trailing_zeros()) < 128 && mask != 0 {
            return Err(bad());
        }
        Ok(Subnet { address, mask })
    }
}

#[cfg(test)]
mod tests;
