//! A Stratum V1 client that keeps a journal: what it sent, what it was told, whether its connection held.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bitcoin::hashes::{Hash, sha256d};
use serde_json::{Value, json};

/// Whom the shares are for: the same script that the pool pays to on regtest, by its address.
pub const ADDRESS: &str = "bcrt1qft5p2uhsdcdc3l2ua4ap5qqfg4pjaqlp250x7us7a8qqhrxrxfsqseac85";
/// A server that does not answer for this long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long the client looks for lines before it goes on hashing.
const LOOK: Duration = Duration::from_millis(20);
/// A hash whose highest 64 bits are below this is a block of regtest.
const BLOCK_LIMIT: u64 = 0x7fff_ff00_0000_0000;

/// What the client saw.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// Shares that were sent.
    pub sent: u64,
    /// Shares that were answered with `true`.
    pub accepted: u64,
    /// Shares that were answered with an error: its code.
    pub refused: Vec<i64>,
    /// Jobs.
    pub notified: u64,
    /// The height of the highest block among the accepted shares: the chain comes to it, though perhaps later than the answer.
    pub found: u64,
    /// How the connection ended, if it was not the client who ended it.
    pub lost: Option<String>,
}

/// The miner's side of one connection, on a thread of its own.
pub struct Client {
    journal: Arc<Mutex<Journal>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Client {
    /// Connects and mines as `ADDRESS.worker` until it is dropped or finished.
    pub fn start(server: SocketAddr, worker: &str) -> Client {
        let (journal, stop) = (Arc::new(Mutex::new(Journal::default())), Arc::new(AtomicBool::new(false)));
        let (seen, ending, user) = (journal.clone(), stop.clone(), format!("{ADDRESS}.{worker}"));
        let thread = std::thread::spawn(move || {
            let outcome = Line::connect(server).and_then(|mut line| line.mine(&user, &seen, &ending));
            if let Err(reason) = outcome {
                seen.lock().unwrap().lost = Some(reason);
            }
        });
        Client { journal, stop, thread: Some(thread) }
    }

    pub fn journal(&self) -> Journal {
        self.journal.lock().unwrap().clone()
    }

    /// Stops sending, waits for the answers that are due, hangs up.
    pub fn finish(mut self) -> Journal {
        self.end();
        self.journal()
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.end();
    }
}

/// Submits blocks one after the other; microseconds from each submission to the job on top of it.
#[allow(dead_code, reason = "the benches measure with it")]
pub fn block_to_job(server: SocketAddr, blocks: usize) -> Vec<u64> {
    let (mut line, journal) = (Line::connect(server).unwrap(), Mutex::new(Journal::default()));
    let user = format!("{ADDRESS}.bench");
    line.send(&json!({"id": 1, "method": "mining.subscribe", "params": ["adit-bench/1"]})).unwrap();
    line.send(&json!({"id": 2, "method": "mining.authorize", "params": [user, "x"]})).unwrap();
    let mut micros = Vec::with_capacity(blocks);
    let mut due: Option<(Instant, Vec<u8>)> = None;
    while micros.len() < blocks {
        let message = line.receive().unwrap();
        let arrived = Instant::now();
        if let Some(message) = &message {
            line.take(message, &journal).unwrap();
        }
        let prev = line.job.as_ref().map(|job| job.prev.clone());
        match (&due, prev) {
            (Some((sent, old)), Some(prev)) if prev != *old => {
                micros.push(arrived.duration_since(*sent).as_micros() as u64);
                due = None;
            }
            (None, Some(prev)) => {
                line.only_blocks = true;
                line.submit(&user).unwrap();
                due = Some((Instant::now(), prev));
            }
            _ => {}
        }
    }
    micros
}

/// A job as it was notified.
#[derive(Clone, Debug)]
struct Job {
    id: String,
    height: u64,
    prev: Vec<u8>,
    coinb1: Vec<u8>,
    coinb2: Vec<u8>,
    branch: Vec<Vec<u8>>,
    version: u32,
    bits: u32,
    time: u32,
}

/// The connection, and what was agreed on it.
struct Line {
    reader: BufReader<TcpStream>,
    partial: Vec<u8>,
    heard: Instant,
    extranonce1: Vec<u8>,
    extranonce2_len: usize,
    difficulty: f64,
    job: Option<Job>,
    /// The heights of the blocks that were sent, by the submission.
    blocks: HashMap<u64, u64>,
    next_id: u64,
    nonce: u64,
    /// Whether shares that are no blocks of regtest are left out.
    only_blocks: bool,
}

impl Line {
    fn connect(server: SocketAddr) -> Result<Line, String> {
        let stream = TcpStream::connect(server).map_err(|e| e.to_string())?;
        stream.set_read_timeout(Some(LOOK)).map_err(|e| e.to_string())?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        Ok(Line {
            reader: BufReader::new(stream),
            partial: Vec::new(),
            heard: Instant::now(),
            extranonce1: Vec::new(),
            extranonce2_len: 0,
            difficulty: 1.0,
            job: None,
            blocks: HashMap::new(),
            next_id: 10,
            nonce: 0,
            only_blocks: false,
        })
    }

    fn send(&mut self, message: &Value) -> Result<(), String> {
        let text = format!("{message}\n");
        self.reader.get_mut().write_all(text.as_bytes()).map_err(|e| format!("write: {e}"))
    }

    /// The next line, if one is there.
    fn receive(&mut self) -> Result<Option<Value>, String> {
        match self.reader.read_until(b'\n', &mut self.partial) {
            Ok(0) => Err("the server hung up".to_owned()),
            Ok(_) if self.partial.ends_with(b"\n") => {
                let line = std::mem::take(&mut self.partial);
                self.heard = Instant::now();
                serde_json::from_slice(&line).map(Some).map_err(|e| format!("no JSON: {e}"))
            }
            Ok(_) => Ok(None),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(None),
            Err(e) => Err(format!("read: {e}")),
        }
    }

    fn mine(&mut self, user: &str, journal: &Mutex<Journal>, stop: &AtomicBool) -> Result<(), String> {
        self.send(&json!({"id": 1, "method": "mining.subscribe", "params": ["adit-test/1"]}))?;
        self.send(&json!({"id": 2, "method": "mining.authorize", "params": [user, "x"]}))?;
        let mut pending = 0u64;
        loop {
            let ending = stop.load(Ordering::SeqCst);
            if ending && pending == 0 {
                return Ok(());
            }
            if let Some(message) = self.receive()? {
                pending -= self.take(&message, journal)?;
                continue;
            }
            if self.heard.elapsed() > SILENCE_MAX {
                return Err("the server is silent".to_owned());
            }
            // A few in flight at once, so that answers and jobs cross.
            if pending < 4 && !ending && self.submit(user)? {
                journal.lock().unwrap().sent += 1;
                pending += 1;
            }
        }
    }

    /// Takes a message in; how many submissions it answers.
    fn take(&mut self, message: &Value, journal: &Mutex<Journal>) -> Result<u64, String> {
        let params = &message["params"];
        match (message["method"].as_str(), message["id"].as_u64()) {
            (Some("mining.notify"), _) => {
                self.job = Some(job(params));
                journal.lock().unwrap().notified += 1;
            }
            (Some("mining.set_difficulty"), _) => self.difficulty = params[0].as_f64().unwrap(),
            (None, Some(1)) => {
                self.extranonce1 = bytes(&message["result"][1]);
                self.extranonce2_len = message["result"][2].as_u64().unwrap() as usize;
            }
            (None, Some(2)) if message["result"] != json!(true) => {
                return Err(format!("not authorised: {message}"));
            }
            (None, Some(id)) if id >= 10 => {
                let mut journal = journal.lock().unwrap();
                let height = self.blocks.remove(&id).unwrap_or(0);
                match message["result"].as_bool() {
                    Some(true) => {
                        journal.accepted += 1;
                        journal.found = journal.found.max(height);
                    }
                    _ => journal.refused.push(message["error"][0].as_i64().unwrap_or(-1)),
                }
                return Ok(1);
            }
            _ => {}
        }
        Ok(0)
    }

    /// Searches a share and sends it; none where there is no job.
    fn submit(&mut self, user: &str) -> Result<bool, String> {
        let Some(job) = self.job.clone() else { return Ok(false) };
        // 0xFFFF * 2^208 / difficulty, its highest 64 bits.
        let mut limit = (65535.0 * 65536.0 / self.difficulty) as u64;
        if self.only_blocks {
            limit = limit.min(BLOCK_LIMIT);
        }
        loop {
            self.nonce += 1;
            let extranonce2 = &(self.nonce >> 24).to_be_bytes()[8 - self.extranonce2_len.min(8)..];
            let extranonce2 =
                [vec![0; self.extranonce2_len.saturating_sub(8)], extranonce2.to_vec()].concat();
            let nonce = (self.nonce & 0xff_ffff) as u32;
            let hash = header_hash(&job, &self.extranonce1, &extranonce2, nonce);
            let top = u64::from_le_bytes(hash[24..].try_into().unwrap());
            if top < limit {
                let id = self.next_id;
                self.next_id += 1;
                if top < BLOCK_LIMIT {
                    self.blocks.insert(id, job.height);
                }
                let (time, nonce) = (format!("{:08x}", job.time), format!("{nonce:08x}"));
                let params = json!([user, job.id, hex(&extranonce2), time, nonce]);
                self.send(&json!({"id": id, "method": "mining.submit", "params": params}))?;
                return Ok(true);
            }
        }
    }
}

fn job(params: &Value) -> Job {
    let number = |v: &Value| u32::from_str_radix(v.as_str().unwrap(), 16).unwrap();
    Job {
        id: params[0].as_str().unwrap().to_owned(),
        height: height(&bytes(&params[2])),
        prev: bytes(&params[1])
            .chunks(4)
            .flat_map(|word| word.iter().rev().copied().collect::<Vec<_>>())
            .collect(),
        coinb1: bytes(&params[2]),
        coinb2: bytes(&params[3]),
        branch: params[4].as_array().unwrap().iter().map(bytes).collect(),
        version: number(&params[5]),
        bits: number(&params[6]),
        time: number(&params[7]),
    }
}

/// BIP34's, which a coinbase's script begins with.
fn height(coinb1: &[u8]) -> u64 {
    const BEFORE_THE_SCRIPT: usize = 4 + 1 + 36 + 1;
    match &coinb1[BEFORE_THE_SCRIPT..] {
        [small @ 0x51..=0x60, ..] => u64::from(small - 0x50),
        [length, rest @ ..] => {
            rest[..usize::from(*length)].iter().rev().fold(0, |height, byte| height << 8 | u64::from(*byte))
        }
        [] => panic!("a coinbase without a script"),
    }
}

fn header_hash(job: &Job, extranonce1: &[u8], extranonce2: &[u8], nonce: u32) -> [u8; 32] {
    let coinbase = [&job.coinb1, extranonce1, extranonce2, &job.coinb2].concat();
    let first = sha256d::Hash::hash(&coinbase).to_byte_array();
    let join =
        |left: [u8; 32], right: &Vec<u8>| sha256d::Hash::hash(&[&left, &right[..]].concat()).to_byte_array();
    let root = job.branch.iter().fold(first, join);
    let numbers = [job.time.to_le_bytes(), job.bits.to_le_bytes(), nonce.to_le_bytes()].concat();
    let header = [&job.version.to_le_bytes()[..], &job.prev, &root, &numbers].concat();
    sha256d::Hash::hash(&header).to_byte_array()
}

fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
