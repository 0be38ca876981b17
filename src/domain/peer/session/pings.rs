use super::{Message, PING_EVERY_MS, Session, Turn, UnixMillis};

/// Signs of life that are asked for, and how long they take.
#[derive(Debug, Default)]
pub(super) struct Pings {
    /// What was asked, and when.
    open: Option<(u64, UnixMillis)>,
    asked_at: UnixMillis,
    /// An operator wants one now.
    wanted: bool,
    last_ms: Option<u64>,
    least_ms: Option<u64>,
}

impl Pings {
    pub(super) fn last_ms(&self) -> Option<u64> {
        self.last_ms
    }

    pub(super) fn least_ms(&self) -> Option<u64> {
        self.least_ms
    }

    /// How long an answer has been waited for.
    pub(super) fn waited_ms(&self, now: UnixMillis) -> Option<u64> {
        self.open.map(|(_, at)| now.ms_since(at))
    }

    fn is_due(&self, now: UnixMillis) -> bool {
        self.wanted || (self.open.is_none() && now.ms_since(self.asked_at) >= PING_EVERY_MS)
    }

    /// Takes an answer; says what is wrong with it.
    fn answered(&mut self, nonce: Option<u64>, now: UnixMillis) -> Option<&'static str> {
        let Some((asked, at)) = self.open else {
            return Some(if nonce.is_some() { "Unsolicited pong without ping" } else { "Short payload" });
        };
        match nonce {
            None => self.open = None,
            Some(0) if asked != 0 => self.open = None,
            Some(nonce) if nonce != asked => {}
            Some(_) => {
                let took = now.ms_since(at);
                self.open = None;
                self.last_ms = Some(took);
                self.least_ms = Some(self.least_ms.unwrap_or(took).min(took));
                return None;
            }
        }
        Some(match nonce {
            None => "Short payload",
            Some(0) => "Nonce zero",
            Some(_) => "Nonce mismatch",
        })
    }
}

impl Session {
    /// An operator wants to know whether it is there.
    pub fn ping(&mut self) {
        self.pings.wanted = true;
    }

    pub(super) fn ping_where_due(&mut self, turn: &Turn<'_>) {
        if self.pings.is_due(turn.now) {
            self.send_ping(turn);
        }
    }

    pub(super) fn send_ping(&mut self, turn: &Turn<'_>) {
        // Zero is what an answer without a number looks like.
        let nonce = turn.chance.max(1);
        self.pings.open = Some((nonce, turn.now));
        self.pings.asked_at = turn.now;
        self.pings.wanted = false;
        self.send(Message::Ping(nonce));
    }

    pub(super) fn on_pong(&mut self, nonce: Option<u64>, now: UnixMillis) {
        let expected = self.pings.open.map_or(0, |(asked, _)| asked);
        if let Some(problem) = self.pings.answered(nonce, now) {
            let (id, bytes) = (self.config.id, if nonce.is_some() { 8 } else { 0 });
            let received = nonce.unwrap_or(0);
            let text = format!(
                "pong peer={id}: {problem}, {expected:x} expected, {received:x} received, {bytes} bytes"
            );
            self.effects.push(super::Effect::Note(text));
        }
    }
}
