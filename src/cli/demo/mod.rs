//! `adit demo`: a regtest node, the pool and a CPU miner that speaks Stratum to it over loopback, and what happens, live.
//!
//! Owns: what the three are started with, and the screen. Must not know: how any of them works.

mod screen;
mod view;

use std::fs::File;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use adit_actors::net::OrAnyPort;
use clap::Args;

use super::ctl::Watch;
use super::exit::Exit;
use super::host::{Host, HostError};
use super::logging;
use super::miner::{Miner, MinerConfig, RateMeter};
use super::run::SettingsArgs;
use super::settings::{Settings, SettingsError};
use screen::Screen;
use view::{Figures, Scene};

const EXAMPLES: &str = "\
Examples:
  adit demo                              everything in ~/.adit/demo; a second run goes on there
  adit demo --datadir /tmp/a --seconds 30 | tail -n 1
  adit demo --chaos                      then: adit ctl --datadir ~/.adit/demo actor panic chain

On a terminal the figures are redrawn, in a pipe they are a line a second. Ctrl-C ends it cleanly.";

/// Between two looks at the figures.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Whom the built-in miner works for: the pool's own address on regtest, which anyone can spend from.
const ADDRESS: &str = "bcrt1qft5p2uhsdcdc3l2ua4ap5qqfg4pjaqlp250x7us7a8qqhrxrxfsqseac85";
/// A block a second: on regtest each share of the demo is one.
const OWN_DEFAULTS: &str = "[stratum]\nshares_per_minute = 60\n";
/// The log beside the screen, new with each start.
const LOG_FILE: &str = "demo.log";

/// What `adit demo` takes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DemoArgs {
    /// Where it keeps everything; ~/.adit/demo where it is not given.
    #[arg(long, value_name = "DIR")]
    datadir: Option<PathBuf>,
    /// Let panics be injected (`adit ctl actor panic NAME`).
    #[arg(long)]
    chaos: bool,
    /// End after so many seconds.
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Threads that hash.
    #[arg(long, value_name = "N", default_value = "1")]
    threads: NonZeroUsize,
    /// Set a key of the configuration; may be given more than once.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// Runs the demo until Ctrl-C, or for as long as it was told.
pub(crate) fn run(args: &DemoArgs) -> Exit {
    let settings = match settings(args) {
        Ok(settings) => settings,
        Err(error) => return Exit::Config.because(error),
    };
    match show(args, settings) {
        Ok(exit) => exit,
        Err(error) => error.exit().because(&error),
    }
}

/// The demo's configuration.
fn settings(args: &DemoArgs) -> Result<Settings, SettingsError> {
    let datadir = args.datadir.clone().unwrap_or_else(|| PathBuf::from("~/.adit/demo"));
    let own = SettingsArgs {
        network: Some("regtest".to_owned()),
        datadir: Some(datadir),
        ..SettingsArgs::default()
    };
    let mut flags = Vec::new();
    if args.chaos {
        flags.push(("--chaos".to_owned(), "chaos".to_owned(), "true".to_owned()));
    }
    let mut given = SettingsArgs { set: args.set.clone(), ..own }.given(flags)?;
    given.file = Some(("adit demo".to_owned(), OWN_DEFAULTS.to_owned()));
    Settings::read(&given)
}

/// What to say where a port was taken and another is listened at.
fn moved(asked: Option<SocketAddr>, bound: Option<SocketAddr>, whom: &str) -> Option<String> {
    let (asked, bound) = asked.zip(bound).filter(|(asked, bound)| asked.port() != 0 && asked != bound)?;
    Some(format!("{asked} for {whom} is taken: they are listened to at {bound}"))
}

fn show(args: &DemoArgs, settings: Settings) -> Result<Exit, HostError> {
    let (datadir, level) = (settings.datadir.clone(), settings.log_level.clone());
    let set_level =
        logging::start(&level, logging::To::File(log_file(&datadir)?)).map_err(HostError::Logging)?;
    let asked = (settings.pool.as_ref().map(|pool| pool.listen), settings.peer.listen);
    let host = Host::start(settings, set_level, Arc::new(OrAnyPort))?;
    let notes =
        [moved(asked.0, host.addresses().stratum, "miners"), moved(asked.1, host.addresses().p2p, "nodes")];
    let stratum = host.addresses().stratum.map_or_else(|| "nowhere".to_owned(), |at| at.to_string());
    let datadir_shown = datadir.display().to_string();
    let scene = Scene { stratum: stratum.clone(), datadir: datadir_shown, address: ADDRESS.to_owned() };
    let mut screen = Screen::new(scene);
    for note in notes.iter().flatten() {
        // A reader that has gone ends the demo with its first figures.
        let _ = screen.say(note);
    }
    let config = MinerConfig {
        pool: stratum,
        user: format!("{ADDRESS}.demo"),
        password: "x".to_owned(),
        threads: args.threads,
        version_rolling: true,
    };
    let life = args.seconds.map(Duration::from_secs);
    let miner = host.block_on(async { Miner::start(config) }).map_err(HostError::Threads)?;
    let stop = host.block_on(watch(&host, &miner, &datadir, &mut screen, life));
    host.block_on(miner.stop());
    if stop {
        host.ask_to_stop();
    }
    Ok(host.wait())
}

fn log_file(datadir: &Path) -> Result<File, HostError> {
    std::fs::create_dir_all(datadir)
        .and_then(|()| File::create(datadir.join(LOG_FILE)))
        .map_err(|source| HostError::Log { path: datadir.join(LOG_FILE), source })
}

/// Shows the figures until it is over; says whether the node has still to be stopped.
async fn watch(
    host: &Host,
    miner: &Miner,
    datadir: &Path,
    screen: &mut Screen,
    life: Option<Duration>,
) -> bool {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    let over = async {
        match life {
            Some(life) => tokio::time::sleep(life).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(over);
    let ended = host.ended();
    tokio::pin!(ended);
    let mut meter = RateMeter::new(miner.stats());
    let mut connection = None;
    loop {
        tokio::select! {
            () = &mut over => return true,
            () = &mut ended => return false,
            _ = looks.tick() => {}
        }
        let hashrate = meter.per_second(miner.stats());
        let Some(glance) = look(&mut connection, datadir).await else { continue };
        let figures = Figures { glance, hashrate, connected: miner.stats().connected() };
        if screen.show(&figures).is_err() {
            return true;
        }
    }
}

/// The node's figures; none while it does not answer.
async fn look(connection: &mut Option<Watch>, datadir: &Path) -> Option<super::ctl::Glance> {
    if connection.is_none() {
        *connection = Watch::connect(datadir, "regtest").await.ok();
    }
    let glance = connection.as_ref()?.look().await.ok();
    if glance.is_none() {
        *connection = None;
    }
    glance
}
