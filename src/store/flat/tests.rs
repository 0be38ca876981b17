use std::fs::{self, OpenOptions};
use std::io::Write;

use super::*;
use crate::disk::MachineDisk;

const MAGIC: [u8; 4] = *b"\xfa\xbf\xb5\xda";

fn blocks(dir: &Path, end: FileEnd) -> BlockFiles {
    BlockFiles::new(dir, Arc::new(MachineDisk), MAGIC, 1000, end)
}

fn recover(files: &BlockFiles) -> Vec<Vec<u8>> {
    let mut seen = Vec::new();
    let keep = |_: FilePos, raw: &[u8]| {
        seen.push(raw.to_vec());
        Ok::<bool, StoreFault>(true)
    };
    files.recover_tail(FileEnd::default(), keep).unwrap();
    seen
}

#[test]
fn blocks_are_read_as_they_were_written() {
    let dir = tempfile::tempdir().unwrap();
    let files = blocks(dir.path(), FileEnd::default());
    let first = files.append(&[1; 80]).unwrap();
    let second = files.append(&[2; 90]).unwrap();
    files.sync().unwrap();
    assert_eq!(second, FilePos { file: 0, offset: 8 + 80 + 8, len: 90 });
    assert_eq!((files.read(first).unwrap(), files.read(second).unwrap()), (vec![1; 80], vec![2; 90]));
    assert_eq!(recover(&blocks(dir.path(), FileEnd::default())), [vec![1; 80], vec![2; 90]]);
}

#[test]
fn a_torn_tail_is_cut_and_written_over() {
    for torn in [
        &b"\xfa"[..],
        b"\xfa\xbf\xb5\xda\x50\0\0\0short",
        b"\xfa\xbf\xb5\xda\xff\xff\xff\xff",
        b"other bytes",
    ] {
        let dir = tempfile::tempdir().unwrap();
        blocks(dir.path(), FileEnd::default()).append(&[1; 80]).unwrap();
        let path = dir.path().join("blk00000.dat");
        OpenOptions::new().append(true).open(&path).unwrap().write_all(torn).unwrap();
        let files = blocks(dir.path(), FileEnd::default());
        assert_eq!(recover(&files).len(), 1, "{torn:?}");
        assert_eq!(files.end(), FileEnd { file: 0, offset: 88 });
        assert_eq!(fs::metadata(&path).unwrap().len(), 88);
        files.append(&[3; 10]).unwrap();
        assert_eq!(recover(&files).len(), 2);
    }
}

#[test]
fn recovery_goes_on_in_the_next_file_and_stops_where_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    blocks(dir.path(), FileEnd::default()).append(&[1; 80]).unwrap();
    let second = blocks(dir.path(), FileEnd { file: 1, offset: 0 });
    second.append(&[2; 80]).unwrap();
    second.append(&[3; 80]).unwrap();
    let files = blocks(dir.path(), FileEnd::default());
    let taken = files.recover_tail(FileEnd::default(), |_, raw| Ok::<bool, StoreFault>(raw[0] < 3));
    assert_eq!(taken.unwrap(), 2);
    assert_eq!(files.end(), FileEnd { file: 1, offset: 88 });
}

#[test]
fn a_full_file_is_followed_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let files = blocks(dir.path(), FileEnd { file: 0, offset: FILE_BYTES_MAX - 10 });
    let pos = files.append(&[1; 80]).unwrap();
    assert_eq!(pos, FilePos { file: 1, offset: 8, len: 80 });
}

#[test]
fn undo_data_belongs_to_its_block() {
    let dir = tempfile::tempdir().unwrap();
    let open = |end| UndoFiles::open(dir.path(), Arc::new(MachineDisk), end).unwrap();
    let (files, tail) = open(FileEnd::default());
    assert_eq!(tail, []);
    let (mine, other) = (BlockHash::from_byte_array([1; 32]), BlockHash::from_byte_array([2; 32]));
    let pos = files.append(&mine, &UndoRecord::default()).unwrap();
    files.sync().unwrap();
    assert_eq!(files.read(&mine, pos).unwrap(), UndoRecord::default());
    let error = files.read(&other, pos).unwrap_err().to_string();
    assert_eq!(error, "undo data is damaged: checksum mismatch");
    // Opened at an older end, what is whole is found, and what is torn is forgotten.
    let end = files.end();
    assert_eq!(open(end).1, []);
    let path = dir.path().join("rev00000.dat");
    OpenOptions::new().append(true).open(&path).unwrap().write_all(&[2; 60]).unwrap();
    let (again, tail) = open(FileEnd::default());
    assert_eq!((tail, again.end()), (vec![(mine, pos)], end));
    let next = again.append(&other, &UndoRecord::default()).unwrap();
    assert_eq!(open(FileEnd::default()).1, [(mine, pos), (other, next)]);
    let mut bytes = fs::read(&path).unwrap();
    bytes[36] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_eq!(open(FileEnd::default()).1, []);
    assert!(matches!(again.read(&mine, pos), Err(StoreFault::Io { .. })));
}
