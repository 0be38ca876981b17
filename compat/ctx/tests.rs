use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{cores, in_turn};
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
