//! What the index actor is told.

use actix::Message;
use adit_chainstate::IndexKind;

/// The builder of an index panicked on its thread; it goes on from what is durable with the next tip. Sent by: an index's
/// thread. Handled by: index, which panics with it, so that it is counted. Reply: nothing. When full: it is not counted, only logged.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct IndexerDied {
    /// Which.
    pub kind: IndexKind,
}
