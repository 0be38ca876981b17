use adit_domain::chain::{HeaderTree, InsertError};
use adit_domain::consensus::{Params, ViewFault};
use adit_domain::units::Height;

use super::refused_header;
use crate::types::{ChainFault, SubmitError};

#[test]
fn a_full_tree_refuses_the_sender_and_ends_nothing() {
    let params = Params::regtest();
    let tree = HeaderTree::new(std::sync::Arc::new(params.clone()));
    let mut header = params.genesis.header;
    header.prev_blockhash = params.genesis_hash;
    let refused = |error| refused_header(&tree, &header, error);
    let full = SubmitError::Invalid {
        hash: header.block_hash(),
        height: Some(Height::new(1)),
        reject: "too many headers".to_owned(),
    };
    assert_eq!(refused(InsertError::Full), full);
    let parent = params.genesis_hash;
    assert_eq!(refused(InsertError::ParentUnknown { parent }), SubmitError::Orphan { prev: parent });
    let fault = InsertError::Fault(ViewFault { source_text: "gone".to_owned() });
    assert!(matches!(refused(fault), SubmitError::Fault(ChainFault::State(_))));
}
