use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use adit_domain::units::Difficulty;
use bitcoin::hex::FromHex;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};

use super::protocol::{self, FromPool};
use super::slot::WorkSlot;
use super::work::{Found, Terms, Work};
use super::{MinerConfig, MinerStats, backoff};

/// What this miner calls itself.
const USER_AGENT: &str = concat!("adit-mine/", env!("CARGO_PKG_VERSION"));
/// Bytes of a line at most: a coinbase of 64 kB in hex, and some.
const LINE_BYTES_MAX: u64 = 262_144;
/// Bytes of our part of the coinbase at most; pools give 4 or 8.
const EXTRANONCE2_BYTES_MAX: usize = 16;
/// Connecting takes no longer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Lines that were read and wait.
const LINES_MAX: usize = 64;

/// Why a connection ended.
enum Ended {
    /// We were asked to stop.
    Stopped,
    /// The pool does not want this user: trying again does not help.
    Refused(String),
    /// Anything else: tried again.
    Lost,
}

/// Keeps a connection to the pool.
pub(super) struct Client {
    config: MinerConfig,
    stats: Arc<MinerStats>,
    slot: Arc<WorkSlot>,
}

/// One connection.
struct Session<'a> {
    client: &'a Client,
    number: u64,
    write: OwnedWriteHalf,
    terms: Terms,
    difficulty: Difficulty,
    next_id: u64,
}

impl Client {
    pub(super) fn new(config: MinerConfig, stats: Arc<MinerStats>, slot: Arc<WorkSlot>) -> Client {
        Client { config, stats, slot }
    }

    pub(super) async fn run(self, mut shares: mpsc::Receiver<Found>, mut stop: watch::Receiver<bool>) {
        let mut failures = 0;
        loop {
            let before = self.stats.accepted();
            let ended = self.connection(&mut shares, &mut stop).await;
            self.stats.connected.store(false, Ordering::Relaxed);
            self.slot.put(None);
            match ended {
                Ended::Stopped => return,
                Ended::Refused(reason) => {
                    let _ = self.stats.refused.set(reason);
                    return;
                }
                Ended::Lost => {}
            }
            failures = if self.stats.accepted() > before { 0 } else { failures + 1 };
            tokio::select! {
                () = tokio::time::sleep(backoff(failures)) => {}
                () = stopped(&mut stop) => return,
            }
        }
    }

    async fn connection(
        &self,
        shares: &mut mpsc::Receiver<Found>,
        stop: &mut watch::Receiver<bool>,
    ) -> Ended {
        let connect = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(&self.config.pool));
        let stream = tokio::select! {
            stream = connect => stream,
            () = stopped(stop) => return Ended::Stopped,
        };
        let Ok(Ok(stream)) = stream else { return Ended::Lost };
        // Where it cannot be set, shares leave a little later.
        let _ = stream.set_nodelay(true);
        let (read, write) = stream.into_split();
        let (send, lines) = mpsc::channel(LINES_MAX);
        let reader = tokio::spawn(read_lines(read, send));
        let number = self.stats.connections.fetch_add(1, Ordering::Relaxed);
        let session = Session {
            client: self,
            number,
            write,
            terms: Terms::default(),
            difficulty: Difficulty::ONE,
            next_id: protocol::ID_SHARES,
        };
        let ended = session.attend(lines, shares, stop).await;
        reader.abort();
        ended
    }
}

/// Returns when the miner is to stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // The other end gone means the same.
    let _ = stop.wait_for(|s| *s).await;
}

async fn read_lines(read: OwnedReadHalf, send: mpsc::Sender<String>) {
    let mut reader = BufReader::new(read);
    loop {
        let mut line = String::new();
        match (&mut reader).take(LINE_BYTES_MAX).read_line(&mut line).await {
            Ok(read) if read > 0 && line.ends_with('\n') => {}
            _ => return,
        }
        if send.send(line).await.is_err() {
            return;
        }
    }
}

impl Session<'_> {
    async fn attend(
        mut self,
        mut lines: mpsc::Receiver<String>,
        shares: &mut mpsc::Receiver<Found>,
        stop: &mut watch::Receiver<bool>,
    ) -> Ended {
        if self.greet().await.is_err() {
            return Ended::Lost;
        }
        loop {
            let step = tokio::select! {
                () = stopped(stop) => Err(Ended::Stopped),
                line = lines.recv() => match line {
                    Some(line) => self.heard(&line),
                    None => Err(Ended::Lost),
                },
                Some(found) = shares.recv() => self.submit(&found).await.map_err(|_| Ended::Lost),
            };
            if let Err(ended) = step {
                return ended;
            }
        }
    }

    async fn greet(&mut self) -> std::io::Result<()> {
        let config = &self.client.config;
        let mut hello = protocol::subscribe(USER_AGENT);
        if config.version_rolling {
            hello.push_str(&protocol::configure());
        }
        hello.push_str(&protocol::authorize(&config.user, &config.password));
        self.write.write_all(hello.as_bytes()).await
    }

    async fn submit(&mut self, found: &Found) -> std::io::Result<()> {
        // Found for a connection that is gone: its extranonce1 is not ours any more.
        if found.connection != self.number {
            return Ok(());
        }
        let id = self.next_id;
        self.next_id = id.wrapping_add(1).max(protocol::ID_SHARES);
        let line = protocol::submit(id, &self.client.config.user, found);
        self.write.write_all(line.as_bytes()).await
    }

    fn heard(&mut self, line: &str) -> Result<(), Ended> {
        let stats = &self.client.stats;
        match protocol::parse(line).ok_or(Ended::Lost)? {
            FromPool::Reply { id, result, error } => return self.reply(id, &result, error),
            FromPool::SetDifficulty(difficulty) => {
                self.difficulty = difficulty;
                stats.difficulty_raw.store(difficulty.to_raw(), Ordering::Relaxed);
            }
            FromPool::SetVersionMask(mask) => self.terms.version_mask = mask,
            FromPool::Notify(notify) => {
                self.client.slot.put(Some(Work::new(self.number, &self.terms, *notify, self.difficulty)));
            }
            FromPool::Other => {}
        }
        Ok(())
    }

    fn reply(&mut self, id: u64, result: &Value, error: Option<String>) -> Result<(), Ended> {
        let stats = &self.client.stats;
        match id {
            protocol::ID_SUBSCRIBE => self.subscribed(result).ok_or(Ended::Lost)?,
            protocol::ID_CONFIGURE => {
                let mask = result.get("version-rolling.mask").and_then(protocol::hex_u32);
                self.terms.version_mask = mask.unwrap_or(0);
            }
            protocol::ID_AUTHORIZE if error.is_none() && result.as_bool() == Some(true) => {
                stats.connected.store(true, Ordering::Relaxed);
            }
            protocol::ID_AUTHORIZE => {
                return Err(Ended::Refused(error.unwrap_or_else(|| "not authorised".to_owned())));
            }
            _ if error.is_none() && result.as_bool() == Some(true) => {
                stats.accepted.fetch_add(1, Ordering::Relaxed);
            }
            _ => {
                tracing::debug!(?error, "share refused");
                stats.rejected.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    fn subscribed(&mut self, result: &Value) -> Option<()> {
        self.terms.extranonce1 = Vec::from_hex(result.get(1)?.as_str()?).ok()?;
        let bytes = usize::try_from(result.get(2)?.as_u64()?).ok()?;
        self.terms.extranonce2_bytes = Some(bytes).filter(|b| (1..=EXTRANONCE2_BYTES_MAX).contains(b))?;
        Some(())
    }
}
