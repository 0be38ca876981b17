//! The methods, a file a family.

mod control;

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::table::Method;

/// The families' tables.
const FAMILIES: [&[Method]; 1] = [control::METHODS];

static BY_NAME: LazyLock<HashMap<&'static str, &'static Method>> =
    LazyLock::new(|| FAMILIES.iter().copied().flatten().map(|method| (method.name, method)).collect());

/// The method of that name.
pub(crate) fn find(name: &str) -> Option<&'static Method> {
    BY_NAME.get(name).copied()
}

/// All of them, in no order.
pub(crate) fn all() -> Vec<&'static Method> {
    BY_NAME.values().copied().collect()
}

#[cfg(test)]
mod tests;
