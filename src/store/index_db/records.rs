use adit_domain::chain::muhash::NUM_BYTES;
use adit_domain::chain::{ChainSums, Flows, MuHash};

use crate::codec::{CodecError, take_array};

/// What the index of coin statistics says of a block: the sums up to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoinStatsRecord(pub ChainSums);

impl CoinStatsRecord {
    /// MuHash 384 bytes; coins, bogo size, amount 8 bytes each; the flows 16 bytes each.
    pub fn encode(&self) -> Vec<u8> {
        let ChainSums { muhash, coins, bogo_size, amount_sat, flows } = &self.0;
        let mut out = muhash.to_quotient_bytes().to_vec();
        for number in [coins, bogo_size, amount_sat] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for number in flows_of(flows) {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out
    }

    /// The inverse of [`CoinStatsRecord::encode`].
    pub fn decode(bytes: &[u8]) -> Result<CoinStatsRecord, CodecError> {
        let mut rest = bytes;
        let muhash = MuHash::from_quotient_bytes(&take_array::<NUM_BYTES>(&mut rest)?);
        let mut short = || take_array(&mut rest).map(u64::from_le_bytes);
        let (coins, bogo_size, amount_sat) = (short()?, short()?, short()?);
        let mut long = || take_array(&mut rest).map(u128::from_le_bytes);
        let flows = Flows {
            subsidy_sat: long()?,
            prevout_spent_sat: long()?,
            new_outputs_sat: long()?,
            coinbase_sat: long()?,
            genesis_sat: long()?,
            bip30_sat: long()?,
            scripts_sat: long()?,
            unclaimed_sat: long()?,
        };
        if !rest.is_empty() {
            return Err(CodecError::Trailing);
        }
        Ok(CoinStatsRecord(ChainSums { muhash, coins, bogo_size, amount_sat, flows }))
    }
}

fn flows_of(flows: &Flows) -> [u128; 8] {
    [
        flows.subsidy_sat,
        flows.prevout_spent_sat,
        flows.new_outputs_sat,
        flows.coinbase_sat,
        flows.genesis_sat,
        flows.bip30_sat,
        flows.scripts_sat,
        flows.unclaimed_sat,
    ]
}

/// What the index of filters says of a block, beside the filter; both as BIP157 computes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterRecord {
    /// Double SHA256 of the filter.
    pub hash: [u8; 32],
    /// Commits to this filter and all below.
    pub header: [u8; 32],
}

impl FilterRecord {
    /// Hash, then header.
    pub fn encode(&self) -> Vec<u8> {
        [self.hash, self.header].concat()
    }

    /// The inverse of [`FilterRecord::encode`].
    pub fn decode(bytes: &[u8]) -> Result<FilterRecord, CodecError> {
        let mut rest = bytes;
        let record = FilterRecord { hash: take_array(&mut rest)?, header: take_array(&mut rest)? };
        if rest.is_empty() { Ok(record) } else { Err(CodecError::Trailing) }
    }
}
