//! Scripts that are run.

use adit_domain::script::{
    Interpreter, ScriptFlags, ScriptVerifier, Spend, TaprootExtra, TxContext, verify_input,
};
use bitcoin::consensus::encode::serialize;
use bitcoin::hashes::Hash;
use bitcoin::sighash::{Annex, EcdsaSighashType, Prevouts, SighashCache, TapSighashType};
use bitcoin::taproot::TapLeafHash;
use bitcoin::{Amount, Script, ScriptBuf, Sequence, Transaction, TxIn, TxOut};

use crate::bytes::Bytes;
use crate::plan::Plan;

/// A spend and two sets of flags; the bytes are those of [`Plan`].
///
/// Every way of asking gives one verdict, and a flag only ever forbids: with fewer what passes still passes, with more what
/// fails still fails.
pub fn interpreter(data: &[u8]) {
    let plan = Plan::read(data);
    let flags = plan.flags.with_implied();
    let raw = serialize(&plan.tx);
    let spend = Spend { tx: &plan.tx, wtxid: plan.tx.compute_wtxid(), raw: &raw, prevouts: &plan.prevouts };
    let verdict = Interpreter.verify_input(&spend, plan.input, flags);
    let context = TxContext::new(&plan.tx, &plan.prevouts);
    for input in 0..plan.tx.input.len() {
        let shared = verify_input(&context, input, flags);
        assert!(input != plan.input || shared == verdict, "{shared:?} and {verdict:?}");
    }
    assert_eq!(verify_input(&context, plan.input, flags), verdict);
    let other = match verdict {
        Ok(()) => trimmed(flags.only(plan.other)),
        Err(_) => (flags | plan.other).with_implied(),
    };
    let second = verify_input(&context, plan.input, other);
    assert_eq!(second.is_ok(), verdict.is_ok(), "{flags:?} {verdict:?}, {other:?} {second:?}");
}

/// Without the flags that rest on one that is missing.
fn trimmed(flags: ScriptFlags) -> ScriptFlags {
    let mut flags = flags;
    if !flags.contains(ScriptFlags::P2SH) {
        flags = flags.without(ScriptFlags::WITNESS);
    }
    if !flags.contains(ScriptFlags::WITNESS) {
        flags = flags.without(ScriptFlags::CLEANSTACK);
    }
    flags
}

/// A transaction, its prevouts and a script: the digests are those of the field's library, where it has them.
pub fn sighash(data: &[u8]) {
    let mut bytes = Bytes(data);
    let (input, hash_type) = (usize::from(bytes.u8() & 7), bytes.u32());
    let (tx, prevouts) = transaction(&mut bytes);
    let annex = (bytes.u8() & 1 == 1).then(|| [&[0x50][..], bytes.take(300)].concat());
    let script = ScriptBuf::from_bytes(bytes.0.to_vec());
    let context = TxContext::new(&tx, &prevouts);
    legacy(&context, input, hash_type, &script);
    segwit_v0(&context, input, hash_type, &script);
    taproot(&context, input, hash_type, annex, &script);
}

fn transaction(bytes: &mut Bytes<'_>) -> (Transaction, Vec<TxOut>) {
    let counts = bytes.u8();
    let output = |bytes: &mut Bytes<'_>| {
        let len = usize::from(bytes.u8()) * usize::from(bytes.u8() & 3);
        TxOut {
            value: Amount::from_sat(bytes.u64()),
            script_pubkey: ScriptBuf::from_bytes(bytes.take(len).to_vec()),
        }
    };
    let input = |bytes: &mut Bytes<'_>| TxIn {
        previous_output: bitcoin::OutPoint {
            txid: bitcoin::Txid::from_byte_array(bytes.array()),
            vout: bytes.u32(),
        },
        sequence: Sequence(bytes.u32()),
        ..TxIn::default()
    };
    let tx = Transaction {
        version: bitcoin::transaction::Version(bytes.u32() as i32),
        lock_time: bitcoin::absolute::LockTime::from_consensus(bytes.u32()),
        input: (0..counts & 7).map(|_| input(bytes)).collect(),
        output: (0..counts >> 3 & 7).map(|_| output(bytes)).collect(),
    };
    let prevouts = tx.input.iter().map(|_| output(bytes)).collect();
    (tx, prevouts)
}

fn legacy(context: &TxContext<'_>, input: usize, hash_type: u32, script: &Script) {
    let ours = context.legacy_sighash(input, script.as_bytes(), hash_type);
    assert_eq!(ours.is_some(), input < context.tx().input.len());
    // The library signs code separators, and all of a script with a truncated push; Core does neither.
    if script.as_bytes().contains(&0xab) || script.instructions().any(|read| read.is_err()) {
        return;
    }
    let theirs = SighashCache::new(context.tx()).legacy_signature_hash(input, script, hash_type);
    assert_eq!(ours, theirs.ok().map(|digest| digest.to_byte_array()));
}

fn segwit_v0(context: &TxContext<'_>, input: usize, hash_type: u32, script: &Script) {
    let Some(prevout) = context.prevouts().get(input) else { return };
    let amount = prevout.value;
    let ours = context.segwit_v0_sighash(input, script.as_bytes(), hash_type, amount.to_sat());
    // The library knows the hash types that have a name.
    let Ok(known) = EcdsaSighashType::from_standard(hash_type) else { return };
    let theirs = SighashCache::new(context.tx()).p2wsh_signature_hash(input, script, amount, known);
    assert_eq!(ours, theirs.ok().map(|digest| digest.to_byte_array()));
}

fn taproot(context: &TxContext<'_>, input: usize, hash_type: u32, annex: Option<Vec<u8>>, script: &Script) {
    let Ok(hash_type) = u8::try_from(hash_type) else { return };
    let annex_hash = annex.as_ref().map(|annex| {
        let encoded = serialize(annex);
        bitcoin::hashes::sha256::Hash::hash(&encoded).to_byte_array()
    });
    let leaf = (script.len() % 2 == 1).then(|| {
        let hash = TapLeafHash::from_script(script, bitcoin::taproot::LeafVersion::TapScript);
        (hash.to_byte_array(), u32::from(script.as_bytes()[0]))
    });
    let ours = context.taproot_sighash(input, hash_type, &TaprootExtra { annex_hash, leaf });
    let known = TapSighashType::from_consensus_u8(hash_type).ok();
    // The library gives digests of inputs that are not there.
    let Some(known) = known.filter(|_| input < context.tx().input.len()) else {
        assert_eq!(ours, None);
        return;
    };
    let annex = annex.as_deref().map(|annex| Annex::new(annex).expect("it begins with 0x50"));
    let leaf = leaf.map(|(hash, position)| (TapLeafHash::from_byte_array(hash), position));
    let prevouts = Prevouts::All(context.prevouts());
    let theirs = SighashCache::new(context.tx()).taproot_signature_hash(input, &prevouts, annex, leaf, known);
    assert_eq!(ours, theirs.ok().map(|digest| digest.to_byte_array()));
}
