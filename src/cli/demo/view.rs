//! The demo's figures, as a block on a terminal and as a line in a pipe. Pure: figures in, text out.

use crate::cli::ctl::{Glance, btc, hashrate};

/// What does not change while the demo runs.
pub(super) struct Scene {
    /// Where miners connect.
    pub(super) stratum: String,
    /// The folder.
    pub(super) datadir: String,
    /// Whom the miner works for.
    pub(super) address: String,
}

/// The figures, and what the miner itself counts.
pub(super) struct Figures {
    pub(super) glance: Glance,
    /// Hashes that the built-in miner does a second, now.
    pub(super) hashrate: u64,
    /// Whether its connection stands.
    pub(super) connected: bool,
}

/// One line, for a pipe.
pub(super) fn line(figures: &Figures) -> String {
    let Figures { glance: g, hashrate: rate, .. } = figures;
    format!(
        "height {}  tip {}  hashrate {}  shares {} accepted {} rejected  blocks {}  immature {} BTC  mature {} BTC  restarts {}",
        g.height,
        short(&g.tip),
        hashrate(*rate),
        g.shares_accepted,
        g.shares_rejected,
        g.blocks_found,
        btc(g.immature_sat),
        btc(g.mature_sat),
        g.restarts,
    )
}

/// The block that a terminal shows, a line each.
pub(super) fn block(scene: &Scene, figures: &Figures) -> Vec<String> {
    let Figures { glance: g, hashrate: rate, connected } = figures;
    let rows = [
        ("height", format!("{}", g.height)),
        ("tip", g.tip.clone()),
        ("hashrate", format!("{}{}", hashrate(*rate), if *connected { "" } else { "   (not connected)" })),
        ("shares", format!("{} accepted, {} rejected", g.shares_accepted, g.shares_rejected)),
        ("blocks found", format!("{}", g.blocks_found)),
        ("immature", format!("{} BTC", btc(g.immature_sat))),
        ("mature", format!("{} BTC", btc(g.mature_sat))),
        ("miners, peers", format!("{}, {}", g.miners, g.peers)),
        ("actor restarts", format!("{}", g.restarts)),
    ];
    let mut lines =
        vec!["adit demo: a regtest node, a pool, and a CPU miner over Stratum".to_owned(), String::new()];
    lines.extend(rows.iter().map(|(name, value)| format!("  {name:<15} {value}")));
    lines.extend([
        String::new(),
        format!("  point hardware at   stratum+tcp://{}   with the user", scene.stratum),
        format!("    {}.NAME", scene.address),
        "  look inside with    info, actors, workers, balances, events after".to_owned(),
        format!("    adit ctl --datadir {} --network regtest", scene.datadir),
        "  Ctrl-C ends it; the next start goes on from here".to_owned(),
    ]);
    lines
}

/// The part of a hash that differs.
fn short(hash: &str) -> &str {
    hash.get(hash.len().saturating_sub(12)..).unwrap_or(hash)
}

#[cfg(test)]
mod tests {
    use super::{Figures, Scene, block, line};
    use crate::cli::ctl::Glance;

    fn figures() -> Figures {
        let glance = Glance {
            height: 7,
            tip: format!("{:0>64}", "abcdef012345"),
            shares_accepted: 9,
            shares_rejected: 1,
            blocks_found: 6,
            immature_sat: 5_000_000_001,
            restarts: 2,
            ..Glance::default()
        };
        Figures { glance, hashrate: 1_500_000, connected: false }
    }

    #[test]
    fn a_line_has_all_the_figures() {
        assert_eq!(
            line(&figures()),
            "height 7  tip abcdef012345  hashrate 1.50 MH/s  shares 9 accepted 1 rejected  blocks 6  \
             immature 50.00000001 BTC  mature 0.00000000 BTC  restarts 2"
        );
    }

    #[test]
    fn a_block_says_where_to_point_hardware() {
        let scene = Scene {
            stratum: "127.0.0.1:3333".to_owned(),
            datadir: "D".to_owned(),
            address: "bcrt1q".to_owned(),
        };
        let text = block(&scene, &figures()).join("\n");
        for part in ["stratum+tcp://127.0.0.1:3333 ", "bcrt1q.NAME", "--datadir D", "(not connected)"] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
}
