//! debug.log: lines as Core writes them, in the file that Core writes them to.
//!
//! Owns: a line's form, the file, its length at the start, SIGHUP. Must not know: who logs.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use adit_actors::events::{EventBus, EventKind};
use adit_actors::root::SetLogLevel;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::broadcast::error::RecvError;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{fmt as lines, reload};

use super::check;
use super::layers::Layers;
use super::phrases;
use crate::cli::logging;

/// What is kept of a log that has grown a tenth beyond it.
const KEPT_BYTES: u64 = 10_000_000;
/// Digits of a time up to its seconds: `2026-11-21T09:13:39`.
const SECONDS_LEN: usize = 19;

/// How a line begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Form {
    times: bool,
    micros: bool,
}

impl<S, N> FormatEvent<S, N> for Form
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        if self.times {
            to.write_str(&self.time()?)?;
        }
        let meta = event.metadata();
        let module = || meta.target().rsplit("::").next().unwrap_or_default();
        match *meta.level() {
            Level::ERROR => to.write_str("[error] ")?,
            Level::WARN => to.write_str("[warning] ")?,
            Level::INFO => {}
            _ => write!(to, "[{}] ", module())?,
        }
        match phrases::of(event) {
            Some(line) => to.write_str(&line)?,
            None => ctx.format_fields(to.by_ref(), event)?,
        }
        writeln!(to)
    }
}

impl Form {
    /// The time, with as many digits as are asked for, and a space.
    fn time(self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        SystemTime.format_time(&mut Writer::new(&mut text))?;
        if !self.micros {
            text.truncate(SECONDS_LEN);
            text.push('Z');
        }
        text.push(' ');
        Ok(text)
    }
}

/// The file, which is opened again after a program has moved it away and sent SIGHUP.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: Mutex<File>,
}

impl LogFile {
    fn open(path: &Path) -> io::Result<LogFile> {
        Ok(LogFile { path: path.to_owned(), file: Mutex::new(append(path)?) })
    }

    /// Goes on in the file that has the name now.
    pub(super) fn reopen(&self) {
        if let Ok(file) = append(&self.path) {
            *self.file.lock().unwrap_or_else(PoisonError::into_inner) = file;
        }
    }
}

fn append(path: &Path) -> io::Result<File> {
    File::options().append(true).create(true).open(path)
}

/// A line's way into the file.
struct Lines(Arc<LogFile>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.file.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A line for each new best block, as those look for who follow a log; until the node ends.
pub(super) async fn tips(events: EventBus) {
    let mut events = events.subscribe();
    loop {
        match events.recv().await {
            Ok(event) => {
                if let EventKind::TipChanged { tip, height, .. } = &event.kind {
                    tracing::info!("UpdateTip: new best={tip} height={height}");
                }
            }
            // The newest is among those that are left.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

/// Begins the file again at each SIGHUP, which ends nothing: whoever sends it has moved the file away.
pub(super) async fn reopen_on_hangup(file: Option<Arc<LogFile>>) {
    match signal(SignalKind::hangup()) {
        Ok(mut hangups) => {
            while hangups.recv().await.is_some() {
                file.iter().for_each(|file| file.reopen());
            }
        }
        Err(error) => tracing::warn!(%error, "SIGHUP is not heard"),
    }
}

/// Cuts a log that is too long down to its end.
fn shrink(path: &Path) -> io::Result<()> {
    let Ok(meta) = fs::metadata(path) else { return Ok(()) };
    if meta.len() <= KEPT_BYTES.saturating_add(KEPT_BYTES / 10) {
        return Ok(());
    }
    let mut kept = Vec::new();
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(meta.len().saturating_sub(KEPT_BYTES)))?;
    file.take(KEPT_BYTES).read_to_end(&mut kept)?;
    fs::write(path, kept)
}

/// What the settings say of the log, as directives of our own.
fn directives(layers: &Layers) -> &'static str {
    let wanted = !check::debug_categories(layers).is_empty();
    let traced = layers.texts("loglevel").iter().any(|text| text == "trace");
    let quiet = layers.texts("loglevel").iter().any(|text| text == "info");
    match (wanted && !quiet, traced) {
        (false, _) => "info",
        (true, false) => {
            "info,adit=debug,adit_actors=debug,adit_chainstate=debug,adit_compat=debug,adit_store=debug"
        }
        (true, true) => {
            "info,adit=trace,adit_actors=trace,adit_chainstate=trace,adit_compat=trace,adit_store=trace"
        }
    }
}

/// The log, begun.
pub(super) struct Log {
    /// Changes its level.
    pub(super) set_level: SetLogLevel,
    /// The file, where there is one.
    pub(super) file: Option<Arc<LogFile>>,
}

/// Begins to log into the file at `path`, and to stdout where `console` says so; an error is what Core says.
pub(super) fn start(layers: &Layers, path: Option<&Path>, console: bool) -> Result<Log, String> {
    let form =
        Form { times: layers.switch("logtimestamps", true), micros: layers.switch("logtimemicros", false) };
    let file = path.map(|path| open(layers, path)).transpose()?.map(Arc::new);
    let (filter, handle) = reload::Layer::new(logging::parse(directives(layers))?);
    let to_file = file.clone().map(|file| {
        let make = move || Lines(Arc::clone(&file));
        lines::layer().with_ansi(false).event_format(form).with_writer(make)
    });
    let to_console =
        console.then(|| lines::layer().with_ansi(false).event_format(form).with_writer(io::stdout));
    let all = tracing_subscriber::registry().with(filter).with(to_file).with(to_console);
    all.try_init().map_err(|error| error.to_string())?;
    let set_level: SetLogLevel = Arc::new(move |directives: &str| {
        let filter = logging::parse(directives)?;
        handle.reload(filter).map_err(|error| error.to_string())
    });
    Ok(Log { set_level, file })
}

fn open(layers: &Layers, path: &Path) -> Result<LogFile, String> {
    let failed = |_| format!("Could not open debug log file {}", path.display());
    if layers.switch("shrinkdebugfile", check::debug_categories(layers).is_empty()) {
        shrink(path).map_err(failed)?;
    }
    LogFile::open(path).map_err(failed)
}

#[cfg(test)]
mod tests;
