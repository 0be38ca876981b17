//! The checksum of descriptors (BIP380).

/// What a descriptor may consist of, in the order in which BIP380 counts.
const INPUT: &str =
    "0123456789()[],'/*abcdefgh@:$%{}IJKLMNOPQRSTUVWXYZ&+-.;<=>?!^_|~ijklmnopqrstuvwxyzABCDEFGH`#\"\\ ";
/// What a checksum consists of.
const OUTPUT: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
/// The generator of BIP380's code.
const GENERATOR: [u64; 5] =
    [0x00f5_dee5_1989, 0x00a9_fdca_3312, 0x001b_ab10_e32d, 0x0037_06b1_677a, 0x0064_4d62_6ffd];

fn step(state: u64, value: u64) -> u64 {
    let top = state >> 35;
    let shifted = ((state & 0x0007_ffff_ffff) << 5) ^ value;
    let taken = GENERATOR.iter().zip(0u32..).filter(|(_, bit)| (top >> bit) & 1 == 1);
    taken.fold(shifted, |state, (word, _)| state ^ word)
}

/// Eight characters that catch mistyped ones; none where there is one that no descriptor has.
pub(crate) fn checksum(text: &str) -> Option<String> {
    let (mut state, mut class, mut count) = (1u64, 0u64, 0u32);
    for c in text.chars() {
        let place = u64::try_from(INPUT.find(c)?).ok()?;
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
pub(crate) fn with_checksum(text: String) -> String {
    match checksum(&text) {
        Some(checksum) => format!("{text}#{checksum}"),
        None => text,
    }
}
