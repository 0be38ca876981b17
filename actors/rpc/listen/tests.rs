use super::*;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o777
}

#[test]
fn only_its_owner_opens_it_and_its_name_goes_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("adit.sock");
    let listener = Listener::unix(&path).unwrap();
    assert_eq!(mode(&path), 0o600);
    assert!(!dir.path().join(NURSERY).exists());
    assert!(UnixStream::connect(&path).is_ok());
    assert!(listener.tcp_addr().is_none());
    drop(listener);
    assert!(!path.exists());
}

#[test]
fn a_dead_socket_is_replaced_and_a_living_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("adit.sock");
    drop(UnixListener::bind(&path).unwrap());
    // What a process leaves that was killed on its way.
    fs::create_dir(dir.path().join(NURSERY)).unwrap();
    drop(UnixListener::bind(dir.path().join(NURSERY).join("s")).unwrap());
    let living = Listener::unix(&path).unwrap();
    assert!(matches!(Listener::unix(&path), Err(ListenError::InUse(_))));
    assert!(UnixStream::connect(&path).is_ok());
    drop(living);
}

#[test]
fn somebody_elses_socket_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("adit.sock");
    let ours = Listener::unix(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let theirs = UnixListener::bind(&path).unwrap();
    drop(ours);
    assert!(path.exists());
    drop(theirs);
}

#[test]
fn what_cannot_be_a_socket_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    assert!(matches!(Listener::unix(&file), Err(ListenError::NotASocket(_))));
    assert!(matches!(Listener::unix(&dir.path().join("x".repeat(120))), Err(ListenError::PathTooLong(_))));
    assert!(matches!(Listener::unix(&dir.path().join("none/adit.sock")), Err(ListenError::Io { .. })));
    let taken = Listener::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
    assert!(matches!(Listener::tcp(taken.tcp_addr().unwrap()), Err(ListenError::Io { .. })));
}
