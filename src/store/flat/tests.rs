use std::fs::{self, OpenOptions};
use std::io::Write;

use adit_domain::consensus::{BlockUndo, Coin};
use adit_domain::units::Height;
use bitcoin::hashes::Hash;
use bitcoin::hex::FromHex;
use bitcoin::{Amount, BlockHash, ScriptBuf, TxOut};

use super::*;
use crate::disk::MachineDisk;

const MAGIC: [u8; 4] = *b"\xfa\xbf\xb5\xda";
const KEYS: [XorKey; 2] = [XorKey::NONE, XorKey::new([0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe])];
/// A file is closed before it would reach this.
const FILE_BYTES: u32 = 0x0800_0000;

fn blocks(dir: &Path, key: XorKey, end: FileEnd) -> BlockFiles {
    BlockFiles::new(dir, Arc::new(MachineDisk), (MAGIC, key), 1000, end)
}

fn recover_from(files: &BlockFiles, from: FileEnd) -> Vec<Vec<u8>> {
    let mut seen = Vec::new();
    let keep = |records: &[(FilePos, Vec<u8>)]| {
        seen.extend(records.iter().map(|(_, raw)| raw.clone()));
        Ok::<usize, StoreFault>(records.len())
    };
    files.recover_tail(from, keep).unwrap();
    seen
}

fn recover(files: &BlockFiles) -> Vec<Vec<u8>> {
    recover_from(files, FileEnd::default())
}

fn len(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

#[test]
fn blocks_are_read_as_they_were_written() {
    for key in KEYS {
        let dir = tempfile::tempdir().unwrap();
        let files = blocks(dir.path(), key, FileEnd::default());
        let first = files.append(&[1; 81]).unwrap();
        let second = files.append(&[2; 90]).unwrap();
        files.sync().unwrap();
        assert_eq!(second, FilePos { file: 0, offset: 8 + 81 + 8, len: 90 });
        assert_eq!((files.read(first).unwrap(), files.read(second).unwrap()), (vec![1; 81], vec![2; 90]));
        assert_eq!(recover(&blocks(dir.path(), key, FileEnd::default())), [vec![1; 81], vec![2; 90]]);
        assert_eq!(files.file_bytes(0).unwrap(), Some(8 + 81 + 8 + 90));
        let mut stored = fs::read(dir.path().join("blk00000.dat")).unwrap();
        key.apply(&mut stored, 0);
        let frames = [&MAGIC[..], &[81, 0, 0, 0], &[1; 81], &MAGIC, &[90, 0, 0, 0], &[2; 90]].concat();
        assert_eq!(stored, frames);
    }
}

#[test]
fn a_block_of_many_writes_is_one_block() {
    let dir = tempfile::tempdir().unwrap();
    let key = KEYS[1];
    let files =
        BlockFiles::new(dir.path(), Arc::new(MachineDisk), (MAGIC, key), 4_000_000, FileEnd::default());
    let block: Vec<u8> = (0..2_500_003u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
    let places = [files.append(&block).unwrap(), files.append(&block).unwrap()];
    for pos in places {
        assert_eq!(files.read(pos).unwrap(), block);
    }
}

#[test]
fn what_lies_elsewhere_is_no_block() {
    let dir = tempfile::tempdir().unwrap();
    let files = blocks(dir.path(), KEYS[1], FileEnd::default());
    let pos = files.append(&[1; 80]).unwrap();
    for wrong in
        [FilePos { len: 79, ..pos }, FilePos { offset: 9, len: 70, ..pos }, FilePos { offset: 7, ..pos }]
    {
        let fault = files.read(wrong).unwrap_err().to_string();
        assert!(fault.contains("blk00000.dat: a block at byte") && fault.contains("no frame"), "{fault}");
    }
    assert!(files.damaged(pos).to_string().contains("at byte 8 is damaged: checksum mismatch"));
    let missing = files.read(FilePos { file: 3, ..pos });
    assert!(matches!(missing, Err(StoreFault::Io { .. })));
    assert!(!dir.path().join("blk00003.dat").exists(), "made by being read");
}

#[test]
fn a_tail_is_cut_at_every_byte_and_written_over() {
    for key in KEYS {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("blk00000.dat");
        let files = blocks(dir.path(), key, FileEnd::default());
        files.append(&[1; 80]).unwrap();
        files.append(&[2; 30]).unwrap();
        let whole = fs::read(&path).unwrap();
        for cut in 0..=whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let files = blocks(dir.path(), key, FileEnd::default());
            let blocks = usize::from(cut >= 88) + usize::from(cut == whole.len());
            assert_eq!(recover(&files).len(), blocks, "cut at {cut}");
            let end = [0, 88, 126][blocks];
            assert_eq!((files.end(), len(&path)), (FileEnd { file: 0, offset: end }, u64::from(end)));
            files.append(&[3; 10]).unwrap();
            assert_eq!(recover(&files).len(), blocks + 1);
        }
    }
}

#[test]
fn a_torn_tail_of_any_kind_is_cut() {
    for torn in [
        &b"\xfa"[..],
        b"\xfa\xbf\xb5\xda\x50\0\0\0short",
        b"\xfa\xbf\xb5\xda\xff\xff\xff\xff",
        b"other bytes",
        &[0; 1008],
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("blk00000.dat");
        blocks(dir.path(), XorKey::NONE, FileEnd::default()).append(&[1; 80]).unwrap();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(torn).unwrap();
        let files = blocks(dir.path(), XorKey::NONE, FileEnd::default());
        assert_eq!((recover(&files).len(), len(&path)), (1, 88), "{torn:?}");
    }
}

/// More than a torn block is not ours to cut: room that Core has made ahead, or bytes that a bad disk has changed.
#[test]
fn more_than_a_torn_block_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("blk00000.dat");
    blocks(dir.path(), XorKey::NONE, FileEnd::default()).append(&[1; 80]).unwrap();
    OpenOptions::new().append(true).open(&path).unwrap().write_all(&[0; 1009]).unwrap();
    let files = blocks(dir.path(), XorKey::NONE, FileEnd::default());
    assert_eq!((recover(&files).len(), len(&path)), (1, 88 + 1009));
    assert_eq!(files.end(), FileEnd { file: 1, offset: 0 });
    files.append(&[2; 80]).unwrap();
    assert_eq!(recover(&files), [vec![1; 80], vec![2; 80]]);
    assert_eq!(files.end(), FileEnd { file: 1, offset: 88 });
}

#[test]
fn recovery_goes_on_in_the_next_file_and_past_what_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    blocks(dir.path(), KEYS[1], FileEnd::default()).append(&[1; 80]).unwrap();
    let second = blocks(dir.path(), KEYS[1], FileEnd { file: 1, offset: 0 });
    second.append(&[2; 80]).unwrap();
    second.append(&[3; 80]).unwrap();
    blocks(dir.path(), KEYS[1], FileEnd { file: 2, offset: 0 }).append(&[4; 80]).unwrap();
    let files = blocks(dir.path(), KEYS[1], FileEnd::default());
    let until_three = |records: &[(FilePos, Vec<u8>)]| {
        Ok::<usize, StoreFault>(records.iter().take_while(|(_, raw)| raw[0] != 3).count())
    };
    let taken = files.recover_tail(FileEnd::default(), until_three);
    assert_eq!((taken.unwrap(), files.end()), (3, FileEnd { file: 2, offset: 88 }));
    let refuse = |_: &[(FilePos, Vec<u8>)]| Err::<usize, _>(StoreFault::Missing { what: "nothing" });
    assert!(files.recover_tail(FileEnd::default(), refuse).is_err());
}

#[test]
fn recovery_shows_as_many_blocks_at_once_as_memory_is_meant_for() {
    let dir = tempfile::tempdir().unwrap();
    let block_bytes = 6 << 20;
    let files =
        BlockFiles::new(dir.path(), Arc::new(MachineDisk), (MAGIC, KEYS[1]), 8 << 20, FileEnd::default());
    for n in 0..4 {
        files.append(&vec![n; block_bytes]).unwrap();
    }
    let mut shown = Vec::new();
    let taken = files.recover_tail(FileEnd::default(), |records| {
        shown.push(records.len());
        Ok::<usize, StoreFault>(records.len())
    });
    assert_eq!((taken.unwrap(), shown), (4, vec![3, 1]));
}

#[test]
fn a_full_file_is_followed_by_the_next() {
    let check = |offset: u32, want: FilePos| {
        let dir = tempfile::tempdir().unwrap();
        let files = blocks(dir.path(), KEYS[1], FileEnd { file: 0, offset });
        assert_eq!(files.append(&[1; 80]).unwrap(), want);
    };
    check(FILE_BYTES - 89, FilePos { file: 0, offset: FILE_BYTES - 81, len: 80 });
    // As in Core, a file does not quite reach its limit.
    check(FILE_BYTES - 88, FilePos { file: 1, offset: 8, len: 80 });
}

#[test]
fn a_file_that_is_removed_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let files = blocks(dir.path(), XorKey::NONE, FileEnd::default());
    let pos = files.append(&[1; 80]).unwrap();
    files.remove(0).unwrap();
    assert_eq!(files.file_bytes(0).unwrap(), None);
    assert!(matches!(files.read(pos), Err(StoreFault::Io { .. })));
    files.remove(0).unwrap();
    files.sync().unwrap();
}

fn hash(n: u8) -> BlockHash {
    BlockHash::from_byte_array([n; 32])
}

fn spent(sat: u64) -> BlockUndo {
    let output = TxOut { value: Amount::from_sat(sat), script_pubkey: ScriptBuf::from_bytes(vec![0x51]) };
    BlockUndo { spent: vec![vec![Coin { output, height: Height::new(7), is_coinbase: true }]] }
}

/// Undo files in a folder.
struct Undo {
    dir: tempfile::TempDir,
    key: XorKey,
}

impl Undo {
    fn new(key: XorKey) -> Undo {
        Undo { dir: tempfile::tempdir().unwrap(), key }
    }

    fn open(&self, ends: &[(u32, u32)], flushes: u64) -> (UndoFiles, Vec<Verified>) {
        let (dir, disk) = (self.dir.path(), Arc::new(MachineDisk));
        let ends = ends.iter().copied().collect();
        UndoFiles::open(dir, (dir, flushes), disk, (MAGIC, self.key), ends).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

fn append(files: &UndoFiles, n: u8, file: u32, noted: bool) -> FilePos {
    let undo = EncodedUndo::new(&hash(n), &spent(u64::from(n)));
    files.append(&hash(n + 100), file, &undo, noted).unwrap()
}

#[test]
fn undo_data_lies_in_its_blocks_file() {
    for key in KEYS {
        let undo = Undo::new(key);
        let (files, found) = undo.open(&[], 0);
        assert_eq!(found, []);
        let first = append(&files, 1, 3, true);
        let second = append(&files, 2, 3, true);
        let third = append(&files, 3, 0, true);
        files.sync().unwrap();
        assert_eq!((first.file, first.offset, third.file, third.offset), (3, 8, 0, 8));
        assert_eq!(second.offset, first.undo_end().unwrap() + 8);
        for (n, pos) in [(1u8, first), (2, second), (3, third)] {
            assert_eq!(files.read(&hash(n), pos).unwrap(), spent(u64::from(n)));
        }
        assert_eq!(files.file_bytes(3).unwrap(), second.undo_end().map(u64::from));
        files.remove(3).unwrap();
        assert_eq!(files.file_bytes(3).unwrap(), None);
        assert_eq!(append(&files, 4, 3, true), first);
    }
}

#[test]
fn undo_data_belongs_to_its_block() {
    let undo = Undo::new(KEYS[1]);
    let (files, _) = undo.open(&[], 0);
    let pos = append(&files, 1, 0, true);
    let error = files.read(&hash(2), pos).unwrap_err().to_string();
    assert!(error.contains("rev00000.dat: undo data at byte 8 is damaged: checksum mismatch"), "{error}");
    assert!(error.contains("adit db reindex"), "{error}");
    let whole = fs::read(undo.path("rev00000.dat")).unwrap();
    for byte in 0..whole.len() {
        let mut bad = whole.clone();
        bad[byte] ^= 1;
        fs::write(undo.path("rev00000.dat"), bad).unwrap();
        assert!(matches!(files.read(&hash(1), pos), Err(StoreFault::DamagedFile { .. })), "byte {byte}");
    }
    for cut in 0..whole.len() {
        fs::write(undo.path("rev00000.dat"), &whole[..cut]).unwrap();
        assert!(matches!(files.read(&hash(1), pos), Err(StoreFault::Io { .. })), "cut at {cut}");
    }
}

/// Bytes under a good sum that are no undo data: a bug of whoever wrote them.
#[test]
fn undo_data_has_nothing_left_over() {
    let check = |data: Vec<u8>, want: &str| {
        let undo = Undo::new(XorKey::NONE);
        let (files, _) = undo.open(&[], 0);
        let sum = bitcoin::hashes::sha256d::Hash::hash(&[hash(1).as_byte_array(), data.as_slice()].concat());
        let len = u32::try_from(data.len()).unwrap();
        let row = [&frame(MAGIC, len)[..], &data, sum.as_byte_array()].concat();
        fs::write(undo.path("rev00000.dat"), row).unwrap();
        let fault = files.read(&hash(1), FilePos { file: 0, offset: 8, len }).unwrap_err().to_string();
        assert!(fault.contains(want), "{fault}");
    };
    check(vec![0, 0], "bytes left over");
    check(vec![1], "cut short");
    check(vec![1, 0xff, 0xff, 0, 0], "cut short");
    check(vec![0xfd, 0, 0], "number out of range");
    // A P2PK coin whose x is on no point of the curve.
    check([&[1, 1, 2, 0, 0, 4][..], &[0; 31], &[5]].concat(), "no key has this coordinate");
}

#[test]
fn what_was_verified_since_the_last_flush_is_found() {
    let undo = Undo::new(KEYS[1]);
    let (files, _) = undo.open(&[], 0);
    let first = append(&files, 1, 0, true);
    let second = append(&files, 2, 1, true);
    append(&files, 3, 1, false);
    let take = |files: &UndoFiles, found: &[Verified]| -> Vec<bool> {
        let parent = |v: &Verified| hash(v.block.to_byte_array()[0] - 100);
        found.iter().map(|v| files.take(v, &parent(v)).unwrap()).collect()
    };
    let (files, found) = undo.open(&[], 0);
    let blocks: Vec<_> = found.iter().map(|v| (v.block, v.pos)).collect();
    assert_eq!(blocks, [(hash(101), first), (hash(102), second)]);
    assert_eq!(take(&files, &found), [true, true]);
    assert!(!files.take(&found[0], &hash(9)).unwrap(), "of another block");
    // What was not noted is written over, and what is noted now is found behind what was.
    assert_eq!(append(&files, 4, 1, true).offset, second.undo_end().unwrap() + 8);
    let (files, found) = undo.open(&[], 0);
    assert_eq!(take(&files, &found), [true, true, true]);
    // One torn at any byte is not taken.
    let whole = fs::read(undo.path("rev00001.dat")).unwrap();
    for cut in 0..whole.len() {
        fs::write(undo.path("rev00001.dat"), &whole[..cut]).unwrap();
        assert!(!take(&files, &found)[2], "cut at {cut}");
    }
}

#[test]
fn the_journal_is_kept_for_two_flushes() {
    let undo = Undo::new(XorKey::NONE);
    let (files, _) = undo.open(&[], 0);
    let names = |flushes: u64| -> Vec<u8> {
        undo.open(&[], flushes).1.iter().map(|v| v.block.to_byte_array()[0] - 100).collect()
    };
    append(&files, 1, 0, true);
    files.begin_flush(1).unwrap();
    append(&files, 2, 0, true);
    // Not committed yet; then it is.
    assert_eq!(names(0), [1, 2]);
    assert_eq!(names(1), [1, 2]);
    files.begin_flush(2).unwrap();
    append(&files, 3, 0, true);
    assert_eq!(names(1), [1, 2, 3]);
    assert_eq!(names(2), [3]);
    files.begin_flush(3).unwrap();
    append(&files, 4, 0, true);
    assert_eq!(names(2), [3, 4]);
    assert!(!undo.path("verified.1").exists());
}

#[test]
fn a_torn_journal_is_read_up_to_there() {
    let undo = Undo::new(XorKey::NONE);
    let (files, _) = undo.open(&[], 0);
    append(&files, 1, 0, true);
    append(&files, 2, 0, true);
    let path = undo.path("verified.1");
    let whole = fs::read(&path).unwrap();
    for cut in 0..=whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        assert_eq!(undo.open(&[], 0).1.len(), cut / 80, "cut at {cut}");
    }
    for byte in 0..whole.len() {
        let mut bad = whole.clone();
        bad[byte] ^= 0x40;
        fs::write(&path, &bad).unwrap();
        assert_eq!(undo.open(&[], 0).1.len(), byte / 80, "byte {byte}");
    }
}

#[test]
fn what_lies_behind_an_undo_files_end_is_cut_before_it_is_written() {
    let undo = Undo::new(XorKey::NONE);
    fs::write(undo.path("rev00000.dat"), vec![7; 5000]).unwrap();
    let (files, _) = undo.open(&[(0, 100)], 0);
    assert_eq!(len(&undo.path("rev00000.dat")), 5000);
    let pos = append(&files, 1, 0, true);
    assert_eq!((pos.offset, len(&undo.path("rev00000.dat"))), (108, u64::from(pos.undo_end().unwrap())));
}

#[test]
fn an_undo_file_of_four_gigabytes_is_full() {
    let undo = Undo::new(XorKey::NONE);
    let (files, _) = undo.open(&[(5, u32::MAX - 20), (6, u32::MAX)], 0);
    assert_eq!(append(&files, 1, 5, true).file, 7);
    assert_eq!(FilePos { file: 0, offset: u32::MAX, len: 0 }.undo_end(), None);
    let (files, _) = undo.open(&[(u32::MAX, u32::MAX)], 0);
    let undo = EncodedUndo::new(&hash(1), &spent(1));
    let full = files.append(&hash(2), u32::MAX, &undo, true);
    assert!(matches!(full, Err(StoreFault::Missing { what: "room for undo data" })));
}

/// The x of the curve's generator, whose y is even.
const GENERATOR: &str = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

/// Put together from Core's format by hand, field by field; the sum by another program.
#[test]
fn undo_data_lies_as_core_writes_it() {
    let hex = |digits: &str| -> Vec<u8> { FromHex::from_hex(digits).unwrap() };
    let sat = |sat: u64, at: u32, is_coinbase: bool, script: &str| Coin {
        output: TxOut { value: Amount::from_sat(sat), script_pubkey: ScriptBuf::from_bytes(hex(script)) },
        height: Height::new(at),
        is_coinbase,
    };
    let (ones, twos, threes) = ("11".repeat(20), "22".repeat(20), "33".repeat(20));
    let (long, y) = ("6a".repeat(200), "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8");
    let fields = [
        // Two transactions beside the coinbase, the first with two inputs.
        ["02", "02", ""],
        // Height and coinbase, a zero, amount; script.
        ["8049", "0032", &format!("00{ones}")],
        ["0e", "0001", &format!("01{twos}")],
        ["04", "", ""],
        ["e5c400", "008390e7ea3d", &format!("02{GENERATOR}")],
        ["12", "0000", &format!("04{GENERATOR}")],
        ["80f900", "008980dd40", &format!("1c0014{threes}")],
        // At height 0 there is no zero.
        ["00", "35", &format!("804e{long}")],
    ];
    let data = hex(&fields.concat().concat());
    let row = [
        MAGIC.as_slice(),
        &[0x6d, 0x01, 0, 0],
        &data,
        &hex("e0368f4df285515dea9aa2283defc2929e534e655f0a1a8d70a64ea0ab6f9bd5"),
    ]
    .concat();
    let undo = BlockUndo {
        spent: vec![
            vec![
                sat(5_000_000_000, 100, true, &format!("76a914{ones}88ac")),
                sat(1, 7, false, &format!("a914{twos}87")),
            ],
            vec![
                sat(123_456_789, 840_000, false, &format!("2102{GENERATOR}ac")),
                sat(0, 9, false, &format!("4104{GENERATOR}{y}ac")),
                sat(2_100_000_000_000_000, 16_000, false, &format!("0014{threes}")),
                sat(600, 0, false, &long),
            ],
        ],
    };
    for key in KEYS {
        let folder = Undo::new(key);
        let (files, _) = folder.open(&[], 0);
        let pos = files.append(&hash(9), 0, &EncodedUndo::new(&hash(1), &undo), true).unwrap();
        assert_eq!(pos, FilePos { file: 0, offset: 8, len: 365 });
        let mut stored = fs::read(folder.path("rev00000.dat")).unwrap();
        key.apply(&mut stored, 0);
        assert_eq!(stored, row);
        // The same bytes, from somebody else.
        let mut theirs = row.clone();
        key.apply(&mut theirs, 0);
        fs::write(folder.path("rev00000.dat"), theirs).unwrap();
        assert_eq!(files.read(&hash(1), pos).unwrap(), undo);
    }
}
