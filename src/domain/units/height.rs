use std::fmt;

/// The number of blocks below a block; the genesis block has 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Height(u32);

impl Height {
    /// The height of the genesis block.
    pub const GENESIS: Height = Height(0);
    /// The highest height that can be named.
    pub const MAX: Height = Height(u32::MAX);

    /// A height from a count of blocks.
    pub const fn new(blocks: u32) -> Height {
        Height(blocks)
    }

    /// The count of blocks below.
    pub const fn to_u32(self) -> u32 {
        self.0
    }

    /// The height of a child; stays at [`Height::MAX`] there, which no chain reaches (80,000 years of blocks).
    #[must_use]
    pub const fn next(self) -> Height {
        Height(self.0.saturating_add(1))
    }

    /// The height of the parent; none for the genesis block.
    pub const fn parent(self) -> Option<Height> {
        match self.0.checked_sub(1) {
            Some(h) => Some(Height(h)),
            None => None,
        }
    }

    /// `self - blocks`, none below the genesis block.
    pub const fn checked_sub(self, blocks: u32) -> Option<Height> {
        match self.0.checked_sub(blocks) {
            Some(h) => Some(Height(h)),
            None => None,
        }
    }

    /// Blocks from `lower` up to this one; 0 where `lower` is higher.
    pub const fn blocks_above(self, lower: Height) -> u32 {
        self.0.saturating_sub(lower.0)
    }
}

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
