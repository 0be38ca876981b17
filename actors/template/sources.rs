use std::sync::Arc;

use adit_chainstate::ChainReader;
use adit_domain::chain::NextBlock;
use adit_domain::mempool::MempoolSnapshot;
use adit_domain::template::ChainProgress;
use adit_domain::units::{Height, UnixMillis};
use bitcoin::Amount;

use crate::mempool::MempoolReader;

/// What templates need of a chain.
pub trait TemplateChain: Send + Sync {
    /// What the rules ask of a header on the present tip at this time.
    fn next_block(&self, now: UnixMillis) -> NextBlock;
    /// What a block of this height may create anew.
    fn subsidy(&self, height: Height) -> Amount;
    /// The height from which a block may commit to witnesses: there is no template below it.
    fn segwit_from(&self) -> Height;
    /// Whether the tip stays where it is, as far as is known: between two steps of a long way to a better one it does not.
    fn is_settled(&self) -> bool;
    /// How far the chain has come.
    fn progress(&self) -> ChainProgress;
}

/// Where the transactions come from.
pub trait TemplateMempool: Send + Sync {
    /// The newest snapshot; it may stand on another tip.
    fn snapshot(&self) -> Arc<MempoolSnapshot>;
}

/// Our own chain.
impl TemplateChain for ChainReader {
    fn next_block(&self, now: UnixMillis) -> NextBlock {
        ChainReader::next_block(self, now)
    }

    fn subsidy(&self, height: Height) -> Amount {
        self.params().subsidy(height)
    }

    fn segwit_from(&self) -> Height {
        self.params().forks.segwit
    }

    fn is_settled(&self) -> bool {
        ChainReader::is_settled(self)
    }

    fn progress(&self) -> ChainProgress {
        let (tip, (_, best_header)) = (self.tip(), self.best_header());
        ChainProgress {
            tip: tip.height,
            tip_time: tip.header.time,
            work: tip.chain_work,
            work_min: self.params().minimum_chain_work,
            best_header,
        }
    }
}

/// Our own mempool.
impl TemplateMempool for MempoolReader {
    fn snapshot(&self) -> Arc<MempoolSnapshot> {
        MempoolReader::snapshot(self)
    }
}
