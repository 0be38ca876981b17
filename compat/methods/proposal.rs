//! What would become of a block that nobody has solved yet (BIP23): judged on the tip as it stands, and not kept.

use adit_actors::root::NodeLinks;
use adit_chainstate::ChainReader;
use adit_domain::consensus::{
    BlockContext, BlockError, Coin, HeaderContext, HeaderView, Refused, UtxoView, ViewFault,
    check_block_body, check_header, connect_block, contextual_check_block,
};
use adit_domain::script::{Interpreter, ScriptVerifier, Spend};
use adit_domain::units::Height;
use adit_domain::wire::ParsedBlock;
use bitcoin::block::Header;
use bitcoin::{OutPoint, TxOut};

use crate::error::RpcError;

/// The best chain up to its tip.
struct BestChain<'a> {
    chain: &'a ChainReader,
    tip: Height,
}

impl HeaderView for BestChain<'_> {
    fn tip_height(&self) -> Height {
        self.tip
    }

    fn header_at(&self, height: Height) -> Option<Header> {
        self.chain.entry_at(height).map(|entry| entry.header)
    }
}

impl UtxoView for BestChain<'_> {
    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, ViewFault> {
        match self.chain.coins(std::slice::from_ref(outpoint)) {
            Ok((_, coins)) => Ok(coins.into_iter().next().flatten()),
            Err(fault) => Err(ViewFault { source_text: fault.to_string() }),
        }
    }
}

/// Why it would be refused, in Core's words; none where it would be taken.
pub(super) fn judge(node: &NodeLinks, block: &ParsedBlock) -> Result<Option<String>, RpcError> {
    if block.header().prev_blockhash != node.chain.tip().hash {
        return Ok(Some("inconclusive-not-best-prevblk".to_owned()));
    }
    match rules(node, block) {
        Ok(()) => Ok(None),
        Err(Refused::Invalid(reject)) => Ok(Some(super::mining::reject_token(&reject.to_string()))),
        Err(Refused::Fault(fault)) => Err(RpcError::internal(fault.to_string())),
    }
}

/// All rules but the proof of work, in Core's order.
fn rules(node: &NodeLinks, block: &ParsedBlock) -> Result<(), Refused<BlockError>> {
    check_block_body(block).map_err(Refused::Invalid)?;
    let parent = BestChain { chain: &node.chain, tip: node.chain.tip().height };
    let (params, now) = (&*node.params, node.clock.now());
    let header = HeaderContext { params, header: block.header(), parent: &parent, now };
    check_header(&header).map_err(|error| match error {
        Refused::Invalid(error) => Refused::Invalid(BlockError::Header(error)),
        Refused::Fault(fault) => Refused::Fault(fault),
    })?;
    let context = BlockContext { params, parent: &parent };
    contextual_check_block(block, &context)?;
    let connected = connect_block(block, &context, &parent)?;
    for (tx, coins) in block.txs().iter().skip(1).zip(&connected.undo.spent) {
        let prevouts: Vec<TxOut> = coins.iter().map(|coin| coin.output.clone()).collect();
        let spend = Spend { tx: tx.tx(), wtxid: tx.wtxid(), raw: tx.raw(), prevouts: &prevouts };
        Interpreter.verify_tx(&spend, connected.script_flags).map_err(|(input, error)| {
            Refused::Invalid(BlockError::Script { txid: tx.txid(), input, error })
        })?;
    }
    Ok(())
}
