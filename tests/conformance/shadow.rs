//! Scripts made by chance, asked of both engines.
//!
//! `ADIT_SHADOW_CASES` says how many (2,000 where it says nothing), `ADIT_SHADOW_SEED` where to begin; a failure names its
//! seed.

use adit_domain::script::ScriptFlags;
use bitcoin::absolute::LockTime;
use bitcoin::transaction::Version;
use bitcoin::{ScriptBuf, Sequence};

use crate::asm;
use crate::signing::{Case, key, keypair, p2sh, p2wsh, tree_of_version, x_key};

/// Xorshift: enough chance for a test, and the same on every machine.
struct Chance(u64);

impl Chance {
    fn new(seed: u64) -> Chance {
        // Neighbouring seeds have to part early, and zero has to move.
        Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from((self.next() >> 11) % end as u64).unwrap()
    }

    fn pick<'t, T: ?Sized>(&mut self, from: &[&'t T]) -> &'t T {
        from[self.below(from.len())]
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

const WORDS: [&str; 66] = [
    "CHECKSIG",
    "CHECKSIG",
    "CHECKSIGVERIFY",
    "CHECKMULTISIG",
    "CHECKMULTISIGVERIFY",
    "CHECKSIGADD",
    "CODESEPARATOR",
    "IF",
    "NOTIF",
    "ELSE",
    "ENDIF",
    "ENDIF",
    "VERIFY",
    "DUP",
    "DUP",
    "DROP",
    "SWAP",
    "OVER",
    "ROT",
    "TUCK",
    "NIP",
    "PICK",
    "ROLL",
    "2DUP",
    "3DUP",
    "2DROP",
    "2SWAP",
    "2ROT",
    "2OVER",
    "IFDUP",
    "DEPTH",
    "SIZE",
    "TOALTSTACK",
    "FROMALTSTACK",
    "EQUAL",
    "EQUALVERIFY",
    "ADD",
    "SUB",
    "1ADD",
    "NEGATE",
    "NOT",
    "0NOTEQUAL",
    "BOOLAND",
    "NUMEQUAL",
    "MIN",
    "WITHIN",
    "LESSTHAN",
    "HASH160",
    "HASH256",
    "SHA256",
    "SHA1",
    "RIPEMD160",
    "NOP2",
    "NOP3",
    "NOP1",
    "NOP",
    "RETURN",
    "VER",
    "RESERVED",
    "CAT",
    "0",
    "1",
    "1",
    "2",
    "-1",
    "16",
];

/// A script that is not nonsense too often.
fn script(chance: &mut Chance) -> ScriptBuf {
    let mut bytes = Vec::new();
    for _ in 0..=chance.below(12) {
        match chance.below(16) {
            0..=2 => bytes.extend(key_push(chance)),
            3 => bytes.extend([key_push(chance), vec![0xac]].concat()),
            4 => bytes.extend(multisig(chance)),
            5 => bytes.extend(asm::push(&number(chance))),
            6 => bytes.extend(asm::script("IF 1 ELSE 0 ENDIF").into_bytes()),
            7 if chance.one_in(8) => bytes.push(u8::try_from(chance.below(256)).unwrap()),
            _ => bytes.extend(asm::script(chance.pick(&WORDS)).into_bytes()),
        }
    }
    ScriptBuf::from_bytes(bytes)
}

fn key_push(chance: &mut Chance) -> Vec<u8> {
    let n = 2 + u8::try_from(chance.below(2)).unwrap();
    asm::push(&match chance.below(8) {
        0..=2 => key(n),
        3..=5 => x_key(n),
        6 => keypair(n).public_key().serialize_uncompressed().to_vec(),
        _ => vec![5; chance.below(40)],
    })
}

fn multisig(chance: &mut Chance) -> Vec<u8> {
    let keys = 1 + chance.below(3);
    let signatures = chance.below(keys + 1);
    let number = |n: usize| vec![if n == 0 { 0 } else { 0x50 + u8::try_from(n).unwrap() }];
    let keys_pushed: Vec<u8> =
        (0..keys).flat_map(|_| asm::push(&key(2 + u8::try_from(chance.below(2)).unwrap()))).collect();
    [number(signatures), keys_pushed, number(keys), vec![0xae]].concat()
}

/// What scripts count with: short, long, negative, padded.
fn number(chance: &mut Chance) -> Vec<u8> {
    (0..chance.below(6)).map(|_| chance.pick(&[&0_u8, &1, &0x7f, &0x80, &0x81, &0xff]).to_owned()).collect()
}

const FLAGS: [ScriptFlags; 4] = [
    ScriptFlags::DERSIG,
    ScriptFlags::NULLDUMMY,
    ScriptFlags::CHECKLOCKTIMEVERIFY,
    ScriptFlags::CHECKSEQUENCEVERIFY,
];

/// A set of flags that some block has had or might have.
fn flags(chance: &mut Chance) -> ScriptFlags {
    if chance.one_in(2) {
        return ScriptFlags::CONSENSUS;
    }
    let mut flags = ScriptFlags::P2SH | ScriptFlags::WITNESS | ScriptFlags::TAPROOT;
    if chance.one_in(4) {
        flags = chance.pick(&[&ScriptFlags::NONE, &ScriptFlags::P2SH, &ScriptFlags::WITNESS]).with_implied();
    }
    FLAGS.iter().filter(|_| chance.one_in(2)).fold(flags, |flags, flag| flags | *flag)
}

/// How an output hides its script.
#[derive(Clone, Copy, Debug)]
enum Wrap {
    Bare,
    P2sh,
    P2wsh,
    P2shP2wsh,
    Leaf,
}

const WRAPS: [Wrap; 5] = [Wrap::Bare, Wrap::P2sh, Wrap::P2wsh, Wrap::P2shP2wsh, Wrap::Leaf];
const HASH_TYPES: [u8; 9] = [1, 1, 1, 2, 3, 0x81, 0x82, 0x83, 0];

struct Spender<'c> {
    case: Case,
    script: &'c ScriptBuf,
    wrap: Wrap,
    extra: adit_domain::script::TaprootExtra,
}

impl Spender<'_> {
    fn element(&self, chance: &mut Chance) -> Vec<u8> {
        match chance.below(8) {
            0..=3 => self.signature(chance),
            4 => Vec::new(),
            5 => key(2),
            6 => vec![1],
            _ => number(chance),
        }
    }

    fn signature(&self, chance: &mut Chance) -> Vec<u8> {
        let n = 2 + u8::try_from(chance.below(2)).unwrap();
        let hash_type = HASH_TYPES[chance.below(HASH_TYPES.len())];
        let mut signature = match self.wrap {
            Wrap::Bare | Wrap::P2sh => self.case.sign_legacy(n, self.script, hash_type),
            Wrap::P2wsh | Wrap::P2shP2wsh => self.case.sign_v0(n, self.script, hash_type),
            // SINGLE has no digest where there is no such output.
            Wrap::Leaf if hash_type & 3 == 3 => vec![hash_type; 65],
            Wrap::Leaf => {
                let mut signature = self.case.sign_taproot(&keypair(n), hash_type, &self.extra);
                signature.extend((hash_type > 0).then_some(hash_type));
                signature
            }
        };
        if chance.one_in(10) {
            let byte = chance.below(signature.len());
            signature[byte] ^= 1 << chance.below(8);
        }
        signature
    }
}

fn check(seed: u64) -> bool {
    let mut chance = Chance::new(seed);
    let script = script(&mut chance);
    let wrap = WRAPS[chance.below(WRAPS.len())];
    let tree = tree_of_version(script.clone(), if chance.one_in(10) { 0xc2 } else { 0xc0 });
    let program = p2wsh(&script);
    let output = match wrap {
        Wrap::Bare => script.clone(),
        Wrap::P2sh => p2sh(&script),
        Wrap::P2wsh => program.clone(),
        Wrap::P2shP2wsh => p2sh(&program),
        Wrap::Leaf => tree.output.clone(),
    };
    let mut case = Case::with_others(output, chance.below(3));
    let input = case.input;
    case.tx.version = Version(chance.pick(&[&1, &2, &-1]).to_owned());
    case.tx.lock_time = LockTime::from_consensus(chance.pick(&[&0, &1, &16, &500_000_000]).to_owned());
    case.tx.input[input].sequence =
        Sequence(chance.pick(&[&0, &1, &16, &0xffff_ffff, &0x40_0001]).to_owned());

    let spender = Spender { case, script: &script, wrap, extra: tree.extra(u32::MAX) };
    let elements: Vec<Vec<u8>> = (0..chance.below(6)).map(|_| spender.element(&mut chance)).collect();
    let pushes: Vec<u8> = elements.iter().flat_map(|element| asm::push(element)).collect();
    let with_script = |last: &[Vec<u8>]| [&elements[..], last].concat();
    let case = match wrap {
        Wrap::Bare => spender.case.with_script_sig(pushes),
        Wrap::P2sh => spender.case.with_script_sig([pushes, asm::push(script.as_bytes())].concat()),
        Wrap::P2wsh => spender.case.with_witness(&with_script(&[script.to_bytes()])),
        Wrap::P2shP2wsh => {
            let case = spender.case.with_script_sig(asm::push(program.as_bytes()));
            case.with_witness(&with_script(&[script.to_bytes()]))
        }
        Wrap::Leaf => spender.case.with_witness(&with_script(&[script.to_bytes(), tree.control.clone()])),
    };
    let flags = flags(&mut chance);
    let verdict = std::panic::catch_unwind(|| case.verify(flags));
    verdict.unwrap_or_else(|_| panic!("seed {seed}: {wrap:?} {script} under {flags:?}")).is_ok()
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|e| panic!("{name}: {e}")))
}

#[test]
fn both_engines_agree_on_scripts_made_by_chance() {
    let (first, count) = (setting("ADIT_SHADOW_SEED", 1), setting("ADIT_SHADOW_CASES", 2_000));
    let passed = (first..first + count).filter(|seed| check(*seed)).count();
    println!("shadow: {count} scripts ran, {passed} of them pass");
    assert!(passed > 0 || count < 100, "chance has become too blind");
}
