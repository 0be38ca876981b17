//! Where Core keeps what: the datadir, the network's folder in it, and files that are named relative to either.

use std::path::{Component, Path, PathBuf};

use super::chain::Chain;
use super::layers::Layers;
use super::value::Value;

/// The paths that settings lead to.
pub(super) struct Paths<'a>(&'a Layers);

impl<'a> Paths<'a> {
    pub(super) fn of(layers: &'a Layers) -> Paths<'a> {
        Paths(layers)
    }

    /// The path of a setting: none where it says nothing or no.
    pub(super) fn named(&self, name: &str) -> Option<PathBuf> {
        match self.0.get(name)? {
            Value::No => None,
            value => Some(value.text()).filter(|text| !text.is_empty()).map(|text| plain(Path::new(&text))),
        }
    }

    /// A file of a setting; none where it says no, and `default` where it says nothing.
    fn file(&self, name: &str, default: &str) -> Option<PathBuf> {
        if self.0.is_negated(name) {
            return None;
        }
        Some(self.named(name).unwrap_or_else(|| PathBuf::from(default)))
    }

    /// The datadir.
    pub(super) fn base(&self) -> PathBuf {
        self.named("datadir").map_or_else(default_base, |path| std::path::absolute(&path).unwrap_or(path))
    }

    /// Whether the datadir is there, where one was named.
    pub(super) fn has_base(&self) -> bool {
        self.named("datadir").is_none_or(|path| path.is_dir())
    }

    /// The network's folder.
    pub(super) fn folder(&self, chain: Chain) -> PathBuf {
        self.base().join(chain.folder())
    }

    /// The file of settings; none with `-noconf`.
    pub(super) fn conf(&self) -> Option<PathBuf> {
        self.file("conf", "bitcoin.conf").map(|path| absolute(&path, &self.base()))
    }

    /// The file of a setting in the network's folder; none where the setting says no.
    pub(super) fn in_folder(&self, chain: Chain, name: &str, default: &str) -> Option<PathBuf> {
        self.file(name, default).map(|path| absolute(&path, &self.folder(chain)))
    }

    /// Where the folder of block files lies, the network's part included.
    pub(super) fn blocks_base(&self, chain: Chain) -> Option<PathBuf> {
        let named = self.named("blocksdir")?;
        Some(std::path::absolute(&named).unwrap_or(named).join(chain.folder()))
    }
}

/// A path, from `base` on unless it is absolute.
pub(super) fn absolute(path: &Path, base: &Path) -> PathBuf {
    base.join(path)
}

fn default_base() -> PathBuf {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    home.map_or_else(|| PathBuf::from("/"), PathBuf::from).join(".bitcoin")
}

/// A path without `.`, and without `..` behind a name; no file is looked at.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match (part, out.components().next_back()) {
            (Component::CurDir, _) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => {
                out.pop();
            }
            (Component::ParentDir, Some(Component::RootDir)) => {}
            (part, _) => out.push(part),
        }
    }
    if out.as_os_str().is_empty() { PathBuf::from(".") } else { out }
}
