use bitcoin::consensus::encode::serialize;
use bitcoin::script::{Builder, PushBytes};
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, Script, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness, absolute};
use thiserror::Error;

use super::BlockTemplate;
use crate::units::Height;

/// What the pool's coinbases carry after the height: whose block it is, for explorers and for our own books.
pub const COINBASE_TAG: &[u8] = b"/Adit/";
/// Bytes of a coinbase's input script that the rules bear (`bad-cb-length`).
const SCRIPT_SIG_BYTES_MAX: usize = 100;
/// The longest data that one opcode pushes by its own number.
const DIRECT_PUSH_BYTES_MAX: usize = 75;
/// The longest script that an address stands for: a witness version, a length, and a program of 40 bytes (BIP141).
pub const PAYOUT_SCRIPT_BYTES_MAX: usize = 42;
/// The witness that a coinbase carries where it commits to the others' (BIP141): its reserved value, all zeros.
pub(super) const WITNESS_RESERVED_VALUE: [u8; 32] = [0; 32];

/// Why there is no such coinbase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CoinbaseError {
    /// The bytes that are left free for extranonces do not fit a single push, or the script would be too long.
    #[error("{free} free bytes do not fit a coinbase's input script")]
    NoRoom {
        /// The bytes that were asked for.
        free: usize,
    },
}

/// A coinbase without its witness, cut at the bytes that miners choose: `before`, then the free bytes, then `after`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoinbaseParts {
    /// Version, input and its script up to the free bytes (their push opcode is the last byte).
    pub before: Vec<u8>,
    /// Sequence, outputs and lock time.
    pub after: Vec<u8>,
}

impl BlockTemplate {
    /// The coinbase in non-witness serialisation, cut where `free` bytes (a job's own, and the extranonces) go.
    ///
    /// The input script is the height as BIP34 has it, a push of [`COINBASE_TAG`], and a push of the free bytes: as data
    /// they can never be read as signature operations.
    pub fn coinbase_parts(&self, free: usize) -> Result<CoinbaseParts, CoinbaseError> {
        let script_sig = script_sig(self.height, free).ok_or(CoinbaseError::NoRoom { free })?;
        let script_len = script_sig.len();
        let whole = serialize(&self.coinbase(script_sig));
        // Version 4, input count 1, outpoint 36, length of the script 1 (100 at most): the script begins at byte 42.
        let cut = 42usize.saturating_add(script_len);
        let (head, after) = whole.split_at_checked(cut).ok_or(CoinbaseError::NoRoom { free })?;
        let before = head.get(..cut.saturating_sub(free)).unwrap_or(head);
        Ok(CoinbaseParts { before: before.to_vec(), after: after.to_vec() })
    }

    fn coinbase(&self, script_sig: ScriptBuf) -> Transaction {
        let input = TxIn {
            previous_output: OutPoint::null(),
            script_sig,
            sequence: Sequence::MAX,
            witness: Witness::new(),
        };
        let reward = TxOut { value: self.coinbase_value, script_pubkey: self.payout_script.clone() };
        let commitment = TxOut { value: Amount::ZERO, script_pubkey: self.witness_commitment.clone() };
        Transaction {
            version: Version::TWO,
            lock_time: absolute::LockTime::ZERO,
            input: vec![input],
            output: vec![reward, commitment],
        }
    }
}

/// The input script with its free bytes all zero; none where it would break the rules' length.
fn script_sig(height: Height, free: usize) -> Option<ScriptBuf> {
    if free == 0 || free > DIRECT_PUSH_BYTES_MAX {
        return None;
    }
    let zeros = vec![0u8; free];
    let script =
        script_sig_head(height)?.push_slice(<&PushBytes>::try_from(zeros.as_slice()).ok()?).into_script();
    (script.len() <= SCRIPT_SIG_BYTES_MAX).then_some(script)
}

/// BIP34's height (a small one is its own opcode) and the tag.
fn script_sig_head(height: Height) -> Option<Builder> {
    let tag = <&PushBytes>::try_from(COINBASE_TAG).ok()?;
    Some(Builder::new().push_int(i64::from(height.to_u32())).push_slice(tag))
}

/// What a block's coinbase pays to `payout_script`, if it is one that this pool made for that height: it carries
/// [`COINBASE_TAG`] after the height, and pays there. None for anybody else's block. Zero for one of ours where there is no
/// subsidy any more and nobody paid a fee.
pub fn pool_reward(coinbase: &Transaction, height: Height, payout_script: &Script) -> Option<Amount> {
    let head = script_sig_head(height)?.into_script();
    let input = coinbase.input.first().filter(|_| coinbase.is_coinbase())?;
    if !input.script_sig.as_bytes().starts_with(head.as_bytes()) {
        return None;
    }
    let ours = coinbase.output.iter().filter(|o| o.script_pubkey.as_script() == payout_script);
    ours.map(|o| o.value).try_fold(None, |sum: Option<Amount>, value| {
        sum.unwrap_or(Amount::ZERO).checked_add(value).map(Some)
    })?
}

#[cfg(test)]
#[path = "coinbase/tests.rs"]
mod tests;
