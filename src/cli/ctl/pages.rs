//! Long lists of the pool, asked for page by page.

use adit_proto::v1;

use super::{CtlError, Node, timed};

/// All workers.
pub(super) async fn workers(node: &Node) -> Result<v1::ListWorkersResponse, CtlError> {
    let (mut pool, mut all) = (node.pool(), v1::ListWorkersResponse::default());
    loop {
        let request = v1::ListWorkersRequest { after: all.next, rows_max: 0 };
        let page = pool.list_workers(timed(request)).await?.into_inner();
        all.workers.extend(page.workers);
        all.next = page.next;
        if all.next.is_empty() {
            return Ok(all);
        }
    }
}

/// All accounts.
pub(super) async fn balances(node: &Node) -> Result<v1::ListBalancesResponse, CtlError> {
    let (mut pool, mut all) = (node.pool(), v1::ListBalancesResponse::default());
    loop {
        let request = v1::ListBalancesRequest { after: all.next, rows_max: 0 };
        let page = pool.list_balances(timed(request)).await?.into_inner();
        all.balances.extend(page.balances);
        all.next = page.next;
        if all.next.is_empty() {
            return Ok(all);
        }
    }
}

/// All connections of miners.
pub(super) async fn sessions(node: &Node) -> Result<v1::ListSessionsResponse, CtlError> {
    let (mut pool, mut all) = (node.pool(), v1::ListSessionsResponse::default());
    loop {
        let request = v1::ListSessionsRequest { after: all.next, rows_max: 0 };
        let page = pool.list_sessions(timed(request)).await?.into_inner();
        all.sessions.extend(page.sessions);
        all.next = page.next;
        if all.next.is_none() {
            return Ok(all);
        }
    }
}
