use std::io::{Error, ErrorKind};
use std::path::PathBuf;

use adit_actors::root::StartError;
use adit_actors::store::OpenError;
use adit_actors::supervision::{ExitReason, Fault};
use adit_chainstate::ChainFault;
use adit_store::DataDirError;

use super::{HostError, connections_of, ended_text, named};

fn taken() -> Error {
    Error::from(ErrorKind::AddrInUse)
}

fn data_dir(error: DataDirError) -> HostError {
    HostError::Start(StartError::Store(OpenError::DataDir(error)))
}

#[test]
fn connections_leave_files_for_the_node() {
    for (files, connections) in [(0, 1), (1_024, 256), (4_800, 1_200), (65_536, 4_000), (u64::MAX, 4_000)] {
        assert_eq!(connections_of(files), connections, "{files}");
    }
}

#[test]
fn every_failure_has_its_exit_code() {
    let path = || PathBuf::from("d");
    let listen = "127.0.0.1:1".parse().unwrap();
    for (error, code) in [
        (data_dir(DataDirError::Locked { path: path() }), 69),
        (data_dir(DataDirError::Io { path: path(), source: taken() }), 74),
        (HostError::Start(StartError::Chain(ChainFault::State(String::new()))), 74),
        (HostError::Start(StartError::Books(Fault::State(String::new()))), 74),
        (HostError::Start(StartError::Peers(taken())), 69),
        (HostError::Listen { key: "p2p.listen", listen, source: taken() }, 69),
        (HostError::Threads(taken()), 69),
        (HostError::Logging(String::new()), 69),
        (HostError::Log { path: path(), source: taken() }, 74),
        (HostError::Vanished, 70),
    ] {
        assert_eq!(error.exit().code(), code, "{error}");
    }
}

#[test]
fn a_taken_port_is_named_with_its_key() {
    let (p2p, stratum) = (Some("127.0.0.1:1".parse().unwrap()), Some("127.0.0.1:2".parse().unwrap()));
    let text = named(StartError::Peers(taken()), (p2p, stratum)).to_string();
    assert!(text.starts_with("p2p.listen = 127.0.0.1:1: ") && text.contains("--set p2p.listen="), "{text}");
    let text = named(StartError::Stratum(taken()), (p2p, stratum)).to_string();
    assert!(text.starts_with("stratum.listen = 127.0.0.1:2: "), "{text}");
    let other = named(StartError::Chain(ChainFault::State("x".to_owned())), (p2p, stratum));
    assert!(matches!(other, HostError::Start(_)));
}

#[test]
fn every_end_is_explained() {
    for (reason, part) in [
        (ExitReason::Requested, "asked"),
        (ExitReason::Escalated { child: "chain".to_owned(), panic: "boom".to_owned() }, "chain"),
        (ExitReason::Silent { child: "utxo".to_owned() }, "utxo"),
        (ExitReason::Fault { child: "store".to_owned(), fault: Fault::Storage("disk".to_owned()) }, "disk"),
    ] {
        assert!(ended_text(&reason).contains(part), "{reason:?}");
    }
}
