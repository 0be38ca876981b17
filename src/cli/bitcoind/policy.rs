//! Core's flags of what is relayed and mined, as the mempool's policy.
//!
//! Owns: which flag changes what. Must not know: what becomes of it. What comes in has passed every check.

use adit_actors::root::MempoolSettings;
use adit_domain::mempool::MempoolConfig;

use super::check;
use super::layers::Layers;

/// Bytes of Core's megabyte.
const MEGABYTE: u64 = 1_000_000;
/// Virtual bytes of Core's kilobyte.
const KILOBYTE: u64 = 1_000;
pub(super) const HOUR_MS: u64 = 60 * 60 * 1_000;
/// Memory for transactions that wait, where nobody says how much; in Core's megabytes.
const MEGABYTES: i64 = 300;

/// What the flags say.
pub(super) fn of(layers: &Layers) -> MempoolSettings {
    let mut pool = MempoolConfig::default();
    relay(layers, &mut pool);
    MempoolSettings {
        pool,
        is_kept: layers.switch("persistmempool", true),
        is_plain: layers.switch("persistmempoolv1", false),
        takes_old_fees: layers.switch("acceptstalefeeestimates", false),
    }
}

fn relay(layers: &Layers, pool: &mut MempoolConfig) {
    limits(layers, pool);
    feerates(layers, pool);
    pool.bare_multisig = layers.switch("permitbaremultisig", pool.bare_multisig);
    pool.is_strict = !layers.switch("acceptnonstdtxn", !pool.is_strict);
    pool.weight_a_sigop = number(layers, "bytespersigop", pool.weight_a_sigop);
    let data_bytes_max =
        number(layers, "datacarriersize", u64::try_from(pool.data_bytes_max).unwrap_or(u64::MAX));
    pool.data_bytes_max = match layers.switch("datacarrier", true) {
        true => usize::try_from(data_bytes_max).unwrap_or(usize::MAX),
        false => 0,
    };
}

/// How much, how many and how long.
fn limits(layers: &Layers, pool: &mut MempoolConfig) {
    let megabytes = u64::try_from(layers.number("maxmempool", MEGABYTES)).unwrap_or(0);
    pool.bytes_max = megabytes.saturating_mul(MEGABYTE);
    pool.expiry_ms = number(layers, "mempoolexpiry", pool.expiry_ms / HOUR_MS).saturating_mul(HOUR_MS);
    let txs_max =
        number(layers, "limitclustercount", u64::try_from(pool.cluster_txs_max).unwrap_or(u64::MAX));
    pool.cluster_txs_max = usize::try_from(txs_max).unwrap_or(usize::MAX);
    let kilobytes = number(layers, "limitclustersize", pool.cluster_vsize_max / KILOBYTE);
    pool.cluster_vsize_max = kilobytes.saturating_mul(KILOBYTE);
}

/// What is paid at least. What a replacement adds is the least that is relayed too, unless that is said.
fn feerates(layers: &Layers, pool: &mut MempoolConfig) {
    let money = |name: &str| layers.text(name).and_then(|text| check::money(&text));
    if let Some(sats) = money("incrementalrelayfee") {
        pool.incremental_sat_per_kvb = sats;
        pool.min_fee_sat_per_kvb = pool.min_fee_sat_per_kvb.max(sats);
    }
    pool.min_fee_sat_per_kvb = money("minrelaytxfee").unwrap_or(pool.min_fee_sat_per_kvb);
    pool.dust_sat_per_kvb = money("dustrelayfee").unwrap_or(pool.dust_sat_per_kvb);
    pool.block_min_sat_per_kvb = money("blockmintxfee").unwrap_or(pool.block_min_sat_per_kvb);
}

fn number(layers: &Layers, name: &str, default: u64) -> u64 {
    let default = i64::try_from(default).unwrap_or(i64::MAX);
    u64::try_from(layers.number(name, default)).unwrap_or(0)
}
