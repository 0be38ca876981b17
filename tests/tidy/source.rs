//! Files as the checks see them: what is code, what is a test, what is neither.

use std::fs;
use std::path::{Path, PathBuf};

/// A Rust file.
pub(crate) struct Source {
    /// From the root of the repository, with `/`.
    pub(crate) path: String,
    /// As it stands.
    pub(crate) text: String,
    /// The same length, with comments, literals and test modules blanked.
    pub(crate) code: String,
}

impl Source {
    /// The line of a byte offset, from 1.
    pub(crate) fn line_of(&self, offset: usize) -> usize {
        self.code[..offset].matches('\n').count() + 1
    }
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Text of one file.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// All files below `folder` whose names end so, sorted, from the root of the repository.
pub(crate) fn files(folder: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(relative(&path));
            }
        }
    }
    found.sort();
    found
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/")
}

/// Rust of the product: the crates, without their test files.
pub(crate) fn product() -> Vec<Source> {
    let folders = ["src", "actors", "compat", "proto"];
    let paths = folders.iter().flat_map(|folder| files(folder, ".rs"));
    paths.filter(|path| !is_test_file(path)).map(source).collect()
}

/// Every Rust file: the product, its tests, the benches.
pub(crate) fn everything() -> Vec<Source> {
    let folders = ["src", "actors", "compat", "proto", "tests", "benches"];
    folders.iter().flat_map(|folder| files(folder, ".rs")).map(source).collect()
}

fn is_test_file(path: &str) -> bool {
    path.split('/').any(|part| ["tests", "tests.rs", "fixtures.rs", "examples"].contains(&part))
}

fn source(path: String) -> Source {
    let text = read(&path);
    let code = without_test_modules(blank(&text));
    Source { path, text, code }
}

/// Comments and literals become spaces; line ends stay.
pub(crate) fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => until(text, at, "\n", 0),
            b'/' if bytes.get(at + 1) == Some(&b'*') => until(text, at, "*/", 2),
            b'r' if raw_string(text, at).is_some() => raw_string(text, at).unwrap(),
            b'"' => string_end(bytes, at),
            b'\'' => char_end(bytes, at),
            _ => at,
        };
        for byte in &mut out[at..end.min(bytes.len())] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    String::from_utf8(out).unwrap()
}

fn until(text: &str, from: usize, mark: &str, keep: usize) -> usize {
    text[from..].find(mark).map_or(text.len(), |n| from + n + keep)
}

/// The end of `r"..."` or `r#"..."#` at `at`, if one begins there.
fn raw_string(text: &str, at: usize) -> Option<usize> {
    let before = text[..at].chars().next_back();
    if before.is_some_and(|c| c.is_alphanumeric() || c == '_') && before != Some('b') {
        return None;
    }
    let rest = &text[at + 1..];
    let hashes = rest.bytes().take_while(|b| *b == b'#').count();
    rest[hashes..].starts_with('"').then(|| {
        let close = format!("\"{}", "#".repeat(hashes));
        let from = at + 2 + hashes;
        until(text, from, &close, close.len())
    })
}

fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut i = at + 1;
    while i < bytes.len() && bytes[i] != b'"' {
        i += if bytes[i] == b'\\' { 2 } else { 1 };
    }
    i + 1
}

/// The end of a character literal; a lifetime ends where it begins.
fn char_end(bytes: &[u8], at: usize) -> usize {
    if bytes.get(at + 1) == Some(&b'\\') {
        let close = bytes[at + 3..].iter().position(|b| *b == b'\'');
        return close.map_or(at, |n| at + 4 + n);
    }
    let close = bytes.iter().skip(at + 2).take(4).position(|b| *b == b'\'');
    match close {
        Some(n) if n == 0 || bytes[at + 1] >= 0x80 => at + 3 + n,
        _ => at,
    }
}

/// Blanks every `#[cfg(test)]` item with a body.
fn without_test_modules(code: String) -> String {
    let mut out = code.clone().into_bytes();
    for (at, _) in code.match_indices("#[cfg(test)]") {
        let Some(open) = code[at..].find(['{', ';']).map(|n| at + n) else { continue };
        let end = if code.as_bytes()[open] == b'{' { matching(&code, open) } else { open };
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }
    String::from_utf8(out).unwrap()
}

/// One past the bracket that closes the one at `open`.
pub(crate) fn matching(code: &str, open: usize) -> usize {
    let mut depth = 0usize;
    for (n, byte) in code.as_bytes()[open..].iter().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return open + n + 1,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

/// A function: its name, and the lines from its signature to its end.
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) lines: usize,
}

/// The functions of a file that have a body.
pub(crate) fn functions(source: &Source) -> Vec<Function> {
    let code = &source.code;
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let free = code[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && c != '_');
        let name: String = code[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let Some(open) = code[at..].find(['{', ';']).map(|n| at + n) else { continue };
        if !free || name.is_empty() || code.as_bytes()[open] == b';' {
            continue;
        }
        let lines = code[at..matching(code, open)].lines().count();
        found.push(Function { name, line: source.line_of(at), lines });
    }
    found
}

#[test]
fn blanking_keeps_code_and_nothing_else() {
    for (text, code) in [
        ("a // b\nc", "a     \nc"),
        ("a /* b */ c", "a         c"),
        ("f(\"x \\\" y\") g", "f(        ) g"),
        ("r#\"a \" b\"# c", "           c"),
        ("'a' 'b: 'c' '\\n' x", "    'b:          x"),
        ("&'a str", "&'a str"),
    ] {
        assert_eq!(blank(text), code, "{text}");
    }
}

#[test]
fn test_modules_are_no_code() {
    let code =
        without_test_modules("fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() {}\n}\nfn c() {}".to_owned());
    let source = Source { path: String::new(), text: String::new(), code };
    let names: Vec<_> = functions(&source).into_iter().map(|f| f.name).collect();
    assert_eq!(names, ["a", "c"]);
}
