use std::sync::Arc;

use adit_actors::clock::SystemEntropy;
use futures::FutureExt;
use tokio::sync::Semaphore;

use super::{ANSWER_BYTES_SMALL, BODY_BYTES_SMALL, Door, VALUES_K_MAX, room_for};
use crate::auth::Users;
use crate::config::Config;
use crate::ctx::Ctx;

fn door() -> Door {
    let config = Config { password: "p".to_owned(), ..Config::new(Vec::new(), None) };
    let (users, _) = Users::new(&config, &SystemEntropy).unwrap();
    Door::new(Arc::new(Ctx::new(config)), users)
}

#[test]
fn answers_that_nobody_takes_have_so_much_room_together() {
    const KIB: usize = 200;
    let all = Arc::new(Semaphore::new(KIB));
    let room = |bytes: u64| room_for(bytes, &all, KIB);
    let first = room(2 * ANSWER_BYTES_SMALL).unwrap();
    assert_eq!(all.available_permits(), KIB - 128);
    // One more of them is too much; small ones are none at all.
    assert!(room(2 * ANSWER_BYTES_SMALL).is_none());
    assert!(room(ANSWER_BYTES_SMALL).is_some_and(|room| room.is_none()));
    drop(first);
    // What is larger than all of it has it alone.
    let large = room(u64::MAX).unwrap();
    assert_eq!(all.available_permits(), 0);
    assert!(room(2 * ANSWER_BYTES_SMALL).is_none());
    drop(large);
    assert_eq!(all.available_permits(), KIB);
}

#[test]
fn values_that_bodies_are_read_into_are_counted() {
    let door = door();
    let many = vec![b','; 2_000_000];
    let first = door.values(&many).now_or_never().flatten().unwrap();
    let second = door.values(&many).now_or_never().flatten().unwrap();
    // Others wait until one of them has been answered; who asks for little waits for nobody.
    assert!(door.values(&many).now_or_never().is_none());
    assert!(door.values(&many[..BODY_BYTES_SMALL]).now_or_never().unwrap().is_none());
    drop(first);
    let third = door.values(&many).now_or_never().flatten().unwrap();
    drop((second, third));
    // More than all of them is no more than all of them.
    let far = vec![b','; 3 * VALUES_K_MAX * 1_000 / 2];
    assert!(door.values(&far).now_or_never().flatten().is_some());
}
