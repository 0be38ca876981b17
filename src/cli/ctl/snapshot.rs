//! `adit ctl load-utxo` and `adit ctl chainstates`: coins from a snapshot, and how far their verification is.

use std::path::Path;
use std::time::Duration;

use adit_proto::v1;
use serde_json::json;
use tonic::Request;

use super::connect::Node;
use super::show::View;
use super::table::Side::{Left, Right};
use super::table::{Table, pairs};
use super::{CtlError, timed};
use crate::cli::progress::Progress;

/// Away from a terminal, how often it is said how far it is.
const SAY_EVERY: Duration = Duration::from_secs(10);

pub(super) async fn load(node: &Node, file: &Path) -> Result<View, CtlError> {
    let path = std::path::absolute(file)?.display().to_string();
    let request = Request::new(v1::LoadUtxoSetRequest { path: path.clone() });
    let mut answers = node.snapshot().load_utxo_set(request).await?.into_inner();
    let mut progress = Progress::start(SAY_EVERY);
    let mut loaded = None;
    while let Some(answer) = answers.message().await? {
        progress.count("coins", answer.coins, answer.coins_total, "");
        loaded = loaded.or(answer.loaded);
    }
    progress.end();
    let loaded =
        loaded.ok_or_else(|| CtlError::Gone("the node ended before the coins were loaded".to_owned()))?;
    Ok(show_loaded(&path, &loaded))
}

pub(super) async fn chainstates(node: &Node) -> Result<View, CtlError> {
    let answer = node.snapshot().list_chainstates(timed(v1::ListChainstatesRequest {})).await?;
    Ok(show_chainstates(&answer.into_inner()))
}

fn show_loaded(path: &str, loaded: &v1::LoadedUtxoSet) -> View {
    let rows = [
        ("file", path.to_owned()),
        ("base", loaded.base.clone()),
        ("height", loaded.height.to_string()),
        ("coins", loaded.coins.to_string()),
    ];
    let json = json!({
        "path": path,
        "base": loaded.base,
        "height": loaded.height,
        "coins": loaded.coins,
    });
    View { text: pairs(&rows), json }
}

pub(super) fn show_chainstates(answer: &v1::ListChainstatesResponse) -> View {
    let mut table = Table::new(&[
        ("HEIGHT", Right),
        ("OF", Right),
        ("DONE", Right),
        ("VALIDATED", Left),
        ("SNAPSHOT", Right),
        ("TIP", Left),
    ]);
    let mut rows = Vec::new();
    for state in &answer.chainstates {
        table.row(vec![
            state.height.to_string(),
            state.target_height.to_string(),
            format!("{:.2}%", state.verification_progress * 100.0),
            if state.validated { "yes" } else { "no" }.to_owned(),
            state.snapshot_height.map_or_else(|| "-".to_owned(), |height| height.to_string()),
            state.tip.clone(),
        ]);
        rows.push(json!({
            "height": state.height,
            "tip": state.tip,
            "bits": state.bits,
            "target_height": state.target_height,
            "verification_progress": state.verification_progress,
            "snapshot_base": state.snapshot_base,
            "snapshot_height": state.snapshot_height,
            "validated": state.validated,
        }));
    }
    View { text: table.render(""), json: json!({ "headers": answer.headers, "chainstates": rows }) }
}
