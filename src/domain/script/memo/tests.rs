use bitcoin::Transaction;
use bitcoin::absolute::LockTime;
use bitcoin::key::{Keypair, Secp256k1};
use bitcoin::transaction::Version;
use bitcoin::{Amount, ScriptBuf, TxOut};

use super::*;

fn pair(n: u8) -> Keypair {
    Keypair::from_seckey_slice(&Secp256k1::new(), &[n; 32]).unwrap()
}

#[test]
fn keys_are_the_same_from_the_memo_as_from_their_bytes() {
    let memo = Memo::default();
    // Each more than once: read the first time, kept after that.
    for n in (1..=24).chain(1..=24).chain([1, 1]) {
        let key = pair(n).public_key().serialize();
        assert_eq!(memo.key(&key), PublicKey::from_byte_array_compressed(key).ok());
        let x_only = pair(n).x_only_public_key().0.serialize();
        assert_eq!(memo.x_only_key(&x_only), XOnlyPublicKey::from_byte_array(x_only).ok());
    }
    forget_keys();
    assert_eq!(
        memo.key(&pair(1).public_key().serialize()),
        PublicKey::from_byte_array_compressed(pair(1).public_key().serialize()).ok()
    );
    let uncompressed = pair(3).public_key().serialize_uncompressed();
    assert_eq!(memo.key(&uncompressed), memo.key(&pair(3).public_key().serialize()));
}

#[test]
fn a_key_is_read_once_until_another_takes_its_place() {
    let (kept, reads) = (Kept::<3, u8>::default(), Cell::new(0));
    let get = |bytes: [u8; 3]| {
        kept.get(&bytes, |bytes| {
            reads.set(reads.get() + 1);
            (bytes[0] != 9).then_some(bytes[0])
        })
    };
    let check = |bytes: [u8; 3], expected: Option<u8>, read: u32| {
        assert_eq!((get(bytes), reads.replace(0)), (expected, read), "{bytes:?}");
    };
    check([1, 0, 0], Some(1), 1);
    check([1, 0, 0], Some(1), 0);
    // Another place; the same place; what is no key does not take a place.
    check([2, 1, 0], Some(2), 1);
    check([3, 0, 0], Some(3), 1);
    check([1, 0, 0], Some(1), 1);
    check([9, 0, 0], None, 1);
    check([1, 0, 0], Some(1), 0);
    check([2, 1, 0], Some(2), 0);
    kept.forget();
    check([1, 0, 0], Some(1), 1);
    check([2, 1, 0], Some(2), 1);
}

#[test]
fn bytes_that_are_no_key_stay_none() {
    let memo = Memo::default();
    let key = pair(1).public_key().serialize();
    let mut other = [0xff; 33];
    other[32] = key[32];
    assert!(memo.key(&key).is_some());
    for bytes in [&other[..], &[], &[2; 32], &[4; 65]] {
        assert_eq!(memo.key(bytes), None, "{bytes:02x?}");
        assert_eq!(memo.x_only_key(bytes).is_some(), bytes == [2; 32], "{bytes:02x?}");
    }
    assert!(memo.key(&key).is_some());
}

#[test]
fn the_output_of_one_input_is_hashed_once() {
    let output =
        |n: u8| TxOut { value: Amount::from_sat(n.into()), script_pubkey: ScriptBuf::from_bytes(vec![n]) };
    let tx = Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![],
        output: vec![output(1), output(2)],
    };
    let (memo, context) = (Memo::default(), TxContext::new(&tx, &[]));
    for input in [0, 0, 1, 0, 2, 1] {
        assert_eq!(memo.single_output(&context, input), context.single_output(input), "{input}");
        assert!(memo.single_output.get().is_some_and(|(of, _)| of == input.min(1) || input == 2));
    }
}
