use super::*;

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
