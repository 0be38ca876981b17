//! What is printed: lines for people, an object for programs.

use adit_chainstate::{Checked, Inventory, Problem};
use adit_store::StoreFault;
use serde_json::{Value, json};

use crate::cli::exit::Exit;
use crate::cli::offline::bytes;

/// The database does not open.
pub(super) fn unopened(fault: &StoreFault, as_json: bool) -> Exit {
    let said = format!("chainstate.redb does not open: {fault}");
    if as_json {
        println!("{}", json!({"sound": false, "problems": [said], "remedy": "adit db reindex"}));
        return Exit::Invalid;
    }
    println!("{said}");
    Exit::Invalid.because("not sound; this repairs it: adit db reindex")
}

/// What a check found.
pub(super) fn checked(checked: &Checked, deep: bool, as_json: bool) -> Exit {
    if as_json {
        println!("{}", checked_object(checked, deep));
    } else {
        checked.problems.iter().for_each(|problem| println!("{problem}"));
        if checked.problems_more > 0 {
            println!("and {} more", checked.problems_more);
        }
        println!("{}", looked_at(checked));
    }
    match checked.remedy() {
        Some(remedy) => Exit::Invalid.because(format!("not sound; this repairs it: {remedy}")),
        None if checked.stopped => Exit::Interrupted.because("interrupted; what was looked at is sound"),
        None => Exit::Done,
    }
}

fn looked_at(checked: &Checked) -> String {
    let Checked { headers, blocks, undo, coins, .. } = checked;
    let mut parts =
        vec![format!("{headers} headers"), format!("{blocks} blocks"), format!("{undo} undo records")];
    if *coins > 0 {
        parts.push(format!("{coins} coins"));
    }
    let mut line = format!("looked at {}", parts.join(", "));
    if let Some((hash, height)) = &checked.tip {
        line.push_str(&format!("; the coins belong to block {hash} at height {height}"));
    }
    if let Some((hash, height)) = &checked.below {
        line.push_str(&format!(
            ", which came from a snapshot; those that were verified belong to block {hash} at height {height}"
        ));
    }
    if checked.pruned {
        line.push_str("; blocks are pruned, so the coins could not be compared with them");
    }
    if let Some(muhash) = checked.muhash.as_ref().filter(|_| checked.is_sound()) {
        line.push_str(&format!("; their MuHash {muhash} is what the blocks leave"));
    }
    line
}

fn checked_object(checked: &Checked, deep: bool) -> Value {
    let problem =
        |problem: &Problem| json!({"problem": problem.to_string(), "remedy": problem.remedy().to_string()});
    json!({
        "sound": checked.is_sound() && !checked.stopped,
        "deep": deep,
        "tip": checked.tip.map(|(hash, _)| hash.to_string()),
        "height": checked.tip.map(|(_, height)| height.to_u32()),
        "verified_height": checked.below.or(checked.tip).map(|(_, height)| height.to_u32()),
        "headers": checked.headers,
        "blocks": checked.blocks,
        "undo": checked.undo,
        "coins": checked.coins,
        "muhash": checked.muhash,
        "pruned": checked.pruned,
        "interrupted": checked.stopped,
        "problems": checked.problems.iter().map(problem).collect::<Vec<_>>(),
        "problems_more": checked.problems_more,
        "remedy": checked.remedy().map(|remedy| remedy.to_string()),
    })
}

/// What a datadir holds.
pub(super) fn inventory(found: &Inventory, prune_mib: u64, as_json: bool) {
    if as_json {
        println!("{}", inventory_object(found, prune_mib));
    } else {
        inventory_lines(found, prune_mib).iter().for_each(|(name, value)| println!("{name:<15} {value}"));
    }
}

fn inventory_lines(found: &Inventory, prune_mib: u64) -> Vec<(&'static str, String)> {
    let mut lines = vec![
        ("tip", format!("{} at height {}", found.tip, found.height)),
        ("verified", format!("to height {}", found.verified_height)),
        ("best header", format!("{} at height {}", found.best_header, found.best_height)),
        ("headers", found.headers.to_string()),
        ("blocks", found.blocks.to_string()),
        ("lowest block", found.lowest_block.map_or_else(|| "none".to_owned(), |h| h.to_string())),
        ("pruning", pruning(prune_mib)),
        ("block files", format!("{}, {}", found.block_files.count, bytes(found.block_files.bytes))),
        ("undo files", format!("{}, {}", found.undo_files.count, bytes(found.undo_files.bytes))),
        ("chainstate", bytes(found.chainstate_bytes)),
        ("flushes", found.flushes.to_string()),
        ("behind them", format!("{} blocks, {}", found.behind_blocks, bytes(found.behind_bytes))),
        ("free", bytes(found.free_bytes)),
    ];
    if let Some(count) = &found.coins {
        let whole = count.amount_sat / 100_000_000;
        let rest = count.amount_sat % 100_000_000;
        lines.push(("coins", format!("{} of {whole}.{rest:08} in all", count.coins)));
    }
    let tier =
        |tier: &adit_store::TierInfo| ("tier", format!("coins.{}: {} records", tier.table, tier.records));
    lines.extend(found.tiers.iter().map(tier));
    lines
}

/// What `chain.prune_mib` asks for.
fn pruning(mib: u64) -> String {
    match mib {
        0 => "off".to_owned(),
        1 => "by command".to_owned(),
        mib => format!("to {mib} MiB"),
    }
}

fn inventory_object(found: &Inventory, prune_mib: u64) -> Value {
    let tier = |tier: &adit_store::TierInfo| json!({"table": format!("coins.{}", tier.table), "age": tier.age, "records": tier.records});
    json!({
        "tip": found.tip.to_string(),
        "height": found.height.to_u32(),
        "verified_height": found.verified_height.to_u32(),
        "best_header": found.best_header.to_string(),
        "best_height": found.best_height.to_u32(),
        "headers": found.headers,
        "blocks": found.blocks,
        "lowest_block": found.lowest_block.map(|height| height.to_u32()),
        "prune_target_mib": prune_mib,
        "flushes": found.flushes,
        "behind_blocks": found.behind_blocks,
        "behind_bytes": found.behind_bytes,
        "block_files": {"count": found.block_files.count, "bytes": found.block_files.bytes},
        "undo_files": {"count": found.undo_files.count, "bytes": found.undo_files.bytes},
        "chainstate_bytes": found.chainstate_bytes,
        "free_bytes": found.free_bytes,
        "coins": found.coins.map(|count| count.coins),
        "amount_sat": found.coins.map(|count| count.amount_sat),
        "tiers": found.tiers.iter().map(tier).collect::<Vec<_>>(),
    })
}
