//! `adit bitcoind`: the node for those who have Bitcoin Core's flags, files and tools.
//!
//! Owns: Core's command line, bitcoin.conf, settings.json, the layout of its datadir, its log, its words where it does not start.
//! Must not know: a rule, or how a method answers.

mod background;
mod blocks;
mod chain;
mod check;
mod conf;
mod config;
mod counterpart;
mod deployments;
mod error;
mod fields;
mod flags;
mod help;
mod layers;
mod life;
mod line;
mod log;
mod network;
mod notify;
mod paths;
mod phrases;
mod policy;
pub(crate) mod probe;
mod rebuild;
mod serve;
mod translate;
mod value;

pub(crate) use counterpart::{Counterpart, counterparts};
pub(crate) use life::{BitcoindArgs, run};
