use super::*;
use crate::tests::sim::Sim;

#[test]
fn any_stretch_is_turned_as_the_whole_file_is() {
    let key = XorKey::new([1, 2, 3, 4, 5, 6, 7, 0x80]);
    let plain: Vec<u8> = (0..100).collect();
    let mut whole = plain.clone();
    key.apply(&mut whole, 0);
    let want: Vec<u8> = plain.iter().zip(key.to_bytes().into_iter().cycle()).map(|(b, k)| b ^ k).collect();
    assert_eq!(whole, want);
    for from in 0..20 {
        for to in from..60 {
            let mut part = whole[from..to].to_vec();
            key.apply(&mut part, from as u64);
            assert_eq!(part, plain[from..to], "{from}..{to}");
        }
    }
    let mut same = plain.clone();
    XorKey::NONE.apply(&mut same, 3);
    assert_eq!(same, plain);
}

#[test]
fn a_folder_says_its_key() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(XorKey::of_folder(dir.path()).unwrap(), XorKey::NONE);
    std::fs::write(dir.path().join("xor.dat"), [9, 8, 7, 6, 5, 4, 3, 2]).unwrap();
    assert_eq!(XorKey::of_folder(dir.path()).unwrap(), XorKey::new([9, 8, 7, 6, 5, 4, 3, 2]));
    for bytes in [&[0; 7][..], &[0; 9], &[]] {
        std::fs::write(dir.path().join("xor.dat"), bytes).unwrap();
        assert!(matches!(XorKey::of_folder(dir.path()), Err(StoreFault::Io { .. })), "{bytes:?}");
    }
}

#[test]
fn a_power_cut_while_the_key_is_written_leaves_none_or_the_whole_one() {
    let (folder, key) = (Path::new("blocks"), XorKey::new([1, 2, 3, 4, 5, 6, 7, 8]));
    for seed in 0..20 {
        let sim = Sim::new();
        sim.capture(seed);
        key.begin_on(&sim, folder).unwrap();
        for (cut, image) in sim.take_images() {
            let found = image.get(&folder.join(FILE)).map(|file| file.to_vec());
            assert!(found.as_deref().is_none_or(|bytes| bytes == key.to_bytes()), "seed {seed}, {cut:?}");
            // Whatever is left, the next start makes one or keeps this one.
            let again = Sim::of(&image);
            XorKey::new([9; 8]).begin_on(&again, folder).unwrap();
            let want = found.unwrap_or(vec![9; 8]);
            assert_eq!(again.read(&folder.join(FILE)).unwrap(), want, "seed {seed}, {cut:?}");
        }
    }
}

#[test]
fn a_key_is_made_where_nothing_lies_yet() {
    let check = |there: &[&str], made: bool| {
        let folder = tempfile::tempdir().unwrap();
        there.iter().for_each(|name| std::fs::write(folder.path().join(name), b"x").unwrap());
        let key = XorKey::new([1, 2, 3, 4, 5, 6, 7, 8]);
        key.begin_in(folder.path()).unwrap();
        let want = if made { key } else { XorKey::NONE };
        assert_eq!(XorKey::of_folder(folder.path()).unwrap(), want, "{there:?}");
        XorKey::new([9; 8]).begin_in(folder.path()).unwrap();
        assert_eq!(XorKey::of_folder(folder.path()).unwrap(), want, "{there:?}");
    };
    check(&[], true);
    check(&[".lock", ".xor.new"], true);
    check(&["blk00000.dat"], false);
    let missing = XorKey::NONE.begin_in(std::path::Path::new("/proc/no/such/folder"));
    assert!(matches!(missing, Err(crate::StoreFault::Io { .. })));
}
