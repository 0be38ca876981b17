use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use actix::Addr;
use adit_domain::peer::{
    AddressBoard, BanList, Downloads, NodeView, PeerId, PeerInfo, Recent, Transport, TxBoard, TxRef,
};
use adit_domain::units::{Height, UnixMillis};
use adit_domain::wire::{ParsedBlock, ParsedTx};
use bitcoin::block::Header;
use bitcoin::{BlockHash, Txid, Work, Wtxid};
use tokio::sync::watch;

use super::{PeerActor, PeerDeps};
use crate::messages::peer::AddedNode;

/// Blocks of our own that are served before the chain has stored them: more than are found within a second, which is the
/// longest that storing one takes.
const FOUND_MAX: usize = 8;
/// Nonces of our own connections that are remembered: more than may be open at once.
const NONCES_MAX: usize = 1_024;

/// Lines about connections that the log takes within an hour: 4,000 x 250 bytes = 1 MB.
const LOG_LINES_MAX: u32 = 4_000;
const LOG_HOUR_MS: u64 = 60 * 60 * 1_000;

/// What all connections share, and what outlives each of them and their manager.
pub(super) struct Board {
    boards: Mutex<Boards>,
    slots: Mutex<BTreeMap<PeerId, Slot>>,
    nonces: Mutex<Recent<u64>>,
    found: Mutex<VecDeque<Arc<ParsedBlock>>>,
    next_id: AtomicU64,
    /// Nodes that an operator has added, and their connections' numbers.
    added: Mutex<BTreeMap<String, PeerId>>,
    log: Mutex<LogHour>,
    bans: Mutex<BanList>,
    /// Whether there are connections at all.
    active: watch::Sender<bool>,
    latest: Mutex<Option<Arc<Latest>>>,
}

/// The block that was connected last: what it has taken from the mempool is still asked for by those who rebuild it.
struct Latest {
    block: Arc<ParsedBlock>,
    places: OnceLock<BTreeMap<TxRef, usize>>,
}

impl Latest {
    fn tx(&self, tx: &TxRef) -> Option<Arc<ParsedTx>> {
        let places = self.places.get_or_init(|| {
            let both =
                |(at, tx): (usize, &ParsedTx)| [(TxRef::Txid(tx.txid()), at), (TxRef::Wtxid(tx.wtxid()), at)];
            self.block.txs().iter().enumerate().flat_map(both).collect()
        });
        self.block.txs().get(*places.get(tx)?).map(|tx| Arc::new(tx.clone()))
    }
}

/// How much has been written to the log of connections within an hour.
#[derive(Default)]
struct LogHour {
    began: UnixMillis,
    lines: u32,
}

/// Who fetches what, and which nodes are known.
pub(super) struct Boards {
    pub(super) downloads: Downloads,
    pub(super) txs: TxBoard,
    pub(super) addresses: AddressBoard,
}

#[derive(Clone)]
struct Slot {
    addr: Addr<PeerActor>,
    status: Arc<Status>,
}

/// A connection's figures; its task counts, its actor says the rest.
#[derive(Default)]
pub(super) struct Status {
    /// The connection's number.
    pub(super) id: PeerId,
    pub(super) received: AtomicU64,
    pub(super) sent: AtomicU64,
    /// When something last came and went; milliseconds since 1970.
    pub(super) received_at: AtomicU64,
    pub(super) sent_at: AtomicU64,
    crashed: AtomicBool,
    received_by_kind: Mutex<BTreeMap<String, u64>>,
    sent_by_kind: Mutex<BTreeMap<String, u64>>,
    transport: Mutex<(Transport, Option<[u8; 32]>)>,
    info: Mutex<Option<PeerInfo>>,
}

impl Status {
    /// The figures of the connection of that number, which begin.
    pub(super) fn of(id: PeerId) -> Status {
        Status { id, ..Status::default() }
    }

    /// Counts a message that came; the whole frame's bytes.
    pub(super) fn count_received(&self, name: Option<&str>, bytes: usize) {
        count(&self.received_by_kind, name, bytes);
    }

    /// Counts a message that went.
    pub(super) fn count_sent(&self, name: Option<&str>, bytes: usize) {
        count(&self.sent_by_kind, name, bytes);
    }

    /// How the connection is spoken to, as far as that is known; what both ends can compare.
    pub(super) fn set_transport(&self, transport: Transport, session_id: Option<[u8; 32]>) {
        *lock(&self.transport) = (transport, session_id);
    }

    /// Whether keys are being exchanged: bytes have come and gone, and it is not known yet how messages do.
    pub(super) fn is_shaking(&self) -> bool {
        let is_open = lock(&self.transport).0 == Transport::Detecting;
        let moved = |count: &AtomicU64| count.load(Ordering::Relaxed) > 0;
        is_open && moved(&self.received) && moved(&self.sent)
    }

    /// What there is to show while the connection is open; none when it closes.
    pub(super) fn set(&self, info: Option<PeerInfo>) {
        *lock(&self.info) = info;
    }

    /// The connection was lost by a panic of its actor: it was not the other end's doing.
    pub(super) fn set_crashed(&self) {
        self.crashed.store(true, Ordering::SeqCst);
    }

    /// Whether it was, since the last time that this was asked.
    pub(super) fn take_crashed(&self) -> bool {
        self.crashed.swap(false, Ordering::SeqCst)
    }

    fn info(&self) -> Option<PeerInfo> {
        let mut info = lock(&self.info).clone()?;
        info.bytes_received = self.received.load(Ordering::Relaxed);
        info.bytes_sent = self.sent.load(Ordering::Relaxed);
        info.last_received_at = UnixMillis::new(self.received_at.load(Ordering::Relaxed));
        info.last_sent_at = UnixMillis::new(self.sent_at.load(Ordering::Relaxed));
        let listed = |kinds: &Mutex<BTreeMap<String, u64>>| {
            lock(kinds).iter().map(|(name, bytes)| (name.clone(), *bytes)).collect()
        };
        (info.transport, info.session_id) = *lock(&self.transport);
        info.received_by_kind = listed(&self.received_by_kind);
        info.sent_by_kind = listed(&self.sent_by_kind);
        Some(info)
    }
}

/// Where the others are counted.
const OTHER_KINDS: &str = "*other*";
/// The names of messages that there are, in any version of the protocol that is still spoken.
const KINDS: [&str; 36] = [
    "addr",
    "addrv2",
    "block",
    "blocktxn",
    "cfcheckpt",
    "cfheaders",
    "cfilter",
    "cmpctblock",
    "feature",
    "feefilter",
    "filteradd",
    "filterclear",
    "filterload",
    "getaddr",
    "getblocks",
    "getblocktxn",
    "getcfcheckpt",
    "getcfheaders",
    "getcfilters",
    "getdata",
    "getheaders",
    "headers",
    "inv",
    "mempool",
    "merkleblock",
    "notfound",
    "ping",
    "pong",
    "sendaddrv2",
    "sendcmpct",
    "sendheaders",
    "sendtxrcncl",
    "tx",
    "verack",
    "version",
    "wtxidrelay",
];

fn count(kinds: &Mutex<BTreeMap<String, u64>>, name: Option<&str>, bytes: usize) {
    let mut kinds = lock(kinds);
    let name = name.filter(|name| KINDS.contains(name)).unwrap_or(OTHER_KINDS);
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    match kinds.get_mut(name) {
        Some(sum) => *sum = sum.saturating_add(bytes),
        None => drop(kinds.insert(name.to_owned(), bytes)),
    }
}

impl Board {
    pub(super) fn new(addresses: AddressBoard, salt: u64) -> Board {
        let boards = Boards { downloads: Downloads::default(), txs: TxBoard::new(salt), addresses };
        Board {
            boards: Mutex::new(boards),
            slots: Mutex::default(),
            nonces: Mutex::new(Recent::new(NONCES_MAX)),
            found: Mutex::default(),
            next_id: AtomicU64::new(0),
            added: Mutex::default(),
            log: Mutex::default(),
            bans: Mutex::default(),
            active: watch::Sender::new(true),
            latest: Mutex::default(),
        }
    }

    pub(super) fn next_id(&self) -> PeerId {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn boards(&self) -> MutexGuard<'_, Boards> {
        lock(&self.boards)
    }

    pub(super) fn enter(&self, id: PeerId, addr: Addr<PeerActor>, status: Arc<Status>) {
        lock(&self.slots).insert(id, Slot { addr, status });
    }

    pub(super) fn leave(&self, id: PeerId) {
        lock(&self.slots).remove(&id);
        let mut boards = self.boards();
        boards.downloads.forget(id);
        boards.txs.forget(id);
        boards.addresses.forget(id);
    }

    pub(super) fn addrs(&self) -> Vec<Addr<PeerActor>> {
        lock(&self.slots).values().map(|slot| slot.addr.clone()).collect()
    }

    /// Notes a node that an operator adds.
    pub(super) fn add(&self, target: &str, id: PeerId) {
        lock(&self.added).insert(target.to_owned(), id);
    }

    /// Whether an operator has added it.
    pub(super) fn is_added(&self, target: &str) -> bool {
        lock(&self.added).contains_key(target)
    }

    /// The connection of a node that an operator added, and takes away.
    pub(super) fn remove_added(&self, target: &str) -> Option<Addr<PeerActor>> {
        let id = lock(&self.added).remove(target)?;
        self.addr_of(id)
    }

    /// The connection of that number.
    pub(super) fn addr_of(&self, id: PeerId) -> Option<Addr<PeerActor>> {
        lock(&self.slots).get(&id).map(|slot| slot.addr.clone())
    }

    /// The open connection to that other end, or of that number.
    pub(super) fn open_one(&self, is_it: impl Fn(&PeerInfo) -> bool) -> Option<Addr<PeerActor>> {
        let slots = lock(&self.slots);
        slots
            .values()
            .find(|slot| slot.status.info().is_some_and(|info| is_it(&info)))
            .map(|s| s.addr.clone())
    }

    /// The open connections that it is.
    pub(super) fn open_all(&self, is_it: impl Fn(&PeerInfo) -> bool) -> Vec<Addr<PeerActor>> {
        let slots = lock(&self.slots);
        let open = slots.values().filter(|slot| slot.status.info().is_some_and(|info| is_it(&info)));
        open.map(|slot| slot.addr.clone()).collect()
    }

    pub(super) fn infos(&self) -> Vec<PeerInfo> {
        lock(&self.slots).values().filter_map(|slot| slot.status.info()).collect()
    }

    /// Whether a connection's beginning or end may be written to the log still, so that nobody fills the disk by connecting.
    pub(super) fn may_log(&self, now: UnixMillis) -> bool {
        let mut hour = lock(&self.log);
        if now.ms_since(hour.began) > LOG_HOUR_MS {
            *hour = LogHour { began: now, lines: 0 };
        }
        hour.lines = hour.lines.saturating_add(1);
        hour.lines <= LOG_LINES_MAX
    }

    /// Who may not connect.
    pub(super) fn bans(&self) -> MutexGuard<'_, BanList> {
        lock(&self.bans)
    }

    /// Whether there are connections at all.
    pub(super) fn is_active(&self) -> bool {
        *self.active.borrow()
    }

    /// Says whether there are connections from now on.
    pub(super) fn set_active(&self, active: bool) {
        self.active.send_replace(active);
    }

    /// Waits until there may be connections.
    pub(super) async fn activity(&self) {
        // The sender lives as long as the board.
        let _ = self.active.subscribe().wait_for(|active| *active).await;
    }

    /// Nodes that an operator has added, and the connections to them that are open.
    pub(super) fn added(&self) -> Vec<AddedNode> {
        let added = lock(&self.added).clone();
        let slots = lock(&self.slots);
        let open = |id: &PeerId| slots.get(id).and_then(|slot| slot.status.info());
        let row = |(target, id): (String, PeerId)| AddedNode { connected: open(&id).is_some(), target };
        added.into_iter().map(row).collect()
    }

    /// A block that was connected.
    pub(super) fn remember_latest(&self, block: Arc<ParsedBlock>) {
        *lock(&self.latest) = Some(Arc::new(Latest { block, places: OnceLock::new() }));
    }

    /// A block that is in memory: of our own, or connected last.
    pub(super) fn at_hand(&self, hash: &BlockHash) -> Option<Arc<ParsedBlock>> {
        let latest = || lock(&self.latest).as_ref().map(|latest| Arc::clone(&latest.block));
        self.found(hash).or_else(|| latest().filter(|block| block.hash() == *hash))
    }

    /// A transaction of the block that was connected last.
    pub(super) fn latest_tx(&self, tx: &TxRef) -> Option<Arc<ParsedTx>> {
        let latest = lock(&self.latest).clone();
        latest?.tx(tx)
    }

    pub(super) fn remember_nonce(&self, nonce: u64) {
        lock(&self.nonces).insert(nonce);
    }

    pub(super) fn remember_found(&self, block: Arc<ParsedBlock>) {
        let mut found = lock(&self.found);
        found.push_back(block);
        if found.len() > FOUND_MAX {
            found.pop_front();
        }
    }

    pub(super) fn found(&self, hash: &BlockHash) -> Option<Arc<ParsedBlock>> {
        lock(&self.found).iter().find(|block| block.hash() == *hash).cloned()
    }
}

/// The node as the protocol sees it.
pub(super) struct View<'a> {
    pub(super) deps: &'a PeerDeps,
    pub(super) board: &'a Board,
}

impl NodeView for View<'_> {
    fn tip(&self) -> (BlockHash, Height) {
        let tip = self.deps.chain.tip();
        (tip.hash, tip.height)
    }
    fn best_header(&self) -> (BlockHash, Height) {
        self.deps.chain.best_header()
    }
    fn has_header(&self, hash: &BlockHash) -> bool {
        self.deps.chain.has_header(hash) || self.board.found(hash).is_some()
    }
    fn work_at(&self, hash: &BlockHash) -> Option<Work> {
        self.deps.chain.header_work(hash)
    }
    fn work_with(&self, below: Work, header: &Header) -> Option<Work> {
        self.deps.chain.work_with(below, header)
    }
    fn work_wanted(&self) -> Work {
        self.deps.chain.header_work_wanted()
    }
    fn has_block(&self, hash: &BlockHash) -> bool {
        self.deps.chain.has_block(hash) || self.board.found(hash).is_some()
    }
    fn is_shown(&self, hash: &BlockHash) -> bool {
        self.deps.chain.is_shown(hash) || self.board.found(hash).is_some()
    }
    fn is_pruned(&self) -> bool {
        self.deps.chain.is_pruned()
    }
    fn locator(&self) -> Vec<BlockHash> {
        self.deps.chain.locator()
    }
    fn headers_after(&self, locator: &[BlockHash], stop: BlockHash, most: usize) -> Vec<Header> {
        self.deps.chain.headers_after(locator, stop, most)
    }
    fn blocks_wanted(&self, most: usize) -> Vec<(BlockHash, Height)> {
        self.deps.chain.blocks_wanted(most)
    }
    fn blocks_wanted_up_to(&self, hash: &BlockHash, most: usize) -> Vec<(BlockHash, Height)> {
        self.deps.chain.blocks_wanted_up_to(hash, most)
    }
    fn height_on_best(&self, hash: &BlockHash) -> Option<Height> {
        self.deps.chain.height_on_best(hash)
    }
    fn header(&self, hash: &BlockHash) -> Option<Header> {
        self.deps.chain.header(hash).map(|(header, _)| header)
    }
    fn height_of(&self, hash: &BlockHash) -> Option<Height> {
        self.deps.chain.header(hash).map(|(_, height)| height)
    }
    fn is_ancestor(&self, block: &BlockHash, of: &BlockHash) -> bool {
        self.deps.chain.is_ancestor(block, of)
    }
    fn tip_time_s(&self) -> u64 {
        u64::from(self.deps.chain.tip().header.time)
    }
    fn fee_floor_sat_per_kvb(&self) -> u64 {
        self.deps.mempool.fee_floor_sat_per_kvb()
    }
    fn tx_sequence(&self) -> u64 {
        self.deps.mempool.sequence()
    }
    fn knows_tx(&self, tx: &TxRef) -> bool {
        self.deps.mempool.knows(tx)
    }
    fn may_be_paid_for(&self, wtxid: &Wtxid) -> bool {
        self.deps.mempool.may_be_paid_for(wtxid)
    }
    fn orphan_told(&self, tx: &TxRef, from: PeerId) -> Option<Vec<Txid>> {
        self.deps.mempool.orphan_told(tx, from)
    }
    fn offer_txs(&self, take: &mut dyn FnMut(&Arc<ParsedTx>) -> bool) {
        self.deps.mempool.offer(take);
    }
    fn held_txs(&self, most: usize) -> Vec<TxRef> {
        self.deps.mempool.wtxids(most).into_iter().map(TxRef::Wtxid).collect()
    }
    fn is_banned(&self, ip: IpAddr, now: UnixMillis) -> bool {
        self.board.bans().is_banned(ip, now)
    }
    fn is_own_nonce(&self, nonce: u64) -> bool {
        lock(&self.board.nonces).contains(&nonce)
    }
}

/// A change that a panic cut off does no harm here: what is asked of nobody is asked again, what is asked twice comes twice.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
