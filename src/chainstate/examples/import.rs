//! Imports block files into a datadir and prints what came of it: `import NETWORK DATADIR FILE...`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use adit_chainstate::{ChainConfig, Chainstate, ImportOptions, Sources, import};
use adit_domain::consensus::Params;
use adit_domain::script::Interpreter;
use adit_domain::units::UnixMillis;
use adit_store::{DataDir, Store};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (network, base) = (args.next().ok_or("which network?")?, args.next().ok_or("which datadir?")?);
    let sources = Sources::find(&args.map(PathBuf::from).collect::<Vec<_>>())?;
    let params = Arc::new(Params::from_name(&network).ok_or("no such network")?);
    let store = Arc::new(Store::open(DataDir::open(Path::new(&base), &network)?)?);
    let mut chain = Chainstate::open(ChainConfig::new(params), store, Arc::new(Interpreter))?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let begun = Instant::now();
    let options = ImportOptions::at(UnixMillis::from_seconds(now));
    let done = import(&mut chain, &sources, options, &mut |_| true)?;
    let seconds = begun.elapsed().as_secs_f64();
    chain.wait_for_merges()?;
    let begun = Instant::now();
    let done = done.with_stats(chain.utxo_stats()?.run()?);
    println!("{done:#?}\nseconds {seconds:.2}, hash of the coins {:.2}", begun.elapsed().as_secs_f64());
    Ok(())
}
