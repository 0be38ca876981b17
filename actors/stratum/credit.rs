use std::time::Duration;

use actix::Recipient;
use adit_domain::payout::{CreditError, ShareCredit};
use adit_domain::stratum::ShareError;
use adit_domain::stratum::codec::{self, RequestId};

use crate::messages::payout::CreditShare;

/// The first pause after a lost reply; each one after it is twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(5);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// Tries at most: 5 ms doubled eight times, then a second each, half a minute in all. The books are built again in less, or
/// the process ends.
const TRIES_MAX: u32 = 40;

/// What became of a share, and what its miner hears.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) line: String,
    pub(super) credited: bool,
}

impl Settled {
    /// An answer that waited for nothing but its turn.
    pub(super) fn answer(line: String) -> Settled {
        Settled { line, credited: true }
    }
}

/// Has a share credited. A reply that is lost to a panic of the books is asked for again, with the same submission number:
/// if it was durable already, it is not credited twice.
pub(super) async fn credit(books: Recipient<CreditShare>, id: RequestId, share: ShareCredit) -> Settled {
    let mut pause = PAUSE_FIRST;
    for _ in 0..TRIES_MAX {
        match books.send(CreditShare { share: share.clone() }).await {
            Ok(Ok(())) => return Settled { line: codec::reply_true(&id), credited: true },
            Ok(Err(CreditError::Duplicate)) => {
                return Settled { line: codec::reply_refused(&id, ShareError::Duplicate), credited: false };
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "a share is not credited");
                break;
            }
            Err(_) => tokio::time::sleep(pause).await,
        }
        pause = pause.saturating_mul(2).min(PAUSE_MAX);
    }
    Settled { line: codec::reply_internal_error(&id), credited: false }
}

#[cfg(test)]
#[path = "credit/tests.rs"]
mod tests;
