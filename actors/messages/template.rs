//! What the template actor is told and asked.

use std::sync::Arc;

use actix::Message;
use adit_domain::template::{BlockTemplate, NotSynced};

/// The template that miners should work on now. Sent by: stratum, rpc. Handled by: template.
/// Reply: the newest, none while the chain has no tip to build on. When full: the sender waits.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Option<Arc<BlockTemplate>>")]
pub struct GetTemplate;

/// Why there is no work for miners. Sent by: rpc. Handled by: template. Reply: none where there is work. When full: refused.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Option<NotSynced>")]
pub struct GetMiningWait;

/// There is something better to mine. Sent by: template. Handled by: stratum. Reply: nothing.
/// When full: waits; only the newest one counts.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct TemplateChanged {
    /// The new template.
    pub template: Arc<BlockTemplate>,
    /// Whether the parent changed: work on older ones is lost.
    pub clean_jobs: bool,
}
