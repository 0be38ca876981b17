use super::*;

fn restarted(restarts: u64) -> EventKind {
    EventKind::ActorRestarted { name: "chain".to_owned(), restarts, panic: "thirteen".to_owned() }
}

#[test]
fn everybody_hears_everything_in_order() {
    let bus = EventBus::default();
    assert!(!bus.is_heard());
    bus.publish(UnixMillis::new(1), restarted(0));
    let (mut one, mut two) = (bus.subscribe(), bus.subscribe());
    assert!(bus.is_heard());
    bus.publish(UnixMillis::new(2), restarted(1));
    bus.publish(UnixMillis::new(3), restarted(2));
    for listener in [&mut one, &mut two] {
        assert_eq!(listener.try_recv().unwrap(), NodeEvent { at: UnixMillis::new(2), kind: restarted(1) });
        assert_eq!(listener.try_recv().unwrap(), NodeEvent { at: UnixMillis::new(3), kind: restarted(2) });
        assert!(listener.try_recv().is_err());
    }
}

#[test]
fn a_slow_listener_is_told_how_many_it_missed() {
    let bus = EventBus::default();
    let mut slow = bus.subscribe();
    for n in 0..EVENTS_MAX + 3 {
        bus.publish(UnixMillis::new(n as u64), restarted(n as u64));
    }
    assert_eq!(slow.try_recv(), Err(broadcast::error::TryRecvError::Lagged(3)));
    assert_eq!(slow.try_recv().unwrap().at, UnixMillis::new(3));
}
