//! A run: clients that ask as fast as they are answered, and blocks that come meanwhile.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::asking::{self, Span};
use crate::chain::Chain;
use crate::common::bitcoind::Core;
use crate::common::{NAMES, listed, one, state_and_cpu};
use crate::work::Work;

/// How often it is looked whether the block's time has come.
const LOOK_EVERY: Duration = Duration::from_millis(1);

pub struct Load {
    pub works: Vec<Work>,
    pub rounds: usize,
    /// Connections.
    clients: usize,
    /// Blocks that connect during a run.
    pub blocks: usize,
    /// Blocks below the tip whose headers, transactions and coins are asked for.
    span: u64,
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
    /// The clients' own.
    pub client_us: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    /// The 99th of 100 requests among those that a connecting block could have held up.
    pub p99_connecting_us: f64,
    /// Among all others.
    pub p99_quiet_us: f64,
    pub longest_us: f64,
    /// What the blocks took to connect.
    pub blocks_us: f64,
}

impl Run {
    pub fn line(&self, who: usize, work: Work, round: usize) -> Value {
        json!({
            "work": work.to_string(), "who": NAMES[who], "round": round, "requests": self.requests,
            "seconds": self.seconds, "per_second": self.per_second(), "cpu_us": self.cpu_us,
            "client_us": self.client_us, "p50_us": self.p50_us, "p99_us": self.p99_us,
            "p99_connecting_us": self.p99_connecting_us, "p99_quiet_us": self.p99_quiet_us,
            "longest_us": self.longest_us, "blocks_us": self.blocks_us,
        })
    }

    pub fn per_second(&self) -> f64 {
        self.requests as f64 / self.seconds
    }
}

impl Load {
    pub fn of_the_environment() -> Load {
        let works = match std::env::var_os("ADIT_BENCH_WORK") {
            Some(_) => listed("ADIT_BENCH_WORK", ';', ""),
            None => Work::ALL.to_vec(),
        };
        Load {
            works,
            rounds: one("ADIT_BENCH_ROUNDS", "3"),
            clients: one("ADIT_BENCH_CLIENTS", "16"),
            blocks: one("ADIT_BENCH_BLOCKS", "2"),
            span: one("ADIT_BENCH_SPAN", "30"),
            part: one("ADIT_BENCH_PART", "1"),
        }
    }

    pub fn run(&self, node: &Core, work: Work, chain: &Chain) -> Run {
        chain.retreat(node);
        if work == Work::Template {
            chain.announce(node);
        }
        let requests: Vec<Vec<u8>> =
            work.bodies(node, self.span).iter().map(|body| asking::request(body)).collect();
        let total = ((work.count() as f64 * self.part) as usize).max(self.clients);
        let (sent, ends) = (AtomicUsize::new(0), AtomicBool::new(false));
        let used = || [node.process.id(), std::process::id()].map(|id| state_and_cpu(id).1);
        let (before, began) = (used(), Instant::now());
        let (spans, connecting) = std::thread::scope(|scope| {
            let connects = scope.spawn(|| connect(node, chain, total, (&sent, &ends)));
            let next = || Some(sent.fetch_add(1, Ordering::Relaxed)).filter(|n| *n < total);
            let spans = asking::ask(node.rpc(), self.clients, next, &requests);
            ends.store(true, Ordering::SeqCst);
            (spans, connects.join().unwrap())
        });
        let seconds = spans.iter().map(|(_, end)| *end).max().unwrap().duration_since(began).as_secs_f64();
        let [server, clients] = [0, 1].map(|who| 1e6 * (used()[who] - before[who]) / total as f64);
        let touches = |(from, to): &&Span| *from <= connecting.1 && connecting.0 <= *to;
        let [p50_us, p99_us, longest_us] = [50, 99, 100].map(|p| percentile(spans.iter(), p));
        Run {
            requests: total,
            seconds,
            cpu_us: server,
            client_us: clients,
            p50_us,
            p99_us,
            p99_connecting_us: percentile(spans.iter().filter(touches), 99),
            p99_quiet_us: percentile(spans.iter().filter(|span| !touches(span)), 99),
            longest_us,
            blocks_us: percentile(std::iter::once(&connecting), 100),
        }
    }
}

/// Lets the blocks come when a third of the requests is out.
fn connect(node: &Core, chain: &Chain, total: usize, (sent, ends): (&AtomicUsize, &AtomicBool)) -> Span {
    while sent.load(Ordering::Relaxed) < total / 3 && !ends.load(Ordering::SeqCst) {
        std::thread::sleep(LOOK_EVERY);
    }
    let from = Instant::now();
    chain.advance(node);
    (from, Instant::now())
}

fn percentile<'a>(spans: impl Iterator<Item = &'a Span>, percent: usize) -> f64 {
    let mut took: Vec<f64> = spans.map(|(from, to)| to.duration_since(*from).as_secs_f64() * 1e6).collect();
    took.sort_by(f64::total_cmp);
    let place = (took.len() * percent).div_ceil(100).max(1) - 1;
    took.get(place).copied().unwrap_or(0.0)
}
