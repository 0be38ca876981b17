//! A small regtest chain, signed, for the tests to import, break and reorganise.

use std::collections::VecDeque;

use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version as BlockVersion};
use bitcoin::consensus::serialize;
use bitcoin::constants::genesis_block;
use bitcoin::hashes::Hash;
use bitcoin::key::{Keypair, Secp256k1, TapTweak};
use bitcoin::opcodes::all::{OP_CHECKMULTISIG, OP_CLTV, OP_DROP};
use bitcoin::script::{Builder, PushBytesBuf};
use bitcoin::secp256k1::{All, Message, SecretKey};
use bitcoin::sighash::{EcdsaSighashType, Prevouts, SighashCache, TapSighashType};
use bitcoin::transaction::Version;
use bitcoin::{
    Amount, Block, BlockHash, Network, OutPoint, PublicKey, ScriptBuf, Sequence, Transaction, TxIn,
    TxMerkleNode, TxOut, Witness, ecdsa, opcodes, taproot,
};

/// Blocks until a coinbase may be spent.
const MATURITY: u32 = 100;
/// Regtest's first subsidy and how many blocks it holds for.
const SUBSIDY_SAT: u64 = 50 * 100_000_000;
const HALVING: u32 = 150;
/// From here on there is no subsidy.
pub const NO_SUBSIDY: u32 = 33 * HALVING;
/// What each transaction leaves to the miner.
const FEE_SAT: u64 = 1000;
/// What frames begin with on regtest.
pub const MAGIC: [u8; 4] = [0xfa, 0xbf, 0xb5, 0xda];

/// The ways to lock a coin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    Pkh,
    Wpkh,
    ShWpkh,
    WshMulti,
    ShMulti,
    Tr,
    /// P2WSH of `height CLTV DROP TRUE`.
    Until(u32),
}

/// One after the other, so that every chain has them all.
const LOCKS: [Lock; 6] = [Lock::Pkh, Lock::Wpkh, Lock::ShWpkh, Lock::WshMulti, Lock::ShMulti, Lock::Tr];

/// A coin that can be spent here.
#[derive(Clone, Debug)]
pub struct Coin {
    pub outpoint: OutPoint,
    pub out: TxOut,
    pub lock: Lock,
}

/// One key for everything.
#[derive(Clone)]
struct Wallet {
    secp: Secp256k1<All>,
    pair: Keypair,
    public: PublicKey,
}

impl Wallet {
    fn new() -> Wallet {
        let secp = Secp256k1::new();
        let pair = Keypair::from_secret_key(&secp, &SecretKey::from_slice(&[7; 32]).unwrap());
        Wallet { public: PublicKey::new(pair.public_key()), secp, pair }
    }

    fn multi(&self) -> ScriptBuf {
        let b = Builder::new().push_int(1).push_key(&self.public).push_key(&self.public).push_int(2);
        b.push_opcode(OP_CHECKMULTISIG).into_script()
    }

    fn script(&self, lock: Lock) -> ScriptBuf {
        let wpkh = ScriptBuf::new_p2wpkh(&self.public.wpubkey_hash().unwrap());
        match lock {
            Lock::Pkh => ScriptBuf::new_p2pkh(&self.public.pubkey_hash()),
            Lock::Wpkh => wpkh,
            Lock::ShWpkh => wpkh.to_p2sh(),
            Lock::WshMulti => self.multi().to_p2wsh(),
            Lock::ShMulti => self.multi().to_p2sh(),
            Lock::Tr => ScriptBuf::new_p2tr(&self.secp, self.pair.x_only_public_key().0, None),
            Lock::Until(height) => until_script(height).to_p2wsh(),
        }
    }

    fn ecdsa(&self, digest: [u8; 32]) -> Vec<u8> {
        let signature = self.secp.sign_ecdsa(&Message::from_digest(digest), &self.pair.secret_key());
        ecdsa::Signature { signature, sighash_type: EcdsaSighashType::All }.to_vec()
    }

    /// Script and witness for input `i` of `tx`.
    fn unlock(&self, tx: &Transaction, coins: &[Coin], i: usize) -> (ScriptBuf, Witness) {
        let mut cache = SighashCache::new(tx);
        let all = EcdsaSighashType::All;
        let Coin { out, lock, .. } = &coins[i];
        let wpkh = ScriptBuf::new_p2wpkh(&self.public.wpubkey_hash().unwrap());
        match lock {
            Lock::Pkh => {
                let hash = cache.legacy_signature_hash(i, &out.script_pubkey, all.to_u32()).unwrap();
                let signature = push(self.ecdsa(hash.to_byte_array()));
                (Builder::new().push_slice(signature).push_key(&self.public).into_script(), Witness::new())
            }
            Lock::Wpkh | Lock::ShWpkh => {
                let hash = cache.p2wpkh_signature_hash(i, &wpkh, out.value, all).unwrap();
                let witness =
                    Witness::from_slice(&[self.ecdsa(hash.to_byte_array()), self.public.to_bytes()]);
                let nested = Builder::new().push_slice(push(wpkh.to_bytes())).into_script();
                (if *lock == Lock::ShWpkh { nested } else { ScriptBuf::new() }, witness)
            }
            Lock::WshMulti => {
                let script = self.multi();
                let hash = cache.p2wsh_signature_hash(i, &script, out.value, all).unwrap();
                let parts = [Vec::new(), self.ecdsa(hash.to_byte_array()), script.to_bytes()];
                (ScriptBuf::new(), Witness::from_slice(&parts))
            }
            Lock::ShMulti => {
                let script = self.multi();
                let hash = cache.legacy_signature_hash(i, &script, all.to_u32()).unwrap();
                let b = Builder::new().push_int(0).push_slice(push(self.ecdsa(hash.to_byte_array())));
                (b.push_slice(push(script.to_bytes())).into_script(), Witness::new())
            }
            Lock::Tr => {
                let outs: Vec<TxOut> = coins.iter().map(|c| c.out.clone()).collect();
                let (prevouts, kind) = (Prevouts::All(&outs), TapSighashType::Default);
                let hash = cache.taproot_key_spend_signature_hash(i, &prevouts, kind).unwrap();
                let tweaked = self.pair.tap_tweak(&self.secp, None).to_keypair();
                let message = Message::from_digest(hash.to_byte_array());
                let signature = self.secp.sign_schnorr_no_aux_rand(&message, &tweaked);
                (
                    ScriptBuf::new(),
                    Witness::p2tr_key_spend(&taproot::Signature { signature, sighash_type: kind }),
                )
            }
            Lock::Until(height) => {
                (ScriptBuf::new(), Witness::from_slice(&[until_script(*height).to_bytes()]))
            }
        }
    }
}

fn push(bytes: Vec<u8>) -> PushBytesBuf {
    PushBytesBuf::try_from(bytes).unwrap()
}

fn until_script(height: u32) -> ScriptBuf {
    let b = Builder::new().push_int(i64::from(height)).push_opcode(OP_CLTV).push_opcode(OP_DROP);
    b.push_opcode(opcodes::OP_TRUE).into_script()
}

/// A chain as it grows.
#[derive(Clone)]
pub struct Chain {
    wallet: Wallet,
    pub blocks: Vec<Block>,
    /// Ready to be spent, the oldest first.
    pub coins: VecDeque<Coin>,
    /// Coinbases that are not mature, with their height.
    young: VecDeque<(u32, Coin)>,
    salt: u64,
}

impl Chain {
    /// Only the genesis block. Chains with another salt have other blocks.
    pub fn new(salt: u64) -> Chain {
        Chain {
            wallet: Wallet::new(),
            blocks: Vec::new(),
            coins: VecDeque::new(),
            young: VecDeque::new(),
            salt,
        }
    }

    /// A chain of `MATURITY` empty blocks and then `full` with `txs` transactions each.
    pub fn signed(full: u32, txs: usize) -> Chain {
        let mut chain = Chain::new(0);
        for _ in 0..MATURITY + 5 {
            chain.grow(0);
        }
        for _ in 0..full {
            chain.grow(txs);
        }
        chain
    }

    /// The same chain, to be grown by other blocks than this one.
    pub fn fork(&self, salt: u64) -> Chain {
        Chain { salt, ..self.clone() }
    }

    pub fn height(&self) -> u32 {
        self.blocks.len() as u32
    }

    pub fn tip(&self) -> BlockHash {
        self.blocks.last().map_or_else(|| genesis_block(Network::Regtest).block_hash(), Block::block_hash)
    }

    /// Adds a block with so many transactions, each of a coin or two into three.
    pub fn grow(&mut self, txs: usize) {
        let made: Vec<Transaction> = (0..txs).map_while(|_| self.spend()).collect();
        let fees = FEE_SAT * made.len() as u64;
        let block = self.block(made, subsidy_sat(self.height() + 1) + fees);
        self.push(block);
    }

    /// A transaction of the oldest coins, whose outputs are coins at once.
    fn spend(&mut self) -> Option<Transaction> {
        let many = if self.coins.len() > 60 { 2 } else { 1 };
        let coins: Vec<Coin> = (0..many).map_while(|_| self.coins.pop_front()).collect();
        let value = coins.iter().map(|c| c.out.value.to_sat()).sum::<u64>().checked_sub(FEE_SAT)? / 3;
        let locks = [0, 1, 2].map(|n| LOCKS[(self.coins.len() + n) % LOCKS.len()]);
        let tx = self.pay(&coins, &locks.map(|lock| (lock, value)), 0);
        self.keep(&tx, &locks);
        Some(tx)
    }

    /// The outputs of `tx` become coins of these locks.
    pub fn keep(&mut self, tx: &Transaction, locks: &[Lock]) {
        let txid = tx.compute_txid();
        for (vout, lock) in locks.iter().enumerate() {
            let outpoint = OutPoint { txid, vout: vout as u32 };
            self.coins.push_back(Coin { outpoint, out: tx.output[vout].clone(), lock: *lock });
        }
    }

    /// A signed transaction.
    pub fn pay(&self, coins: &[Coin], outs: &[(Lock, u64)], lock_time: u32) -> Transaction {
        let input = coins.iter().map(|coin| TxIn {
            previous_output: coin.outpoint,
            sequence: Sequence::ENABLE_LOCKTIME_NO_RBF,
            ..TxIn::default()
        });
        let output = outs.iter().map(|(lock, sat)| TxOut {
            value: Amount::from_sat(*sat),
            script_pubkey: self.wallet.script(*lock),
        });
        let mut tx = Transaction {
            version: Version::TWO,
            lock_time: LockTime::from_consensus(lock_time),
            input: input.collect(),
            output: output.collect(),
        };
        let unlocked: Vec<_> = (0..coins.len()).map(|i| self.wallet.unlock(&tx, coins, i)).collect();
        for (input, (script, witness)) in tx.input.iter_mut().zip(unlocked) {
            input.script_sig = script;
            input.witness = witness;
        }
        tx
    }

    /// A mined block on the tip whose coinbase pays `coinbase_sat`.
    pub fn block(&self, txs: Vec<Transaction>, coinbase_sat: u64) -> Block {
        let height = self.height() + 1;
        let mut txdata = vec![self.coinbase(height, coinbase_sat)];
        txdata.extend(txs);
        let genesis = genesis_block(Network::Regtest).header;
        let header = Header {
            version: BlockVersion::from_consensus(0x2000_0000),
            prev_blockhash: self.tip(),
            merkle_root: TxMerkleNode::all_zeros(),
            time: genesis.time + height * 600,
            bits: genesis.bits,
            nonce: 0,
        };
        mined(Block { header, txdata })
    }

    fn coinbase(&self, height: u32, sat: u64) -> Transaction {
        let lock = LOCKS[height as usize % LOCKS.len()];
        let script =
            Builder::new().push_int(i64::from(height)).push_slice(self.salt.to_le_bytes()).into_script();
        let mut input = TxIn { script_sig: script, ..TxIn::default() };
        input.witness = Witness::from_slice(&[[0u8; 32]]);
        let out = TxOut { value: Amount::from_sat(sat), script_pubkey: self.wallet.script(lock) };
        let output = vec![out];
        Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input: vec![input], output }
    }

    /// Joins a block to the chain.
    pub fn push(&mut self, block: Block) {
        let height = self.height() + 1;
        let coinbase = &block.txdata[0];
        let outpoint = OutPoint { txid: coinbase.compute_txid(), vout: 0 };
        let lock = LOCKS[height as usize % LOCKS.len()];
        self.young.push_back((height, Coin { outpoint, out: coinbase.output[0].clone(), lock }));
        while self.young.front().is_some_and(|(born, _)| born + MATURITY <= height + 1) {
            self.coins.extend(self.young.pop_front().map(|(_, coin)| coin));
        }
        self.blocks.push(block);
    }

    /// The whole chain as a file framed like blk*.dat.
    pub fn framed(&self) -> Vec<u8> {
        self.blocks.iter().flat_map(framed).collect()
    }
}

/// What a coinbase may take at a height, without fees.
pub fn subsidy_sat(height: u32) -> u64 {
    SUBSIDY_SAT.checked_shr(height / HALVING).unwrap_or(0)
}

/// Commits to the witnesses where there are any, computes the merkle root, and searches the nonce.
pub fn mined(mut block: Block) -> Block {
    if block.txdata.iter().skip(1).any(|tx| tx.input.iter().any(|i| !i.witness.is_empty())) {
        let root = block.witness_root().unwrap();
        let commitment = Block::compute_witness_commitment(&root, &[0; 32]);
        let mut bytes = vec![0xaa, 0x21, 0xa9, 0xed];
        bytes.extend_from_slice(&commitment.to_byte_array());
        let script_pubkey = ScriptBuf::new_op_return(push(bytes));
        block.txdata[0].output.push(TxOut { value: Amount::ZERO, script_pubkey });
    } else {
        block.txdata[0].input[0].witness = Witness::new();
    }
    block.header.merkle_root = block.compute_merkle_root().unwrap();
    while block.header.validate_pow(block.header.target()).is_err() {
        block.header.nonce += 1;
    }
    block
}

/// Magic, length, block.
pub fn framed(block: &Block) -> Vec<u8> {
    let raw = serialize(block);
    [&MAGIC[..], &(raw.len() as u32).to_le_bytes(), &raw].concat()
}
