//! What the kernel says of this process's memory.
//!
//! Owns: which of its figures stand for Core's, which are of a pool of locked pages that Adit has no use for. Must not know: who asks.

/// Figures of the process; zeros where there is no such kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// What its own data takes of the machine's memory.
    pub(crate) used_bytes: u64,
    /// What it has asked for of it, taken or not.
    pub(crate) total_bytes: u64,
    /// What is kept from being swapped out.
    pub(crate) locked_bytes: u64,
    /// Mappings that can be used.
    pub(crate) mappings: u64,
    /// Mappings that are set aside: nothing may be read or written there.
    pub(crate) mappings_aside: u64,
}

impl Memory {
    /// As it is now.
    pub(crate) fn of_process() -> Memory {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        Memory::of(&read("/proc/self/status"), &read("/proc/self/maps"))
    }

    /// Of the kernel's two texts.
    fn of(status: &str, maps: &str) -> Memory {
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
            kib.unwrap_or(0).saturating_mul(1024)
        };
        let (used, total) = (bytes("RssAnon"), bytes("VmData"));
        let is_aside = |line: &&str| line.split(' ').nth(1).is_some_and(|mode| mode.starts_with("---"));
        let count = |lines: usize| u64::try_from(lines).unwrap_or(u64::MAX);
        let (all, aside) = (count(maps.lines().count()), count(maps.lines().filter(is_aside).count()));
        Memory {
            used_bytes: used.min(total),
            total_bytes: total,
            locked_bytes: bytes("VmLck"),
            mappings: all.saturating_sub(aside),
            mappings_aside: aside,
        }
    }
}

#[cfg(test)]
mod tests;
