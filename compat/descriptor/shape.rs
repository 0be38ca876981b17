//! What a descriptor may be.

use bitcoin::{Address, ScriptBuf};
use miniscript::{Segwitv0, Tap};

use super::key::Key;
use super::mini::Mini;

/// A descriptor's function with what is in it: at most three of them in each other, and a tree's leaves beside each other.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    Raw(ScriptBuf),
    Addr(Address),
    Pk(Key),
    Pkh(Key),
    Wpkh(Key),
    Combo(Key),
    Multi(Multi),
    Sh(Box<Shape>),
    Wsh(Box<Shape>),
    Mini(Mini<Segwitv0>),
    Tr { key: Key, leaves: Vec<(u8, Leaf)> },
    RawTr(Key),
}

/// `multi`, `multi_a`, and with their keys in order.
#[derive(Clone, Debug)]
pub(super) struct Multi {
    pub(super) needed: usize,
    pub(super) keys: Vec<Key>,
    pub(super) sorted: bool,
}

/// A script of a taproot tree.
#[derive(Clone, Debug)]
pub(super) enum Leaf {
    Pk(Key),
    MultiA(Multi),
    Mini(Mini<Tap>),
}

impl Multi {
    fn text(&self, name: &str) -> String {
        let sorted = if self.sorted { "sorted" } else { "" };
        let keys: Vec<String> = self.keys.iter().map(Key::text).collect();
        format!("{sorted}{name}({},{})", self.needed, keys.join(","))
    }
}

impl Leaf {
    fn text(&self) -> String {
        match self {
            Leaf::Pk(key) => format!("pk({})", key.text()),
            Leaf::MultiA(multi) => multi.text("multi_a"),
            Leaf::Mini(mini) => mini.text(),
        }
    }

    fn keys(&self) -> Vec<&Key> {
        match self {
            Leaf::Pk(key) => vec![key],
            Leaf::MultiA(multi) => multi.keys.iter().collect(),
            Leaf::Mini(mini) => mini.keys().collect(),
        }
    }
}

impl Shape {
    /// Without a checksum, and without private keys.
    pub(super) fn text(&self) -> String {
        match self {
            Shape::Raw(script) => {
                format!("raw({})", bitcoin::hex::DisplayHex::as_hex(script.as_bytes()))
            }
            Shape::Addr(address) => format!("addr({address})"),
            Shape::Pk(key) => format!("pk({})", key.text()),
            Shape::Pkh(key) => format!("pkh({})", key.text()),
            Shape::Wpkh(key) => format!("wpkh({})", key.text()),
            Shape::Combo(key) => format!("combo({})", key.text()),
            Shape::Multi(multi) => multi.text("multi"),
            Shape::Sh(inside) => format!("sh({})", inside.text()),
            Shape::Wsh(inside) => format!("wsh({})", inside.text()),
            Shape::Mini(mini) => mini.text(),
            Shape::RawTr(key) => format!("rawtr({})", key.text()),
            Shape::Tr { key, leaves } if leaves.is_empty() => format!("tr({})", key.text()),
            Shape::Tr { key, leaves } => format!("tr({},{})", key.text(), tree_text(leaves)),
        }
    }

    pub(super) fn keys(&self) -> Vec<&Key> {
        match self {
            Shape::Raw(_) | Shape::Addr(_) => Vec::new(),
            Shape::Pk(key) | Shape::Pkh(key) | Shape::Wpkh(key) | Shape::Combo(key) | Shape::RawTr(key) => {
                vec![key]
            }
            Shape::Multi(multi) => multi.keys.iter().collect(),
            Shape::Sh(inside) | Shape::Wsh(inside) => inside.keys(),
            Shape::Mini(mini) => mini.keys().collect(),
            Shape::Tr { key, leaves } => {
                std::iter::once(key).chain(leaves.iter().flat_map(|(_, leaf)| leaf.keys())).collect()
            }
        }
    }
}

/// Leaves from left to right, each with its depth, in braces.
fn tree_text(leaves: &[(u8, Leaf)]) -> String {
    braced(leaves.iter().map(|(depth, leaf)| (*depth, leaf.text())))
}

/// Texts from left to right, each with its depth, in braces.
pub(super) fn braced(leaves: impl IntoIterator<Item = (u8, String)>) -> String {
    let mut text = String::new();
    // For each brace that is open: whether its right half has begun.
    let mut open: Vec<bool> = Vec::new();
    for (depth, leaf) in leaves {
        if !text.is_empty() {
            text.push(',');
        }
        while open.len() < usize::from(depth) {
            open.push(false);
            text.push('{');
        }
        text.push_str(&leaf);
        while open.last() == Some(&true) {
            open.pop();
            text.push('}');
        }
        if let Some(half) = open.last_mut() {
            *half = true;
        }
    }
    text
}
