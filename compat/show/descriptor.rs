//! The checksum of descriptors (BIP380).

use std::sync::LazyLock;

/// What a descriptor may consist of, in the order in which BIP380 counts.
const INPUT: &str =
    "0123456789()[],'/*abcdefgh@:$%{}IJKLMNOPQRSTUVWXYZ&+-.;<=>?!^_|~ijklmnopqrstuvwxyzABCDEFGH`#\"\\ ";
/// What a checksum consists of.
const OUTPUT: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
/// The generator of BIP380's code.
const GENERATOR: [u64; 5] =
    [0x00f5_dee5_1989, 0x00a9_fdca_3312, 0x001b_ab10_e32d, 0x0037_06b1_677a, 0x0064_4d62_6ffd];

/// What the five bits that a step shifts out come to.
static TAKEN: LazyLock<[u64; 32]> = LazyLock::new(|| {
    let taken = |top: u64| {
        let words = GENERATOR.iter().zip(0u32..).filter(|(_, bit)| (top >> bit) & 1 == 1);
        words.fold(0, |sum, (word, _)| sum ^ word)
    };
    let mut all = [0; 32];
    all.iter_mut().zip(0..).for_each(|(place, top)| *place = taken(top));
    all
});

/// Where each character of ASCII stands among those of a descriptor.
static PLACES: LazyLock<[Option<u8>; 128]> = LazyLock::new(|| {
    let mut all = [None; 128];
    for (byte, place) in INPUT.bytes().zip(0..) {
        all.iter_mut().skip(usize::from(byte)).take(1).for_each(|found| *found = Some(place));
    }
    all
});

fn step(taken: &[u64; 32], state: u64, value: u64) -> u64 {
    let top = usize::try_from(state >> 35).ok().and_then(|top| taken.get(top)).copied();
    ((state & 0x0007_ffff_ffff) << 5) ^ value ^ top.unwrap_or(0)
}

/// Eight characters that catch mistyped ones; none where there is one that no descriptor has.
pub(crate) fn checksum(text: &str) -> Option<String> {
    let (taken, places) = (&*TAKEN, &*PLACES);
    let step = |state: u64, value: u64| step(taken, state, value);
    let (mut state, mut class, mut count) = (1u64, 0u64, 0u32);
    for byte in text.bytes() {
        let place = u64::from((*places.get(usize::from(byte))?)?);
        state = step(state, place & 31);
        class = class.saturating_mul(3).saturating_add(place >> 5);
        count = count.saturating_add(1);
        if count == 3 {
            state = step(state, class);
            (class, count) = (0, 0);
        }
    }
    if count > 0 {
        state = step(state, class);
    }
    let state = (0..8).fold(state, |state, _| step(state, 0)) ^ 1;
    let digit = |n: u32| {
        let place = usize::try_from((state >> (5u32.saturating_mul(7u32.saturating_sub(n)))) & 31).ok()?;
        OUTPUT.get(place).map(|byte| char::from(*byte))
    };
    (0..8).map(digit).collect()
}

/// A descriptor with its checksum.
pub(crate) fn with_checksum(mut text: String) -> String {
    if let Some(checksum) = checksum(&text) {
        text.push('#');
        text.push_str(&checksum);
    }
    text
}
