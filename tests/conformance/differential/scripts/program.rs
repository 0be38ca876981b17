//! A script in the making: its opcodes, what it expects on the stack, and the signatures that it needs.

use adit_domain::script::{ScriptFlags, TaprootExtra, TxContext};
use bitcoin::opcodes::Opcode;
use bitcoin::opcodes::all as op;

use super::super::chance::Chance;
use super::keys::{Key, Shape, fixed, key, key_for};
use crate::asm;

/// Under which rules a script runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Base,
    V0,
    Tap,
}

/// One opcode with what it pushes: so that a place among the pieces is a place among the opcodes.
#[derive(Clone)]
enum Piece {
    Bytes(Vec<u8>),
    /// The shortest push of a signature, by its number among the needs.
    Sig(usize),
}

/// What the input brings for the script.
#[derive(Clone)]
pub(super) enum Slot {
    Bytes(Vec<u8>),
    Sig(usize),
    /// The key of a signature that stood first.
    Key(usize),
}

/// A signature that has to be made once the script and the transaction stand.
#[derive(Clone)]
pub(super) struct Need {
    pub(super) key: usize,
    pub(super) hash_type: u8,
    pub(super) shape: Shape,
    /// The last OP_CODESEPARATOR that ran before, as a place among the pieces.
    separator: Option<usize>,
    /// The signatures in the script that are left out of what this one signs: FindAndDelete.
    pub(super) deletes: Vec<usize>,
    /// It signs something else.
    pub(super) spoiled: bool,
    /// The S of a signature that stood before what it signs did: its key follows from both.
    fixed: Option<[u8; 32]>,
}

#[derive(Clone)]
pub(super) struct Program {
    pub(super) dialect: Dialect,
    pieces: Vec<Piece>,
    /// In the order of use: the first lies on top.
    pub(super) slots: Vec<Slot>,
    needs: Vec<Need>,
    /// Opcodes that count against the limit of 201.
    pub(super) ops: usize,
    separator: Option<usize>,
    /// Whether signatures stand in the script itself.
    pub(super) has_embedded: bool,
    /// Rules that the script is known to break: it passes where none of them holds.
    pub(super) fails_under: ScriptFlags,
}

impl Program {
    pub(super) fn new(dialect: Dialect) -> Program {
        Program {
            dialect,
            pieces: Vec::new(),
            slots: Vec::new(),
            needs: Vec::new(),
            ops: 0,
            separator: None,
            has_embedded: false,
            fails_under: ScriptFlags::NONE,
        }
    }

    pub(super) fn op(&mut self, opcode: Opcode) {
        self.raw(vec![opcode.to_u8()]);
    }

    pub(super) fn ops(&mut self, opcodes: &[Opcode]) {
        opcodes.iter().for_each(|opcode| self.op(*opcode));
    }

    /// One opcode, with what it pushes.
    pub(super) fn raw(&mut self, bytes: Vec<u8>) {
        self.ops += usize::from(bytes.first().is_some_and(|opcode| *opcode > 0x60));
        self.pieces.push(Piece::Bytes(bytes));
    }

    /// A push, mostly the shortest.
    pub(super) fn push(&mut self, chance: &mut Chance, bytes: &[u8]) {
        self.raw(push(chance, bytes));
    }

    /// OP_CODESEPARATOR, where it runs.
    pub(super) fn separate(&mut self) {
        self.separator = Some(self.pieces.len());
        self.op(op::OP_CODESEPARATOR);
    }

    /// A signature to be made, for what runs from here on.
    pub(super) fn need(&mut self, key: usize, hash_type: u8, shape: Shape, spoiled: bool) -> usize {
        let separator = self.separator;
        let fixed = None;
        self.needs.push(Need { key, hash_type, shape, separator, deletes: vec![], spoiled, fixed });
        self.needs.len() - 1
    }

    /// A signature made of nothing yet, so that the script may hold it in any form. Its number, and its bytes.
    pub(super) fn fixed(&mut self, chance: &mut Chance, hash_type: u8) -> (usize, Vec<u8>) {
        let need = self.need(0, hash_type, Shape::Strict, false);
        // Below the order with its first byte.
        let s: [u8; 32] = [vec![chance.byte() & 0x7f], chance.bytes(31)].concat().try_into().unwrap();
        self.needs[need].fixed = Some(s);
        // Only before segwit is a signature cut out of what it signs.
        self.needs[need].deletes = if self.dialect == Dialect::Base { vec![need] } else { vec![] };
        self.has_embedded = true;
        (need, [fixed(&s), vec![hash_type]].concat())
    }

    /// The signature is checked behind the last separator that ran until now.
    pub(super) fn signs_from_here(&mut self, need: usize) {
        self.needs[need].separator = self.separator;
    }

    /// The push of a signature, where it will be cut out of what is signed.
    pub(super) fn push_sig(&mut self, need: usize) {
        self.pieces.push(Piece::Sig(need));
    }

    pub(super) fn slot_key(&mut self, need: usize) {
        self.slots.push(Slot::Key(need));
    }

    /// The push of a signature in the script itself, which does not sign its own group.
    pub(super) fn embed(&mut self, need: usize, group: &[usize]) {
        self.has_embedded = true;
        self.needs[need].deletes = group.to_vec();
        self.pieces.push(Piece::Sig(need));
    }

    pub(super) fn slot(&mut self, bytes: Vec<u8>) {
        self.slots.push(Slot::Bytes(bytes));
    }

    pub(super) fn slot_sig(&mut self, need: usize) {
        self.slots.push(Slot::Sig(need));
    }

    pub(super) fn len(&self) -> usize {
        self.pieces.iter().map(|piece| if let Piece::Bytes(bytes) = piece { bytes.len() } else { 73 }).sum()
    }

    /// Takes a piece out, doubles one, swaps two, or puts in another: the script is then signed as it is.
    pub(super) fn disturb(&mut self, chance: &mut Chance, opcode: u8) {
        if self.pieces.is_empty() {
            return self.raw(vec![opcode]);
        }
        let at = chance.below(self.pieces.len());
        match chance.below(4) {
            0 => drop(self.pieces.remove(at)),
            1 => self.pieces.insert(at, self.pieces[at].clone()),
            2 => {
                let with = chance.below(self.pieces.len());
                self.pieces.swap(at, with);
            }
            _ => self.pieces.insert(at, Piece::Bytes(vec![opcode])),
        }
    }

    /// Signs the needs that stand in the script, then the others. None where one has nothing to sign.
    pub(super) fn sign_embedded(&self, signer: &Signer<'_>) -> Signatures {
        let fixed = self.needs.iter().map(|need| Some([fixed(&need.fixed?), vec![need.hash_type]].concat()));
        let mut made = Signatures { signatures: fixed.collect(), keys: vec![None; self.needs.len()] };
        let embedded = self.needs.iter().enumerate().filter(|(_, need)| !need.deletes.is_empty());
        for (n, need) in embedded.filter(|(_, need)| need.fixed.is_none()) {
            made.signatures[n] = signer.sign(need, &self.code(need, &made), self.dialect);
        }
        made
    }

    pub(super) fn sign_rest(&self, signer: &Signer<'_>, made: &mut Signatures) {
        for (n, need) in self.needs.iter().enumerate() {
            let code = self.code(need, made);
            match &need.fixed {
                Some(s) => made.keys[n] = signer.key_of(s, need, &code, self.dialect),
                None if made.signatures[n].is_none() => {
                    made.signatures[n] = signer.sign(need, &code, self.dialect);
                }
                None => {}
            }
        }
    }

    /// The script, with the signatures that stand in it.
    pub(super) fn bytes(&self, made: &Signatures) -> Vec<u8> {
        joined(&self.pieces, |need| made.push(need))
    }

    /// What a signature says it signs: the script from behind the last separator without the signatures themselves.
    fn code(&self, need: &Need, made: &Signatures) -> Vec<u8> {
        let from = match (self.dialect, need.separator) {
            (Dialect::Tap, _) | (_, None) => 0,
            (_, Some(separator)) => separator + 1,
        };
        let pieces = self.pieces.get(from..).unwrap_or_default();
        joined(pieces, |n| if need.deletes.contains(&n) { vec![] } else { made.push(n) })
    }

    /// What lies on the stack before the script runs, the last on top.
    pub(super) fn elements(&self, made: &Signatures) -> Vec<Vec<u8>> {
        let element = |slot: &Slot| match slot {
            Slot::Bytes(bytes) => bytes.clone(),
            Slot::Sig(need) => made.signatures[*need].clone().unwrap_or_default(),
            Slot::Key(need) => made.keys[*need].clone().unwrap_or_default(),
        };
        self.slots.iter().rev().map(element).collect()
    }
}

fn joined(pieces: &[Piece], push_sig: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
    let mut script = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => script.extend_from_slice(bytes),
            Piece::Sig(need) => script.extend(push_sig(*need)),
        }
    }
    script
}

/// The signatures of a program, by the number of the need, and the keys that follow from some.
pub(super) struct Signatures {
    signatures: Vec<Option<Vec<u8>>>,
    keys: Vec<Option<Vec<u8>>>,
}

impl Signatures {
    fn push(&self, need: usize) -> Vec<u8> {
        asm::push(self.signatures[need].as_deref().unwrap_or_default())
    }
}

/// What a signature signs beside the script.
pub(super) struct Signer<'s> {
    pub(super) context: &'s TxContext<'s>,
    pub(super) input: usize,
    pub(super) amount_sat: u64,
    pub(super) annex_hash: Option<[u8; 32]>,
    pub(super) leaf_hash: [u8; 32],
}

impl Signer<'_> {
    /// The key that makes the fixed signature one of what it signs here.
    fn key_of(&self, s: &[u8; 32], need: &Need, code: &[u8], dialect: Dialect) -> Option<Vec<u8>> {
        key_for(s, self.digest(need, code, dialect)?)
    }

    fn digest(&self, need: &Need, code: &[u8], dialect: Dialect) -> Option<[u8; 32]> {
        let hash_type = u32::from(need.hash_type);
        match dialect {
            Dialect::Base => self.context.legacy_sighash(self.input, code, hash_type),
            Dialect::V0 => self.context.segwit_v0_sighash(self.input, code, hash_type, self.amount_sat),
            Dialect::Tap => {
                let separator = need.separator.map_or(u32::MAX, |at| u32::try_from(at).unwrap());
                let leaf = Some((self.leaf_hash, separator));
                let extra = TaprootExtra { annex_hash: self.annex_hash, leaf };
                self.context.taproot_sighash(self.input, need.hash_type, &extra)
            }
        }
    }

    fn sign(&self, need: &Need, code: &[u8], dialect: Dialect) -> Option<Vec<u8>> {
        let mut digest = self.digest(need, code, dialect)?;
        digest[0] ^= u8::from(need.spoiled);
        let mut signature = match dialect {
            Dialect::Tap => Key::schnorr(&key(need.key).pair, digest),
            _ => key(need.key).ecdsa(digest, need.shape),
        };
        signature.extend((dialect != Dialect::Tap || need.hash_type != 0).then_some(need.hash_type));
        Some(signature)
    }
}

/// A push of bytes: the shortest, or any of the longer ones.
pub(super) fn push(chance: &mut Chance, bytes: &[u8]) -> Vec<u8> {
    let len = bytes.len();
    let prefix = match chance.below(16) {
        0 if len < 76 => vec![len as u8],
        1 if len < 256 => vec![0x4c, len as u8],
        2 => [&[0x4d][..], &u16::try_from(len).unwrap().to_le_bytes()].concat(),
        3 => [&[0x4e][..], &u32::try_from(len).unwrap().to_le_bytes()].concat(),
        _ => return shortest_push(bytes),
    };
    [prefix, bytes.to_vec()].concat()
}

/// BIP62's shortest push.
pub(super) fn shortest_push(bytes: &[u8]) -> Vec<u8> {
    match bytes {
        [n @ 1..=16] => vec![0x50 + n],
        [0x81] => vec![0x4f],
        _ => asm::push(bytes),
    }
}
