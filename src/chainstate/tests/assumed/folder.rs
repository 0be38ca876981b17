//! A folder in which a chain stands on a snapshot: looked at, counted, built again, imported into, pruned.

use super::*;
use crate::check::{CheckOptions, Checked, check};
use crate::import::{ImportOptions, ImportProgress, Imported, Sources, import};
use crate::inventory::inventory;
use crate::reindex::{ReindexOptions, Reindexed, reindex};
use crate::{PruneUpTo, Pruned};

impl Under {
    /// Ends the engine with everything durable, and looks at what it left.
    fn check(&mut self, deep: bool) -> Checked {
        let mut chain = self.chain.take().unwrap();
        chain.flush().unwrap();
        drop(chain);
        let store = Store::open(DataDir::open(self.dir.path(), "regtest").unwrap()).unwrap();
        let options = CheckOptions { deep, threads: 2 };
        let checked = check(&store, &self.params(), options, &mut |_| true).unwrap();
        assert!(checked.is_sound(), "{:?}", checked.problems);
        let counted = inventory(&store, &self.params(), 2, true).unwrap();
        assert_eq!(Some(counted.verified_height), checked.below.or(checked.tip).map(|(_, height)| height));
        drop(store);
        self.open().unwrap();
        checked
    }

    fn reindex(&mut self, chainstate_only: bool) -> Reindexed {
        self.chain = None;
        let dir = DataDir::open_to_rebuild(self.dir.path(), "regtest").unwrap();
        let store = Arc::new(Store::rebuild(dir).unwrap());
        let config = ChainConfig { script_threads: 2, ..ChainConfig::new(self.params()) };
        let options = ReindexOptions { chainstate_only };
        let done = reindex(&store, config, Arc::new(Interpreter), &options, &mut |_| true).unwrap();
        drop(store);
        self.open().unwrap();
        done
    }

    /// Imports a file of these blocks, up to the time that it is told to stop.
    fn import(
        &mut self,
        blocks: &[Arc<ParsedBlock>],
        go_on: &mut dyn FnMut(ImportProgress) -> bool,
    ) -> Result<Imported, crate::ImportError> {
        let path = self.dir.path().join("blocks.dat");
        let frame = |block: &Arc<ParsedBlock>| {
            let len = u32::try_from(block.raw().len()).unwrap().to_le_bytes();
            [&Params::regtest().magic, len.as_slice(), block.raw()].concat()
        };
        std::fs::write(&path, blocks.iter().flat_map(frame).collect::<Vec<u8>>()).unwrap();
        import(self.chain(), &Sources::find(&[path]).unwrap(), ImportOptions::at(now()), go_on)
    }
}

/// The MuHash of the coins behind each block of the first ones.
fn muhash_at(blocks: usize) -> String {
    let mut node = Node::new();
    node.submit_all(&source().blocks[..blocks]);
    node.stats().muhash
}

#[test]
fn two_chainstates_are_looked_at_and_those_that_were_verified_are_compared_with_the_blocks() {
    let mut node = Under::with_headers();
    node.load(&source().snapshot).unwrap();
    let looked_at = |node: &mut Under, tip: u32, verified: u32| {
        let near = node.check(false);
        assert_eq!(near.tip.map(|(_, at)| at.to_u32()), Some(tip));
        let deep = node.check(true);
        assert_eq!(deep.below.map(|(_, at)| at.to_u32()), Some(verified));
        assert_eq!((deep.pruned, deep.muhash), (false, Some(muhash_at(verified as usize))));
    };
    looked_at(&mut node, BASE, 0);
    node.submit(&below()[..40]);
    node.follow().unwrap();
    looked_at(&mut node, BASE, 40);
    // Some that are not verified yet, and all above.
    node.submit(&below()[50..70]);
    node.submit(above());
    looked_at(&mut node, 130, 40);
    node.submit(below());
    assert_eq!(node.follow(), Ok(Behind::Verified));
    let deep = node.check(true);
    assert_eq!((deep.below, deep.muhash), (None, Some(source().stats.muhash.clone())));
}

#[test]
fn a_reindex_of_two_chainstates_leaves_one_of_what_the_blocks_lead_to() {
    for chainstate_only in [false, true] {
        let mut node = Under::with_headers();
        node.submit(&below()[..20]);
        node.load(&source().snapshot).unwrap();
        node.submit(above());
        node.submit(&below()[20..40]);
        node.follow().unwrap();
        node.chain().flush().unwrap();
        let done = node.reindex(chainstate_only);
        assert_eq!(done.tip.map(|(_, at)| at.to_u32()), Some(40), "{chainstate_only}");
        assert_eq!((node.tips(), node.files()), (vec![40], vec!["chainstate.redb".to_owned()]));
        assert_eq!(node.stats().muhash, muhash_at(40));
        // With the headers, what is there above needs only what lies between; or a snapshot again. Without them it is fetched again.
        node.take_headers();
        if chainstate_only {
            node.load(&source().snapshot).unwrap();
            while node.chain().advance().unwrap().is_some() {}
            assert_eq!(node.tips(), [40, 130]);
        }
        node.submit(if chainstate_only { &below()[40..] } else { &source().blocks[40..] });
        if chainstate_only {
            assert_eq!(node.follow(), Ok(Behind::Verified));
        }
        assert_eq!((node.tips(), node.stats()), (vec![130], source().stats.clone()));
    }
}

#[test]
fn an_import_verifies_what_lies_below_a_snapshot_and_goes_on_where_it_was_stopped() {
    let mut node = Under::with_headers();
    node.load(&source().snapshot).unwrap();
    // A file that ends below.
    let some = node.import(&below()[..30], &mut |_| true).unwrap();
    assert_eq!((some.height, some.blocks, some.stopped), (height(BASE), 30, false));
    assert_eq!(node.tips(), [30, BASE]);
    let mut blocks = source().blocks.clone();
    blocks.reverse();
    let stopped = node.import(&blocks, &mut |at| match at {
        ImportProgress::Connecting { height, target, .. } => target.to_u32() != BASE || height.to_u32() < 62,
        ImportProgress::Scanning { .. } => true,
    });
    let stopped = stopped.unwrap();
    assert!(stopped.stopped && node.tips()[0] >= 62 && node.tips()[1] == 130, "{:?}", node.tips());
    node.open().unwrap();
    let done = node.import(&blocks, &mut |_| true).unwrap();
    assert_eq!((done.height, done.rejected, done.stopped), (height(130), None, false));
    assert_eq!((node.tips(), node.stats()), (vec![130], source().stats.clone()));
    assert_eq!(node.files(), ["chainstate.redb"]);
}

#[test]
fn an_import_that_refutes_a_snapshot_ends_and_the_next_one_goes_on_from_what_was_verified() {
    let (known, bytes) = wrong_and_spent();
    let mut node = Under::knowing(known);
    node.take_headers();
    node.load(&bytes).unwrap();
    let fault = node.import(&source().blocks, &mut |_| true).unwrap_err().to_string();
    assert!(fault.contains("is wrong: the coins behind it come to"), "{fault}");
    node.open().unwrap();
    let done = node.import(&source().blocks, &mut |_| true).unwrap();
    assert_eq!((done.height, done.rejected), (height(130), None));
    assert_eq!((node.tips(), node.stats()), (vec![130], source().stats.clone()));
}

/// A chain of 720 blocks that fill 45 small files and 100 of them more, its snapshot at 620, and what is known of that.
fn long_source() -> &'static Source {
    static SOURCE: OnceLock<Source> = OnceLock::new();
    SOURCE.get_or_init(|| {
        let mut branch = Branch::genesis(1);
        super::super::prunes::fat_chain(&mut branch, 720);
        Source::of(branch, 620)
    })
}

#[test]
fn blocks_are_pruned_below_a_snapshot_as_far_as_they_are_verified_and_not_needed() {
    let long = long_source();
    // By command, and by size.
    for prune_mib in [1, 2] {
        let mut node = Under::pruning(long.known.clone(), prune_mib);
        let headers: Vec<Header> = long.blocks.iter().map(|block| *block.header()).collect();
        node.chain().accept_headers(&headers, now()).unwrap();
        node.load(&long.snapshot).unwrap();
        let kept = |node: &mut Under| {
            let reader = node.chain().reader();
            long.blocks.iter().map(|block| reader.has_block(&block.hash())).collect::<Vec<_>>()
        };
        node.submit(&long.blocks[620..]);
        let mut at = 0;
        for verified in [200, 400, 560] {
            node.submit(&long.blocks[at..verified]);
            at = verified;
            node.follow().unwrap();
            assert_eq!(node.tips(), [u32::try_from(verified).unwrap(), 720]);
            node.chain().flush().unwrap();
            let pruned = match prune_mib {
                1 => node.chain().prune(PruneUpTo::Height(height(720))).unwrap(),
                _ => Pruned::default(),
            };
            node.open().unwrap();
            node.follow().unwrap();
            let kept = kept(&mut node);
            // What is verified and far below goes, but for what shares a file with others; what is not, stays, and what is near.
            let gone = (0..verified).rev().find(|at| !kept[*at]).map_or(0, |at| at + 1);
            assert!(
                gone + KEPT <= verified || gone == 0,
                "{prune_mib} {verified}: up to {gone} some are gone"
            );
            assert!(gone > 0 || verified < KEPT + 40, "{prune_mib} {verified}: {pruned:?}");
            assert!(kept[620..].iter().all(|kept| *kept), "{prune_mib} {verified}");
            let checked = node.check(true);
            assert!(checked.pruned || gone == 0, "{prune_mib} {verified}");
        }
        node.submit(&long.blocks[560..620]);
        assert_eq!(node.follow(), Ok(Behind::Verified));
        assert_eq!((node.tips(), node.stats()), (vec![720], long.stats.clone()));
        node.chain().flush().unwrap();
        node.open().unwrap();
        assert_eq!((node.tips(), node.stats()), (vec![720], long.stats.clone()));
        assert!(node.check(true).pruned);
    }
}

/// Blocks that are never pruned.
const KEPT: usize = crate::KEPT_BLOCKS as usize;
