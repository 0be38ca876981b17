//! How an output hides a script, and how an input shows it.

use std::sync::LazyLock;

use adit_domain::script::{ScriptFlags, TaprootExtra, TxContext};
use bitcoin::hashes::{Hash, HashEngine, hash160, sha256};
use bitcoin::opcodes::all as op;
use bitcoin::{ScriptBuf, Witness};

use super::super::chance::Chance;
use super::gadgets::{Env, program};
use super::keys::{KEYS_COUNT, Key, Shape, key, tweaked};
use super::program::{Dialect, Program, Signatures, Signer, push, shortest_push};
use super::{checks, limits};

/// An output, and the input that is to spend it.
pub(super) struct Plan {
    pub(super) category: &'static str,
    wrap: Wrap,
    program: Program,
}

enum Wrap {
    Bare,
    P2sh,
    P2wsh { nested: bool },
    P2wpkh { nested: bool },
    Leaf(Leaf),
    KeyPath { signer: usize, tweak: Option<[u8; 32]>, hash_type: u8, annex: Option<Vec<u8>> },
    Program { script: Vec<u8>, nested: bool, witness: Vec<Vec<u8>> },
}

/// A leaf of a tree of which only the way to it exists.
struct Leaf {
    version: u8,
    internal: usize,
    path: Vec<[u8; 32]>,
    annex: Option<Vec<u8>>,
}

const TAPSCRIPT: u8 = 0xc0;
const P2SH_ROOM: usize = 520;
const ROOM: usize = 10_000;

/// What an input script may do beside pushing, where nothing forbids it; what it opens, it has to close.
const BESIDE: [&[u8]; 7] =
    [&[0x61], &[0xab], &[0x51, 0x6b], &[0x51, 0x63, 0x68], &[0x51, 0x63], &[0x00, 0x63, 0x50, 0x68], &[0x6a]];

impl Plan {
    pub(super) fn new(chance: &mut Chance, env: &Env) -> Plan {
        match chance.below(40) {
            0..=4 => Plan::of("bare", Wrap::Bare, program(chance, Dialect::Base, env, 6, 400)),
            5..=8 => Plan::of("p2sh", Wrap::P2sh, program(chance, Dialect::Base, env, 4, 250)),
            9..=13 => {
                let nested = chance.one_in(3);
                let category = if nested { "p2sh-p2wsh" } else { "p2wsh" };
                Plan::of(category, Wrap::P2wsh { nested }, program(chance, Dialect::V0, env, 6, 400))
            }
            14..=15 => Plan::p2wpkh(chance),
            16..=18 => Plan::key_path(chance, env),
            19..=25 => {
                let program = program(chance, Dialect::Tap, env, 6, 400);
                Plan::of("tapscript", Wrap::Leaf(Leaf::any(chance)), program)
            }
            26 => Plan::budget(chance, env),
            27 => Plan::success(chance),
            28 => Plan::unknown_leaf(chance),
            29 => Plan::unknown_program(chance),
            30..=32 => Plan::limits(chance, env),
            33..=36 => Plan::disturbed(chance, env),
            37 => Plan::soup(chance),
            _ => Plan::standard(chance),
        }
    }

    fn of(category: &'static str, wrap: Wrap, program: Program) -> Plan {
        let category = if program.has_embedded { "signature in script" } else { category };
        Plan { category, wrap, program }
    }

    pub(super) fn fails_under(&self) -> ScriptFlags {
        self.program.fails_under
    }

    /// What wallets make of old.
    fn standard(chance: &mut Chance) -> Plan {
        let mut p = Program::new(Dialect::Base);
        let n = chance.below(KEYS_COUNT);
        let encoded = key(n).encoded(chance);
        let need = p.need(n, 1, Shape::Strict, false);
        if chance.one_in(2) {
            p.slot_sig(need);
            p.raw(shortest_push(&encoded));
            p.op(op::OP_CHECKSIG);
            return Plan::of("p2pk", Wrap::Bare, p);
        }
        p.slot(encoded.clone());
        p.slot_sig(need);
        pay_to_key_hash(&mut p, &encoded);
        Plan::of("p2pkh", Wrap::Bare, p)
    }

    fn p2wpkh(chance: &mut Chance) -> Plan {
        let nested = chance.one_in(3);
        let mut p = Program::new(Dialect::V0);
        let n = chance.below(KEYS_COUNT);
        let encoded = key(n).encoded(chance);
        let hash_type = if chance.one_in(2) { 1 } else { chance.byte() };
        let shape = Shape::any(chance);
        let need = p.need(n, hash_type, shape, false);
        if !shape.is_strict() {
            p.fails_under |= ScriptFlags::DERSIG;
        }
        p.slot(encoded.clone());
        p.slot_sig(need);
        pay_to_key_hash(&mut p, &encoded);
        Plan::of(if nested { "p2sh-p2wpkh" } else { "p2wpkh" }, Wrap::P2wpkh { nested }, p)
    }

    fn key_path(chance: &mut Chance, env: &Env) -> Plan {
        let tweak = (!chance.one_in(3)).then(|| tap_tweak(chance.below(KEYS_COUNT), None));
        let known: &[u8] =
            if env.has_output { &[0, 0, 0, 1, 2, 3, 0x81, 0x82, 0x83] } else { &[0, 0, 1, 2, 0x81, 0x82] };
        let hash_type = *chance.pick(known);
        let annex = annex(chance);
        let category = if annex.is_some() { "taproot key, annex" } else { "taproot key" };
        let signer = chance.below(KEYS_COUNT);
        let wrap = Wrap::KeyPath { signer, tweak, hash_type, annex };
        Plan::of(category, wrap, Program::new(Dialect::Tap))
    }

    fn budget(chance: &mut Chance, env: &Env) -> Plan {
        let mut leaf = Leaf::any(chance);
        leaf.path.truncate(1);
        let (program, annex) = checks::budget(chance, env, 33 + 32 * leaf.path.len());
        leaf.annex = Some(annex);
        Plan::of("tapscript budget", Wrap::Leaf(leaf), program)
    }

    /// Something of which no byte behind counts.
    fn success(chance: &mut Chance) -> Plan {
        let mut p = Program::new(Dialect::Tap);
        let known = [80, 98, 126, 129, 131, 134, 137, 138, 141, 142, 149, 153, 187, 254];
        let mut script: Vec<u8> = (0..chance.below(5)).map(|_| 0x51 + chance.byte() % 0x2b).collect();
        script.push(*chance.pick(&known));
        if chance.one_in(4) {
            // Within a push it is no opcode.
            script.insert(0, 1 + chance.byte() % 3);
        }
        let behind = chance.below(30);
        script.extend(chance.bytes(behind));
        p.raw(script);
        let count = if chance.one_in(20) { 1001 } else { chance.below(3) };
        for _ in 0..count {
            let len = if count > 3 { 0 } else { *chance.pick(&[0, 1, 80, 520, 521]) };
            p.slot(chance.bytes(len));
        }
        Plan::of("OP_SUCCESS", Wrap::Leaf(Leaf::any(chance)), p)
    }

    fn unknown_leaf(chance: &mut Chance) -> Plan {
        let mut leaf = Leaf::any(chance);
        leaf.version = chance.byte() & 0xfe;
        let mut p = Program::new(Dialect::Tap);
        let len = chance.below(40);
        p.raw(chance.bytes(len));
        for _ in 0..chance.below(3) {
            let len = *chance.pick(&[0, 1, 521]);
            p.slot(chance.bytes(len));
        }
        Plan::of("unknown leaf", Wrap::Leaf(leaf), p)
    }

    /// Versions of witness programs that nobody has given a meaning, and lengths at the edges.
    fn unknown_program(chance: &mut Chance) -> Plan {
        let version = *chance.pick(&[0, 0x51, 0x51, 0x52, 0x53, 0x5f, 0x60]);
        let len = *chance.pick(&[1, 2, 2, 19, 20, 31, 32, 33, 39, 40, 41]);
        let mut script = vec![version, len as u8];
        if chance.one_in(8) {
            // The same bytes pushed in another way are no witness program.
            script.insert(1, 0x4c);
        }
        script.extend(chance.bytes(len));
        if chance.one_in(8) {
            script = vec![0x51, 2, 0x4e, 0x73];
        }
        let witness = (0..chance.below(4)).map(|n| chance.bytes(n * 7)).collect();
        let wrap = Wrap::Program { script, nested: chance.one_in(4), witness };
        Plan::of("witness program", wrap, Program::new(Dialect::V0))
    }

    fn limits(chance: &mut Chance, env: &Env) -> Plan {
        let program = |chance: &mut Chance, dialect, room| limits::program(chance, dialect, env, room);
        match chance.below(5) {
            0 => Plan::of("limits, bare", Wrap::Bare, program(chance, Dialect::Base, ROOM)),
            1 => Plan::of("limits, p2sh", Wrap::P2sh, program(chance, Dialect::Base, P2SH_ROOM)),
            2 => {
                let wrap = Wrap::P2wsh { nested: chance.one_in(4) };
                Plan::of("limits, p2wsh", wrap, program(chance, Dialect::V0, ROOM))
            }
            _ => {
                let mut leaf = Leaf::any(chance);
                if chance.one_in(3) {
                    let depth = *chance.pick(&[127, 128, 128, 129]);
                    leaf.path = (0..depth).map(|_| chance.bytes(32).try_into().unwrap()).collect();
                }
                let room = *chance.pick(&[ROOM, ROOM, 300, 253, 65_540]);
                Plan::of("limits, tapscript", Wrap::Leaf(leaf), program(chance, Dialect::Tap, room))
            }
        }
    }

    /// A script that would pass but for a few opcodes, signed as it stands.
    fn disturbed(chance: &mut Chance, env: &Env) -> Plan {
        let (wrap, dialect, category) = match chance.below(4) {
            0 => (Wrap::Bare, Dialect::Base, "disturbed bare"),
            1 => (Wrap::P2sh, Dialect::Base, "disturbed p2sh"),
            2 => (Wrap::P2wsh { nested: chance.one_in(4) }, Dialect::V0, "disturbed p2wsh"),
            _ => (Wrap::Leaf(Leaf::any(chance)), Dialect::Tap, "disturbed tapscript"),
        };
        let mut program = program(chance, dialect, env, 4, 250);
        for _ in 0..=chance.below(2) {
            let opcode = if chance.one_in(4) { chance.byte() } else { 0x4f + chance.byte() % 0x6c };
            program.disturb(chance, opcode);
        }
        Plan::of(category, wrap, program)
    }

    /// Opcodes without a plan, on elements that they might want.
    fn soup(chance: &mut Chance) -> Plan {
        let (wrap, dialect) = match chance.below(4) {
            0 => (Wrap::Bare, Dialect::Base),
            1 => (Wrap::P2sh, Dialect::Base),
            2 => (Wrap::P2wsh { nested: false }, Dialect::V0),
            _ => (Wrap::Leaf(Leaf::any(chance)), Dialect::Tap),
        };
        let mut p = Program::new(dialect);
        for _ in 0..chance.below(5) {
            let n = chance.below(3);
            match chance.below(3) {
                0 => {
                    let need = p.need(n, 1, Shape::Strict, false);
                    p.slot_sig(need);
                }
                1 => p.slot(vec![1; chance.below(4)]),
                _ => p.slot(key(n).encoded(chance)),
            }
        }
        for _ in 0..chance.within(1, 12) {
            match chance.below(6) {
                0 => p.raw(shortest_push(&key(chance.below(3)).x_only)),
                1 => {
                    let encoded = key(chance.below(3)).encoded(chance);
                    p.push(chance, &encoded);
                }
                2 => p.raw(vec![0x51 + chance.byte() % 3]),
                _ => p.raw(vec![0x61 + chance.byte() % 0x5b]),
            }
        }
        Plan::of("soup", wrap, p)
    }

    /// The signatures that stand in the script: with them, the output stands.
    pub(super) fn sign_embedded(&self, context: &TxContext<'_>, input: usize) -> Signatures {
        let signer = Signer { context, input, amount_sat: 0, annex_hash: None, leaf_hash: [0; 32] };
        self.program.sign_embedded(&signer)
    }

    /// What the output says.
    pub(super) fn output(&self, made: &Signatures) -> ScriptBuf {
        ScriptBuf::from_bytes(match &self.wrap {
            Wrap::Bare => self.program.bytes(made),
            Wrap::P2sh => p2sh(&self.program.bytes(made)),
            Wrap::P2wsh { nested: false } | Wrap::P2wpkh { nested: false } => self.witness_program(made),
            Wrap::P2wsh { nested: true } | Wrap::P2wpkh { nested: true } => p2sh(&self.witness_program(made)),
            Wrap::Leaf(leaf) => pay_to_taproot(leaf.output(&self.program.bytes(made)).0),
            Wrap::KeyPath { signer, tweak: None, .. } => pay_to_taproot(key(*signer).x_only),
            Wrap::KeyPath { signer, tweak: Some(tweak), .. } => {
                pay_to_taproot(tweaked(&key(*signer).pair, *tweak).1)
            }
            Wrap::Program { script, nested: false, .. } => script.clone(),
            Wrap::Program { script, nested: true, .. } => p2sh(script),
        })
    }

    fn witness_program(&self, made: &Signatures) -> Vec<u8> {
        let script = self.program.bytes(made);
        match &self.wrap {
            // The key's hash stands in the script that it stands for.
            Wrap::P2wpkh { .. } => [&[0, 20], script.get(3..23).unwrap_or_default()].concat(),
            _ => [&[0, 32], sha256::Hash::hash(&script).as_byte_array().as_slice()].concat(),
        }
    }

    /// What the input shows: its script and its witness.
    pub(super) fn input(
        &self,
        chance: &mut Chance,
        context: &TxContext<'_>,
        input: usize,
        mut made: Signatures,
    ) -> (ScriptBuf, Witness) {
        let script = self.program.bytes(&made);
        let amount_sat = context.prevouts()[input].value.to_sat();
        let mut signer = Signer { context, input, amount_sat, annex_hash: None, leaf_hash: [0; 32] };
        if let Wrap::Leaf(leaf) = &self.wrap {
            signer.annex_hash = leaf.annex.as_deref().map(annex_hash);
            signer.leaf_hash = tap_leaf(leaf.version, &script);
        }
        self.program.sign_rest(&signer, &mut made);
        let mut elements = self.program.elements(&made);
        let mut script_sig = Vec::new();
        match &self.wrap {
            Wrap::Bare => {
                script_sig = pushes(chance, &elements);
                elements.clear();
                if chance.one_in(16) {
                    script_sig.extend(*chance.pick(&BESIDE));
                }
            }
            Wrap::P2sh => {
                script_sig = pushes(chance, &elements);
                script_sig.extend(push(chance, &script));
                elements.clear();
            }
            Wrap::P2wsh { nested } => {
                elements.push(script);
                script_sig = self.shown_program(chance, *nested, &made);
            }
            Wrap::P2wpkh { nested } => script_sig = self.shown_program(chance, *nested, &made),
            Wrap::Leaf(leaf) => {
                let control = leaf.control(&script);
                elements.extend([script, control]);
                elements.extend(leaf.annex.clone());
            }
            Wrap::KeyPath { signer, tweak, hash_type, annex } => {
                let extra = TaprootExtra { annex_hash: annex.as_deref().map(annex_hash), leaf: None };
                let digest = context.taproot_sighash(input, *hash_type, &extra).unwrap_or_default();
                let pair = tweak.map_or(key(*signer).pair, |tweak| tweaked(&key(*signer).pair, tweak).0);
                let mut signature = Key::schnorr(&pair, digest);
                signature.extend((*hash_type != 0).then_some(*hash_type));
                if chance.one_in(24) {
                    signature.push(*chance.pick(&[0, 1, 4, 0x80, 0x84]));
                }
                elements = [Some(signature), annex.clone()].into_iter().flatten().collect();
            }
            Wrap::Program { script, nested, witness } => {
                elements = witness.clone();
                script_sig = if *nested { shortest_push(script) } else { vec![] };
            }
        }
        (ScriptBuf::from_bytes(script_sig), Witness::from_slice(&elements))
    }

    fn shown_program(&self, chance: &mut Chance, nested: bool, made: &Signatures) -> Vec<u8> {
        match (nested, chance.below(30)) {
            (false, 0) => vec![0],
            (false, _) => vec![],
            // More than one push, and not the shortest one.
            (true, 0) => [vec![0x51], shortest_push(&self.witness_program(made))].concat(),
            (true, 1) => push(chance, &self.witness_program(made)),
            (true, _) => shortest_push(&self.witness_program(made)),
        }
    }
}

fn pushes(chance: &mut Chance, elements: &[Vec<u8>]) -> Vec<u8> {
    elements.iter().flat_map(|element| push(chance, element)).collect()
}

fn pay_to_key_hash(p: &mut Program, encoded: &[u8]) {
    p.ops(&[op::OP_DUP, op::OP_HASH160]);
    p.raw(shortest_push(hash160::Hash::hash(encoded).as_byte_array()));
    p.ops(&[op::OP_EQUALVERIFY, op::OP_CHECKSIG]);
}

fn p2sh(redeem: &[u8]) -> Vec<u8> {
    [&[0xa9, 20], hash160::Hash::hash(redeem).as_byte_array().as_slice(), &[0x87]].concat()
}

fn pay_to_taproot(x_only: [u8; 32]) -> Vec<u8> {
    [&[0x51, 32], x_only.as_slice()].concat()
}

fn annex(chance: &mut Chance) -> Option<Vec<u8>> {
    chance.one_in(5).then(|| {
        let len = *chance.pick(&[0, 1, 31, 252, 253, 300]);
        [vec![0x50], chance.bytes(len)].concat()
    })
}

fn annex_hash(annex: &[u8]) -> [u8; 32] {
    let mut engine = sha256::Hash::engine();
    write_with_len(&mut engine, annex);
    sha256::Hash::from_engine(engine).to_byte_array()
}

impl Leaf {
    fn any(chance: &mut Chance) -> Leaf {
        let depth = *chance.pick(&[0, 0, 1, 1, 2, 3, 7]);
        let path = (0..depth).map(|_| chance.bytes(32).try_into().unwrap()).collect();
        Leaf { version: TAPSCRIPT, internal: chance.below(KEYS_COUNT), path, annex: annex(chance) }
    }

    /// The output key, and whether its y is odd.
    fn output(&self, script: &[u8]) -> ([u8; 32], bool) {
        let mut node = tap_leaf(self.version, script);
        for sibling in &self.path {
            let (low, high) = if node < *sibling { (node, *sibling) } else { (*sibling, node) };
            node = tagged(&TAP_BRANCH, &[&low, &high]);
        }
        let (_, x_only, is_odd) = tweaked(&key(self.internal).pair, tap_tweak(self.internal, Some(node)));
        (x_only, is_odd)
    }

    fn control(&self, script: &[u8]) -> Vec<u8> {
        let (_, is_odd) = self.output(script);
        let mut control = vec![self.version | u8::from(is_odd)];
        control.extend(key(self.internal).x_only);
        control.extend(self.path.iter().flatten());
        control
    }
}

static TAP_LEAF: LazyLock<sha256::HashEngine> = LazyLock::new(|| tag("TapLeaf"));
static TAP_BRANCH: LazyLock<sha256::HashEngine> = LazyLock::new(|| tag("TapBranch"));
static TAP_TWEAK: LazyLock<sha256::HashEngine> = LazyLock::new(|| tag("TapTweak"));

fn tag(name: &str) -> sha256::HashEngine {
    let hash = sha256::Hash::hash(name.as_bytes());
    let mut engine = sha256::Hash::engine();
    engine.input(hash.as_byte_array());
    engine.input(hash.as_byte_array());
    engine
}

fn tagged(tag: &sha256::HashEngine, parts: &[&[u8]]) -> [u8; 32] {
    let mut engine = tag.clone();
    parts.iter().for_each(|part| engine.input(part));
    sha256::Hash::from_engine(engine).to_byte_array()
}

fn tap_leaf(version: u8, script: &[u8]) -> [u8; 32] {
    let mut engine = TAP_LEAF.clone();
    engine.input(&[version]);
    write_with_len(&mut engine, script);
    sha256::Hash::from_engine(engine).to_byte_array()
}

fn tap_tweak(internal: usize, root: Option<[u8; 32]>) -> [u8; 32] {
    tagged(&TAP_TWEAK, &[&key(internal).x_only, root.as_ref().map_or(&[], |root| root.as_slice())])
}

fn write_with_len(engine: &mut sha256::HashEngine, bytes: &[u8]) {
    let len = bitcoin::consensus::encode::serialize(&bitcoin::VarInt::from(bytes.len()));
    engine.input(&len);
    engine.input(bytes);
}
