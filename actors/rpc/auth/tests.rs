use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::clock::SystemEntropy;

fn gate(token: Option<&str>, shown: Option<&str>) -> bool {
    let mut request = Request::new(());
    if let Some(shown) = shown {
        request.metadata_mut().insert("authorization", shown.parse().unwrap());
    }
    Gate { token: token.map(Token::of) }.call(request).is_ok()
}

#[test]
fn nobody_passes_without_the_token() {
    let secret = Some("0123456789abcdef");
    let cases = [
        (secret, Some("Bearer 0123456789abcdef"), true),
        (secret, Some("Bearer 0123456789abcdee"), false),
        (secret, Some("Bearer 0123456789abcdef0"), false),
        (secret, Some("Bearer "), false),
        (secret, Some("0123456789abcdef"), false),
        (secret, Some("Basic 0123456789abcdef"), false),
        (secret, None, false),
        (None, None, true),
    ];
    for (token, shown, passes) in cases {
        assert_eq!(gate(token, shown), passes, "{shown:?}");
    }
}

#[test]
fn a_missing_token_is_made_for_its_owner_alone_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rpc.token");
    let made = Token::load(&path, &SystemEntropy).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.trim().len(), 64);
    assert!(made.is(text.trim()));
    assert!(Token::load(&path, &SystemEntropy).unwrap().is(text.trim()));
}

#[test]
fn a_token_that_is_no_secret_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rpc.token");
    fs::write(&path, "short\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(Token::load(&path, &SystemEntropy), Err(TokenError::TooShort(_))));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(Token::load(&path, &SystemEntropy), Err(TokenError::Open(_))));
    let nowhere = dir.path().join("none/rpc.token");
    assert!(matches!(Token::load(&nowhere, &SystemEntropy), Err(TokenError::Io { .. })));
}
