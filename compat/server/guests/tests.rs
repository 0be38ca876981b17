use futures::FutureExt;

use super::{Guest, Guests};

/// One more, who must find room now.
fn enter(guests: &std::sync::Arc<Guests>) -> Guest {
    guests.enter().now_or_never().flatten().unwrap()
}

/// Whether somebody is sent away.
fn goes(guest: &Guest) -> bool {
    guest.sent_away().now_or_never().is_some()
}

#[test]
fn the_stranger_who_has_been_silent_for_longest_goes_first() {
    let guests = Guests::new(3);
    let (first, second, third) = (enter(&guests), enter(&guests), enter(&guests));
    assert!(first.is_silent());
    first.speak();
    assert!(!first.is_silent() && second.is_silent());
    let mut waits = Box::pin(guests.enter());
    assert!((&mut waits).now_or_never().is_none());
    assert!(!goes(&first) && goes(&second) && !goes(&third));
    // What it says now comes too late, and its place is the other's as soon as it has gone.
    second.speak();
    second.prove();
    assert!((&mut waits).now_or_never().is_none());
    drop(second);
    let fourth = waits.now_or_never().flatten().unwrap();
    assert_eq!(guests.strangers(), 3);
    let mut waits = Box::pin(guests.enter());
    assert!((&mut waits).now_or_never().is_none());
    assert!(!goes(&first) && goes(&third) && !goes(&fourth));
    drop((first, third, fourth));
    assert!(waits.now_or_never().flatten().is_some());
    assert_eq!(guests.strangers(), 0);
}

#[test]
fn who_has_shown_a_password_stays() {
    let guests = Guests::new(2);
    let (user, other) = (enter(&guests), enter(&guests));
    user.prove();
    user.speak();
    let mut waits = Box::pin(guests.enter());
    assert!((&mut waits).now_or_never().is_none());
    assert!(!goes(&user) && goes(&other));
    drop(other);
    let other = waits.now_or_never().flatten().unwrap();
    other.prove();
    // All are known: whoever comes waits, and nobody is sent away.
    let mut waits = Box::pin(guests.enter());
    assert!((&mut waits).now_or_never().is_none());
    assert!(!goes(&user) && !goes(&other));
    // Each clone holds the place.
    let clone = user.clone();
    drop(user);
    assert!((&mut waits).now_or_never().is_none());
    drop(clone);
    assert!(waits.now_or_never().flatten().is_some());
}
