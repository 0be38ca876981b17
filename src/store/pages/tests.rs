use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::Ordering;

use super::*;
use crate::disk::{Disk, MachineDisk};

const GROUP_BYTES: u64 = GROUP_PAGES * PAGE_BYTES;

fn open(path: &Path) -> PageFile {
    PageFile::open(MachineDisk.open(path).unwrap()).unwrap()
}

fn page(tag: u8, count: usize) -> Vec<u8> {
    (0..count * PAGE).map(|n| tag.wrapping_add((n / PAGE) as u8)).collect()
}

fn read(file: &PageFile, page: u64, count: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; count * PAGE];
    file.read(page * PAGE_BYTES, &mut bytes).map(|()| bytes)
}

/// Flips a bit of the file as it lies.
fn flip(path: &Path, at: u64) {
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 4], at).unwrap();
}

fn text<T>(result: io::Result<T>) -> String {
    result.err().unwrap().to_string()
}

#[test]
fn what_is_written_is_read_again_over_the_bounds_of_groups() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    let file = open(&path);
    assert_eq!(file.len().unwrap(), 0);
    file.set_len(3 * GROUP_BYTES + 5 * PAGE_BYTES).unwrap();
    file.write(0, &[7; HEADER]).unwrap();
    for (at, tag) in [(1, 1), (GROUP_PAGES - 2, 2), (2 * GROUP_PAGES, 3), (3 * GROUP_PAGES + 1, 4)] {
        file.write(at * PAGE_BYTES, &page(tag, 4)).unwrap();
    }
    file.sync_data().unwrap();
    for file in [&file, &open(&path)] {
        assert_eq!(file.len().unwrap(), 3 * GROUP_BYTES + 5 * PAGE_BYTES);
        let mut header = [0; HEADER];
        file.read(0, &mut header).unwrap();
        assert_eq!(header, [7; HEADER]);
        for (at, tag) in [(1, 1), (GROUP_PAGES - 2, 2), (2 * GROUP_PAGES, 3), (3 * GROUP_PAGES + 1, 4)] {
            assert_eq!(read(file, at, 4).unwrap(), page(tag, 4), "{at}");
        }
        // What was never written is zeros, and what is not there is an error.
        assert_eq!(read(file, 40, 2).unwrap(), vec![0; 2 * PAGE]);
        assert!(read(file, 3 * GROUP_PAGES + 4, 2).is_err());
    }
}

#[test]
fn a_flipped_bit_is_an_error_wherever_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    let file = open(&path);
    file.set_len(10 * PAGE_BYTES).unwrap();
    file.write(0, &[7; HEADER]).unwrap();
    file.write(PAGE_BYTES, &page(9, 3)).unwrap();
    file.sync_data().unwrap();
    drop(file);
    // In a page, in its checksum, in a page that was never written.
    for (at, damaged) in [(page_offset(2) + 17, 2), (sums_offset(0) + 4 * 3, 3), (page_offset(8), 8)] {
        flip(&path, at);
        let file = open(&path);
        assert_eq!(text(read(&file, damaged, 1)), format!("page {damaged} is damaged: checksum mismatch"));
        assert!(read(&open(&path), 1, 1).is_ok());
        flip(&path, at);
        assert!(read(&open(&path), damaged, 1).is_ok());
    }
}

#[test]
fn a_page_that_lies_elsewhere_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    let file = open(&path);
    file.set_len(10 * PAGE_BYTES).unwrap();
    file.write(0, &[7; HEADER]).unwrap();
    file.write(PAGE_BYTES, &page(9, 2)).unwrap();
    file.sync_data().unwrap();
    drop(file);
    let mut bytes = std::fs::read(&path).unwrap();
    let (one, two) = (page_offset(1) as usize, page_offset(2) as usize);
    bytes.copy_within(one..one + PAGE, two);
    bytes.copy_within(sums_offset(0) as usize + 4..sums_offset(0) as usize + 8, sums_offset(0) as usize + 8);
    std::fs::write(&path, bytes).unwrap();
    assert!(read(&open(&path), 2, 1).is_err());
}

#[test]
fn a_header_that_is_cut_short_leaves_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    let file = open(&path);
    file.set_len(PAGE_BYTES).unwrap();
    let header = |file: &PageFile| {
        let mut header = [0; HEADER];
        file.read(0, &mut header).unwrap();
        header[0]
    };
    for tag in 1..6 {
        file.write(0, &[tag; HEADER]).unwrap();
        file.sync_data().unwrap();
        assert_eq!((header(&file), header(&open(&path))), (tag, tag));
        assert!(!open(&path).health.fell_back.load(Ordering::SeqCst));
    }
    // Two writes before a sync: both go over the older one.
    file.write(0, &[6; HEADER]).unwrap();
    file.write(0, &[7; HEADER]).unwrap();
    let newest = (0..SLOTS).find(|slot| matches!(read_slot(file.file.as_ref(), *slot), Ok(Slot::Whole { header, .. }) if header[0] == 7));
    flip(&path, newest.unwrap() * PAGE_BYTES + 99);
    let again = open(&path);
    assert_eq!((header(&again), again.health.fell_back.load(Ordering::SeqCst)), (5, true));
    flip(&path, (1 - newest.unwrap()) * PAGE_BYTES + 9);
    assert_eq!(
        text(PageFile::open(MachineDisk.open(&path).unwrap())),
        "the file does not begin as a database of Adit"
    );
}

#[test]
fn what_is_cut_is_as_if_it_had_never_been() {
    let dir = tempfile::tempdir().unwrap();
    let file = open(&dir.path().join("a"));
    file.set_len(2 * GROUP_BYTES).unwrap();
    file.write((GROUP_PAGES + 3) * PAGE_BYTES, &page(1, 2)).unwrap();
    file.sync_data().unwrap();
    file.set_len(GROUP_BYTES).unwrap();
    file.sync_data().unwrap();
    file.set_len(2 * GROUP_BYTES).unwrap();
    assert_eq!(read(&file, GROUP_PAGES + 3, 2).unwrap(), vec![0; 2 * PAGE]);
}

#[test]
fn parts_of_pages_are_refused_and_nothing_is_done_after_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    let check = |act: &dyn Fn(&PageFile) -> io::Result<()>| {
        let file = open(&path);
        assert_eq!(text(act(&file)), "no whole pages");
        assert_eq!(text(file.sync_data()), "the disk failed before");
        assert!(file.len().is_err() && file.set_len(0).is_err() && file.read(0, &mut [0]).is_err());
        assert!(file.write(0, &[1]).is_err());
    };
    check(&|file| file.set_len(7));
    check(&|file| file.write(PAGE_BYTES, &[1; 9]));
    check(&|file| file.write(9, &[1; PAGE]));
    check(&|file| file.read(0, &mut [1; PAGE]));
}
