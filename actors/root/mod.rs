//! The root: starts every actor in order, watches, and stops them in reverse.
//!
//! Owns: the node as a whole, its configuration, the arbiters, which actor hears of what. Must not know: what any of them does.

mod config;
mod hook;
mod links;
mod node;
mod start;
mod views;

pub use config::{
    ChainSettings, MempoolSettings, NodeConfig, PeerSettings, PoolSettings, RpcAuth, RpcSettings, RpcTcp,
    SetLogLevel,
};
pub use hook::install_panic_hook;
pub use links::NodeLinks;
pub use node::{Addresses, Node};
pub use start::StartError;

#[cfg(test)]
mod tests;
