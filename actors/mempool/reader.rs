use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use adit_domain::mempool::{Mempool, MempoolSnapshot, Orphan, Orphans};
use adit_domain::peer::{PeerId, Recent, TxRef};
use adit_domain::units::UnixMillis;
use adit_domain::wire::ParsedTx;
use bitcoin::{BlockHash, OutPoint, Txid, Wtxid};
use tokio::sync::{broadcast, watch};

use crate::events::{POOL_CHANGES_MAX, PoolChange};

/// Refused transactions that are remembered, so that they are not asked for again on the same tip: 50,000 x 100 bytes = 5 MB.
const REFUSED_MAX: usize = 50_000;

/// What the mempool holds, readable by anyone without a message. It outlives the actor's panics, and is what the actor is built again from.
#[derive(Clone)]
pub struct MempoolReader {
    shelf: Arc<RwLock<Shelf>>,
    orphans: Arc<Mutex<Orphans>>,
    snapshot: watch::Sender<Arc<MempoolSnapshot>>,
}

struct Shelf {
    txs: BTreeMap<Txid, Row>,
    by_wtxid: BTreeMap<Wtxid, Txid>,
    spenders: BTreeMap<OutPoint, Txid>,
    order: BTreeMap<u64, Txid>,
    next: u64,
    refused: Recent<Wtxid>,
    /// Refused for what another may pay.
    poor: Recent<Wtxid>,
    /// Those that came from here and that no peer has asked for yet; all of them are held.
    unbroadcast: BTreeSet<Txid>,
    /// The number of the next change.
    sequence: u64,
    /// The lowest feerate that joins now; satoshis per 1,000 virtual bytes.
    fee_floor: u64,
    /// The tip that was followed to last.
    followed: BlockHash,
    changes: broadcast::Sender<PoolChange>,
}

struct Row {
    tx: Arc<ParsedTx>,
    added_at: UnixMillis,
    place: u64,
    /// The number of the change by which it came; 0 where a block had it before.
    sequence: u64,
}

impl MempoolReader {
    pub(super) fn new(tip: BlockHash) -> MempoolReader {
        let shelf = Shelf {
            txs: BTreeMap::new(),
            by_wtxid: BTreeMap::new(),
            spenders: BTreeMap::new(),
            order: BTreeMap::new(),
            next: 0,
            refused: Recent::new(REFUSED_MAX),
            poor: Recent::new(REFUSED_MAX),
            unbroadcast: BTreeSet::new(),
            sequence: 1,
            fee_floor: 0,
            followed: tip,
            changes: broadcast::Sender::new(POOL_CHANGES_MAX),
        };
        let snapshot = watch::Sender::new(Arc::new(MempoolSnapshot { tip, entries: Vec::new() }));
        MempoolReader { shelf: Arc::new(RwLock::new(shelf)), orphans: Arc::default(), snapshot }
    }

    /// What a block should take, as of the last time it was put together: at once after a change of the tip, a few times a second
    /// while transactions come.
    pub fn snapshot(&self) -> Arc<MempoolSnapshot> {
        self.snapshot.borrow().clone()
    }

    /// Each snapshot as it is published; only the newest waits.
    pub fn changes(&self) -> watch::Receiver<Arc<MempoolSnapshot>> {
        self.snapshot.subscribe()
    }

    /// A held transaction.
    pub fn get(&self, tx: &TxRef) -> Option<Arc<ParsedTx>> {
        let shelf = self.read();
        let txid = match tx {
            TxRef::Txid(txid) => txid,
            TxRef::Wtxid(wtxid) => shelf.by_wtxid.get(wtxid)?,
        };
        shelf.txs.get(txid).map(|row| Arc::clone(&row.tx))
    }

    /// A held transaction that joined before the mempool's change of that number.
    pub fn get_before(&self, tx: &TxRef, before: u64) -> Option<Arc<ParsedTx>> {
        let shelf = self.read();
        let txid = match tx {
            TxRef::Txid(txid) => txid,
            TxRef::Wtxid(wtxid) => shelf.by_wtxid.get(wtxid)?,
        };
        shelf.txs.get(txid).filter(|row| row.sequence < before).map(|row| Arc::clone(&row.tx))
    }

    /// The lowest feerate that joins now; satoshis per 1,000 virtual bytes.
    pub fn fee_floor_sat_per_kvb(&self) -> u64 {
        self.read().fee_floor
    }

    pub(super) fn set_fee_floor(&self, sat_per_kvb: u64) {
        self.write().fee_floor = sat_per_kvb;
    }

    /// Whether a transaction is held, waits for its parents, or was refused on this tip.
    pub fn knows(&self, tx: &TxRef) -> bool {
        let shelf = self.read();
        match tx {
            TxRef::Txid(txid) => shelf.txs.contains_key(txid),
            TxRef::Wtxid(wtxid) => {
                let was_refused = shelf.refused.contains(wtxid) || shelf.poor.contains(wtxid);
                shelf.by_wtxid.contains_key(wtxid) || was_refused || self.orphans().get(wtxid).is_some()
            }
        }
    }

    /// Whether it was refused on this tip for good.
    pub(super) fn was_refused(&self, wtxid: &Wtxid) -> bool {
        self.read().refused.contains(wtxid)
    }

    /// Whether it was refused on this tip for what another may pay.
    pub fn may_be_paid_for(&self, wtxid: &Wtxid) -> bool {
        self.read().poor.contains(wtxid)
    }

    /// A peer tells of a transaction that waits for its parents: those that this peer is to be asked for; none where it is no such one.
    pub fn orphan_told(&self, tx: &TxRef, from: PeerId) -> Option<Vec<Txid>> {
        match tx {
            TxRef::Wtxid(wtxid) => self.orphans().told(wtxid, from),
            TxRef::Txid(_) => None,
        }
    }

    /// The parents that a transaction waits for.
    pub fn missing_parents(&self, wtxid: &Wtxid) -> Vec<Txid> {
        self.orphans().get(wtxid).map(|orphan| orphan.missing.clone()).unwrap_or_default()
    }

    /// Those that wait for their parents.
    pub fn orphan_list(&self) -> Vec<Orphan> {
        self.orphans().iter().cloned().collect()
    }

    /// What waits for its parents because this peer told of it waits no more.
    pub fn peer_gone(&self, peer: PeerId) {
        self.orphans().peer_gone(peer);
    }

    /// It is a book of its own: a change that a panic cut off may cost an orphan.
    pub(super) fn orphans(&self) -> MutexGuard<'_, Orphans> {
        self.orphans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The ids of held transactions, the oldest first.
    pub fn wtxids(&self, most: usize) -> Vec<Wtxid> {
        let shelf = self.read();
        let rows = shelf.order.values().filter_map(|txid| shelf.txs.get(txid));
        rows.take(most).map(|row| row.tx.wtxid()).collect()
    }

    /// Offers all that is held, and what waits for its parents, until no more are wanted.
    pub fn offer(&self, take: &mut dyn FnMut(&Arc<ParsedTx>) -> bool) {
        if self.read().txs.values().all(|row| take(&row.tx)) {
            let _ = self.orphans().iter().all(|orphan| take(&orphan.tx));
        }
    }

    /// Which held transaction spends an output.
    pub fn spender(&self, outpoint: &OutPoint) -> Option<Txid> {
        self.read().spenders.get(outpoint).copied()
    }

    /// The number that the next change will have, as Core counts them.
    pub fn sequence(&self) -> u64 {
        self.read().sequence
    }

    /// Where the mempool stands, and every change from there on. Whoever is slow loses the oldest, and is told.
    pub fn follow(&self) -> (BlockHash, broadcast::Receiver<PoolChange>) {
        let shelf = self.write();
        (shelf.followed, shelf.changes.subscribe())
    }

    /// These came from here, as far as they are held: they are announced again until a peer asks for them.
    pub fn await_broadcast(&self, txids: &[Txid]) {
        let mut shelf = self.write();
        let held: Vec<Txid> = txids.iter().filter(|txid| shelf.txs.contains_key(*txid)).copied().collect();
        shelf.unbroadcast.extend(held);
    }

    /// A peer has asked for it.
    pub fn was_broadcast(&self, txid: &Txid) {
        // Hardly any is waited for: nobody is held up to look.
        if self.is_unbroadcast(txid) {
            self.write().unbroadcast.remove(txid);
            tracing::debug!(target: "adit_actors::mempool", "Removed {txid} from set of unbroadcast txns");
        }
    }

    /// Whether it came from here and no peer has asked for it yet.
    pub fn is_unbroadcast(&self, txid: &Txid) -> bool {
        self.read().unbroadcast.contains(txid)
    }

    /// All such.
    pub fn unbroadcast(&self) -> Vec<Txid> {
        self.read().unbroadcast.iter().copied().collect()
    }

    /// How many are held.
    pub fn count(&self) -> usize {
        self.read().txs.len()
    }

    pub(super) fn publish(&self, snapshot: MempoolSnapshot) {
        self.snapshot.send_replace(Arc::new(snapshot));
    }

    pub(super) fn put(&self, tx: Arc<ParsedTx>, added_at: UnixMillis) {
        self.write().join(tx, added_at);
    }

    /// For any reason but a block that has them.
    pub(super) fn remove(&self, txids: &[Txid]) {
        let mut shelf = self.write();
        txids.iter().for_each(|txid| shelf.leave(txid));
    }

    /// A block has them.
    pub(super) fn mined(&self, txids: &[Txid]) {
        let mut shelf = self.write();
        for txid in txids {
            if shelf.remove(txid) {
                shelf.number();
            }
        }
    }

    /// The chain has turned aside, and what it takes with it comes now.
    pub(super) fn leaves(&self, towards: BlockHash) {
        self.write().tell(PoolChange::Leaves { towards });
    }

    /// The pool stands on this tip.
    pub(super) fn followed(&self, tip: BlockHash) {
        let mut shelf = self.write();
        if shelf.followed != tip {
            shelf.followed = tip;
            shelf.tell(PoolChange::Followed { tip });
        }
    }

    pub(super) fn refuse(&self, wtxid: Wtxid) {
        self.write().refused.insert(wtxid);
    }

    pub(super) fn refuse_poor(&self, wtxid: Wtxid) {
        self.write().poor.insert(wtxid);
    }

    /// On another tip what was refused may be taken.
    pub(super) fn forget_refused(&self) {
        let mut shelf = self.write();
        shelf.refused.clear();
        shelf.poor.clear();
    }

    /// Everything in the order in which it came: parents before children.
    pub(super) fn all(&self) -> Vec<(Arc<ParsedTx>, UnixMillis)> {
        let shelf = self.read();
        let rows = shelf.order.values().filter_map(|txid| shelf.txs.get(txid));
        rows.map(|row| (Arc::clone(&row.tx), row.added_at)).collect()
    }

    /// Makes the shelf equal to the pool.
    pub(super) fn replace(&self, pool: &Mempool) {
        let mut shelf = self.write();
        let before: BTreeMap<Txid, u64> = shelf.txs.iter().map(|(txid, row)| (*txid, row.sequence)).collect();
        let gone: Vec<Txid> = before.keys().filter(|txid| pool.get(txid).is_none()).copied().collect();
        gone.iter().for_each(|txid| shelf.leave(txid));
        shelf.unbroadcast.retain(|txid| pool.get(txid).is_some());
        shelf.txs.clear();
        shelf.by_wtxid.clear();
        shelf.spenders.clear();
        shelf.order.clear();
        for (entry, added_at) in pool.iter() {
            let txid = entry.tx.txid();
            match before.get(&txid) {
                Some(sequence) => shelf.put(Arc::clone(&entry.tx), added_at, *sequence),
                None => {
                    shelf.join(Arc::clone(&entry.tx), added_at);
                    // A block had it: anybody may ask for it.
                    if let Some(row) = shelf.txs.get_mut(&txid) {
                        row.sequence = 0;
                    }
                }
            }
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Shelf> {
        // What is on the shelf is judged again before it is used, so a change that was cut off by a panic does no harm.
        self.shelf.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Shelf> {
        self.shelf.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    /// A change's number.
    fn number(&mut self) -> u64 {
        let number = self.sequence;
        self.sequence = number.saturating_add(1);
        number
    }

    /// Nobody listening is no error.
    fn tell(&self, change: PoolChange) {
        let _ = self.changes.send(change);
    }

    fn join(&mut self, tx: Arc<ParsedTx>, added_at: UnixMillis) {
        let sequence = self.number();
        self.put(Arc::clone(&tx), added_at, sequence);
        self.tell(PoolChange::Added { tx, sequence });
    }

    fn leave(&mut self, txid: &Txid) {
        if self.remove(txid) {
            let sequence = self.number();
            self.tell(PoolChange::Removed { txid: *txid, sequence });
        }
    }

    fn put(&mut self, tx: Arc<ParsedTx>, added_at: UnixMillis, sequence: u64) {
        self.remove(&tx.txid());
        let place = self.next;
        self.next = place.saturating_add(1);
        self.by_wtxid.insert(tx.wtxid(), tx.txid());
        self.spenders.extend(tx.tx().input.iter().map(|input| (input.previous_output, tx.txid())));
        self.order.insert(place, tx.txid());
        self.txs.insert(tx.txid(), Row { tx, added_at, place, sequence });
    }

    /// Whether it was there.
    fn remove(&mut self, txid: &Txid) -> bool {
        let Some(row) = self.txs.remove(txid) else { return false };
        if self.unbroadcast.remove(txid) {
            tracing::debug!(
                target: "adit_actors::mempool",
                "Removed {txid} from set of unbroadcast txns before confirmation that txn was sent out"
            );
        }
        self.by_wtxid.remove(&row.tx.wtxid());
        self.order.remove(&row.place);
        for input in &row.tx.tx().input {
            // Another may have taken it meanwhile.
            if self.spenders.get(&input.previous_output) == Some(txid) {
                self.spenders.remove(&input.previous_output);
            }
        }
        true
    }
}
