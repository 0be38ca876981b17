//! `adit mine`: a CPU miner.
//!
//! Owns: what is typed and printed. Must not know: how it is mined; that is [`super::miner`].

use std::num::NonZeroUsize;
use std::time::Duration;

use adit_domain::units::Difficulty;
use clap::Args;
use serde_json::json;

use super::exit::Exit;
use super::miner::{Miner, MinerConfig, MinerStats, RateMeter};

/// How often it is looked whether enough shares were found.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What `adit mine` takes.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  adit mine --url stratum+tcp://127.0.0.1:3333 --user bcrt1q....rig1
  adit mine --url 127.0.0.1:3333 --user bcrt1q....rig1 --threads 1 --shares 10 --json")]
pub(crate) struct MineArgs {
    /// The pool: stratum+tcp://HOST:PORT, or HOST:PORT.
    #[arg(long, value_parser = pool_of_url)]
    url: String,
    /// ADDRESS.worker.
    #[arg(long)]
    user: String,
    /// The password; pools take options such as d=1024 here.
    #[arg(long, default_value = "x")]
    password: String,
    /// Threads that hash; as many as the machine has cores where it is not given.
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Do not roll version bits.
    #[arg(long)]
    no_version_rolling: bool,
    /// End after this many accepted shares.
    #[arg(long, value_name = "N")]
    shares: Option<u64>,
    /// Seconds between two reports.
    #[arg(long, default_value = "5", value_parser = clap::value_parser!(u64).range(1..))]
    report: u64,
    /// One JSON object a report.
    #[arg(long)]
    json: bool,
}

/// The pool's `HOST:PORT`.
fn pool_of_url(url: &str) -> Result<String, String> {
    let rest = match url.split_once("://") {
        Some(("stratum+tcp", rest)) => rest,
        Some((other, _)) => return Err(format!("{other}:// is not spoken here, stratum+tcp:// is")),
        None => url,
    };
    let pool = rest.trim_end_matches('/');
    let (host, port) = pool.rsplit_once(':').ok_or("expected stratum+tcp://HOST:PORT")?;
    match (host, port.parse::<u16>()) {
        ("", _) | (_, Err(_)) => Err("expected stratum+tcp://HOST:PORT".to_owned()),
        _ => Ok(pool.to_owned()),
    }
}

/// Mines until Ctrl-C, or until enough shares were accepted.
pub(crate) fn run(args: &MineArgs) -> Exit {
    match tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() {
        Ok(runtime) => runtime.block_on(mine(args)),
        Err(error) => Exit::Unavailable.because(error),
    }
}

async fn mine(args: &MineArgs) -> Exit {
    let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let config = MinerConfig {
        pool: args.url.clone(),
        user: args.user.clone(),
        password: args.password.clone(),
        threads: args.threads.unwrap_or(cores),
        version_rolling: !args.no_version_rolling,
    };
    let miner = match Miner::start(config) {
        Ok(miner) => miner,
        Err(error) => return Exit::Unavailable.because(error),
    };
    let mut meter = RateMeter::new(miner.stats());
    let mut reports = tokio::time::interval(Duration::from_secs(args.report));
    let mut looks = tokio::time::interval(LOOK_EVERY);
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    // The first report comes at once; it would only say that nothing was done.
    reports.tick().await;
    let exit = loop {
        tokio::select! {
            _ = reports.tick() => report(args, miner.stats(), &mut meter),
            _ = looks.tick() => if let Some(exit) = finished(args, miner.stats()) { break exit },
            _ = &mut interrupt => break Exit::Done,
        }
    };
    report(args, miner.stats(), &mut meter);
    miner.stop().await;
    exit
}

fn finished(args: &MineArgs, stats: &MinerStats) -> Option<Exit> {
    if let Some(reason) = stats.refused() {
        return Some(Exit::Invalid.because(format!("the pool refused {}: {reason}", args.user)));
    }
    args.shares.filter(|wanted| stats.accepted() >= *wanted).map(|_| Exit::Done)
}

fn report(args: &MineArgs, stats: &MinerStats, meter: &mut RateMeter) {
    let rate = meter.per_second(stats);
    let (accepted, rejected) = (stats.accepted(), stats.rejected());
    if args.json {
        let row = json!({
            "hashrate": rate,
            "shares_accepted": accepted,
            "shares_rejected": rejected,
            "difficulty": Difficulty::from_raw(stats.difficulty_raw()).map(difficulty_text).ok(),
            "connected": stats.connected(),
            "connections": stats.connections(),
        });
        println!("{row}");
    } else {
        let state = if stats.connected() { "" } else { "  (not connected)" };
        println!("{}  accepted {accepted}  rejected {rejected}{state}", rate_text(rate));
    }
}

/// As `mining.set_difficulty` has it.
fn difficulty_text(difficulty: Difficulty) -> serde_json::Value {
    adit_domain::stratum::codec::difficulty_to_json(difficulty)
}

/// With the unit that leaves up to four digits before the point.
pub(crate) fn rate_text(rate: u64) -> String {
    const UNITS: [(&str, u64); 4] =
        [("TH/s", 1_000_000_000_000), ("GH/s", 1_000_000_000), ("MH/s", 1_000_000), ("kH/s", 1_000)];
    for (unit, size) in UNITS {
        if rate >= size {
            let hundredths = rate.saturating_mul(100).checked_div(size).unwrap_or(0);
            return format!("{}.{:02} {unit}", hundredths / 100, hundredths % 100);
        }
    }
    format!("{rate} H/s")
}

#[cfg(test)]
#[path = "mine/tests.rs"]
mod tests;
