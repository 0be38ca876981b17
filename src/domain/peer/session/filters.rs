//! Compact filters of blocks, for those who look in blocks for their own. BIP-0157

use super::{BlockHash, DisconnectReason, Effect, Session, Turn};
use crate::peer::limits::{FILTER_HEADERS_MAX, FILTERS_MAX};
use crate::peer::{FilterAsk, FilterRange, FilterRequest, Unwanted};
use crate::units::Height;

/// The one type of filters that there is. BIP-0158
const BASIC: u8 = 0;

impl Session {
    /// What may not be asked for ends the connection, as in Core.
    pub(super) fn on_get_filters(&mut self, request: &FilterRequest, turn: &Turn<'_>) {
        match self.judge_filters(request, turn) {
            Ok(range) => self.effects.push(Effect::ServeFilters(range)),
            Err(unwanted) => self.disconnect(DisconnectReason::Unwanted(unwanted)),
        }
    }

    fn judge_filters(&self, request: &FilterRequest, turn: &Turn<'_>) -> Result<FilterRange, Unwanted> {
        let FilterRequest { ask, kind, start, stop } = *request;
        if kind != BASIC || !self.config.rules.serves_filters {
            return Err(Unwanted::FilterType(kind));
        }
        let stop_height = self.height_shown(&stop, turn).ok_or(Unwanted::FilterBlock(stop))?;
        let most = match ask {
            FilterAsk::Filters => FILTERS_MAX,
            FilterAsk::Headers => FILTER_HEADERS_MAX,
            FilterAsk::Checkpoints => {
                return Ok(FilterRange { ask, start: Height::GENESIS, stop, stop_height });
            }
        };
        if start > stop_height {
            return Err(Unwanted::FilterOrder { start, stop: stop_height });
        }
        let count = stop_height.blocks_above(start).saturating_add(1);
        if count > most {
            return Err(Unwanted::FilterCount { count, most });
        }
        Ok(FilterRange { ask, start, stop, stop_height })
    }

    fn height_shown(&self, hash: &BlockHash, turn: &Turn<'_>) -> Option<Height> {
        turn.view.height_of(hash).filter(|_| turn.view.is_shown(hash))
    }
}
