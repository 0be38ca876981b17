//! What is asked.

use std::fmt;
use std::str::FromStr;

use serde_json::{Value, json};

use crate::common::bitcoind::Core;

/// Calls of a batch.
const BATCH: usize = 1_000;
/// Transactions of each block that are asked for.
const TXS: usize = 50;

macro_rules! works {
    ($($name:ident = $text:literal, $count:literal;)*) => {
        /// A kind of request.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Work { $($name,)* }

        impl Work {
            pub const ALL: &'static [Work] = &[$(Work::$name,)*];

            /// Requests of a run.
            pub fn count(self) -> usize {
                match self { $(Work::$name => $count,)* }
            }
        }

        impl fmt::Display for Work {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Work::$name => $text,)* })
            }
        }
    };
}

works! {
    Block0 = "getblock 0", 2_000;
    Block1 = "getblock 1", 2_000;
    Block2 = "getblock 2", 300;
    Header = "getblockheader", 30_000;
    Tx0 = "getrawtransaction 0", 30_000;
    Tx1 = "getrawtransaction 1", 20_000;
    TxOut = "gettxout", 30_000;
    Batch = "batch of 1,000", 150;
    Template = "getblocktemplate", 600;
}

impl FromStr for Work {
    type Err = String;

    fn from_str(text: &str) -> Result<Work, String> {
        let found = Work::ALL.iter().find(|work| work.to_string() == text);
        found.copied().ok_or_else(|| format!("no work {text}"))
    }
}

fn call(method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "1.0", "id": 1, "method": method, "params": params})
}

impl Work {
    /// The bodies of its requests, to be sent again and again, over so many blocks below the tip.
    pub fn bodies(self, node: &Core, span: u64) -> Vec<String> {
        let height = node.height();
        let hash = |height: u64| node.call("getblockhash", json!([height]));
        let blocks = || (height - span..height).map(hash).collect::<Vec<_>>();
        let each = |method: &str, more: &[Value], firsts: Vec<Value>| -> Vec<String> {
            let params = |first: Value| [&[first], more].concat();
            firsts.into_iter().map(|first| call(method, &json!(params(first))).to_string()).collect()
        };
        let txs = || -> Vec<Value> {
            let of =
                |block: Value| node.call("getblock", json!([block, 1]))["tx"].as_array().unwrap().clone();
            blocks().into_iter().flat_map(|block| of(block).into_iter().take(TXS)).collect()
        };
        match self {
            Work::Block0 => each("getblock", &[json!(0)], blocks()),
            Work::Block1 => each("getblock", &[json!(1)], blocks()),
            Work::Block2 => each("getblock", &[json!(2)], blocks()),
            Work::Header => each("getblockheader", &[], blocks()),
            Work::Tx0 => each("getrawtransaction", &[json!(0)], txs()),
            Work::Tx1 => each("getrawtransaction", &[json!(1)], txs()),
            Work::TxOut => each("gettxout", &[json!(0)], txs()),
            Work::Batch => {
                let one = |n: usize| match n % 3 {
                    0 => call("getblockhash", &json!([n as u64 % height])),
                    1 => call("getblockheader", &json!([hash(height - n as u64 % span)])),
                    _ => call("getblockcount", &json!([])),
                };
                vec![json!((0..BATCH).map(one).collect::<Vec<_>>()).to_string()]
            }
            Work::Template => each("getblocktemplate", &[], vec![json!({"rules": ["segwit"]})]),
        }
    }
}
