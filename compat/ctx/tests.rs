use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::sync::Semaphore;

use super::{Away, cores, in_turn};
use crate::error::RpcError;

#[test]
fn no_more_whole_blocks_are_made_at_a_time_than_cores_bear() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let inside = Arc::new(AtomicUsize::new(0));
    let one = |n: usize| {
        let inside = Arc::clone(&inside);
        let made = in_turn(move || {
            let now = inside.fetch_add(1, Ordering::SeqCst);
            std::thread::yield_now();
            inside.fetch_sub(1, Ordering::SeqCst);
            if n.is_multiple_of(2) { Ok(now) } else { Err(RpcError::misc("odd")) }
        });
        runtime.spawn(made)
    };
    let all: Vec<_> = (0..100).map(one).collect();
    for (n, made) in all.into_iter().enumerate() {
        match runtime.block_on(made).unwrap() {
            Ok(others) => assert!(others <= cores(), "{others} beside"),
            Err(error) => assert_eq!((error.message.as_str(), n % 2), ("odd", 1)),
        }
    }
    // A panic gives its turn back.
    for _ in 0..=cores().saturating_add(1) {
        let made = in_turn(|| -> Result<(), RpcError> { panic!("on purpose") });
        assert_eq!(runtime.block_on(made).unwrap_err().code, -32603);
    }
    assert_eq!(runtime.block_on(in_turn(|| Ok(7))), Ok(7));
}

/// Work that tells that it has begun, and goes on until it is told to end.
fn held(begun: &Sender<()>) -> (Sender<()>, impl FnOnce() -> Result<(), RpcError> + Send + use<>) {
    let (end, ended): (Sender<()>, Receiver<()>) = channel();
    let begun = begun.clone();
    let work = move || {
        begun.send(()).unwrap();
        // Told, or nobody is left to tell.
        let _ = ended.recv();
        Ok(())
    };
    (end, work)
}

#[test]
fn what_is_done_elsewhere_keeps_its_place_though_nobody_waits_for_it() {
    static AWAY: Away = Away(Semaphore::const_new(2));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let (begun, begins) = channel();
    let ((end_first, first), (end_second, second)) = (held(&begun), held(&begun));
    let first = runtime.spawn(AWAY.run(first));
    let second = runtime.spawn(AWAY.run(second));
    begins.recv().unwrap();
    begins.recv().unwrap();
    // Who asked for the first has hung up; what was asked for goes on, and what comes third waits.
    first.abort();
    assert!(runtime.block_on(first).unwrap_err().is_cancelled());
    let (end_third, third) = held(&begun);
    let third = runtime.spawn(AWAY.run(third));
    assert_eq!(AWAY.0.available_permits(), 0);
    assert!(begins.try_recv().is_err());
    end_first.send(()).unwrap();
    begins.recv().unwrap();
    assert_eq!(AWAY.0.available_permits(), 0);
    [end_second, end_third].iter().for_each(|end| end.send(()).unwrap());
    for done in [second, third] {
        runtime.block_on(done).unwrap().unwrap();
    }
    // What panics gives its place back, and whoever asked hears of it.
    let failed = runtime.block_on(AWAY.run(|| -> Result<(), RpcError> { panic!("as asked") }));
    assert_eq!(failed.unwrap_err().code, -32603);
    assert_eq!(AWAY.0.available_permits(), 2);
}
