use crate::json::{Json, object};

/// Why a call has no result: Core's code, and Core's words where clients look at them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcError {
    /// Core's number.
    pub code: i32,
    /// What a person reads.
    pub message: String,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        impl RpcError {
            $($(#[$doc])*
            pub fn $name(message: impl Into<String>) -> RpcError {
                RpcError { code: $code, message: message.into() }
            })*
        }
    };
}

codes! {
    /// Not a request.
    invalid_request = -32600;
    /// No such method.
    method_not_found = -32601;
    /// Arguments that don't go together.
    invalid_params = -32602;
    /// Our own fault.
    internal = -32603;
    /// Not JSON.
    parse = -32700;
    /// Anything else; also what a wrong number of arguments comes to.
    misc = -1;
    /// An argument's type.
    wrong_type = -3;
    /// An address, or what else has a key: unknown.
    invalid_address_or_key = -5;
    /// Out of memory, or of what stands in for it.
    out_of_memory = -7;
    /// An argument's value.
    invalid_parameter = -8;
    /// The chain is still syncing.
    initial_download = -10;
    /// The database.
    database = -20;
    /// What does not decode.
    deserialization = -22;
    /// A transaction or a block that was not taken.
    verify = -25;
    /// A transaction or a block that a rule forbids.
    verify_rejected = -26;
    /// A transaction whose outputs are in the chain already.
    already_in_chain = -27;
    /// Not yet started.
    in_warmup = -28;
    /// A method that was taken away.
    deprecated = -32;
    /// Not connected.
    not_connected = -9;
    /// A peer that was added before.
    node_already_added = -23;
    /// A peer that was not added.
    node_not_added = -24;
    /// A peer that is not connected.
    node_not_connected = -29;
    /// An address of a peer that is none.
    invalid_ip_or_subnet = -30;
    /// No peers at all.
    p2p_disabled = -31;
    /// No mempool.
    mempool_disabled = -33;
}

impl RpcError {
    /// As an answer carries it.
    pub(crate) fn to_json(&self) -> Json {
        object([("code", Json::from(self.code)), ("message", Json::from(self.message.clone()))])
    }
}

impl From<adit_chainstate::ChainFault> for RpcError {
    fn from(fault: adit_chainstate::ChainFault) -> RpcError {
        RpcError::internal(fault.to_string())
    }
}
