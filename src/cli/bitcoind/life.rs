//! A node's life as Core leads it: what is read, said and made before it starts, and what is taken away when it has ended.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use adit_actors::root::{NodeLinks, StartError};
use adit_chainstate::ChainFault;
use adit_compat::{Server, Zmq};
use adit_domain::units::Height;
use clap::Args;
use rustix::fs::Mode;
use rustix::process::umask;

use super::background::{self, Background};
use super::blocks;
use super::chain::Chain;
use super::check;
use super::conf::Note;
use super::config::Config;
use super::error::InitError;
use super::flags::{self, Here};
use super::help;
use super::layers::Settings as Values;
use super::line::Line;
use super::log::{self, Log, LogFile};
use super::network;
use super::notify;
use super::paths::Paths;
use super::rebuild::Rebuild;
use super::serve;
use super::translate;
use super::value::Value;
use crate::cli::exit::Exit;
use crate::cli::host::{self, Host, HostError};
use crate::cli::settings::Settings;
use crate::cli::signals::{self, Again};

/// Core's exit code where it does not start.
const FAILED: Exit = Exit::Invalid;

/// Arguments of `adit bitcoind`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true, after_help = EXAMPLES)]
pub(crate) struct BitcoindArgs {
    /// Bitcoin Core's flags; -help lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "FLAGS")]
    words: Vec<OsString>,
}

const EXAMPLES: &str = "\
Examples:
  adit bitcoind -regtest -datadir=/tmp/a -daemonwait
  bitcoin-cli -regtest -datadir=/tmp/a getblockcount
  adit bitcoind -help -help-debug       every flag, and what it does here

docs/bitcoind.md says where it differs from Bitcoin Core's own.";

/// Runs a node by Core's flags until it is told to stop.
pub(crate) fn run(args: &BitcoindArgs) -> Exit {
    let words: Vec<String> = args.words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    live(&words).unwrap_or_else(|error| {
        let caption = if matches!(error, InitError::Rebuild(_)) { "" } else { "Error: " };
        eprintln!("{caption}{error}");
        FAILED
    })
}

fn live(words: &[String]) -> Result<Exit, InitError> {
    // As with Core, nobody else reads what this process makes.
    umask(Mode::RWXG | Mode::RWXO);
    let mut config = Config::read(Line::read(words)?)?;
    if let Some(text) = asked_for_text(&config) {
        print!("{text}");
        return Ok(Exit::Done);
    }
    let followed = check::follow(&mut config.layers);
    let warnings = warnings(&config)?;
    check::check(&config)?;
    check::there(&config)?;
    let settings = translate::settings(&config)?;
    let net = network::net(&config.layers)?;
    refuse_locked(&config)?;
    blocks::heed_key(&config)?;
    let background = Background::of(&config.layers);
    if background == Background::First {
        return Ok(background::send());
    }
    let log = begin_log(&config, background)?;
    followed.iter().for_each(|line| tracing::info!("{line}"));
    warnings.iter().for_each(|line| tracing::warn!("{line}"));
    log_places(&config);
    if config.chain == Chain::Signet {
        let magic: String = settings.params.magic.iter().map(|byte| format!("{byte:02x}")).collect();
        tracing::info!("Signet derived magic (message start): {magic}");
    }
    background.begun();
    let pid = PidFile::write(&config)?;
    let zmq = serve::publish(&config);
    let server = serve::start(&config, zmq.as_ref())?;
    let stop = Arc::new(AtomicBool::new(false));
    if !build_first(&config, &settings, server.as_ref(), &stop)? {
        tracing::info!("Shutdown done");
        return Ok(Exit::Done);
    }
    let started = Host::start_with(settings, log.set_level, net, Again::Nothing);
    let host = started.map_err(|error| not_started(&error))?;
    if let Some(refused) = of_the_future(&config, &host.links()) {
        host.ask_to_stop();
        host.wait();
        return Err(refused);
    }
    blocks::make_index_folder(&config)?;
    move_clock(&config, &host.links());
    listen_beside(&config, &host, log.file);
    zmq.iter().for_each(|zmq| zmq.ready(host.links()));
    server.iter().for_each(|server| server.ready(host.links()));
    tracing::info!("init message: Done loading");
    background.started();
    if config.layers.switch("stopafterblockimport", false) || stop.load(Ordering::SeqCst) {
        host.ask_to_stop();
    }
    let startup = config.layers.text("startupnotify").filter(|command| !command.is_empty());
    startup.into_iter().for_each(notify::run_beside);
    host.block_on(host.ended());
    notify::run_all(config.layers.texts("shutdownnotify"));
    tracing::info!("Shutdown in progress...");
    let exit = host.wait();
    server.into_iter().for_each(Server::stop);
    zmq.into_iter().for_each(Zmq::stop);
    drop(pid);
    tracing::info!("Shutdown done");
    Ok(exit)
}

/// What is made of block files before there is a node; whether it came to its end.
fn build_first(
    config: &Config,
    settings: &Settings,
    server: Option<&Server>,
    stop: &Arc<AtomicBool>,
) -> Result<bool, InitError> {
    let asked = Arc::clone(stop);
    signals::on_first(Again::Nothing, move || asked.store(true, Ordering::SeqCst))
        .map_err(|error| InitError::said(format!("signals: {error}")))?;
    let tell = |text: String| server.iter().for_each(|server| server.warming(text.as_str()));
    Rebuild::of(config, settings, stop, &tell).run()
}

/// What stderr is told though the node starts, in Core's order.
fn warnings(config: &Config) -> Result<Vec<String>, InitError> {
    let say = |warning: &String| eprintln!("Warning: {warning}");
    let mut warnings = check::gone(config);
    warnings.iter().for_each(say);
    check::sections(config)?;
    let unknown = check::unknown_sections(config);
    unknown.iter().for_each(say);
    warnings.extend(unknown);
    Ok(warnings)
}

/// How far ahead of the clock a block's time may be, as by the rules: two hours.
const AHEAD_S_MAX: u64 = 2 * 60 * 60;

/// Why a chain is not gone on with whose tip is ahead of the clock: it was verified while that was later than it is now, or it is wrong.
fn of_the_future(config: &Config, links: &NodeLinks) -> Option<InitError> {
    let told = u64::try_from(config.layers.number("mocktime", 0)).unwrap_or(0);
    let now_s = if told > 0 { told } else { links.clock.now().to_seconds_floor() };
    let is_ahead = u64::from(links.chain.tip().header.time) > now_s.saturating_add(AHEAD_S_MAX);
    let text = "The block database contains a block which appears to be from the future. This may be due to your computer's date and time being \
                set incorrectly. Only rebuild the block database if you are sure that your computer's date and time are correct";
    is_ahead.then(|| InitError::Rebuild(text.to_owned()))
}

/// `-mocktime`.
fn move_clock(config: &Config, links: &NodeLinks) {
    let at = u64::try_from(config.layers.number("mocktime", 0)).unwrap_or(0);
    links.settable_clock.iter().for_each(|clock| clock.set(at));
}

/// What goes on beside the node: `-blocknotify`, and a log that is moved away.
fn listen_beside(config: &Config, host: &Host, log: Option<Arc<LogFile>>) {
    let command = config.layers.text("blocknotify").filter(|command| !command.is_empty());
    if let Some(command) = command {
        host.spawn(notify::on_blocks(host.links().events, notify::joined(&host.links()), command));
    }
    let command = config.layers.text("alertnotify").filter(|command| !command.is_empty());
    if let Some(command) = command {
        host.spawn(notify::on_warnings(host.links(), command));
    }
    if let Ok(height @ 1..) = u32::try_from(config.layers.number("stopatheight", 0)) {
        host.spawn(notify::stop_at(host.links(), Height::new(height)));
    }
    host.spawn(log::tips(host.links().events));
    host.spawn(log::reopen_on_hangup(log));
}

/// `-help` and `-version` end before anything is made.
fn asked_for_text(config: &Config) -> Option<String> {
    let layers = &config.layers;
    if layers.switch("version", false) {
        return Some(help::version());
    }
    let asked = ["?", "h", "help", "help-debug"].into_iter().any(|name| layers.is_set(name));
    asked.then(|| help::help(layers.switch("help-debug", false)))
}

/// A datadir in use is said before anything in it is touched: its cookie and the file with the process's id are the other's.
fn refuse_locked(config: &Config) -> Result<(), InitError> {
    let folder = config.folder();
    let file = File::options().write(true).create(true).truncate(false).open(folder.join(".lock"));
    let denied =
        |_| InitError::said(format!("Cannot write to directory '{}'; check permissions.", folder.display()));
    match file.map_err(denied)?.try_lock() {
        Err(TryLockError::WouldBlock) => Err(InitError::said(host::locked(&folder))),
        // What else may be wrong is said where the lock is taken for good.
        Err(TryLockError::Error(_)) | Ok(()) => Ok(()),
    }
}

fn begin_log(config: &Config, background: Background) -> Result<Log, InitError> {
    let path = Paths::of(&config.layers).in_folder(config.chain, "debuglogfile", "debug.log");
    let console = background == Background::None && config.layers.switch("printtoconsole", true);
    log::start(&config.layers, path.as_deref(), console).map_err(InitError::Said)
}

/// What the log begins with: what runs, where everything lies, what was given, and which of it means nothing here.
fn log_places(config: &Config) {
    tracing::info!("Adit version v{}", env!("CARGO_PKG_VERSION"));
    for note in &config.notes {
        match note {
            Note::Info(line) => tracing::info!("{line}"),
            Note::Warning(line) => tracing::warn!("{line}"),
        }
    }
    tracing::info!("Using data directory {}", config.folder().display());
    match &config.conf {
        None => tracing::info!("Config file: <disabled>"),
        Some(path) if path.exists() => tracing::info!("Config file: {}", path.display()),
        Some(path) => tracing::info!("Config file: {} (not found, skipping)", path.display()),
    }
    for (section, values) in &config.layers.files {
        let section = if section.is_empty() { String::new() } else { format!("[{section}] ") };
        log_values("Config file arg:", &section, values);
    }
    for (name, value) in &config.layers.written {
        tracing::info!("Setting file arg: {name} = {}", value.to_json());
    }
    log_values("Command-line arg:", "", &config.layers.line);
    let void = flags::all().filter(|flag| flag.here == Here::Void && config.layers.is_set(flag.name));
    for flag in void {
        tracing::info!("-{} is accepted and changes nothing here: {}", flag.name, flag.text);
    }
}

fn log_values(prefix: &str, section: &str, values: &Values) {
    for (name, values) in values {
        let is_secret = flags::find(name).is_some_and(|flag| flag.marks.secret);
        let shown = |value: &Value| if is_secret { "****".to_owned() } else { value.to_json().to_string() };
        values.iter().for_each(|value| tracing::info!("{prefix} {section}{name}={}", shown(value)));
    }
}

/// Why a node did not start, in Core's words where it has some.
fn not_started(error: &HostError) -> InitError {
    if let HostError::Start(StartError::Chain(ChainFault::State(text))) = error
        && text.starts_with("Witness data for blocks after height")
    {
        return InitError::Rebuild(text.clone());
    }
    InitError::said(error.in_cores_words())
}

/// The file with the process's id; it goes with the value.
struct PidFile(Option<PathBuf>);

impl PidFile {
    fn write(config: &Config) -> Result<PidFile, InitError> {
        let path = Paths::of(&config.layers).in_folder(config.chain, "pid", "bitcoind.pid");
        if let Some(path) = &path {
            let failed = |error| {
                InitError::said(format!("Unable to create the PID file '{}': {error}", path.display()))
            };
            std::fs::write(path, format!("{}\n", std::process::id())).map_err(failed)?;
        }
        Ok(PidFile(path))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let removed = self.0.as_deref().map(|path: &Path| std::fs::remove_file(path));
        if let Some(Err(error)) = removed {
            tracing::warn!("Unable to remove PID file: {error}");
        }
    }
}
