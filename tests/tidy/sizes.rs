//! How large things grow.

use crate::check_none;
use crate::source::{everything, functions, product};

/// Lines of a file, its tests not counted.
const FILE_LINES_MAX: usize = 600;
/// Lines of a function from its signature to its end.
const FUNCTION_LINES_MAX: usize = 70;
/// The median of all functions of the product.
const FUNCTION_LINES_MEDIAN_MAX: usize = 8;

/// Functions that are longer, and why: flat ladders of guards or flat tables, nothing nested.
const LADDERS: [(&str, &str, &str); 0] = [];

#[test]
fn files_stay_small() {
    let long = |source: crate::source::Source| {
        let lines = source.code.trim_end().lines().count();
        (lines > FILE_LINES_MAX).then(|| format!("{}: {lines} lines", source.path))
    };
    check_none("a file of more than 600 lines", product().into_iter().filter_map(long).collect());
}

#[test]
fn functions_stay_small() {
    let mut findings = Vec::new();
    for source in product() {
        for function in functions(&source) {
            let excepted = LADDERS.iter().any(|(p, f, _)| *p == source.path && *f == function.name);
            if function.lines > FUNCTION_LINES_MAX && !excepted {
                let place = format!("{}:{}", source.path, function.line);
                findings.push(format!("{place}: {} has {} lines", function.name, function.lines));
            }
        }
    }
    check_none("a function of more than 70 lines that is not in the table of ladders", findings);
}

#[test]
fn most_functions_are_a_few_lines() {
    let mut lines: Vec<usize> = product().iter().flat_map(functions).map(|f| f.lines).collect();
    lines.sort_unstable();
    let median = lines[lines.len() / 2];
    assert!(median <= FUNCTION_LINES_MEDIAN_MAX, "{} functions, median {median} lines", lines.len());
}

#[test]
fn every_ladder_is_there_and_long() {
    let all = everything();
    for (path, name, reason) in LADDERS {
        let source = all.iter().find(|s| s.path == path).unwrap_or_else(|| panic!("{path} is gone"));
        let long = functions(source).iter().any(|f| f.name == name && f.lines > FUNCTION_LINES_MAX);
        assert!(long && !reason.is_empty(), "{path}: {name} needs no exception");
    }
}
