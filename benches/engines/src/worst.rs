//! Transactions that cost as much as the rules let them, for their size.

use adit_domain::script::{TaprootExtra, TxContext};
use bitcoin::absolute::LockTime;
use bitcoin::hashes::{Hash, sha256};
use bitcoin::key::{Keypair, Secp256k1};
use bitcoin::secp256k1::{Message, SecretKey};
use bitcoin::taproot::{LeafVersion, TaprootBuilder};
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness};

use crate::Job;
use crate::signed::push;

const OP_IF: u8 = 0x63;
const OP_ENDIF: u8 = 0x68;
const OP_2DROP: u8 = 0x6d;
const OP_DROP: u8 = 0x75;
const OP_DUP: u8 = 0x76;
const OP_PICK: u8 = 0x79;
const OP_ROLL: u8 = 0x7a;
const OP_NOT: u8 = 0x91;
const OP_CODESEPARATOR: u8 = 0xab;
const OP_CHECKSIG: u8 = 0xac;
const OP_CHECKMULTISIG: u8 = 0xae;
const OP_1: u8 = 0x51;
const OP_1ADD: u8 = 0x8b;

/// Bytes of a tapscript that takes a block of its own.
const SCRIPT_BYTES: usize = 3_900_000;
/// Bytes that an output has which makes a transaction as large as before segwit.
const LARGE_OUTPUT_BYTES: usize = 900_000;

/// The cases, each one transaction, with a name.
pub fn cases() -> Vec<(&'static str, Job)> {
    let large = || vec![0x6a; LARGE_OUTPUT_BYTES];
    let mut cases = vec![
        ("2,000 legacy inputs, ALL", legacy(&check_not(1), 2000, vec![])),
        ("2,000 legacy inputs, NONE", legacy(&check_not(2), 2000, vec![])),
        ("2,000 legacy inputs, ONE|ANYONE", legacy(&check_not(0x83), 2000, vec![])),
        ("1 MB legacy, 66 CHECKSIG", legacy(&repeated_checksig(66, &[1], false), 1, large())),
        ("1 MB legacy, 66 hash types", legacy(&repeated_checksig(66, &HASH_TYPES, false), 1, large())),
        ("1 MB legacy, 50 CODESEPARATOR", legacy(&repeated_checksig(50, &[1], true), 1, large())),
        ("1 MB legacy, 4 multisig 20 of 20", legacy(&multisigs(4), 1, large())),
        ("2,000 v0 inputs", v0(&check_not(1), 2000)),
        ("FindAndDelete in 9 kB, 4 multisig", legacy(&find_and_delete(), 1, vec![])),
        ("1 MB output, SINGLE in tapscript", single_in_tapscript()),
        ("1,000 elements of 520 bytes", tapscript(&[OP_2DROP; 499], &vec![vec![1; 520]; 999])),
        ("3 MB of 1-byte elements", tapscript(&[OP_1], &vec![vec![1]; 1_500_000])),
        ("4 MB annex", with_annex(tapscript(&[OP_1], &[]))),
        ("path of 128 nodes", deep_path()),
    ];
    cases.extend(floods());
    cases
}

/// Hash types of all six classes of what is signed.
const HASH_TYPES: [u8; 6] = [1, 2, 3, 0x81, 0x82, 0x83];

/// Tapscripts of 4 MB of one cheap thing.
fn floods() -> Vec<(&'static str, Job)> {
    let nested = [[OP_1, OP_IF].repeat(SCRIPT_BYTES / 3), [OP_ENDIF].repeat(SCRIPT_BYTES / 3), vec![OP_1]];
    let not_taken = [
        vec![0, OP_IF],
        [OP_IF].repeat(SCRIPT_BYTES / 2),
        [OP_ENDIF].repeat(SCRIPT_BYTES / 2),
        vec![OP_ENDIF, OP_1],
    ];
    let element = |len: usize| vec![vec![7; len]];
    let many = vec![vec![7; 80]; 998];
    // 997 or 998 as a number of two bytes.
    let deep = |opcode: u8| flood(&[2, 0xe4, 3, opcode]);
    vec![
        ("flood: IF nested", tapscript(&nested.concat(), &[])),
        ("flood: IF not taken", tapscript(&not_taken.concat(), &[])),
        ("flood: NOP", tapscript(&flood(&[0x61]), &[])),
        ("flood: 1 DROP", tapscript(&flood(&[OP_1, OP_DROP]), &[])),
        ("flood: DUP DROP of 520", tapscript(&flood(&[OP_DUP, OP_DROP]), &element(520))),
        (
            "flood: 3DUP 2DROP DROP of 520",
            tapscript(&flood(&[0x6f, OP_2DROP, OP_DROP]), &vec![vec![7; 520]; 3]),
        ),
        ("flood: SWAP ROT TUCK", tapscript(&flood(&[0x7c, 0x7b, 0x7d, OP_DROP]), &vec![vec![7; 520]; 3])),
        ("flood: 2ROT 2SWAP", tapscript(&flood(&[0x71, 0x72]), &vec![vec![7; 520]; 6])),
        ("flood: TOALT FROMALT", tapscript(&flood(&[0x6b, 0x6c]), &element(520))),
        ("flood: 1ADD", tapscript(&[vec![OP_1], vec![OP_1ADD; 1_000_000]].concat(), &[])),
        ("flood: ADD, WITHIN", tapscript(&flood(&[OP_1, OP_1, 0x93, OP_1, OP_1, 0xa5, OP_DROP]), &[])),
        ("flood: EQUAL of 520", tapscript(&flood(&[0x6e, 0x87, OP_DROP]), &vec![vec![7; 520]; 2])),
        ("flood: SIZE DROP", tapscript(&flood(&[0x82, OP_DROP]), &element(520))),
        ("flood: push of 520", tapscript(&flood(&[&[0x4d, 8, 2][..], &[7; 520], &[OP_DROP]].concat()), &[])),
        ("flood: push of 75", tapscript(&flood(&[&[75][..], &[7; 75], &[OP_DROP]].concat()), &[])),
        ("flood: PICK 996 deep", tapscript(&flood(&[2, 0xe4, 3, OP_PICK, OP_DROP]), &many)),
        ("flood: ROLL 996 deep", tapscript(&deep(OP_ROLL), &many)),
        ("flood: DUP SHA256 of 520", tapscript(&flood(&[OP_DUP, 0xa8, OP_DROP]), &element(520))),
        ("flood: DUP HASH256 of 520", tapscript(&flood(&[OP_DUP, 0xaa, OP_DROP]), &element(520))),
        ("flood: DUP HASH160 of 520", tapscript(&flood(&[OP_DUP, 0xa9, OP_DROP]), &element(520))),
        ("flood: DUP RIPEMD160 of 520", tapscript(&flood(&[OP_DUP, 0xa6, OP_DROP]), &element(520))),
        ("flood: DUP SHA1 of 520", tapscript(&flood(&[OP_DUP, 0xa7, OP_DROP]), &element(520))),
        ("flood: SHA256 of 32", tapscript(&[0xa8; 1_000_000], &element(32))),
        ("flood: HASH160 of 20", tapscript(&[0xa9; 1_000_000], &element(20))),
        ("flood: CODESEPARATOR", tapscript(&flood(&[OP_CODESEPARATOR]), &[])),
        ("OP_SUCCESS behind 4 MB", tapscript(&[flood(&[0x61]), vec![0x50]].concat(), &[])),
    ]
}

/// As often as a block holds it.
fn flood(piece: &[u8]) -> Vec<u8> {
    piece.repeat(SCRIPT_BYTES / piece.len())
}

/// A signature in strict DER that no key here made.
fn no_signature(hash_type: u8, salt: u8) -> Vec<u8> {
    let integer = [&[2, 32][..], &[salt; 32]].concat();
    [&[0x30, 68][..], &integer, &integer, &[hash_type]].concat()
}

fn key() -> Vec<u8> {
    keypair().public_key().serialize().to_vec()
}

fn keypair() -> Keypair {
    Keypair::from_secret_key(&Secp256k1::new(), &SecretKey::from_slice(&[5; 32]).unwrap())
}

/// A signature that must not be valid.
fn check_not(hash_type: u8) -> Vec<u8> {
    [push(&no_signature(hash_type, 1)), push(&key()), vec![OP_CHECKSIG, OP_NOT]].concat()
}

/// Many such, each by the next of the hash types, all on the same script or each on another.
fn repeated_checksig(count: usize, hash_types: &[u8], separated: bool) -> Vec<u8> {
    let one = |hash_type: &u8| {
        let separator: &[u8] = if separated { &[OP_CODESEPARATOR] } else { &[] };
        [separator, &push(&no_signature(*hash_type, 1)), &push(&key()), &[OP_CHECKSIG, OP_DROP]].concat()
    };
    let checks: Vec<u8> = hash_types.iter().cycle().take(count).flat_map(one).collect();
    [checks, vec![OP_1]].concat()
}

/// 20 of 20 so often: four fill the 10,000 bytes of a script.
fn multisigs(count: usize) -> Vec<u8> {
    let signature = push(&no_signature(1, 1));
    let one = [
        vec![0],
        signature.repeat(20),
        vec![1, 20],
        push(&key()).repeat(20),
        vec![1, 20, OP_CHECKMULTISIG, OP_DROP],
    ]
    .concat();
    let mut script = one.repeat(count);
    script.push(OP_1);
    script
}

/// A script full of the signatures that are deleted from it.
fn find_and_delete() -> Vec<u8> {
    let signatures: Vec<u8> = (1..=20).flat_map(|salt| push(&no_signature(1, salt))).collect();
    let keys = [vec![1, 20], push(&[2; 33]).repeat(20), vec![1, 20, OP_CHECKMULTISIG, OP_DROP]].concat();
    [[vec![0], signatures, keys].concat().repeat(4), vec![OP_1]].concat()
}

fn input(vout: u32) -> TxIn {
    let previous_output = OutPoint { txid: Txid::from_byte_array([7; 32]), vout };
    TxIn { previous_output, sequence: Sequence::MAX, ..TxIn::default() }
}

fn output(script: Vec<u8>) -> TxOut {
    TxOut { value: Amount::from_sat(1000), script_pubkey: ScriptBuf::from_bytes(script) }
}

fn transaction(inputs: u32, script: Vec<u8>) -> Transaction {
    Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: (0..inputs).map(input).collect(),
        output: vec![output(script)],
    }
}

fn legacy(script: &[u8], inputs: u32, output_script: Vec<u8>) -> Job {
    let prevouts = vec![output(script.to_vec()); inputs as usize];
    Job::new(transaction(inputs, output_script), prevouts)
}

fn v0(script: &[u8], inputs: u32) -> Job {
    let mut tx = transaction(inputs, vec![]);
    tx.input.iter_mut().for_each(|input| input.witness = Witness::from_slice(&[script]));
    let program = [&[0, 32][..], sha256::Hash::hash(script).as_byte_array()].concat();
    Job::new(tx, vec![output(program); inputs as usize])
}

/// A tapscript behind these elements, alone in its tree.
fn tapscript(script: &[u8], elements: &[Vec<u8>]) -> Job {
    let (program, control) = tree(script, 0);
    let mut tx = transaction(1, vec![]);
    let mut witness = elements.to_vec();
    witness.extend([script.to_vec(), control]);
    tx.input[0].witness = Witness::from_slice(&witness);
    Job::new(tx, vec![output(program)])
}

fn tree(script: &[u8], depth: u8) -> (Vec<u8>, Vec<u8>) {
    let secp = Secp256k1::new();
    let leaf = ScriptBuf::from_bytes(script.to_vec());
    let mut builder = TaprootBuilder::new().add_leaf(depth, leaf.clone()).unwrap();
    for depth in (1..=depth).rev() {
        builder = builder.add_leaf(depth, ScriptBuf::from_bytes(vec![OP_1])).unwrap();
    }
    let info = builder.finalize(&secp, keypair().x_only_public_key().0).unwrap();
    let program = [&[0x51, 32][..], &info.output_key().to_x_only_public_key().serialize()].concat();
    (program, info.control_block(&(leaf, LeafVersion::TapScript)).unwrap().serialize())
}

fn with_annex(mut job: Job) -> Job {
    job.tx.input[0].witness.push([vec![0x50], vec![0; SCRIPT_BYTES]].concat());
    Job::new(job.tx, job.prevouts)
}

fn deep_path() -> Job {
    let (program, control) = tree(&[OP_1, OP_1], 128);
    let mut tx = transaction(1, vec![]);
    tx.input[0].witness = Witness::from_slice(&[&[OP_1, OP_1][..], &control]);
    Job::new(tx, vec![output(program)])
}

/// Valid signatures on the one output, which is large: one signature, checked by one key over and over.
fn single_in_tapscript() -> Job {
    let pair = keypair();
    let key = push(&pair.x_only_public_key().0.serialize());
    // The budget is 50 a check, and such a check has 35 bytes: the witness pays for two of three.
    let checks = [&[OP_DUP][..], &key, &[0xad]].concat();
    let script = [checks.repeat(600), key, vec![OP_CHECKSIG]].concat();
    let (program, control) = tree(&script, 0);
    let prevouts = vec![output(program)];
    let mut tx = transaction(1, vec![0x6a; 450_000]);
    let leaf =
        bitcoin::TapLeafHash::from_script(&ScriptBuf::from_bytes(script.clone()), LeafVersion::TapScript);
    let extra = TaprootExtra { annex_hash: None, leaf: Some((leaf.to_byte_array(), u32::MAX)) };
    let digest = TxContext::new(&tx, &prevouts).taproot_sighash(0, 3, &extra).unwrap();
    let secp = Secp256k1::new();
    let signature = secp.sign_schnorr_no_aux_rand(&Message::from_digest(digest), &pair);
    let signature = [signature.as_ref(), &[3][..]].concat();
    tx.input[0].witness = Witness::from_slice(&[&signature[..], &script, &control]);
    Job::new(tx, prevouts)
}
