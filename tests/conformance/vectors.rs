//! Where the vectors are.

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

/// The folder of Core's test vectors, in the source of the crate `libbitcoinkernel-sys`: a dependency that is never
/// built, so that only cargo knows where it lies.
static CORE: LazyLock<PathBuf> = LazyLock::new(|| {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata speaks JSON");
    let packages = metadata["packages"].as_array().expect("a list of packages");
    let package =
        packages.iter().find(|p| p["name"] == "libbitcoinkernel-sys").expect("the package is named");
    let manifest = PathBuf::from(package["manifest_path"].as_str().expect("a path"));
    manifest.with_file_name("bitcoin").join("src/test/data")
});

/// One of Core's JSON files.
pub(crate) fn core(file: &str) -> Vec<Value> {
    let path = CORE.join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).expect("a list")
}

/// One of Core's JSON files that is one object.
pub(crate) fn core_object(file: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(CORE.join(file)).expect("the file reads")).expect("JSON")
}

/// A file in the folder of large data, where `ADIT_DATA` names one.
pub(crate) fn data(file: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("ADIT_DATA");
    if folder.is_none() {
        println!("{file}: 0 cases ran, ADIT_DATA is not set");
    }
    folder.map(|folder| PathBuf::from(folder).join(file))
}

/// Bytes of hex.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    bitcoin::hex::FromHex::from_hex(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}
