use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::{Actor, Addr, Arbiter, Context, Handler, Message};
use adit_domain::units::{Clock, UnixMillis};

use super::*;

struct Stopped;
impl Clock for Stopped {
    fn now(&self) -> UnixMillis {
        UnixMillis::from_seconds(1_700_000_000)
    }
}

/// Adds up what it is told; after a rebuild it starts from what is durable.
struct Adder {
    durable: Arc<AtomicU64>,
    sum: u64,
    broken: bool,
}
impl Actor for Adder {
    type Context = Context<Self>;
}
impl Rebuild for Adder {
    fn rebuild(&mut self) -> Result<(), Fault> {
        if self.broken {
            return Err(Fault::Storage("disk gone".to_owned()));
        }
        self.sum = self.durable.load(Ordering::SeqCst);
        Ok(())
    }

    fn wind_up(&mut self) -> Result<(), Fault> {
        if self.broken {
            return Err(Fault::State("sum lost".to_owned()));
        }
        self.durable.store(self.sum, Ordering::SeqCst);
        Ok(())
    }
}
crate::supervised!(Adder);

#[derive(Message)]
#[rtype(result = "u64")]
struct Add(u64);
impl Handler<Add> for Adder {
    type Result = u64;
    fn handle(&mut self, msg: Add, _ctx: &mut Context<Self>) -> u64 {
        self.sum += msg.0;
        assert!(msg.0 != 13, "thirteen");
        self.sum
    }
}

fn spec(name: &str, role: Role, strategy: Strategy, on_exceeded: OnExceeded) -> ChildSpec {
    let intensity = Intensity { restarts_max: 3, period: Duration::from_secs(5) };
    ChildSpec {
        name: name.to_owned(),
        role,
        strategy,
        intensity,
        on_exceeded,
        mailbox_max: 64,
        shutdown: Duration::from_secs(60),
    }
}

fn start(sup: &Supervisor, arbiter: &Arbiter, spec: ChildSpec, durable: u64, broken: bool) -> Addr<Adder> {
    sup.start(spec, &arbiter.handle(), move |_| Adder {
        durable: Arc::new(AtomicU64::new(durable)),
        sum: durable,
        broken,
    })
}

fn one(name: &str) -> ChildSpec {
    spec(name, Role::Chain, Strategy::OneForOne, OnExceeded::EndProcess)
}

#[actix::test]
async fn a_panic_costs_its_message_and_nothing_else() {
    let (sup, arbiter) = (Supervisor::new(Arc::new(Stopped)), Arbiter::new());
    let addr = start(&sup, &arbiter, one("chain"), 100, false);
    assert_eq!(addr.send(Add(1)).await.unwrap(), 101);
    // Queued behind the poisonous one: answered from the rebuilt state, which has lost the 1 that was never durable.
    let (poison, behind) = tokio::join!(addr.send(Add(13)), addr.send(Add(5)));
    assert!(poison.is_err());
    assert_eq!(behind.unwrap(), 105);
    let status = &sup.actors()[0];
    assert_eq!((status.restarts, status.last_panic.as_deref()), (1, Some("thirteen")));
}

#[actix::test]
async fn more_than_the_intensity_ends_the_process() {
    let (sup, arbiter) = (Supervisor::new(Arc::new(Stopped)), Arbiter::new());
    let addr = start(&sup, &arbiter, one("chain"), 0, false);
    for _ in 0..3 {
        assert!(addr.send(Add(13)).await.is_err());
        assert_eq!(addr.send(Add(0)).await.unwrap(), 0);
    }
    assert!(addr.send(Add(13)).await.is_err());
    let reason = sup.exit_reason().await;
    assert_eq!(reason, ExitReason::Escalated { child: "chain".to_owned(), panic: "thirteen".to_owned() });
    assert_eq!(reason.exit_code(), 70);
}

#[actix::test]
async fn one_of_many_stops_alone() {
    let (sup, arbiter) = (Supervisor::new(Arc::new(Stopped)), Arbiter::new());
    let session = spec("stratum-1", Role::Stratum, Strategy::OneForOne, OnExceeded::StopChild);
    let addr = start(&sup, &arbiter, session, 0, false);
    for _ in 0..4 {
        let _ = addr.send(Add(13)).await;
    }
    while !sup.actors().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(addr.send(Add(1)).await.is_err());
    assert!(sup.inner_exit_is_none());
}

#[actix::test]
async fn an_actor_that_cannot_be_rebuilt_ends_the_process_with_its_fault() {
    let (sup, arbiter) = (Supervisor::new(Arc::new(Stopped)), Arbiter::new());
    let addr = start(&sup, &arbiter, one("utxo"), 0, true);
    assert!(addr.send(Add(13)).await.is_err());
    let reason = sup.exit_reason().await;
    let fault = Fault::Storage("disk gone".to_owned());
    assert_eq!(reason, ExitReason::Fault { child: "utxo".to_owned(), fault });
    assert_eq!(reason.exit_code(), 74);
}

#[actix::test]
async fn the_later_ones_are_rebuilt_with_it() {
    let (sup, arbiter) = (Supervisor::new(Arc::new(Stopped)), Arbiter::new());
    let rest = |name, role| spec(name, role, Strategy::RestForOne, OnExceeded::EndProcess);
    let earlier = start(&sup, &arbiter, rest("chain", Role::Chain), 0, false);
    let middle = start(&sup, &arbiter, rest("utxo", Role::Utxo), 0, false);
    let later = start(&sup, &arbiter, rest("mempool", Role::Mempool), 0, false);
    for addr in [&earlier, &middle, &later] {
        addr.send(Add(7)).await.unwrap();
    }
    assert!(middle.send(Add(13)).await.is_err());
    assert_eq!(earlier.send(Add(1)).await.unwrap(), 8);
    assert_eq!(middle.send(Add(1)).await.unwrap(), 1);
    assert_eq!(later.send(Add(1)).await.unwrap(), 1);
}

#[actix::test]
async fn an_operators_restart_shows_and_does_not_count_against_the_intensity() {
    let (sup, arbiter) = (Supervisor::new(Arc::new(Stopped)), Arbiter::new());
    let addr = start(&sup, &arbiter, one("chain"), 100, false);
    let mut restarts = sup.restarts();
    for n in 1..10 {
        addr.send(Add(5)).await.unwrap();
        assert_eq!(sup.restart("chain").unwrap(), ["chain"]);
        assert_eq!(addr.send(Add(0)).await.unwrap(), 100);
        let told = restarts.recv().await.unwrap();
        assert_eq!((told.restarts, told.last_panic), (n, None));
    }
    assert!(sup.inner_exit_is_none());
}

#[actix::test]
async fn a_full_mailbox_is_said_so() {
    let (sup, arbiter) = (Supervisor::new(Arc::new(Stopped)), Arbiter::new());
    let addr = start(&sup, &arbiter, one("chain"), 0, false);
    let (wake, sleep) = std::sync::mpsc::channel();
    assert!(addr.try_send(Sleep(sleep)).is_ok());
    let busy = loop {
        if let Err(error) = sup.restart("chain") {
            break error;
        }
    };
    assert_eq!(busy, NoSuchActor::Busy("chain".to_owned()));
    drop(wake);
}

#[actix::test]
async fn crash_by_role_means_the_many_before_their_manager() {
    let (sup, arbiter) = (Supervisor::new(Arc::new(Stopped)), Arbiter::new());
    let child = |name| spec(name, Role::Stratum, Strategy::OneForOne, OnExceeded::StopChild);
    let manager = start(&sup, &arbiter, child("stratum"), 0, false);
    assert_eq!(sup.crash("stratum").unwrap(), ["stratum"]);
    let session = start(&sup, &arbiter, child("stratum-1"), 0, false);
    assert_eq!(sup.crash("stratum").unwrap(), ["stratum-1"]);
    assert_eq!(sup.crash("nobody"), Err(NoSuchActor::Unknown("nobody".to_owned())));
    for addr in [&manager, &session] {
        addr.send(Add(0)).await.unwrap();
    }
    assert!(sup.actors().iter().all(|s| s.restarts == 1));
}

/// Says which actor runs.
#[derive(Message)]
#[rtype(result = "Option<String>")]
struct Whoami;
impl Handler<Whoami> for Adder {
    type Result = Option<String>;
    fn handle(&mut self, _msg: Whoami, _ctx: &mut Context<Self>) -> Option<String> {
        current_actor().map(|name| name.to_string())
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Leave;
impl Handler<Leave> for Adder {
    type Result = ();
    fn handle(&mut self, _msg: Leave, ctx: &mut Context<Self>) {
        actix::ActorContext::stop(ctx);
    }
}

#[actix::test]
async fn the_thread_knows_whose_code_it_runs() {
    let (sup, arbiter) = (Supervisor::new(Arc::new(Stopped)), Arbiter::new());
    let addr = start(&sup, &arbiter, one("chain"), 0, false);
    assert_eq!(addr.send(Whoami).await.unwrap().as_deref(), Some("chain"));
    assert_eq!(current_actor(), None);
}

#[actix::test]
async fn the_end_makes_everything_durable() {
    let (sup, arbiter) = (Supervisor::new(Arc::new(Stopped)), Arbiter::new());
    let durable = Arc::new(AtomicU64::new(0));
    let held = durable.clone();
    let addr =
        sup.start(one("chain"), &arbiter.handle(), move |_| Adder { durable: held, sum: 0, broken: false });
    addr.send(Add(7)).await.unwrap();
    assert_eq!(sup.stop_all().await, None);
    assert_eq!(durable.load(Ordering::SeqCst), 7);
    assert!(addr.send(Add(1)).await.is_err());
    assert!(sup.inner_exit_is_none(), "a child that was stopped has not stopped by itself");
}

#[actix::test]
async fn a_fault_while_winding_up_is_the_exit_code() {
    let (sup, arbiter) = (Supervisor::new(Arc::new(Stopped)), Arbiter::new());
    start(&sup, &arbiter, one("payout"), 0, true);
    let fault = Fault::State("sum lost".to_owned());
    let reason = sup.stop_all().await.unwrap();
    assert_eq!(reason, ExitReason::Fault { child: "payout".to_owned(), fault });
}

#[actix::test]
async fn a_child_that_leaves_by_itself_ends_the_process_unless_it_is_one_of_many() {
    let (sup, arbiter) = (Supervisor::new(Arc::new(Stopped)), Arbiter::new());
    let session = spec("peer-1", Role::Peer, Strategy::OneForOne, OnExceeded::StopChild);
    start(&sup, &arbiter, session, 0, false).send(Leave).await.unwrap();
    start(&sup, &arbiter, one("chain"), 0, false).send(Leave).await.unwrap();
    let reason = sup.exit_reason().await;
    let panic = "stopped by itself".to_owned();
    assert_eq!(reason, ExitReason::Escalated { child: "chain".to_owned(), panic });
}

#[actix::test]
async fn a_child_that_cannot_start_ends_the_process() {
    let (sup, arbiter) = (Supervisor::new(Arc::new(Stopped)), Arbiter::new());
    sup.start(one("chain"), &arbiter.handle(), |_| -> Adder { panic!("no disk") });
    let reason = sup.exit_reason().await;
    assert_eq!(reason, ExitReason::Escalated { child: "chain".to_owned(), panic: "no disk".to_owned() });
}

#[derive(Message)]
#[rtype(result = "()")]
struct Sleep(std::sync::mpsc::Receiver<()>);
impl Handler<Sleep> for Adder {
    type Result = ();
    fn handle(&mut self, msg: Sleep, _ctx: &mut Context<Self>) {
        let _ = msg.0.recv();
    }
}

#[actix::test]
async fn a_silent_child_ends_the_process_and_one_that_answers_does_not() {
    let (sup, arbiter) = (Supervisor::new(Arc::new(Stopped)), Arbiter::new());
    let addr = start(&sup, &arbiter, one("chain"), 0, false);
    for _ in 0..100 {
        sup.beat();
        // Behind the ping in the mailbox: once it is answered, so is the ping, and its task has run.
        addr.send(Add(0)).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert!(sup.inner_exit_is_none());
    let (wake, sleep) = std::sync::mpsc::channel();
    assert!(addr.try_send(Sleep(sleep)).is_ok());
    for _ in 0..100 {
        sup.beat();
    }
    assert_eq!(sup.exit_reason().await, ExitReason::Silent { child: "chain".to_owned() });
    assert_eq!(ExitReason::Silent { child: String::new() }.exit_code(), 71);
    drop(wake);
}
