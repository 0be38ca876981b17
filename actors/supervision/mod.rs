//! Supervision: a panic costs the message that caused it, and nothing else.
//!
//! Owns: starting an actor on an arbiter, catching its panics, building it again from what is durable, counting, the
//! heartbeat, and ending the process when restarts don't help. Must not know: what any actor does.
//!
//! Why not `actix::Supervisor`: it does not restart on a panic (docs/decisions/0001-supervision.md).

mod child;
mod runner;
mod spec;
mod supervisor;

pub use child::{ActorStatus, Child, Crash, ExitReason, Fault, Ping, Rebuild, RebuildNow, StopNow};
pub use runner::current_actor;
pub use spec::{ChildSpec, Intensity, OnExceeded, Role, Strategy};
pub use supervisor::{NoSuchActor, Supervisor};

/// Makes an actor one that the supervisor can watch and build again: `Supervised`, and a
/// handler for each of the supervisor's messages.
///
/// The actor implements [`Rebuild`]; the supervisor calls it after a panic, and nothing of the old memory may survive in it
/// but the handles that it was given at its start.
#[macro_export]
macro_rules! supervised {
    ($actor:ty) => {
        impl ::actix::Supervised for $actor {
            fn restarting(&mut self, _ctx: &mut Self::Context) {
                $crate::supervision::rebuild_or_unwind(self);
            }
        }
        impl ::actix::Handler<$crate::supervision::Ping> for $actor {
            type Result = ();
            fn handle(&mut self, _msg: $crate::supervision::Ping, _ctx: &mut Self::Context) {}
        }
        impl ::actix::Handler<$crate::supervision::Crash> for $actor {
            type Result = ();
            fn handle(&mut self, _msg: $crate::supervision::Crash, _ctx: &mut Self::Context) {
                $crate::supervision::crash();
            }
        }
        impl ::actix::Handler<$crate::supervision::StopNow> for $actor {
            type Result = Result<(), $crate::supervision::Fault>;
            fn handle(
                &mut self,
                _msg: $crate::supervision::StopNow,
                ctx: &mut Self::Context,
            ) -> Self::Result {
                ::actix::ActorContext::stop(ctx);
                $crate::supervision::Rebuild::wind_up(self)
            }
        }
        impl ::actix::Handler<$crate::supervision::RebuildNow> for $actor {
            type Result = ();
            fn handle(&mut self, _msg: $crate::supervision::RebuildNow, _ctx: &mut Self::Context) {
                $crate::supervision::rebuild_or_unwind(self);
            }
        }
    };
}

#[expect(clippy::panic, reason = "the runner catches it and ends the process with the fault")]
/// Called by [`supervised!`]: rebuilds, or unwinds with the fault for the runner to see.
pub fn rebuild_or_unwind<A: Rebuild>(actor: &mut A) {
    if let Err(fault) = actor.rebuild() {
        std::panic::panic_any(fault);
    }
}

/// Called by [`supervised!`]: the panic that an operator asked for.
#[expect(clippy::panic, reason = "the panic is what was asked for; it is caught by the runner")]
pub fn crash() {
    panic!("panic injected by the operator");
}

#[cfg(test)]
mod tests;
