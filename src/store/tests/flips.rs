//! Bits that flip at rest: each is noticed, or changes nothing.

use std::path::{Path, PathBuf};

use super::power::{Model, PATH, check_serves, flush, found};
use super::sim::{Chance, Cut, Image, Sim};
use super::tries;
use crate::{ChainDb, MergeStep};

/// A database of several tiers, some merged, and what is in it.
fn database(seed: u64) -> (Image, Model) {
    let (sim, mut chance) = (Sim::new(), Chance::new(seed));
    let db = ChainDb::open_on(&sim, Path::new(PATH)).unwrap();
    let mut model = Model::default();
    for round in 0..14 {
        let (next, done) = flush(&db, &model, 120, &mut chance);
        done.unwrap();
        model = next;
        while round < 11 && db.merge_step(100).unwrap() != MergeStep::Idle {}
    }
    assert!(db.tiers() > 2);
    drop(db);
    (sim.image(Cut::All, &mut chance), model)
}

/// What became of a flipped bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flipped {
    Noticed,
    Harmless,
}

/// Opens the image and reads all of it in every way.
fn read_all(image: &Image, model: &Model) -> Flipped {
    let Ok(db) = ChainDb::open_on(&Sim::of(image), Path::new(PATH)) else { return Flipped::Noticed };
    // A fault may come at any of these; an answer must be right.
    if check_serves(&db, model).is_err() {
        return Flipped::Noticed;
    }
    match found(&db) {
        Ok(now) => {
            assert!(
                now == *model,
                "another state is served: flush {}, {} coins",
                now.flushes,
                now.coins.len()
            );
            Flipped::Harmless
        }
        Err(_) => Flipped::Noticed,
    }
}

fn flip(image: &Image, path: &Path, byte: usize, bit: u32) -> Image {
    let mut image = image.clone();
    image.insert(PathBuf::from(path), image[path].flipped(byte, bit));
    image
}

#[test]
fn no_flipped_bit_of_the_coins_is_answered_from() {
    let (image, model) = database(3);
    let path = Path::new(PATH);
    let len = image[path].len() as u64;
    let mut chance = Chance::new(4);
    let (mut noticed, mut harmless) = (0, 0);
    let mut count = |flipped| match flipped {
        Flipped::Noticed => noticed += 1,
        Flipped::Harmless => harmless += 1,
    };
    // Every so many bits of the headers, then anywhere.
    for n in 0..tries(300) {
        let byte = if n % 4 == 0 { chance.below(400) + chance.below(2) * 4096 } else { chance.below(len) };
        count(read_all(&flip(&image, path, byte as usize, chance.below(8) as u32), &model));
    }
    println!("{noticed} noticed, {harmless} harmless");
    assert!(noticed > 0);
}
