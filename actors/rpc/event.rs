use std::pin::Pin;

use adit_proto::v1;
use adit_proto::v1::event::Kind;
use adit_proto::v1::event_service_server::EventService;
use futures::Stream;
use futures::stream::unfold;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use super::api::Api;
use crate::events::{EventKind, NodeEvent};

type Events = Pin<Box<dyn Stream<Item = Result<v1::Event, Status>> + Send>>;

#[tonic::async_trait]
impl EventService for Api {
    type SubscribeStream = Events;

    async fn subscribe(&self, _request: Request<v1::SubscribeRequest>) -> Result<Response<Events>, Status> {
        let clock = self.clock.clone();
        let listening = (self.events.subscribe(), self.ending.clone());
        let events = unfold(listening, move |(mut events, mut ending)| {
            let clock = clock.clone();
            async move {
                let kind = next(&mut events, &mut ending).await?;
                let event = match kind {
                    Heard::Event(event) => wire(event),
                    Heard::Missed(events) => v1::Event {
                        at_ms: clock.now().to_ms(),
                        kind: Some(Kind::Missed(v1::MissedEvent { events })),
                    },
                };
                Some((Ok(event), (events, ending)))
            }
        });
        Ok(Response::new(Box::pin(events)))
    }
}

enum Heard {
    Event(NodeEvent),
    Missed(u64),
}

/// The next event; none when the server ends, which is when the other half of `ending` is gone.
async fn next(events: &mut Receiver<NodeEvent>, ending: &mut watch::Receiver<()>) -> Option<Heard> {
    tokio::select! {
        _ = ending.changed() => None,
        heard = events.recv() => match heard {
            Ok(event) => Some(Heard::Event(event)),
            Err(RecvError::Lagged(missed)) => Some(Heard::Missed(missed)),
            Err(RecvError::Closed) => None,
        },
    }
}

fn wire(event: NodeEvent) -> v1::Event {
    let kind = match event.kind {
        EventKind::TipChanged { height, tip, disconnected, connected } => {
            Kind::TipChanged(v1::TipChangedEvent {
                height: height.to_u32(),
                tip: tip.to_string(),
                disconnected,
                connected,
            })
        }
        EventKind::BlockFound { height, hash } => Kind::BlockFound(v1::BlockFoundEvent {
            hash: hash.to_string(),
            height: height.map(|height| height.to_u32()),
        }),
        EventKind::ShareTotals { shares_accepted, shares_rejected, hashrate, workers } => {
            Kind::ShareTotals(v1::ShareTotalsEvent { shares_accepted, shares_rejected, hashrate, workers })
        }
        EventKind::ActorRestarted { name, restarts, panic } => {
            Kind::ActorRestarted(v1::ActorRestartedEvent { name, restarts, panic })
        }
    };
    v1::Event { at_ms: event.at.to_ms(), kind: Some(kind) }
}
