use bitcoin::hashes::{Hash, sha256 as library, sha256d as library_twice};
use proptest::prelude::*;

use super::{Sha256, sha256, sha256d, sha256d_64, sha256d_each};

fn message(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 7 + n / 251) as u8).collect()
}

#[test]
fn every_length_around_a_block_hashes_as_in_the_library() {
    for length in 0..=260 {
        let bytes = message(length);
        assert_eq!(sha256(&bytes), library::Hash::hash(&bytes), "{length}");
        assert_eq!(sha256d(&bytes), library_twice::Hash::hash(&bytes), "{length}");
        assert_eq!(Sha256::new().with(&bytes).finish(), library::Hash::hash(&bytes), "{length}");
    }
}

#[test]
fn what_comes_in_two_pieces_hashes_as_one() {
    let bytes = message(200);
    for cut in 0..=200 {
        let (a, b) = bytes.split_at(cut);
        assert_eq!(
            Sha256::default().with(a).with(b).finish_twice(),
            library_twice::Hash::hash(&bytes),
            "{cut}"
        );
    }
}

#[test]
fn a_tag_is_hashed_twice() {
    let tag = library::Hash::hash(b"TapLeaf");
    let bytes = [tag.as_byte_array().as_slice(), tag.as_byte_array(), b"leaf"].concat();
    let midstate = Sha256::tagged(b"TapLeaf");
    assert_eq!(midstate.clone().with(b"leaf").finish(), library::Hash::hash(&bytes));
    assert_eq!(midstate.finish(), library::Hash::hash(&bytes[..64]));
}

#[test]
fn messages_of_64_bytes_hash_alone_and_together_alike() {
    for count in 0..=33 {
        let messages: Vec<[u8; 64]> = (0..count).map(|n| [n; 64]).collect();
        let expected: Vec<_> =
            messages.iter().map(|m| library_twice::Hash::hash(m).to_byte_array()).collect();
        assert_eq!(sha256d_64(&messages), expected, "{count}");
    }
}

#[test]
fn a_message_in_three_pieces_hashes_as_one() {
    let bytes = message(300);
    for length in (0..=300).step_by(7).chain(50..=70).chain(110..=130) {
        for first in [0, 1, 4, 63, 64, 65, length].map(|cut| cut.min(length)) {
            for second in [first, (first + 1).min(length), (first + 64).min(length), length] {
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..length]];
                let expected = [library_twice::Hash::hash(&bytes[..length]).to_byte_array()];
                assert_eq!(sha256d_each([pieces]), expected, "{length} {first} {second}");
            }
        }
    }
}

proptest! {
    #[test]
    fn messages_of_any_lengths_hash_in_their_order(
        lengths in proptest::collection::vec((0usize..9, 0usize..300, 0usize..70), 0..9),
    ) {
        let messages: Vec<_> =
            lengths.iter().map(|(a, b, c)| [message(*a), message(*b), message(*c)]).collect();
        let pieces = messages.iter().map(|m| [m[0].as_slice(), m[1].as_slice(), m[2].as_slice()]);
        let expected: Vec<_> =
            messages.iter().map(|m| library_twice::Hash::hash(&m.concat()).to_byte_array()).collect();
        prop_assert_eq!(sha256d_each(pieces), expected);
    }

    #[test]
    fn pieces_of_any_length_hash_as_one(pieces in proptest::collection::vec(0usize..200, 0..12)) {
        let mut engine = Sha256::new();
        pieces.iter().for_each(|length| engine.update(&message(*length)));
        let whole: Vec<u8> = pieces.iter().flat_map(|length| message(*length)).collect();
        prop_assert_eq!(engine.finish(), library::Hash::hash(&whole));
    }
}
