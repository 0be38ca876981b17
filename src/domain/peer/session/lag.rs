//! Whether a peer that we chose follows the best chain: one that does not takes the place of one that would.

use super::sync::HeadersFrom;
use super::{BlockHash, ConnectionKind, DisconnectReason, Session, Turn, UnixMillis};
use crate::peer::NodeView;
use crate::peer::limits::{HEADERS_MS_MAX, LAG_MS_MAX};

/// Since when it has been behind.
#[derive(Debug, Default)]
pub(super) struct Lag {
    /// The block that it must come up to, until when, and whether it has been asked for the last time.
    open: Option<Behind>,
}

#[derive(Clone, Copy, Debug)]
struct Behind {
    tip: BlockHash,
    until: UnixMillis,
    asked: bool,
}

impl Session {
    /// Whether it has a chain with as much work as the one up to a block.
    fn comes_up_to(&self, block: &BlockHash, view: &dyn NodeView) -> bool {
        let own = self.best_known.and_then(|best| view.work_at(&best));
        own.zip(view.work_at(block)).is_some_and(|(own, wanted)| own >= wanted)
    }

    /// One of the first that had our tip stays whatever it does later: whoever cuts us off from the network must not find out all of ours by
    /// lagging behind them.
    pub(super) fn protect_where_due(&self, turn: &mut Turn<'_>) {
        if self.config.kind == ConnectionKind::OutboundFullRelay
            && self.comes_up_to(&turn.view.tip().0, turn.view)
        {
            turn.downloads.protect(self.config.id);
        }
    }

    /// Why it is let go of: it has been behind for too long, and its last chance was in vain.
    pub(super) fn lags(&mut self, turn: &Turn<'_>) -> Option<DisconnectReason> {
        let kinds = [ConnectionKind::OutboundFullRelay, ConnectionKind::BlockRelayOnly];
        let is_watched = kinds.contains(&self.config.kind) && self.headers_begun && self.presync.is_off();
        if !is_watched || turn.downloads.is_protected(self.config.id) {
            return None;
        }
        let (tip, _) = turn.view.tip();
        if self.comes_up_to(&tip, turn.view) {
            self.lag.open = None;
            return None;
        }
        match self.lag.open {
            // What it had to come up to it has, but we have more by now.
            Some(behind) if !self.comes_up_to(&behind.tip, turn.view) => self.judge_lag(behind, turn),
            _ => {
                let until = turn.now.plus_ms(LAG_MS_MAX);
                self.lag.open = Some(Behind { tip, until, asked: false });
                None
            }
        }
    }

    fn judge_lag(&mut self, behind: Behind, turn: &Turn<'_>) -> Option<DisconnectReason> {
        if turn.now <= behind.until {
            return None;
        }
        if behind.asked {
            return Some(DisconnectReason::OldChain);
        }
        let until = turn.now.plus_ms(HEADERS_MS_MAX);
        self.lag.open = Some(Behind { until, asked: true, ..behind });
        let below = turn.view.header(&behind.tip).map(|header| header.prev_blockhash);
        self.headers_asked_at = None;
        self.ask_headers(below.map_or(HeadersFrom::Best, HeadersFrom::After), turn);
        None
    }
}
