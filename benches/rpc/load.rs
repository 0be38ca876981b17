//! Clients that ask as fast as they are answered, and blocks that come meanwhile.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bitcoind::Core;
use crate::chain::{announce, submit};
use crate::door::Door;
use crate::work::Work;

/// Linux tells a process's time in these units, whatever its clock's rate.
const TICKS_PER_SECOND: f64 = 100.0;

pub struct Load {
    pub works: Vec<Work>,
    pub rounds: usize,
    /// Connections.
    pub clients: usize,
    /// Blocks that connect during a run.
    pub blocks: usize,
    /// Part of each kind's requests.
    part: f64,
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Run {
    pub requests: usize,
    pub seconds: f64,
    /// The server's, user and system, a request; the blocks' own included.
    pub cpu_us: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    /// The 99th of 100 requests among those that a connecting block could have held up.
    pub p99_connecting_us: f64,
    pub longest_us: f64,
    /// The longest that a block took to connect.
    pub block_us: f64,
}

impl Run {
    pub fn line(&self, who: &str, work: Work, round: usize) -> Value {
        json!({
            "work": work.to_string(), "who": who, "round": round, "requests": self.requests, "seconds": self.seconds,
            "per_second": self.per_second(), "cpu_us": self.cpu_us, "p50_us": self.p50_us, "p99_us": self.p99_us,
            "p99_connecting_us": self.p99_connecting_us, "longest_us": self.longest_us, "block_us": self.block_us,
        })
    }

    pub fn per_second(&self) -> f64 {
        self.requests as f64 / self.seconds
    }
}

impl Load {
    pub fn of_the_environment() -> Load {
        let works = match std::env::var("ADIT_BENCH_WORK") {
            Ok(text) => text.split(';').map(|work| work.trim().parse().unwrap()).collect(),
            Err(_) => Work::ALL.to_vec(),
        };
        Load {
            works,
            rounds: number("ADIT_BENCH_ROUNDS", 3),
            clients: number("ADIT_BENCH_CLIENTS", 16),
            blocks: number("ADIT_BENCH_BLOCKS", 2),
            part: number("ADIT_BENCH_PART", 1.0),
        }
    }

    /// Blocks that all runs together connect.
    pub fn blocks_needed(&self) -> usize {
        self.works.len() * self.rounds * self.blocks
    }

    pub fn run(&self, node: &Core, work: Work, blocks: &[&String]) -> Run {
        if let (Work::Template, Some(first)) = (work, blocks.first()) {
            announce(node, first);
        }
        let requests: Vec<Vec<u8>> = work.bodies(node).iter().map(|body| Door::request(body)).collect();
        let total = ((work.count() as f64 * self.part) as usize).max(self.clients);
        let (next, ends) = (AtomicUsize::new(0), AtomicBool::new(false));
        let (before, began) = (cpu_seconds(node.process.id()), Instant::now());
        let (spans, connecting) = std::thread::scope(|scope| {
            let ask = |_| scope.spawn(|| ask(node, &requests, (&next, total)));
            let clients: Vec<_> = (0..self.clients).map(ask).collect();
            let sends = scope.spawn(|| connect(node, blocks, (&next, total), &ends));
            let spans: Vec<_> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
            ends.store(true, Ordering::SeqCst);
            (spans, sends.join().unwrap())
        });
        let seconds = spans.iter().map(|(_, end)| *end).max().unwrap().duration_since(began).as_secs_f64();
        let cpu_us = 1e6 * (cpu_seconds(node.process.id()) - before) / total as f64;
        let touches = |(from, to): &&(Instant, Instant)| connecting.iter().any(|(a, b)| from <= b && a <= to);
        let [p50_us, p99_us, longest_us] = [50, 99, 100].map(|p| percentile(spans.iter(), p));
        let p99_connecting_us = percentile(spans.iter().filter(touches), 99);
        let block_us = percentile(connecting.iter(), 100);
        Run { requests: total, seconds, cpu_us, p50_us, p99_us, p99_connecting_us, longest_us, block_us }
    }
}

type Span = (Instant, Instant);

/// One client: takes the next request until all are sent.
fn ask(node: &Core, requests: &[Vec<u8>], (next, total): (&AtomicUsize, usize)) -> Vec<Span> {
    let mut door = Door::open(node.rpc());
    let mut spans = Vec::new();
    loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        if n >= total {
            return spans;
        }
        let from = Instant::now();
        door.ask(&requests[n % requests.len()]);
        spans.push((from, Instant::now()));
    }
}

/// Sends the blocks, each when its share of the requests is out.
fn connect(
    node: &Core,
    blocks: &[&String],
    (next, total): (&AtomicUsize, usize),
    ends: &AtomicBool,
) -> Vec<Span> {
    let mut spans = Vec::new();
    for (n, block) in blocks.iter().enumerate() {
        let at = total * (n + 1) / (blocks.len() + 2);
        while next.load(Ordering::Relaxed) < at && !ends.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let from = Instant::now();
        submit(node, block);
        spans.push((from, Instant::now()));
    }
    spans
}

fn percentile<'a>(spans: impl Iterator<Item = &'a Span>, percent: usize) -> f64 {
    let mut took: Vec<f64> = spans.map(|(from, to)| to.duration_since(*from).as_secs_f64() * 1e6).collect();
    took.sort_by(f64::total_cmp);
    let place = (took.len() * percent).div_ceil(100).max(1) - 1;
    took.get(place).copied().unwrap_or(0.0)
}

/// User and system of all threads.
fn cpu_seconds(id: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    // The name, which may hold anything, ends with the last bracket.
    let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 1..].split_whitespace().collect();
    fields[11..=12].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / TICKS_PER_SECOND
}

fn number<T: FromStr<Err: Display>>(variable: &str, default: T) -> T {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|error| panic!("{variable}={text}: {error}")),
        Err(_) => default,
    }
}
