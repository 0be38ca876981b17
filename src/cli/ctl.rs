//! `adit ctl`: looks at a running node and steers it, over its control interface.
//!
//! Owns: the arguments, the connection, how an answer looks to a person and to a program. Must not know: any rule.

mod connect;
mod index;
mod input;
mod pages;
mod show;
mod snapshot;
mod table;
#[cfg(test)]
mod tests;
mod watch;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use adit_proto::v1;
use clap::{Args, Subcommand};
use thiserror::Error;
use tonic::{Code, Request, Status};

use connect::Node;
use show::View;
pub(crate) use table::{btc, hashrate};
pub(crate) use watch::{Glance, Watch};

/// The node answered that it will not, or that something is wrong with what was asked.
pub(crate) const EXIT_REFUSED: u8 = 1;
/// What was given on the command line can't be read (sysexits.h: EX_NOINPUT).
pub(crate) const EXIT_INPUT: u8 = 66;
/// No node answers there (sysexits.h: EX_UNAVAILABLE).
pub(crate) const EXIT_UNREACHABLE: u8 = 69;

/// How long an answer may take; a node that is busy connecting blocks still answers at once.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How long a block may take that reorganises, or that waits behind a flush.
const BLOCK_WITHIN: Duration = Duration::from_secs(120);
/// How long a chain may take to go back or forth where an operator says so: a year of blocks.
const MARK_WITHIN: Duration = Duration::from_secs(1800);
/// How long pruning may take: a flush, and some thousand files.
const PRUNE_WITHIN: Duration = Duration::from_secs(600);
/// How long the walk over all coins may take: minutes on mainnet's 170 million.
const UTXO_WITHIN: Duration = Duration::from_secs(1800);

const EXAMPLES: &str = "\
Examples:
  adit ctl info                                  the node of the default datadir
  adit ctl --datadir /srv/adit --network regtest actors
  adit ctl workers --json | jq '.[].hashrate'
  adit ctl tx 0200000001...                      or: adit ctl tx signed.hex
  adit ctl invalidate 00000000000000000001f2...  until: adit ctl reconsider 00000000000000000001f2...
  adit ctl precious 00000000000000000002a9...    of two blocks of equal work, mine on this one
  adit ctl prune 700000                          where chain.prune_mib is not 0
  adit ctl log debug
  adit ctl --url http://127.0.0.1:8420 --token-file /srv/adit/rpc.token info";

const LOAD_EXAMPLES: &str = "\
Examples:
  adit ctl load-utxo utxo-935000.dat                of bitcoind's dumptxoutset, or of adit ctl dump-utxo
  adit ctl chainstates                              how far the blocks below are verified";

const INVALIDATE_EXAMPLES: &str = "\
Examples:
  adit ctl invalidate 00000000000000000001f2...     the chain goes back below it, or to another branch
  adit ctl reconsider 00000000000000000001f2...     and takes it again";

const RECONSIDER_EXAMPLES: &str = "\
Examples:
  adit ctl reconsider 00000000000000000001f2...     what invalidate said, or a rule, is asked anew";

const PRECIOUS_EXAMPLES: &str = "\
Examples:
  adit ctl precious 00000000000000000002a9...       of two blocks of equal work, mine on this one";

const PRUNE_EXAMPLES: &str = "\
Examples:
  adit ctl prune 700000                             whole files go, so that some blocks below may stay
  adit ctl prune 1672531200                         what is older than the end of 2022

The last 288 blocks stay in any case, and what an index has not read yet.";

/// Looks at a running node and steers it.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CtlArgs {
    /// The node's datadir; its socket is found in it.
    #[arg(long, value_name = "DIR", env = "ADIT_DATADIR", global = true)]
    pub(crate) datadir: Option<PathBuf>,
    /// Which network's node, where the datadir holds several.
    #[arg(long, value_name = "NETWORK", env = "ADIT_NETWORK", global = true)]
    pub(crate) network: Option<String>,
    /// Over TCP, whatever --datadir says: http://HOST:PORT or https://HOST:PORT.
    #[arg(long, value_name = "URL", env = "ADIT_URL", global = true)]
    pub(crate) url: Option<String>,
    /// The file that holds the token (TCP).
    #[arg(long, value_name = "FILE", env = "ADIT_TOKEN_FILE", global = true)]
    pub(crate) token_file: Option<PathBuf>,
    /// The authority of the node's certificate, PEM (https).
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) ca: Option<PathBuf>,
    /// Our certificate, PEM (https).
    #[arg(long, value_name = "FILE", global = true, requires = "key")]
    pub(crate) cert: Option<PathBuf>,
    /// Its key, PEM (https).
    #[arg(long, value_name = "FILE", global = true, requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    /// JSON for programs instead of a table for people.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: CtlCommand,
}

/// What to do.
#[derive(Subcommand, Clone, Debug)]
pub(crate) enum CtlCommand {
    /// What the node is and how far it has come.
    Info,
    /// Every actor, its restarts and its last panic.
    Actors,
    /// The connections to other nodes.
    Peers,
    /// The transactions that wait for a block.
    Mempool,
    /// What each worker has done.
    Workers,
    /// The blocks that the pool found.
    Blocks,
    /// What each account has.
    Balances,
    /// The miners' connections.
    Sessions,
    /// What is mined now.
    Template,
    /// The size of the coin set and its hashes; slow on a large chain.
    Utxo,
    /// Writes the coin set to a new file, as Bitcoin Core's dumptxoutset does; slow on a large chain.
    DumpUtxo {
        /// The file, on the node's machine.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Loads a snapshot of the coin set, as Bitcoin Core's loadtxoutset does: the chain stands on it at once, and what lies below is
    /// verified behind.
    #[command(after_help = LOAD_EXAMPLES)]
    LoadUtxo {
        /// The file, on the node's machine.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// How far the chain is verified: one line, or two while it stands on a snapshot.
    Chainstates,
    /// Asks the indexes that the node keeps (index.* in its configuration).
    Index {
        /// What.
        #[command(subcommand)]
        question: index::Question,
    },
    /// Prints what happens, as it happens, until Ctrl-C.
    Events,
    /// The soft forks at the tip, or at a block.
    Deployments {
        /// The block's hash.
        #[arg(value_name = "BLOCK")]
        block: Option<String>,
    },
    /// Submits a transaction.
    Tx {
        /// A file (hex or raw), the hex itself, or - for standard input.
        #[arg(value_name = "FILE|HEX")]
        tx: String,
    },
    /// Submits a block.
    Block {
        /// A file (hex or raw), the hex itself, or - for standard input.
        #[arg(value_name = "FILE|HEX")]
        block: String,
    },
    /// Marks a block invalid, and all that stand on it, until it is reconsidered: over restarts too.
    #[command(after_help = INVALIDATE_EXAMPLES)]
    Invalidate {
        /// The block's hash.
        #[arg(value_name = "BLOCK")]
        block: String,
    },
    /// Takes back what was said against a block, those below it and those on it; they are judged anew.
    #[command(after_help = RECONSIDER_EXAMPLES)]
    Reconsider {
        /// The block's hash.
        #[arg(value_name = "BLOCK")]
        block: String,
    },
    /// Counts a block as the first of those with equal work, until another is named.
    #[command(after_help = PRECIOUS_EXAMPLES)]
    Precious {
        /// The block's hash.
        #[arg(value_name = "BLOCK")]
        block: String,
    },
    /// Takes away block files that hold nothing above a height; where chain.prune_mib is not 0.
    #[command(after_help = PRUNE_EXAMPLES)]
    Prune {
        /// A height; above 1000000000 a time, seconds since 1970.
        #[arg(value_name = "HEIGHT")]
        up_to: u64,
    },
    /// Changes what is logged until the process ends.
    Log {
        /// error, warn, info, debug, trace, or a filter such as info,adit_actors=debug.
        #[arg(value_name = "LEVEL")]
        level: String,
    },
    /// Restarts an actor, or makes it panic.
    Actor {
        /// Which.
        #[command(subcommand)]
        action: ActorAction,
    },
    /// Stops the node in order.
    Stop,
}

/// What to do with an actor.
#[derive(Subcommand, Clone, Debug)]
pub(crate) enum ActorAction {
    /// Builds it again from what is durable.
    Restart {
        /// An actor's name (stratum-17) or a role's word (stratum).
        name: String,
    },
    /// Makes it panic; only where the node runs with --chaos.
    Panic {
        /// An actor's name (stratum-17) or a role's word (stratum).
        name: String,
    },
}

/// Why a command failed.
#[derive(Debug, Error)]
pub(crate) enum CtlError {
    /// No socket, or nobody behind it.
    #[error("no node is running in {0}")]
    NotRunning(String),
    /// More than one network's node runs in the datadir.
    #[error("several nodes run in {datadir}: say which with --network {networks}")]
    Several {
        /// The datadir.
        datadir: String,
        /// Their networks.
        networks: String,
    },
    /// The socket is there, but not for us.
    #[error("cannot connect to {at}: {source}")]
    Connect {
        /// The socket or the address.
        at: String,
        /// Why.
        source: io::Error,
    },
    /// The address does not answer, or not as it should.
    #[error("cannot connect to {at}: {detail}")]
    Transport {
        /// The address.
        at: String,
        /// Why, with all its causes.
        detail: String,
    },
    /// A file that was named can't be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The file is no token.
    #[error("{0} holds no token")]
    BadToken(String),
    /// Neither a file nor hex.
    #[error("{0} is neither a file nor hex")]
    NotHex(String),
    /// More than any block has.
    #[error("{0} is longer than any transaction or block")]
    TooLong(String),
    /// The home folder is not known.
    #[error("no home folder: name the datadir with --datadir")]
    NoHome,
    /// A network that there is not.
    #[error("no network is called {0}: mainnet, testnet3, testnet4, signet or regtest")]
    NoSuchNetwork(String),
    /// The node answered with an error.
    #[error("{0}")]
    Refused(String),
    /// The node went away.
    #[error("the node does not answer: {0}")]
    Gone(String),
    /// Nobody reads our output any more.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

impl CtlError {
    /// The process's exit code.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            CtlError::NotRunning(_)
            | CtlError::Connect { .. }
            | CtlError::Transport { .. }
            | CtlError::Gone(_) => EXIT_UNREACHABLE,
            CtlError::Unreadable { .. }
            | CtlError::BadToken(_)
            | CtlError::NotHex(_)
            | CtlError::TooLong(_)
            | CtlError::NoHome
            | CtlError::NoSuchNetwork(_)
            | CtlError::Several { .. } => EXIT_INPUT,
            CtlError::Refused(_) | CtlError::Output(_) => EXIT_REFUSED,
        }
    }
}

impl From<Status> for CtlError {
    /// What the node says is for the caller; what the transport says is about the node.
    fn from(status: Status) -> CtlError {
        match status.code() {
            Code::Unavailable if std::error::Error::source(&status).is_some() => {
                CtlError::Gone(status.message().to_owned())
            }
            Code::Cancelled | Code::Unknown => CtlError::Gone(status.message().to_owned()),
            Code::DeadlineExceeded => CtlError::Gone("no answer in time".to_owned()),
            Code::Unauthenticated => CtlError::Refused(format!("not allowed: {}", status.message())),
            _ => CtlError::Refused(status.message().to_owned()),
        }
    }
}

/// Runs one command; says what went wrong on standard error, in one line.
pub(crate) async fn run(args: CtlArgs) -> ExitCode {
    match execute(&args).await {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of a pipe that has seen enough is no failure of ours.
        Err(CtlError::Output(e)) if e.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("adit ctl: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

async fn execute(args: &CtlArgs) -> Result<(), CtlError> {
    let node = Node::connect(args).await?;
    match &args.command {
        CtlCommand::Events => follow(&node, args.json).await,
        command => print(&ask(&node, command).await?, args.json),
    }
}

async fn ask(node: &Node, command: &CtlCommand) -> Result<View, CtlError> {
    Ok(match command {
        CtlCommand::Info => {
            show::info(&node.admin().get_info(timed(v1::GetInfoRequest {})).await?.into_inner())
        }
        CtlCommand::Actors => show::actors(
            &node.admin().list_actors(timed(v1::ListActorsRequest {})).await?.into_inner(),
            now_ms(),
        ),
        CtlCommand::Peers => {
            show::peers(&node.node().list_peers(timed(v1::ListPeersRequest {})).await?.into_inner(), now_ms())
        }
        CtlCommand::Mempool => {
            show::mempool(&node.node().get_mempool(timed(v1::GetMempoolRequest {})).await?.into_inner())
        }
        CtlCommand::Workers
        | CtlCommand::Blocks
        | CtlCommand::Balances
        | CtlCommand::Sessions
        | CtlCommand::Template => ask_pool(node, command).await?,
        CtlCommand::Utxo => {
            let request = within(UTXO_WITHIN, v1::GetUtxoStatsRequest {});
            show::utxo(&node.node().get_utxo_stats(request).await?.into_inner())
        }
        CtlCommand::DumpUtxo { file } => dump_utxo(node, file).await?,
        CtlCommand::LoadUtxo { file } => snapshot::load(node, file).await?,
        CtlCommand::Chainstates => snapshot::chainstates(node).await?,
        CtlCommand::Index { question } => index::ask(node, question).await?,
        CtlCommand::Deployments { block } => {
            let request = timed(v1::GetDeploymentsRequest { block: block.clone().unwrap_or_default() });
            show::deployments(&node.node().get_deployments(request).await?.into_inner())
        }
        CtlCommand::Tx { tx } => {
            let transaction = input::bytes(tx)?;
            let request = timed(v1::SubmitTransactionRequest { transaction });
            show::submitted(&node.node().submit_transaction(request).await?.into_inner())
        }
        CtlCommand::Prune { up_to } => {
            let request = within(PRUNE_WITHIN, v1::PruneBlocksRequest { up_to: *up_to });
            show::pruned(&node.node().prune_blocks(request).await?.into_inner())
        }
        CtlCommand::Log { level } => {
            node.admin().set_log_level(timed(v1::SetLogLevelRequest { filter: level.clone() })).await?;
            show::logged(level)
        }
        CtlCommand::Actor { action: ActorAction::Restart { name } } => {
            let request = timed(v1::RestartActorRequest { name: name.clone() });
            show::told("restarted", &node.admin().restart_actor(request).await?.into_inner().names)
        }
        CtlCommand::Actor { action: ActorAction::Panic { name } } => {
            let request = timed(v1::PanicActorRequest { name: name.clone() });
            show::told("panicked", &node.admin().panic_actor(request).await?.into_inner().names)
        }
        CtlCommand::Stop => {
            node.admin().stop(timed(v1::StopRequest {})).await?;
            show::stopping()
        }
        CtlCommand::Block { block }
        | CtlCommand::Invalidate { block }
        | CtlCommand::Reconsider { block }
        | CtlCommand::Precious { block } => steer(node, command, block.clone()).await?,
        CtlCommand::Events => View::default(),
    })
}

async fn ask_pool(node: &Node, command: &CtlCommand) -> Result<View, CtlError> {
    let mut pool = node.pool();
    Ok(match command {
        CtlCommand::Workers => show::workers(&pages::workers(node).await?, now_ms()),
        CtlCommand::Blocks => {
            show::blocks(&pool.list_blocks(timed(v1::ListBlocksRequest {})).await?.into_inner())
        }
        CtlCommand::Balances => show::balances(&pages::balances(node).await?),
        CtlCommand::Sessions => show::sessions(&pages::sessions(node).await?, now_ms()),
        _ => show::template(&pool.get_template(timed(v1::GetTemplateRequest {})).await?.into_inner()),
    })
}

async fn dump_utxo(node: &Node, file: &Path) -> Result<View, CtlError> {
    let path = std::path::absolute(file)?.display().to_string();
    let mut request = Request::new(v1::DumpUtxoSetRequest { path: path.clone() });
    request.set_timeout(UTXO_WITHIN);
    Ok(show::dumped(&path, &node.node().dump_utxo_set(request).await?.into_inner()))
}

/// Gives the chain a block, or says something of one, and shows what came of it.
async fn steer(node: &Node, command: &CtlCommand, block: String) -> Result<View, CtlError> {
    let mut node = node.node();
    Ok(match command {
        CtlCommand::Invalidate { .. } => {
            let request = within(MARK_WITHIN, v1::InvalidateBlockRequest { block });
            let answer = node.invalidate_block(request).await?.into_inner();
            show::tip(&answer.tip, answer.height)
        }
        CtlCommand::Reconsider { .. } => {
            let request = within(MARK_WITHIN, v1::ReconsiderBlockRequest { block });
            let answer = node.reconsider_block(request).await?.into_inner();
            show::tip(&answer.tip, answer.height)
        }
        CtlCommand::Precious { .. } => {
            let request = within(MARK_WITHIN, v1::PreciousBlockRequest { block });
            let answer = node.precious_block(request).await?.into_inner();
            show::tip(&answer.tip, answer.height)
        }
        _ => {
            let request = within(BLOCK_WITHIN, v1::SubmitBlockRequest { block: input::bytes(&block)? });
            show::block(&node.submit_block(request).await?.into_inner())
        }
    })
}

async fn follow(node: &Node, json: bool) -> Result<(), CtlError> {
    let mut events = node.events().subscribe(v1::SubscribeRequest {}).await?.into_inner();
    while let Some(event) = events.message().await? {
        let view = show::event(&event);
        let line = if json { view.json.to_string() } else { view.text };
        writeln!(io::stdout(), "{line}")?;
    }
    Ok(())
}

fn print(view: &View, json: bool) -> Result<(), CtlError> {
    let mut out = io::stdout().lock();
    if json {
        writeln!(out, "{:#}", view.json)?;
    } else {
        writeln!(out, "{}", view.text)?;
    }
    Ok(())
}

fn timed<T>(message: T) -> Request<T> {
    within(ANSWER_WITHIN, message)
}

fn within<T>(time: Duration, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(time);
    request
}

fn now_ms() -> u64 {
    use adit_domain::units::Clock;
    adit_actors::clock::SystemClock.now().to_ms()
}
