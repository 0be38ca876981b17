use std::time::Instant;

use super::{Flood, LINES_MAX, Said, WINDOW};

#[test]
fn what_is_too_much_is_counted_and_told_later() {
    let mut flood = Flood::default();
    let began = Instant::now();
    for _ in 0..LINES_MAX {
        assert_eq!(flood.line(began), Said::Yes { unsaid: 0 });
    }
    (0..1_000).for_each(|_| assert_eq!(flood.line(began), Said::No));
    assert_eq!(flood.line(began + WINDOW), Said::Yes { unsaid: 1_000 });
    assert_eq!(flood.line(began + WINDOW), Said::Yes { unsaid: 0 });
    // A clock that stands still, or is asked out of turn, changes nothing.
    assert_eq!(flood.line(began), Said::Yes { unsaid: 0 });
}
