//! Seeds that are changed at random and fed to a reader: what `fuzz/` does for long, shortly.

/// Chance that is the same each time: xorshift.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % most.max(1) as u64) as usize
    }
}

/// Feeds each seed, changed at random places; `ADIT_TEST_TRIES` says how often.
pub(crate) fn feed(reader: impl Fn(&[u8]), seeds: &[&[u8]]) {
    let tries = std::env::var("ADIT_TEST_TRIES").ok().and_then(|tries| tries.parse().ok()).unwrap_or(2_000);
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    for round in 0..tries {
        let mut bytes = seeds[round % seeds.len()].to_vec();
        for _ in 0..chance.below(4) {
            let at = chance.below(bytes.len() + 1);
            match chance.below(5) {
                0 => bytes.insert(at, chance.below(256) as u8),
                1 => bytes.truncate(at),
                2 => {
                    let other = seeds[chance.below(seeds.len())];
                    bytes.splice(at..at, other.iter().copied());
                }
                3 if at < bytes.len() => drop(bytes.remove(at)),
                _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << chance.below(8)),
            }
        }
        reader(&bytes);
    }
}
