use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, ResponseFuture};
use adit_chainstate::{Activated, ChainFault, ChainReader, DumpError, Dumped, LoadError, UtxoStats};
use bitcoin::BlockHash;
use tokio::task::spawn_blocking;

use crate::chain::ChainLink;
use crate::messages::chain::TipChanged;
use crate::messages::utxo::{
    CoinsAtTip, DumpUtxoSet, FlushCoins, GetCoins, GetUtxoStats, LoadProgress, LoadUtxoSet,
};
use crate::supervision::{Fault, Rebuild};

/// Blocks after which coins are flushed before their time, so that a start never connects more than these again.
const UNFLUSHED_BLOCKS_MAX: usize = 1_000;

/// Answers for coins. What it knows beyond its handles is when it flushed last.
pub struct UtxoActor {
    link: ChainLink,
    reader: ChainReader,
    flush_every: Duration,
    /// The tip at the last flush.
    flushed: BlockHash,
    unflushed_blocks: usize,
}

impl UtxoActor {
    pub(super) fn new(link: ChainLink, reader: ChainReader, flush_every: Duration) -> UtxoActor {
        let flushed = reader.tip().hash;
        UtxoActor { link, reader, flush_every, flushed, unflushed_blocks: 0 }
    }

    fn flush(&mut self) -> ResponseFuture<Result<(), ChainFault>> {
        self.flushed = self.reader.tip().hash;
        self.unflushed_blocks = 0;
        Box::pin(self.link.clone().flush())
    }

    /// A fault ends the process by the engine's own word: nothing is left to do with it here.
    fn flush_unasked(&mut self) {
        let flush = self.flush();
        actix::spawn(async move {
            if let Err(fault) = flush.await {
                tracing::error!(%fault, "flush failed");
            }
        });
    }
}

impl Actor for UtxoActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(self.flush_every, |actor, _| {
            if actor.reader.tip().hash != actor.flushed {
                actor.flush_unasked();
            }
        });
    }
}

crate::supervised!(UtxoActor);

impl Rebuild for UtxoActor {
    /// Nothing is known of the last flush: the next one comes in its time, needed or not.
    fn rebuild(&mut self) -> Result<(), Fault> {
        self.unflushed_blocks = 0;
        Ok(())
    }
}

impl Handler<TipChanged> for UtxoActor {
    type Result = ();

    fn handle(&mut self, msg: TipChanged, _ctx: &mut Self::Context) {
        self.unflushed_blocks = self.unflushed_blocks.saturating_add(msg.connected.len());
        if self.unflushed_blocks >= UNFLUSHED_BLOCKS_MAX {
            self.flush_unasked();
        }
    }
}

impl Handler<FlushCoins> for UtxoActor {
    type Result = ResponseFuture<Result<(), ChainFault>>;

    fn handle(&mut self, _msg: FlushCoins, _ctx: &mut Self::Context) -> Self::Result {
        self.flush()
    }
}

impl Handler<GetUtxoStats> for UtxoActor {
    type Result = ResponseFuture<Result<UtxoStats, ChainFault>>;

    fn handle(&mut self, _msg: GetUtxoStats, _ctx: &mut Self::Context) -> Self::Result {
        let link = self.link.clone();
        Box::pin(async move {
            let job = link.stats().await?;
            let counted = spawn_blocking(|| job.run()).await;
            counted.map_err(|_| ChainFault::State("counting coins panicked".to_owned()))?
        })
    }
}

impl Handler<DumpUtxoSet> for UtxoActor {
    type Result = ResponseFuture<Result<Dumped, DumpError>>;

    fn handle(&mut self, msg: DumpUtxoSet, _ctx: &mut Self::Context) -> Self::Result {
        let (link, reader) = (self.link.clone(), self.reader.clone());
        Box::pin(async move {
            let job = link.stats().await?;
            let dump = move || {
                let magic = reader.params().magic;
                match msg.at {
                    Some(block) => job.dump_at(&msg.path, magic, (&reader, block)),
                    None => job.dump(&msg.path, magic),
                }
            };
            let dumped = spawn_blocking(dump).await;
            dumped.map_err(|_| ChainFault::State("dumping coins panicked".to_owned()))?
        })
    }
}

impl Handler<LoadUtxoSet> for UtxoActor {
    type Result = ResponseFuture<Result<Activated, LoadError>>;

    fn handle(&mut self, msg: LoadUtxoSet, _ctx: &mut Self::Context) -> Self::Result {
        let link = self.link.clone();
        Box::pin(async move {
            let load = link.clone().begin_snapshot(msg.path).await?;
            let (total, progress) = (load.head().coins, msg.progress);
            let mut tell = move |coins| {
                // Who is slow hears of the next one.
                let _ = progress.try_send(LoadProgress { coins, total });
                !progress.is_closed()
            };
            let loaded = spawn_blocking(move || load.run(&mut tell)).await;
            let loaded = loaded.map_err(|_| ChainFault::State("loading coins panicked".to_owned()))?;
            link.activate_snapshot(loaded?).await
        })
    }
}

impl Handler<GetCoins> for UtxoActor {
    type Result = Result<CoinsAtTip, ChainFault>;

    fn handle(&mut self, msg: GetCoins, _ctx: &mut Self::Context) -> Self::Result {
        if msg.outpoints.len() > GetCoins::OUTPOINTS_MAX {
            return Err(ChainFault::State("too many coins were asked for at once".to_owned()));
        }
        let (tip, coins) = self.reader.coins(&msg.outpoints)?;
        Ok(CoinsAtTip { tip, coins })
    }
}
