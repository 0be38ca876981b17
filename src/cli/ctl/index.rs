//! `adit ctl index`: what the indexes of the node say.

use adit_proto::v1;
use clap::Subcommand;
use serde_json::{Value, json};

use super::connect::Node;
use super::show::View;
use super::table::Side::{Left, Right};
use super::table::{Table, btc, pairs};
use super::{CtlError, timed};

const EXAMPLES: &str = "\
Examples:
  adit ctl index status                          which indexes there are, and where each stands
  adit ctl index tx 4a5e...a33b                  a transaction of the chain; index.transactions = true
  adit ctl index filter                          the tip's filter; index.filters = true
  adit ctl index coins 100000 --json | jq .muhash     index.coin_stats = true";

/// What is asked.
#[derive(Subcommand, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Question {
    /// Which indexes are kept, and where each stands.
    Status,
    /// A transaction of the best chain.
    Tx {
        /// Its id.
        #[arg(value_name = "TXID")]
        txid: String,
    },
    /// The compact filter of a block, or of the tip.
    Filter {
        /// The block's hash.
        #[arg(value_name = "BLOCK")]
        block: Option<String>,
    },
    /// The coin set at a block, or at the tip, and what the block moved.
    Coins {
        /// The block's height or hash.
        #[arg(value_name = "BLOCK")]
        block: Option<String>,
    },
}

pub(super) async fn ask(node: &Node, question: &Question) -> Result<View, CtlError> {
    let mut index = node.index();
    Ok(match question {
        Question::Status => {
            let answer = index.list_indexes(timed(v1::ListIndexesRequest {})).await?;
            status(&answer.into_inner())
        }
        Question::Tx { txid } => {
            let request = timed(v1::GetTransactionRequest { txid: txid.clone() });
            transaction(&index.get_transaction(request).await?.into_inner())
        }
        Question::Filter { block } => {
            let request = timed(v1::GetBlockFilterRequest { block: block.clone().unwrap_or_default() });
            filter(&index.get_block_filter(request).await?.into_inner())
        }
        Question::Coins { block } => {
            let request = timed(v1::GetCoinStatsRequest { block: block.clone().unwrap_or_default() });
            coins(&index.get_coin_stats(request).await?.into_inner())
        }
    })
}

pub(super) fn status(answer: &v1::ListIndexesResponse) -> View {
    let mut table = Table::new(&[("INDEX", Left), ("HEIGHT", Right), ("STATE", Left)]);
    for index in &answer.indexes {
        let state = match index.missing {
            Some(height) => format!("stays: block {height} is not stored any more"),
            None if index.synced => "at the tip".to_owned(),
            None => "is being built".to_owned(),
        };
        let height = index.height.map_or("-".to_owned(), |height| height.to_string());
        table.row(vec![index.name.clone(), height, state]);
    }
    let json = answer.indexes.iter().map(|index| {
        json!({
            "name": index.name,
            "height": index.height,
            "block": index.block,
            "synced": index.synced,
            "missing": index.missing,
        })
    });
    View { text: table.render("no index is kept"), json: Value::Array(json.collect()) }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn transaction(found: &v1::GetTransactionResponse) -> View {
    let hex = hex(&found.transaction);
    let json = json!({ "block": found.block, "height": found.height, "offset": found.offset, "hex": hex });
    let rows = [("block", found.block.clone()), ("height", found.height.to_string()), ("hex", hex)];
    View { text: pairs(&rows), json }
}

fn filter(found: &v1::GetBlockFilterResponse) -> View {
    let filter = hex(&found.filter);
    let json = json!({
        "block": found.block,
        "height": found.height,
        "filter": filter,
        "hash": found.hash,
        "header": found.header,
    });
    let rows = [
        ("block", found.block.clone()),
        ("height", found.height.to_string()),
        ("hash", found.hash.clone()),
        ("header", found.header.clone()),
        ("filter", filter),
    ];
    View { text: pairs(&rows), json }
}

/// By the names of Bitcoin Core's `gettxoutsetinfo`, amounts in satoshis.
fn coins(stats: &v1::GetCoinStatsResponse) -> View {
    let moved = stats.moved.unwrap_or_default();
    let amount = |sat: u64| btc(i64::try_from(sat).unwrap_or(i64::MAX));
    let rows = [
        ("block", stats.block.clone()),
        ("height", stats.height.to_string()),
        ("coins", stats.coins.to_string()),
        ("amount", amount(stats.amount_sat)),
        ("bogo size", stats.bogo_size.to_string()),
        ("muhash", stats.muhash.clone()),
        ("unspendable", amount(stats.unspendable_sat)),
        ("the block spent", amount(moved.prevout_spent_sat)),
        ("its coinbase made", amount(moved.coinbase_sat)),
        ("its others made", amount(moved.new_outputs_ex_coinbase_sat)),
        ("it made unspendable", amount(moved.unspendable_sat)),
    ];
    let json = json!({
        "block": stats.block,
        "height": stats.height,
        "coins": stats.coins,
        "amount_sat": stats.amount_sat,
        "bogo_size": stats.bogo_size,
        "muhash": stats.muhash,
        "unspendable_sat": stats.unspendable_sat,
        "block_info": {
            "prevout_spent_sat": moved.prevout_spent_sat,
            "coinbase_sat": moved.coinbase_sat,
            "new_outputs_ex_coinbase_sat": moved.new_outputs_ex_coinbase_sat,
            "unspendable_sat": moved.unspendable_sat,
            "unspendables": {
                "genesis_block_sat": moved.genesis_block_sat,
                "bip30_sat": moved.bip30_sat,
                "scripts_sat": moved.scripts_sat,
                "unclaimed_rewards_sat": moved.unclaimed_rewards_sat,
            },
        },
    });
    View { text: pairs(&rows), json }
}
