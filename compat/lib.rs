//! The faces that Bitcoin Core's clients know: JSON-RPC and REST over HTTP, blocks and transactions over ZeroMQ.
//!
//! Owns: their sockets, who may call, the limits, each method's name, parameters, errors and the shape of its answer. Must not
//! know: a rule, or how an answer comes about: every method reads the chain, or asks one actor.
#![cfg_attr(test, allow(clippy::as_conversions, missing_docs))]

mod address;
mod auth;
mod config;
mod ctx;
mod descriptor;
#[cfg(test)]
#[path = "differ/tests.rs"]
mod differ;
mod error;
#[cfg(test)]
mod fixtures;
mod flood;
mod help;
mod json;
mod logging;
mod memory;
mod methods;
mod named;
mod openrpc;
mod params;
pub mod probe;
mod request;
mod rest;
mod server;
mod show;
mod signing;
mod table;
mod zmq;

pub use auth::{AuthError, Subnet};
pub use config::{CONNECTIONS_MAX, Config, VERSION};
pub use error::RpcError;
pub use json::{Json, object};
pub use logging::{CATEGORIES as LOG_CATEGORIES, is_log_category};
pub use server::{Server, StartError};
pub use zmq::{Publisher, Topic, Zmq, ZmqError};
