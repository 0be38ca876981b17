use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use config::{Config, ConfigError, File, FileFormat, Map, Source, Value, ValueKind};

use super::{Network, Place, SettingsError};

/// Every key with its default.
pub(super) const DEFAULT_TOML: &str = include_str!("../../../config/default.toml");

/// What the outside says, the strongest last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    /// `--config FILE`: its name and its text.
    pub(crate) file: Option<(String, String)>,
    /// The environment's `ADIT_*` variables.
    pub(crate) env: Vec<(String, String)>,
    /// Flags: the flag as it was typed (`--datadir`, `--set`), key and value.
    pub(crate) flags: Vec<(String, String, String)>,
}

/// Variables that begin with `ADIT_` and are no keys: what the tests and `adit ctl` read.
const ENV_OTHER: [&str; 20] = [
    "ADIT_BACKGROUND",
    "ADIT_BENCH_BLOCKS",
    "ADIT_BENCH_CACHES",
    "ADIT_BENCH_CLIENTS",
    "ADIT_BENCH_CORES",
    "ADIT_BENCH_PART",
    "ADIT_BENCH_ROUNDS",
    "ADIT_BENCH_WORK",
    "ADIT_BINARY",
    "ADIT_CHAIN",
    "ADIT_DATA",
    "ADIT_FAILPOINT",
    "ADIT_ORACLE",
    "ADIT_ORACLE_BLOCKS",
    "ADIT_ORACLE_CASES",
    "ADIT_ORACLE_SEED",
    "ADIT_PYTHON",
    "ADIT_TEST_TRIES",
    "ADIT_TOKEN_FILE",
    "ADIT_URL",
];
/// What the environment's variables begin with.
const ENV_PREFIX: &str = "ADIT_";
/// A configuration file larger than this is not one: the longest sensible has some 10 kB.
const FILE_BYTES_MAX: u64 = 1 << 20;

impl Given {
    /// Reads the `--config` file and the environment.
    pub(crate) fn collect(
        file: Option<&Path>,
        flags: Vec<(String, String, String)>,
    ) -> Result<Given, SettingsError> {
        let file = file.map(read_file).transpose()?;
        let env = std::env::vars_os()
            .filter_map(|(k, v)| Some((k.into_string().ok()?, v.to_string_lossy().into_owned())))
            .filter(|(k, _)| k.starts_with(ENV_PREFIX) && !ENV_OTHER.contains(&k.as_str()))
            .collect();
        Ok(Given { file, env, flags })
    }
}

fn read_file(path: &Path) -> Result<(String, String), SettingsError> {
    let name = path.display().to_string();
    let unreadable = |reason: String| SettingsError::File { file: name.clone(), reason };
    let bytes = std::fs::metadata(path).map_err(|e| unreadable(e.to_string()))?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(unreadable(format!(
            "it has {bytes} bytes, a configuration has at most {FILE_BYTES_MAX}"
        )));
    }
    let text = std::fs::read_to_string(path).map_err(|e| unreadable(e.to_string()))?;
    Ok((name, text))
}

/// A value as text, or several: what a file, a flag and a variable have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Raw {
    /// One value.
    One(String),
    /// A list, from a file.
    Many(Vec<String>),
}

impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Raw::One(text) => f.write_str(text),
            Raw::Many(texts) => f.write_str(&texts.join(",")),
        }
    }
}

/// A value and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) raw: Raw,
    pub(super) place: Place,
}

/// The keys of one place. It is a source for the crate `config`, which lays the later over the earlier.
#[derive(Clone, Debug)]
struct Layer {
    values: BTreeMap<String, Value>,
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.values.clone().into_iter().collect())
    }
}

/// Lays all places over each other: each key's strongest value, with its place.
pub(super) fn merge(given: &Given) -> Result<BTreeMap<String, Entry>, SettingsError> {
    let outside = outside_layers(given)?;
    let default = Layer::from_toml(&Place::Default, DEFAULT_TOML)?;
    let network = resolve(&default, &outside)?
        .get("network")
        .ok_or_else(|| SettingsError::unknown("network", &Place::Default))
        .and_then(Network::from_entry)?;
    let place = Place::Network(network);
    let mut layers = vec![Layer::from_toml(&place, network.defaults_toml())?];
    layers.extend(outside);
    resolve(&default, &layers)
}

/// The keys that exist: those of config/default.toml.
pub(super) fn known_keys() -> Vec<String> {
    Layer::from_toml(&Place::Default, DEFAULT_TOML)
        .map(|layer| layer.values.into_keys().collect())
        .unwrap_or_default()
}

/// The variable that sets a key.
pub(super) fn env_name(key: &str) -> String {
    format!("{ENV_PREFIX}{}", key.replace('.', "_").to_uppercase())
}

fn outside_layers(given: &Given) -> Result<Vec<Layer>, SettingsError> {
    let mut layers = Vec::new();
    if let Some((name, text)) = &given.file {
        layers.push(Layer::from_toml(&Place::File(name.clone()), text)?.known_only()?);
    }
    layers.push(Layer::from_env(&given.env)?);
    layers.push(Layer::from_flags(&given.flags).known_only()?);
    Ok(layers)
}

fn resolve(default: &Layer, layers: &[Layer]) -> Result<BTreeMap<String, Entry>, SettingsError> {
    let builder =
        layers.iter().cloned().fold(Config::builder().add_source(default.clone()), |b, l| b.add_source(l));
    let merged = builder.build().map_err(|e| SettingsError::other(&e))?;
    let mut values = BTreeMap::new();
    flatten("", merged.cache, &mut values);
    values.into_iter().map(|(key, value)| Ok((key.clone(), entry(&key, value)?))).collect()
}

impl Layer {
    fn from_toml(place: &Place, text: &str) -> Result<Layer, SettingsError> {
        let table = File::from_str(text, FileFormat::Toml)
            .collect()
            .map_err(|e| SettingsError::File { file: place.to_string(), reason: e.to_string() })?;
        let mut values = BTreeMap::new();
        flatten("", Value::new(None, table), &mut values);
        let origin = place.encode();
        let values = values.into_iter().map(|(k, v)| (k, Value::new(Some(&origin), v.kind))).collect();
        Ok(Layer { values })
    }

    fn from_env(vars: &[(String, String)]) -> Result<Layer, SettingsError> {
        let keys: BTreeMap<String, String> = known_keys().into_iter().map(|k| (env_name(&k), k)).collect();
        let mut values = BTreeMap::new();
        for (name, value) in vars {
            let place = Place::Env(name.clone());
            let key = keys.get(name).ok_or_else(|| SettingsError::unknown_variable(name, &place))?;
            values.insert(key.clone(), Value::new(Some(&place.encode()), value.clone()));
        }
        Ok(Layer { values })
    }

    fn from_flags(flags: &[(String, String, String)]) -> Layer {
        let value = |(flag, key, value): &(String, String, String)| {
            (key.clone(), Value::new(Some(&Place::Flag(flag.clone()).encode()), value.clone()))
        };
        Layer { values: flags.iter().map(value).collect() }
    }

    /// The layer, if all its keys exist.
    fn known_only(self) -> Result<Layer, SettingsError> {
        let known = known_keys();
        match self.values.iter().find(|(key, _)| !known.contains(key)) {
            None => Ok(self),
            Some((key, value)) => Err(SettingsError::unknown(key, &Place::decode(value.origin()))),
        }
    }
}

/// Tables into dotted keys. The depth is bounded by the parser of TOML (128), a loop over a list of work needs none.
fn flatten(prefix: &str, value: Value, out: &mut BTreeMap<String, Value>) {
    let mut work = vec![(prefix.to_owned(), value)];
    while let Some((key, value)) = work.pop() {
        let Value { kind: ValueKind::Table(table), .. } = value else {
            out.insert(key, value);
            continue;
        };
        let dotted = |name: String| if key.is_empty() { name } else { format!("{key}.{name}") };
        work.extend(table.into_iter().map(|(name, value)| (dotted(name), value)));
    }
}

fn entry(key: &str, value: Value) -> Result<Entry, SettingsError> {
    let place = Place::decode(value.origin());
    let bad = |expected| SettingsError::bad(key, "a list of lists or tables", &place, expected);
    let raw = match value.kind {
        ValueKind::Array(items) => {
            let texts = items.into_iter().map(|item| text(item.kind));
            Raw::Many(texts.collect::<Option<_>>().ok_or_else(|| bad("a list of values"))?)
        }
        kind => Raw::One(text(kind).ok_or_else(|| bad("a value"))?),
    };
    Ok(Entry { raw, place })
}

fn text(kind: ValueKind) -> Option<String> {
    match kind {
        ValueKind::Nil | ValueKind::Table(_) | ValueKind::Array(_) => None,
        scalar => Some(scalar.to_string()),
    }
}
