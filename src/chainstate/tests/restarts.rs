use super::*;

#[test]
fn what_was_not_flushed_is_connected_again() {
    let branch = busy_chain();
    let mut whole = Node::new();
    whole.submit_all(&branch.blocks);
    let want = whole.stats();
    for flushed_at in [None, Some(1), Some(105), Some(120)] {
        let mut node = Node::new();
        for (index, block) in branch.blocks.iter().enumerate() {
            node.submit(block).unwrap();
            if Some(index + 1) == flushed_at {
                node.chain().flush().unwrap();
            }
        }
        node.crash();
        assert_eq!(node.tip(), (branch.tip, 120), "flushed at {flushed_at:?}");
        assert_eq!(node.stats(), want, "flushed at {flushed_at:?}");
        node.crash();
        assert_eq!(node.stats(), want);
    }
}

#[test]
fn of_blocks_that_waited_for_their_parent_the_same_is_first_after_a_crash() {
    let mut trunk = Branch::genesis(1);
    trunk.mine_empty(1);
    let (mut one, mut two) = (trunk.fork(2), trunk.fork(3));
    one.mine_empty(1);
    two.mine_empty(1);
    for (first, second) in [(&one, &two), (&two, &one)] {
        let mut node = Node::new();
        for branch in [&trunk, &one, &two] {
            node.chain().accept_headers(&[*branch.blocks[0].header()], now()).unwrap();
        }
        node.submit_all(&[&first.blocks[..], &second.blocks, &trunk.blocks].concat());
        assert_eq!(node.tip(), (first.tip, 2));
        node.crash();
        assert_eq!(node.tip(), (first.tip, 2));
    }
}

#[test]
fn a_torn_end_costs_the_blocks_in_it() {
    let branch = busy_chain();
    for cut in [1, 50, 5_000] {
        let mut node = Node::new();
        for (index, block) in branch.blocks.iter().enumerate() {
            node.submit(block).unwrap();
            if index == 60 {
                node.chain().flush().unwrap();
            }
        }
        node.chain = None;
        let file = node.dir.path().join("regtest/blocks/blk00000.dat");
        let bytes = std::fs::read(&file).unwrap();
        std::fs::write(&file, &bytes[..bytes.len() - cut]).unwrap();
        // Undo data is cut as it likes: what is not committed is made again.
        std::fs::write(node.dir.path().join("regtest/blocks/rev00001.dat"), b"rubbish").unwrap();
        node.crash();
        let (_, height) = node.tip();
        assert!((61..120).contains(&height), "{height}");
        node.submit_all(&branch.blocks[usize::try_from(height).unwrap()..]);
        assert_eq!(node.tip().0, branch.tip);
        node.crash();
        assert_eq!(node.tip().0, branch.tip);
    }
}

#[test]
fn blocks_whose_parents_never_came_do_no_harm() {
    let branch = busy_chain();
    let headers: Vec<Header> = branch.blocks.iter().map(|b| *b.header()).collect();
    let mut node = Node::new();
    node.chain().accept_headers(&headers, now()).unwrap();
    node.submit_all(&branch.blocks[..10]);
    node.submit_all(&branch.blocks[20..]);
    node.crash();
    assert_eq!(node.tip().1, 10);
    node.chain().accept_headers(&headers, now()).unwrap();
    node.submit_all(&branch.blocks[10..]);
    assert_eq!(node.tip().0, branch.tip);
}

#[test]
fn readers_outlive_the_engine() {
    let branch = busy_chain();
    let mut node = Node::new();
    node.submit_all(&branch.blocks[..110]);
    let reader = node.chain().reader();
    let (old, tip) = (node.chain.take().unwrap(), reader.tip());
    // As after a panic: the old engine is gone, its memory with it; the store and the readers stay.
    let store = old.store_for_tests();
    drop(old);
    let config = ChainConfig::new(Arc::new(Params::regtest()));
    let again = Chainstate::reopen(&reader, config, store, Arc::new(Interpreter)).unwrap();
    node.chain = Some(again);
    assert_eq!(reader.tip(), tip);
    node.submit_all(&branch.blocks[110..]);
    assert_eq!(reader.tip().hash, branch.tip);
}

#[test]
fn a_verdict_of_invalidity_ends_with_the_process() {
    let (mut node, mut branch) = (Node::new(), Branch::genesis(1));
    branch.mine_empty(101);
    node.submit_all(&branch.blocks);
    let bad = branch.block(vec![], SUBSIDY + Amount::ONE_SAT);
    assert_eq!(reason(node.submit(&bad)), "bad-cb-amount");
    node.chain().flush().unwrap();
    node.crash();
    assert_eq!(node.tip().0, branch.tip);
    // It was looked at again when the chain was opened.
    assert_eq!(reason(node.submit(&bad)), "duplicate-invalid");
}

/// A changed bit anywhere in a stored block, witness or not, or in its undo data is a fault that says where.
#[test]
fn what_the_disk_has_changed_is_not_served() {
    let branch = busy_chain();
    let mut node = Node::new();
    node.submit_all(&branch.blocks);
    let last = branch.blocks.last().unwrap();
    let check = |node: &mut Node, name: &str, back: usize, what: &str| {
        let path = node.dir.path().join("regtest/blocks").join(name);
        let whole = std::fs::read(&path).unwrap();
        let mut bad = whole.clone();
        let at = bad.len() - back;
        bad[at] ^= 0x10;
        std::fs::write(&path, bad).unwrap();
        let reader = node.chain().reader();
        let (block, spent) = (reader.raw_block(&last.hash()), reader.spent_by(&last.hash()));
        std::fs::write(&path, whole).unwrap();
        let met = [block.err(), spent.err()].into_iter().flatten().next().unwrap().to_string();
        assert!(met.contains(name) && met.contains(what) && met.contains("adit db reindex"), "{met}");
    };
    for back in [1, 40, 100, last.raw().len(), last.raw().len() + 8] {
        check(&mut node, "blk00000.dat", back, "a block at byte");
    }
    for back in [1, 33, 50] {
        check(&mut node, "rev00000.dat", back, "undo data at byte");
    }
}

#[test]
fn a_chain_without_witnesses_is_refused_where_they_count() {
    let dir = tempfile::tempdir().unwrap();
    let open = |segwit: u32| {
        let mut params = Params::regtest();
        params.forks.segwit = height(segwit);
        let store = Arc::new(Store::open(DataDir::open(dir.path(), "regtest").unwrap()).unwrap());
        let config = ChainConfig { cache_mib: 8, script_threads: 1, ..ChainConfig::new(Arc::new(params)) };
        Chainstate::open(config, store, Arc::new(Interpreter))
    };
    let mut branch = Branch::genesis(1);
    branch.mine_empty(8);
    let mut chain = open(10).unwrap();
    for block in &branch.blocks {
        chain.accept_block(Arc::clone(block), now()).unwrap();
    }
    chain.flush().unwrap();
    drop(chain);
    let refused = open(5).err().unwrap().to_string();
    assert!(refused.contains("Witness data for blocks after height 5 requires validation."), "{refused}");
    // Above its tip witnesses may begin where they like.
    drop(open(9).unwrap());
    assert!(open(8).is_err());
    drop(open(9).unwrap());
}
