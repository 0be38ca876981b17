use std::time::Duration;

use actix::{MailboxError, Message, Recipient};
use tonic::Status;

/// How long an actor may take to answer; it is at most one block behind.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// How often a question is asked: once more for the actor that panicked on somebody else's message while this one waited.
const TRIES_MAX: u32 = 2;

/// Asks an actor something that changes nothing: a question lost to a panic is asked again.
pub(super) async fn ask<M>(actor: &Recipient<M>, question: M) -> Result<M::Result, Status>
where
    M: Message + Send + Clone + 'static,
    M::Result: Send,
{
    let mut last = Status::unavailable("not asked");
    for _ in 0..TRIES_MAX {
        match within(ANSWER_WITHIN, actor, question.clone()).await {
            Err(status) if status.code() == tonic::Code::Unavailable => last = status,
            answer => return answer,
        }
    }
    Err(last)
}

/// Tells an actor to do something, once.
pub(super) async fn within<M>(time: Duration, actor: &Recipient<M>, message: M) -> Result<M::Result, Status>
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    match tokio::time::timeout(time, actor.send(message)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(MailboxError::Closed)) => Err(Status::unavailable("the actor was restarted: ask again")),
        Ok(Err(MailboxError::Timeout)) | Err(_) => {
            Err(Status::deadline_exceeded("the actor did not answer in time"))
        }
    }
}
