//! Answers, as people and as programs read them.

use adit_proto::v1;
use serde_json::{Map, Value, json};

use super::table::Side::{Left, Right};
use super::table::{Table, btc, bytes, difficulty, hashrate, pairs, span};

/// One answer in its two forms.
#[derive(Default)]
pub(super) struct View {
    pub(super) text: String,
    pub(super) json: Value,
}

pub(super) fn info(info: &v1::GetInfoResponse) -> View {
    let mut rows = vec![
        ("version", info.version.clone()),
        ("network", info.network.clone()),
        ("height", info.height.to_string()),
        ("tip", info.tip.clone()),
        ("headers", info.header_height.to_string()),
        ("peers", info.peers.to_string()),
        ("p2p", or_off(&info.p2p_listen)),
        ("miners", info.sessions.to_string()),
        ("stratum", or_off(&info.stratum_listen)),
        ("mempool", format!("{} transactions", info.mempool_transactions)),
        ("blocks", kept(info)),
        ("uptime", span(info.now_ms.saturating_sub(info.started_at_ms))),
        ("chaos", if info.chaos { "on: panics may be injected".to_owned() } else { "off".to_owned() }),
    ];
    if !info.mining_waits_for.is_empty() {
        rows.push(("mining", format!("waits: {}", info.mining_waits_for)));
    }
    let text = pairs(&rows);
    let json = json!({
        "version": info.version,
        "network": info.network,
        "height": info.height,
        "tip": info.tip,
        "header_height": info.header_height,
        "median_time_past": info.median_time_past,
        "peers": info.peers,
        "sessions": info.sessions,
        "mempool_transactions": info.mempool_transactions,
        "p2p_listen": info.p2p_listen,
        "stratum_listen": info.stratum_listen,
        "pruned": info.pruned,
        "kept_from": info.kept_from,
        "prune_target_mib": info.prune_target_mib,
        "mining_waits_for": info.mining_waits_for,
        "started_at_ms": info.started_at_ms,
        "now_ms": info.now_ms,
        "chaos": info.chaos,
    });
    View { text, json }
}

/// Which blocks are kept, and what may go of them.
fn kept(info: &v1::GetInfoResponse) -> String {
    let from = match info.kept_from {
        0 => "all are kept".to_owned(),
        height => format!("kept from height {height} on"),
    };
    match info.prune_target_mib {
        0 => from,
        1 => format!("{from}, pruned by command"),
        target => format!("{from}, pruned to {target} MiB"),
    }
}

fn or_off(listen: &str) -> String {
    if listen.is_empty() { "off".to_owned() } else { listen.to_owned() }
}

pub(super) fn actors(list: &v1::ListActorsResponse, now_ms: u64) -> View {
    let mut table = Table::new(&[
        ("NAME", Left),
        ("ROLE", Left),
        ("RESTARTS", Right),
        ("UP", Right),
        ("LAST PANIC", Left),
    ]);
    for actor in &list.actors {
        let panic = actor.last_panic.clone().unwrap_or_default();
        table.row(vec![
            actor.name.clone(),
            actor.role.clone(),
            actor.restarts.to_string(),
            span(now_ms.saturating_sub(actor.since_ms)),
            first_line(&panic),
        ]);
    }
    let rows = list.actors.iter().map(|actor| {
        json!({
            "name": actor.name,
            "role": actor.role,
            "restarts": actor.restarts,
            "since_ms": actor.since_ms,
            "heard_ms": actor.heard_ms,
            "last_panic": actor.last_panic,
        })
    });
    View { text: table.render("no actors"), json: rows.collect() }
}

fn reason(panic: &str) -> String {
    if panic.is_empty() { "asked for".to_owned() } else { first_line(panic) }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// The object that Bitcoin Core's `getdeploymentinfo` gives; for people a row for each soft fork.
pub(super) fn deployments(report: &v1::GetDeploymentsResponse) -> View {
    let heading = format!("block {} at height {}", report.hash, report.height);
    let flags = format!("scripts are verified under {}", report.script_flags.join(", "));
    let mut table = Table::new(&[
        ("NAME", Left),
        ("STATE", Left),
        ("FROM HEIGHT", Right),
        ("NEXT BLOCK", Left),
        ("VOTES", Left),
    ]);
    for deployment in &report.deployments {
        table.row(deployment_row(deployment));
    }
    let text = format!("{heading}\n{flags}\n{}", table.render("no soft forks"));
    let by_name = report.deployments.iter().map(|d| (d.name.clone(), deployment_json(d)));
    let json = json!({
        "hash": report.hash,
        "height": report.height,
        "script_flags": report.script_flags,
        "deployments": by_name.collect::<Map<String, Value>>(),
    });
    View { text, json }
}

fn deployment_row(deployment: &v1::Deployment) -> Vec<String> {
    let vote = deployment.vote.as_ref();
    let votes = vote.and_then(|vote| vote.statistics.as_ref()).map_or_else(String::new, |s| {
        let goal = s.threshold.map_or_else(String::new, |threshold| format!(", {threshold} win"));
        format!("{} of {} in a period of {}{goal}", s.count, s.elapsed, s.period)
    });
    vec![
        deployment.name.clone(),
        vote.map_or_else(|| "buried".to_owned(), |vote| vote.status.clone()),
        deployment.height.map_or_else(|| "-".to_owned(), |height| height.to_string()),
        if deployment.active { "applies" } else { "does not" }.to_owned(),
        votes,
    ]
}

fn deployment_json(deployment: &v1::Deployment) -> Value {
    let mut fields = Map::new();
    let mut put = |key: &str, value: Value| drop(fields.insert(key.to_owned(), value));
    put("type", json!(if deployment.vote.is_some() { "bip9" } else { "buried" }));
    deployment.height.into_iter().for_each(|height| put("height", json!(height)));
    put("active", json!(deployment.active));
    deployment.vote.iter().for_each(|vote| put("bip9", vote_json(vote)));
    Value::Object(fields)
}

fn vote_json(vote: &v1::Vote) -> Value {
    let mut fields = Map::new();
    let mut put = |key: &str, value: Value| drop(fields.insert(key.to_owned(), value));
    put("start_time", json!(vote.start_time_s));
    put("timeout", json!(vote.timeout_s));
    put("min_activation_height", json!(vote.min_activation_height));
    put("status", json!(vote.status));
    put("since", json!(vote.since));
    put("status_next", json!(vote.status_next));
    if let Some(statistics) = &vote.statistics {
        put("bit", json!(vote.bit));
        put("statistics", statistics_json(statistics));
        put("signalling", json!(statistics.signalling));
    }
    Value::Object(fields)
}

fn statistics_json(statistics: &v1::VoteStatistics) -> Value {
    let mut fields = Map::new();
    let mut put = |key: &str, value: Value| drop(fields.insert(key.to_owned(), value));
    put("period", json!(statistics.period));
    put("elapsed", json!(statistics.elapsed));
    put("count", json!(statistics.count));
    statistics.threshold.into_iter().for_each(|threshold| put("threshold", json!(threshold)));
    statistics.possible.into_iter().for_each(|possible| put("possible", json!(possible)));
    Value::Object(fields)
}

pub(super) fn peers(list: &v1::ListPeersResponse, now_ms: u64) -> View {
    let mut table = Table::new(&[
        ("ID", Right),
        ("ADDRESS", Left),
        ("DIRECTION", Left),
        ("AGENT", Left),
        ("HEIGHT", Right),
        ("SINCE", Right),
        ("RECEIVED", Right),
        ("SENT", Right),
    ]);
    for peer in &list.peers {
        table.row(vec![
            peer.id.to_string(),
            peer.remote.clone(),
            if peer.inbound { "in" } else { "out" }.to_owned(),
            printable(&peer.user_agent),
            peer.height.to_string(),
            span(now_ms.saturating_sub(peer.connected_at_ms)),
            bytes(peer.bytes_received),
            bytes(peer.bytes_sent),
        ]);
    }
    let rows = list.peers.iter().map(|peer| {
        json!({
            "id": peer.id,
            "remote": peer.remote,
            "inbound": peer.inbound,
            "user_agent": peer.user_agent,
            "height": peer.height,
            "connected_at_ms": peer.connected_at_ms,
            "bytes_received": peer.bytes_received,
            "bytes_sent": peer.bytes_sent,
        })
    });
    View { text: table.render("no peers"), json: rows.collect() }
}

/// What a stranger calls itself must not steer the terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

pub(super) fn mempool(pool: &v1::GetMempoolResponse) -> View {
    let fees = i64::try_from(pool.fees_sat).unwrap_or(i64::MAX);
    let heading = format!("{} transactions, weight {}, fees {}", pool.transactions, pool.weight, btc(fees));
    let mut table = Table::new(&[("TXID", Left), ("WEIGHT", Right), ("FEE SAT", Right), ("SAT/VB", Right)]);
    for row in &pool.rows {
        let vbytes = row.weight.div_ceil(4).max(1);
        table.row(vec![
            row.txid.clone(),
            row.weight.to_string(),
            row.fee_sat.to_string(),
            (row.fee_sat / vbytes).to_string(),
        ]);
    }
    let text = if pool.rows.is_empty() { heading } else { format!("{heading}\n{}", table.render("")) };
    let rows: Value = pool
        .rows
        .iter()
        .map(|row| {
            json!({ "txid": row.txid, "wtxid": row.wtxid, "weight": row.weight, "fee_sat": row.fee_sat })
        })
        .collect();
    let json = json!({
        "transactions": pool.transactions,
        "weight": pool.weight,
        "fees_sat": pool.fees_sat,
        "rows": rows,
    });
    View { text, json }
}

pub(super) fn workers(list: &v1::ListWorkersResponse, now_ms: u64) -> View {
    let mut table = Table::new(&[
        ("WORKER", Left),
        ("ACCEPTED", Right),
        ("REJECTED", Right),
        ("HASHRATE", Right),
        ("LAST SHARE", Right),
    ]);
    for worker in &list.workers {
        table.row(vec![
            printable(&worker.name),
            worker.shares_accepted.to_string(),
            worker.shares_rejected.to_string(),
            hashrate(worker.hashrate),
            worker
                .last_share_ms
                .map_or("never".to_owned(), |at| format!("{} ago", span(now_ms.saturating_sub(at)))),
        ]);
    }
    let rows = list.workers.iter().map(|worker| {
        json!({
            "name": worker.name,
            "shares_accepted": worker.shares_accepted,
            "shares_rejected": worker.shares_rejected,
            "hashrate": worker.hashrate,
            "work": worker.work,
            "last_share_ms": worker.last_share_ms,
        })
    });
    View { text: table.render("no workers yet"), json: rows.collect() }
}

pub(super) fn blocks(list: &v1::ListBlocksResponse) -> View {
    let mut table = Table::new(&[
        ("HEIGHT", Right),
        ("HASH", Left),
        ("STATE", Left),
        ("REWARD", Right),
        ("FINDER", Left),
    ]);
    for block in &list.blocks {
        table.row(vec![
            block.height.to_string(),
            block.hash.clone(),
            state(block.state()).to_owned(),
            btc(i64::try_from(block.reward_sat).unwrap_or(i64::MAX)),
            printable(&block.finder),
        ]);
    }
    let rows = list.blocks.iter().map(|block| {
        json!({
            "height": block.height,
            "hash": block.hash,
            "state": state(block.state()),
            "reward_sat": block.reward_sat,
            "finder": block.finder,
        })
    });
    let mut text = table.render("no blocks found yet");
    let listed = list.blocks.len();
    if u64::try_from(listed).unwrap_or(u64::MAX) < list.total {
        text.push_str(&format!("\nthe newest {listed} of {}", list.total));
    }
    View { text, json: rows.collect() }
}

fn state(state: v1::pool_block::State) -> &'static str {
    match state {
        v1::pool_block::State::Unspecified => "unknown",
        v1::pool_block::State::Immature => "immature",
        v1::pool_block::State::Mature => "mature",
        v1::pool_block::State::Orphaned => "orphaned",
    }
}

pub(super) fn balances(list: &v1::ListBalancesResponse) -> View {
    let mut table = Table::new(&[("ACCOUNT", Left), ("IMMATURE", Right), ("MATURE", Right)]);
    for row in &list.balances {
        table.row(vec![printable(&row.account), btc(row.immature_sat), btc(row.mature_sat)]);
    }
    let rows = list.balances.iter().map(|row| {
        json!({ "account": row.account, "immature_sat": row.immature_sat, "mature_sat": row.mature_sat })
    });
    View { text: table.render("nothing booked yet"), json: rows.collect() }
}

pub(super) fn sessions(list: &v1::ListSessionsResponse, now_ms: u64) -> View {
    let mut table = Table::new(&[
        ("ID", Right),
        ("ADDRESS", Left),
        ("AGENT", Left),
        ("WORKERS", Left),
        ("DIFFICULTY", Right),
        ("ACCEPTED", Right),
        ("REJECTED", Right),
        ("SINCE", Right),
    ]);
    for session in &list.sessions {
        table.row(vec![
            session.id.to_string(),
            session.remote.clone(),
            printable(&session.user_agent),
            printable(&session.workers.join(",")),
            difficulty(session.difficulty_raw),
            session.shares_accepted.to_string(),
            session.shares_rejected.to_string(),
            span(now_ms.saturating_sub(session.connected_at_ms)),
        ]);
    }
    let rows = list.sessions.iter().map(|session| {
        json!({
            "id": session.id,
            "remote": session.remote,
            "user_agent": session.user_agent,
            "workers": session.workers,
            "difficulty_raw": session.difficulty_raw,
            "shares_accepted": session.shares_accepted,
            "shares_rejected": session.shares_rejected,
            "connected_at_ms": session.connected_at_ms,
        })
    });
    View { text: table.render("no miners"), json: rows.collect() }
}

pub(super) fn template(t: &v1::GetTemplateResponse) -> View {
    let value = i64::try_from(t.coinbase_value_sat).unwrap_or(i64::MAX);
    let text = pairs(&[
        ("height", t.height.to_string()),
        ("parent", t.prev.clone()),
        ("bits", format!("{:08x}", t.bits)),
        ("version", format!("{:08x}", t.version)),
        ("time", t.time.to_string()),
        ("coinbase", btc(value)),
        ("transactions", t.txids.len().to_string()),
    ]);
    let json = json!({
        "id": t.id,
        "prev": t.prev,
        "height": t.height,
        "version": t.version,
        "bits": format!("{:08x}", t.bits),
        "time": t.time,
        "time_min": t.time_min,
        "coinbase_value_sat": t.coinbase_value_sat,
        "txids": t.txids,
    });
    View { text, json }
}

pub(super) fn utxo(stats: &v1::GetUtxoStatsResponse) -> View {
    let amount = i64::try_from(stats.amount_sat).unwrap_or(i64::MAX);
    let text = pairs(&[
        ("height", stats.height.to_string()),
        ("tip", stats.tip.clone()),
        ("coins", stats.coins.to_string()),
        ("transactions", stats.transactions.to_string()),
        ("amount", btc(amount)),
        ("bogo size", stats.bogo_size.to_string()),
        ("muhash", stats.muhash.clone()),
        ("hash_serialized_3", stats.hash_serialized.clone()),
    ]);
    let json = json!({
        "height": stats.height,
        "tip": stats.tip,
        "coins": stats.coins,
        "transactions": stats.transactions,
        "amount_sat": stats.amount_sat,
        "bogo_size": stats.bogo_size,
        "muhash": stats.muhash,
        "hash_serialized_3": stats.hash_serialized,
    });
    View { text, json }
}

pub(super) fn dumped(path: &str, dumped: &v1::DumpUtxoSetResponse) -> View {
    let rows = [
        ("file", path.to_owned()),
        ("base", dumped.base.clone()),
        ("height", dumped.height.to_string()),
        ("coins", dumped.coins.to_string()),
        ("hash_serialized_3", dumped.hash_serialized.clone()),
    ];
    let json = json!({
        "path": path,
        "base": dumped.base,
        "height": dumped.height,
        "coins": dumped.coins,
        "hash_serialized_3": dumped.hash_serialized,
    });
    View { text: pairs(&rows), json }
}

pub(super) fn submitted(answer: &v1::SubmitTransactionResponse) -> View {
    View { text: answer.txid.clone(), json: json!({ "txid": answer.txid }) }
}

pub(super) fn block(answer: &v1::SubmitBlockResponse) -> View {
    let place = match (answer.duplicate, answer.connected) {
        (true, true) => "known, in the best chain",
        (true, false) => "known, in no best chain",
        (false, true) => "in the best chain",
        (false, false) => "kept, in no best chain",
    };
    let text = format!("{} {place}; the tip is at height {}", answer.hash, answer.height);
    let json = json!({
        "hash": answer.hash,
        "duplicate": answer.duplicate,
        "connected": answer.connected,
        "height": answer.height,
    });
    View { text, json }
}

pub(super) fn tip(hash: &str, height: u32) -> View {
    View { text: format!("tip {height} {hash}"), json: json!({ "tip": hash, "height": height }) }
}

pub(super) fn pruned(answer: &v1::PruneBlocksResponse) -> View {
    let last = answer.last_pruned;
    let upto = last.map_or_else(|| "all blocks are there".to_owned(), |h| format!("pruned up to height {h}"));
    let text = format!("{upto}; {} files went, {}", answer.files, bytes(answer.bytes));
    View { text, json: json!({ "last_pruned": last, "files": answer.files, "bytes": answer.bytes }) }
}

pub(super) fn logged(filter: &str) -> View {
    View { text: format!("logging {filter}"), json: json!({ "filter": filter }) }
}

pub(super) fn told(what: &str, names: &[String]) -> View {
    View { text: format!("{what}: {}", names.join(", ")), json: json!({ what: names }) }
}

pub(super) fn stopping() -> View {
    View { text: "stopping".to_owned(), json: json!({ "stopping": true }) }
}

pub(super) fn event(event: &v1::Event) -> View {
    use v1::event::Kind;
    let at_ms = event.at_ms;
    let (text, json) = match &event.kind {
        Some(Kind::TipChanged(e)) => (
            format!("tip {} {} (-{} +{})", e.height, e.tip, e.disconnected, e.connected),
            json!({ "event": "tip_changed", "height": e.height, "tip": e.tip,
                "disconnected": e.disconnected, "connected": e.connected }),
        ),
        Some(Kind::BlockFound(e)) => (
            format!("block found {} {}", e.height.map_or("?".to_owned(), |h| h.to_string()), e.hash),
            json!({ "event": "block_found", "height": e.height, "hash": e.hash }),
        ),
        Some(Kind::ShareTotals(e)) => (
            format!(
                "shares {} accepted {} rejected, {} workers, {}",
                e.shares_accepted,
                e.shares_rejected,
                e.workers,
                hashrate(e.hashrate)
            ),
            json!({ "event": "share_totals", "shares_accepted": e.shares_accepted,
                "shares_rejected": e.shares_rejected, "hashrate": e.hashrate, "workers": e.workers }),
        ),
        Some(Kind::ActorRestarted(e)) => (
            format!("actor {} restarted ({} so far): {}", e.name, e.restarts, reason(&e.panic)),
            json!({ "event": "actor_restarted", "name": e.name, "restarts": e.restarts, "panic": e.panic }),
        ),
        Some(Kind::Missed(e)) => {
            (format!("{} events missed", e.events), json!({ "event": "missed", "events": e.events }))
        }
        None => ("an event of a newer node".to_owned(), json!({ "event": "unknown" })),
    };
    let mut json = json;
    if let Some(object) = json.as_object_mut() {
        object.insert("at_ms".to_owned(), at_ms.into());
    }
    View { text, json }
}
