//! Headers that come in.

use adit_domain::chain::{HeaderTree, InsertError};
use adit_domain::units::UnixMillis;
use bitcoin::block::Header;

use super::{Chainstate, invalid};
use crate::types::{ChainFault, HeadersAccepted, SubmitError};

impl Chainstate {
    /// Joins headers to the tree, each the parent of the next, up to the first that breaks a rule.
    pub fn accept_headers(
        &mut self,
        headers: &[Header],
        now: UnixMillis,
    ) -> Result<HeadersAccepted, SubmitError> {
        let mut tree = self.live.tree_mut();
        let known = tree.len();
        let mut last = tree.tip_id();
        for header in headers {
            match tree.insert(*header, now) {
                Ok(id) => last = id,
                // What is refused by coins that are not verified is nobody's fault yet: who sends it has the blocks that tell.
                Err(InsertError::KnownInvalid | InsertError::ParentInvalid) if is_doubted(&tree, header) => {
                    break;
                }
                Err(error) => return Err(refused_header(&tree, header, error)),
            }
        }
        let new = u32::try_from(tree.len().saturating_sub(known)).unwrap_or(u32::MAX);
        let blocks_wanted = tree.node(tree.best_header_id()).work() > tree.node(tree.tip_id()).work();
        Ok(HeadersAccepted { new, last_height: tree.node(last).height(), blocks_wanted })
    }

    /// Joins one header; says whether its block is stored already, or was.
    pub(crate) fn insert_header(&self, header: Header, now: UnixMillis) -> Result<bool, InsertError> {
        let mut tree = self.live.tree_mut();
        let id = tree.insert(header, now)?;
        let status = tree.node(id).status();
        Ok(status.body_stored || status.is_pruned())
    }
}

/// Whether a header is refused for a block above a snapshot whose coins are not verified: of the two either may be wrong.
fn is_doubted(tree: &HeaderTree, header: &Header) -> bool {
    let id = tree.find(&header.block_hash()).or_else(|| tree.find(&header.prev_blockhash));
    tree.assumed_base().is_some() && id.is_some_and(|id| tree.stands_on_base(id))
}

/// Why a header was not taken, as its sender is told. A tree that is full refuses the sender: a fault would end the process, so
/// that whoever fills the tree with cheap headers would end it too, at each start again.
pub(crate) fn refused_header(tree: &HeaderTree, header: &Header, error: InsertError) -> SubmitError {
    match error {
        InsertError::ParentUnknown { parent } => SubmitError::Orphan { prev: parent },
        InsertError::Fault(_) => SubmitError::Fault(ChainFault::State(error.to_string())),
        InsertError::Full
        | InsertError::Invalid(_)
        | InsertError::ParentInvalid
        | InsertError::KnownInvalid => {
            let parent = tree.find(&header.prev_blockhash);
            let height = parent.map(|id| tree.node(id).height().next());
            invalid(header.block_hash(), height, error.to_string())
        }
    }
}
