mod assumed_coins;

use bitcoin::hashes::{Hash, sha256d};
use bitcoin::{Amount, Block, BlockHash, CompactTarget, Network, Target, VarInt, Work};

use super::deployment::{Deployment, ForkHeights, Start};
use crate::script::ScriptFlags;
use crate::units::Height;

pub use assumed_coins::{AssumedCoins, NotAssumedCoins};

/// A network as a value: everything in which two chains of Bitcoin's kind differ. Facts as in Bitcoin Core's chainparams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    /// The network that addresses are written for.
    pub network: Network,
    /// The first four bytes of every message and of every block in a blk*.dat file.
    pub magic: [u8; 4],
    /// The port on which its nodes listen.
    pub default_port: u16,
    /// Names that resolve to nodes.
    pub dns_seeds: &'static [&'static str],
    /// The first block; its coinbase can never be spent.
    pub genesis: Block,
    /// The first block's hash.
    pub genesis_hash: BlockHash,
    /// Proof of work and difficulty.
    pub pow: PowParams,
    /// When each buried soft fork starts.
    pub forks: ForkHeights,
    /// The soft forks that miners vote on.
    pub deployments: Vec<Deployment>,
    /// Blocks that break today's script rules and are valid all the same, with the flags they are checked under.
    pub script_flag_exceptions: Vec<(BlockHash, ScriptFlags)>,
    /// Blocks between two halvings of the subsidy.
    pub halving_interval: u32,
    /// The work that the best chain is known to have: a peer that offers less is of no use. No rule of validity.
    pub minimum_chain_work: Work,
    /// The scripts of this block and of those that it stands on are taken as verified, where
    /// [`crate::chain::HeaderTree::scripts_are_assumed`]; none: of no block.
    pub assume_valid: Option<BlockHash>,
    /// Coin sets of which a snapshot may be taken over, the lowest height first.
    pub assumed_coins: Vec<AssumedCoins>,
    /// BIP325: the script that every block but the first must satisfy; none but on a signet.
    pub signet_challenge: Option<Vec<u8>>,
}

/// Proof of work and difficulty of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PowParams {
    /// The easiest target.
    pub limit: Target,
    /// Seconds that a block should take.
    pub spacing_s: u32,
    /// Seconds that a whole period between two adjustments should take.
    pub timespan_s: u32,
    /// Whether a block that comes after twice the spacing may have the easiest target.
    pub allow_min_difficulty: bool,
    /// BIP94: the period's first block carries the difficulty, and its time may not jump back.
    pub enforce_bip94: bool,
    /// Whether the difficulty never changes.
    pub no_retargeting: bool,
}

/// What a network is called, in every command and setting.
const NAMES: [(&str, Network); 5] = [
    ("mainnet", Network::Bitcoin),
    ("testnet3", Network::Testnet),
    ("testnet4", Network::Testnet4),
    ("signet", Network::Signet),
    ("regtest", Network::Regtest),
];

/// The challenge of the public signet: 1 of 2 keys.
const SIGNET_CHALLENGE_DEFAULT: [u8; 71] = [
    0x51, 0x21, 0x03, 0xad, 0x5e, 0x0e, 0xda, 0xd1, 0x8c, 0xb1, 0xf0, 0xfc, 0x0d, 0x28, 0xa3, 0xd4, 0xf1,
    0xf3, 0xe4, 0x45, 0x64, 0x03, 0x37, 0x48, 0x9a, 0xbb, 0x10, 0x40, 0x4f, 0x2d, 0x1e, 0x08, 0x6b, 0xe4,
    0x30, 0x21, 0x03, 0x59, 0xef, 0x50, 0x21, 0x96, 0x4f, 0xe2, 0x2d, 0x6f, 0x8e, 0x05, 0xb2, 0x46, 0x3c,
    0x95, 0x40, 0xce, 0x96, 0x88, 0x3f, 0xe3, 0xb2, 0x78, 0x76, 0x0f, 0x04, 0x8f, 0x51, 0x89, 0xf2, 0xe6,
    0xc4, 0x52, 0xae,
];

/// Votes that win on mainnet and signet, of 2,016: 90%.
const NINE_TENTHS_OF_2016: u32 = 1815;
/// Votes that win on the test networks, of 2,016: 75%.
const THREE_QUARTERS_OF_2016: u32 = 1512;

const TWO_WEEKS_S: u32 = 14 * 24 * 60 * 60;
const ONE_DAY_S: u32 = 24 * 60 * 60;
const TEN_MINUTES_S: u32 = 10 * 60;

impl Params {
    /// The network with which money is paid.
    pub fn mainnet() -> Params {
        Params {
            magic: [0xf9, 0xbe, 0xb4, 0xd9],
            default_port: 8333,
            dns_seeds: &[
                "dnsseed.bluematt.me.",
                "seed.bitcoin.jonasschnelli.ch.",
                "seed.btc.petertodd.net.",
                "seed.bitcoin.sprovoost.nl.",
                "dnsseed.emzy.de.",
                "seed.bitcoin.wiz.biz.",
                "seed.mainnet.achownodes.xyz.",
            ],
            forks: ForkHeights {
                bip34: Height::new(227_931),
                bip34_hash: Some(hash("000000000000024b89b42a942fe0d9fea3bb44ab7bd1b19115dd6a759c0808b8")),
                bip65: Height::new(388_381),
                bip66: Height::new(363_725),
                csv: Height::new(419_328),
                segwit: Height::new(481_824),
            },
            deployments: vec![Deployment::testdummy(Start::Never, 2016, NINE_TENTHS_OF_2016)],
            script_flag_exceptions: vec![
                // Spends a P2SH output without its script, before anybody knew that it was one.
                (hash("00000000000002dc756eebf4f49723ed8d30cc28a5f108eb94b1ba88ac4f9c22"), ScriptFlags::NONE),
                // Spends a v1 output by other rules than taproot's, before it began.
                (
                    hash("0000000000000000000f14c35b2d841e986ab5441de8c585d5ffe55ea1e395ad"),
                    ScriptFlags::P2SH | ScriptFlags::WITNESS,
                ),
            ],
            minimum_chain_work: work("0000000000000000000000000000000000000001128750f82f4c366153a3a030"),
            assume_valid: Some(hash("00000000000000000000ccebd6d74d9194d8dcdc1d177c478e094bfad51ba5ac")),
            ..Params::base(Network::Bitcoin, PowParams::two_weeks(limit(&[0, 0, 0, 0], 0xff)))
        }
    }

    /// The old test network.
    pub fn testnet3() -> Params {
        let pow =
            PowParams { allow_min_difficulty: true, ..PowParams::two_weeks(limit(&[0, 0, 0, 0], 0xff)) };
        Params {
            magic: [0x0b, 0x11, 0x09, 0x07],
            default_port: 18333,
            dns_seeds: &[
                "testnet-seed.bitcoin.jonasschnelli.ch.",
                "seed.tbtc.petertodd.net.",
                "seed.testnet.bitcoin.sprovoost.nl.",
                "testnet-seed.bluematt.me.",
                "seed.testnet.achownodes.xyz.",
            ],
            forks: ForkHeights {
                bip34: Height::new(21_111),
                bip34_hash: Some(hash("0000000023b3a96d3484e5abb3755c413e7d41500f8e2a5c3f0dd01299cd8ef8")),
                bip65: Height::new(581_885),
                bip66: Height::new(330_776),
                csv: Height::new(770_112),
                segwit: Height::new(834_624),
            },
            script_flag_exceptions: vec![(
                hash("00000000dd30457c001f4095d208cc1296b0eed002427aa599874af7a432b105"),
                ScriptFlags::NONE,
            )],
            minimum_chain_work: work("0000000000000000000000000000000000000000000017dde1c649f3708d14b6"),
            assume_valid: Some(hash("000000007a61e4230b28ac5cb6b5e5a0130de37ac1faf2f8987d2fa6505b67f4")),
            ..Params::base(Network::Testnet, pow)
        }
    }

    /// The test network of BIP94.
    pub fn testnet4() -> Params {
        let pow = PowParams {
            allow_min_difficulty: true,
            enforce_bip94: true,
            ..PowParams::two_weeks(limit(&[0, 0, 0, 0], 0xff))
        };
        Params {
            magic: [0x1c, 0x16, 0x3f, 0x28],
            default_port: 48333,
            dns_seeds: &["seed.testnet4.bitcoin.sprovoost.nl.", "seed.testnet4.wiz.biz."],
            minimum_chain_work: work("0000000000000000000000000000000000000000000009a0fe15d0177d086304"),
            assume_valid: Some(hash("0000000002368b1e4ee27e2e85676ae6f9f9e69579b29093e9a82c170bf7cf8a")),
            ..Params::base(Network::Testnet4, pow)
        }
    }

    /// The public signet.
    pub fn signet() -> Params {
        Params {
            dns_seeds: &["seed.signet.bitcoin.sprovoost.nl.", "seed.signet.achownodes.xyz."],
            minimum_chain_work: work("00000000000000000000000000000000000000000000000000000b463ea0a4b8"),
            assume_valid: Some(hash("00000008414aab61092ef93f1aacc54cf9e9f16af29ddad493b908a01ff5c329")),
            assumed_coins: assumed_coins::assumed_coins(Network::Signet),
            ..Params::signet_with(SIGNET_CHALLENGE_DEFAULT.to_vec())
        }
    }

    /// A signet of one's own: `challenge` is the script that its blocks satisfy (BIP325), and its magic follows from it.
    pub fn signet_with(challenge: Vec<u8>) -> Params {
        let pow = PowParams::two_weeks(limit(&[0, 0, 0x03, 0x77, 0xae], 0));
        Params {
            magic: signet_magic(&challenge),
            default_port: 38333,
            signet_challenge: Some(challenge),
            assumed_coins: Vec::new(),
            deployments: vec![Deployment::testdummy(Start::Never, 2016, NINE_TENTHS_OF_2016)],
            ..Params::base(Network::Signet, pow)
        }
    }

    /// The private network for tests: blocks at once, halvings every 150.
    pub fn regtest() -> Params {
        let pow = PowParams {
            limit: limit(&[0x7f], 0xff),
            spacing_s: TEN_MINUTES_S,
            timespan_s: ONE_DAY_S,
            allow_min_difficulty: true,
            enforce_bip94: false,
            no_retargeting: true,
        };
        let base = Params::base(Network::Regtest, pow);
        Params {
            magic: [0xfa, 0xbf, 0xb5, 0xda],
            default_port: 18444,
            forks: ForkHeights { segwit: Height::GENESIS, ..base.forks },
            deployments: vec![Deployment::testdummy(Start::At(0), 144, 108)],
            halving_interval: 150,
            ..base
        }
    }

    /// The network of that kind.
    pub fn of(network: Network) -> Params {
        match network {
            Network::Bitcoin => Params::mainnet(),
            Network::Testnet => Params::testnet3(),
            Network::Testnet4 => Params::testnet4(),
            Network::Signet => Params::signet(),
            Network::Regtest => Params::regtest(),
        }
    }

    /// The network called `mainnet`, `testnet3`, `testnet4`, `signet` or `regtest`.
    pub fn from_name(name: &str) -> Option<Params> {
        NAMES.iter().find(|(n, _)| *n == name).map(|(_, network)| Params::of(*network))
    }

    /// The names that [`Params::from_name`] knows.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// What the network is called where it is kept: a signet of one's own is another chain, though it begins as the public one.
    pub fn folder(&self) -> String {
        match &self.signet_challenge {
            Some(challenge) if *challenge != SIGNET_CHALLENGE_DEFAULT => {
                let magic = u32::from_be_bytes(self.magic);
                format!("{}{magic:08x}", Params::OWN_SIGNET)
            }
            _ => self.name().to_owned(),
        }
    }

    /// What the folder of a signet of one's own begins with; its magic follows.
    pub const OWN_SIGNET: &'static str = "signet-";

    /// What the network is called.
    pub fn name(&self) -> &'static str {
        NAMES.iter().find(|(_, n)| *n == self.network).map_or("unknown", |(name, _)| name)
    }

    /// Blocks between two adjustments of the difficulty.
    pub fn retarget_interval(&self) -> u32 {
        self.pow.timespan_s.checked_div(self.pow.spacing_s).unwrap_or(1).max(1)
    }

    /// What a block at `height` may create: 50 bitcoin, halved at every interval, nothing after 64 halvings.
    pub fn subsidy(&self, height: Height) -> Amount {
        let halvings = height.to_u32().checked_div(self.halving_interval).unwrap_or(u32::MAX);
        Amount::from_sat(Amount::from_int_btc(50).to_sat().checked_shr(halvings).unwrap_or(0))
    }

    /// The easiest target, as a header has it.
    pub fn pow_limit_bits(&self) -> CompactTarget {
        self.pow.limit.to_compact_lossy()
    }

    /// What most test networks share: every soft fork from block 1.
    fn base(network: Network, pow: PowParams) -> Params {
        let genesis = bitcoin::constants::genesis_block(network);
        let one = Height::new(1);
        Params {
            network,
            magic: [0; 4],
            default_port: 0,
            dns_seeds: &[],
            genesis_hash: genesis.block_hash(),
            genesis,
            pow,
            forks: ForkHeights {
                bip34: one,
                bip34_hash: None,
                bip65: one,
                bip66: one,
                csv: one,
                segwit: one,
            },
            deployments: vec![Deployment::testdummy(Start::Never, 2016, THREE_QUARTERS_OF_2016)],
            script_flag_exceptions: Vec::new(),
            halving_interval: 210_000,
            minimum_chain_work: Work::from_be_bytes([0; 32]),
            assume_valid: None,
            assumed_coins: assumed_coins::assumed_coins(network),
            signet_challenge: None,
        }
    }
}

impl PowParams {
    fn two_weeks(limit: Target) -> PowParams {
        PowParams {
            limit,
            spacing_s: TEN_MINUTES_S,
            timespan_s: TWO_WEEKS_S,
            allow_min_difficulty: false,
            enforce_bip94: false,
            no_retargeting: false,
        }
    }
}

/// Four bytes of the double SHA256 of the challenge with its length (BIP325).
fn signet_magic(challenge: &[u8]) -> [u8; 4] {
    let length = bitcoin::consensus::serialize(&VarInt::from(challenge.len()));
    let [a, b, c, d, ..] = sha256d::Hash::hash(&[length.as_slice(), challenge].concat()).to_byte_array();
    [a, b, c, d]
}

/// A target whose first bytes are `head` and whose others are all `tail`.
fn limit(head: &[u8], tail: u8) -> Target {
    let mut bytes = [tail; 32];
    for (to, from) in bytes.iter_mut().zip(head) {
        *to = *from;
    }
    Target::from_be_bytes(bytes)
}

#[expect(clippy::expect_used, reason = "only called with constants, each of which a test builds")]
fn hash(display_hex: &str) -> BlockHash {
    display_hex.parse().expect("64 hex digits")
}

#[expect(clippy::expect_used, reason = "only called with constants, each of which a test builds")]
fn work(hex: &str) -> Work {
    Work::from_unprefixed_hex(hex).expect("64 hex digits")
}

#[cfg(test)]
#[path = "params/tests.rs"]
mod tests;
