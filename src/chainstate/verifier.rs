//! The engine with what it has verified before: signatures, and all scripts of a transaction.
//!
//! Owns: two caches in a bounded number of bytes, and who fills them. The mempool does, with what it takes; a block only looks
//! things up, so that nothing in a block can push out what the next one needs. Must not know: where the secret comes from.
//!
//! A transaction on its way to the pool is verified under the rules of policy, which leaves its signatures in the one cache,
//! and then once more under those of the next block, which costs little as the signatures are known, and leaves it in the
//! other. When the block comes, the transaction is looked up and nothing of it runs. Where the block has other rules than
//! were expected, its scripts run and its signatures are looked up.

mod table;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use adit_domain::script::{
    CachingInterpreter, Interpreter, ScriptError, ScriptFlags, ScriptVerifier, SignatureCache, SignatureFact,
    SignatureScheme, Spend,
};
use bitcoin::hashes::{Hash, HashEngine, sha256};

use table::{Entry, Table};

/// MiB that both caches take where nothing else is said, as in Core: 500,000 signatures and as many transactions, which is
/// more than a hundred blocks have.
pub const SCRIPT_CACHE_MIB_DEFAULT: usize = 32;

/// What was verified, for all who verify.
pub struct ScriptCaches {
    signatures: Keyed,
    transactions: Keyed,
    found: AtomicU64,
}

impl ScriptCaches {
    /// Empty caches in `mib` MiB, half for each. `secret` MUST be of chance, and of this process alone: who knows it could
    /// look for entries that fall on one place.
    pub fn new(secret: [u8; 32], mib: usize) -> Arc<ScriptCaches> {
        let bytes = mib.saturating_mul(1 << 20) / 2;
        Arc::new(ScriptCaches {
            signatures: Keyed::new(secret, *b"signatures", bytes),
            transactions: Keyed::new(secret, *b"executions", bytes),
            found: AtomicU64::new(0),
        })
    }

    /// Transactions whose scripts did not run, as they were found here.
    pub fn found(&self) -> u64 {
        self.found.load(Ordering::Relaxed)
    }

    /// A transaction's scripts under these rules.
    ///
    /// The id with the witnesses and the flags say all: the id covers every byte of the transaction, and so the outpoints that
    /// it spends; an outpoint's txid covers the scripts and amounts that lie there. A verdict depends on nothing else.
    fn execution(&self, spend: &Spend<'_>, flags: ScriptFlags) -> Entry {
        self.transactions.entry(&[spend.wtxid.as_byte_array(), &flags.with_implied().bits().to_le_bytes()])
    }

    fn signature(&self, fact: &SignatureFact<'_>) -> Entry {
        let scheme = match fact.scheme {
            SignatureScheme::Ecdsa => 0,
            SignatureScheme::Schnorr => 1,
        };
        // A key has one of three lengths, and its first byte does not always say which.
        let key_len = u8::try_from(fact.key.len()).unwrap_or(u8::MAX);
        self.signatures.entry(&[&[scheme, key_len], &fact.digest, fact.key, fact.signature])
    }
}

impl fmt::Debug for ScriptCaches {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptCaches").field("found", &self.found()).finish_non_exhaustive()
    }
}

/// A table, and the hash that leads into it.
struct Keyed {
    table: Table,
    /// Has taken in one whole block: the secret, and what the table is for.
    begun: sha256::HashEngine,
}

impl Keyed {
    fn new(secret: [u8; 32], purpose: [u8; 10], bytes: usize) -> Keyed {
        let mut begun = sha256::Hash::engine();
        begun.input(&secret);
        begun.input(&purpose);
        begun.input(&[0; 22]);
        Keyed { table: Table::new(bytes), begun }
    }

    fn entry(&self, parts: &[&[u8]]) -> Entry {
        let mut engine = self.begun.clone();
        parts.iter().for_each(|part| engine.input(part));
        Entry::of_hash(sha256::Hash::from_engine(engine).to_byte_array())
    }
}

/// Verifies for the mempool: what it finds valid is kept.
#[derive(Clone, Debug)]
pub struct PoolVerifier {
    caches: Arc<ScriptCaches>,
    engine: CachingInterpreter<Filling>,
}

impl PoolVerifier {
    /// Over these caches.
    pub fn new(caches: &Arc<ScriptCaches>) -> PoolVerifier {
        PoolVerifier {
            caches: Arc::clone(caches),
            engine: CachingInterpreter::new(Filling(Arc::clone(caches))),
        }
    }
}

impl ScriptVerifier for PoolVerifier {
    fn verify_input(&self, spend: &Spend<'_>, input: usize, flags: ScriptFlags) -> Result<(), ScriptError> {
        self.engine.verify_input(spend, input, flags)
    }

    /// A transaction is kept under the rules of a block alone: under those of policy nobody asks for it again.
    fn verify_tx(&self, spend: &Spend<'_>, flags: ScriptFlags) -> Result<(), (usize, ScriptError)> {
        if !ScriptFlags::CONSENSUS.contains(flags.with_implied()) {
            return self.engine.verify_tx(spend, flags);
        }
        let entry = self.caches.execution(spend, flags);
        if self.caches.transactions.table.contains(&entry) {
            return Ok(());
        }
        self.engine.verify_tx(spend, flags)?;
        self.caches.transactions.table.insert(&entry);
        Ok(())
    }
}

/// Verifies for blocks: what was verified before is not verified again, and nothing is kept.
#[derive(Clone, Debug)]
pub struct BlockVerifier {
    caches: Arc<ScriptCaches>,
    engine: CachingInterpreter<Spending>,
}

impl BlockVerifier {
    /// Over these caches.
    pub fn new(caches: &Arc<ScriptCaches>) -> BlockVerifier {
        BlockVerifier {
            caches: Arc::clone(caches),
            engine: CachingInterpreter::new(Spending(Arc::clone(caches))),
        }
    }
}

impl ScriptVerifier for BlockVerifier {
    /// One input alone, as of a signet's solution, which the mempool never saw.
    fn verify_input(&self, spend: &Spend<'_>, input: usize, flags: ScriptFlags) -> Result<(), ScriptError> {
        Interpreter.verify_input(spend, input, flags)
    }

    fn verify_tx(&self, spend: &Spend<'_>, flags: ScriptFlags) -> Result<(), (usize, ScriptError)> {
        let ScriptCaches { transactions, found, .. } = &*self.caches;
        // While a chain is fetched, the mempool takes nothing.
        if transactions.table.is_unused() {
            return Interpreter.verify_tx(spend, flags);
        }
        if transactions.table.spend(&self.caches.execution(spend, flags)) {
            found.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        self.engine.verify_tx(spend, flags)
    }
}

/// The signatures, as the mempool uses them.
#[derive(Clone, Debug)]
struct Filling(Arc<ScriptCaches>);

impl SignatureCache for Filling {
    fn knows(&self, fact: &SignatureFact<'_>) -> bool {
        self.0.signatures.table.contains(&self.0.signature(fact))
    }

    fn learn(&self, fact: &SignatureFact<'_>) {
        self.0.signatures.table.insert(&self.0.signature(fact));
    }
}

/// The signatures, as a block uses them.
#[derive(Clone, Debug)]
struct Spending(Arc<ScriptCaches>);

impl SignatureCache for Spending {
    fn knows(&self, fact: &SignatureFact<'_>) -> bool {
        self.0.signatures.table.spend(&self.0.signature(fact))
    }

    fn learn(&self, _: &SignatureFact<'_>) {}
}

#[cfg(test)]
mod tests;
