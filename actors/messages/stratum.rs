//! What the stratum manager is told and asked.

use actix::Message;
use adit_domain::stratum::SessionInfo;

/// Which miners are connected. Sent by: rpc. Handled by: stratum. Reply: a row a connection. When full: refused.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Vec<SessionInfo>")]
pub struct GetSessions;
