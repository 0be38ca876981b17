use super::{DecodeError, Reader, size_length};

#[test]
fn d04_compact_sizes_are_canonical_and_bounded() {
    let check = |raw: &[u8], expected: Result<usize, DecodeError>| {
        let mut reader = Reader::new(raw).unwrap();
        assert_eq!(reader.size(), expected, "{raw:02x?}");
        if let Ok(value) = expected {
            assert_eq!(size_length(value), raw.len());
            assert_eq!(reader.expect_end(), Ok(()));
        }
    };
    check(&[0], Ok(0));
    check(&[0xfc], Ok(0xfc));
    check(&[0xfd, 0xfd, 0], Ok(0xfd));
    check(&[0xfd, 0xff, 0xff], Ok(0xffff));
    check(&[0xfe, 0, 0, 1, 0], Ok(0x1_0000));
    check(&[0xfe, 0, 0, 0, 2], Ok(0x0200_0000));
    check(&[0xfd, 0xfc, 0], Err(DecodeError::NonCanonicalSize));
    check(&[0xfe, 0xff, 0xff, 0, 0], Err(DecodeError::NonCanonicalSize));
    check(&[0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], Err(DecodeError::NonCanonicalSize));
    check(&[0xfe, 1, 0, 0, 2], Err(DecodeError::SizeTooLarge));
    check(&[0xff, 0, 0, 0, 0, 1, 0, 0, 0], Err(DecodeError::SizeTooLarge));
    check(&[0xff; 9], Err(DecodeError::SizeTooLarge));
    check(&[], Err(DecodeError::Truncated));
    check(&[0xfd, 1], Err(DecodeError::Truncated));
}

#[test]
fn memory_follows_the_bytes_and_not_what_is_announced() {
    let reader = Reader::new(&[0; 100]).unwrap();
    assert_eq!(reader.capacity(usize::MAX, 41), 2);
    assert_eq!(reader.capacity(1, 41), 1);
    assert_eq!(reader.capacity(usize::MAX, 0), 0);
}

#[test]
fn nothing_is_read_beyond_the_end() {
    let mut reader = Reader::new(&[2, 1]).unwrap();
    assert_eq!(reader.sized_bytes(), Err(DecodeError::Truncated));
    assert_eq!(reader.expect_end(), Err(DecodeError::TrailingBytes));
    assert_eq!(reader.bytes(usize::MAX), Err(DecodeError::Truncated));
    assert_eq!(reader.bytes(1), Ok([1].as_slice()));
    assert_eq!(reader.u32(), Err(DecodeError::Truncated));
}
