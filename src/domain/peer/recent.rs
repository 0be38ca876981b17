use std::collections::{BTreeSet, VecDeque};

/// A set that forgets its oldest members beyond a size.
#[derive(Debug)]
pub struct Recent<T> {
    members: BTreeSet<T>,
    order: VecDeque<T>,
    size_max: usize,
}

impl<T: Ord + Copy> Recent<T> {
    /// An empty set of at most `size_max` members.
    pub fn new(size_max: usize) -> Recent<T> {
        Recent { members: BTreeSet::new(), order: VecDeque::new(), size_max }
    }

    /// Adds a member; says whether it is new.
    pub fn insert(&mut self, member: T) -> bool {
        if !self.members.insert(member) {
            return false;
        }
        self.order.push_back(member);
        while self.order.len() > self.size_max {
            if let Some(oldest) = self.order.pop_front() {
                self.members.remove(&oldest);
            }
        }
        true
    }

    /// Whether it is a member.
    pub fn contains(&self, member: &T) -> bool {
        self.members.contains(member)
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.members.clear();
        self.order.clear();
    }
}

#[cfg(test)]
#[path = "recent/tests.rs"]
mod tests;
