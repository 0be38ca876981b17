use std::time::Duration;

use adit_proto::v1::admin_service_server::{AdminServiceServer, SERVICE_NAME as ADMIN};
use adit_proto::v1::event_service_server::{EventServiceServer, SERVICE_NAME as EVENT};
use adit_proto::v1::index_service_server::{IndexServiceServer, SERVICE_NAME as INDEX};
use adit_proto::v1::node_service_server::{NodeServiceServer, SERVICE_NAME as NODE};
use adit_proto::v1::pool_service_server::{PoolServiceServer, SERVICE_NAME as POOL};
use adit_proto::v1::snapshot_service_server::{SERVICE_NAME as SNAPSHOT, SnapshotServiceServer};
use tokio::sync::watch;
use tonic::service::{InterceptorLayer, Routes};
use tonic::transport::{Server, ServerTlsConfig};
use tonic_health::ServingStatus;

use super::api::Api;
use super::auth::Gate;
use super::incoming::incoming;
use super::listen::Attached;

/// Bytes of a request that carries no block: names, filters, and a transaction in a block's service.
const REQUEST_BYTES_MAX: usize = 16 << 10;
/// Bytes of a request that may carry a block: 4,000,000 of it, and the frame around it.
const BLOCK_REQUEST_BYTES_MAX: usize = 4_000_000 + 1024;
/// Bytes of an answer: a million workers' rows have 100 MB, and nobody reads them; this is half a million.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Calls of a connection at a time.
const STREAMS_MAX: u32 = 16;
/// Bytes of a call's headers.
const HEADER_BYTES_MAX: u32 = 16 << 10;
/// The longest that any call may take; each has a shorter time of its own but the walk over all coins.
const CALL_WITHIN: Duration = Duration::from_secs(1800);
/// How often the other end is asked whether it lives, and how long it may take to answer.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(30);
const KEEPALIVE_WITHIN: Duration = Duration::from_secs(10);

/// Serves on one listener until the other half of `ending` is gone; the calls that run then are answered.
pub(super) async fn serve(
    listener: Attached,
    gate: Gate,
    tls: Option<ServerTlsConfig>,
    api: Api,
) -> Result<(), tonic::transport::Error> {
    let mut server = Server::builder()
        .timeout(CALL_WITHIN)
        .concurrency_limit_per_connection(usize::try_from(STREAMS_MAX).unwrap_or(1))
        .max_concurrent_streams(STREAMS_MAX)
        .http2_max_header_list_size(HEADER_BYTES_MAX)
        .http2_keepalive_interval(Some(KEEPALIVE_EVERY))
        .http2_keepalive_timeout(Some(KEEPALIVE_WITHIN));
    if let Some(tls) = tls {
        server = server.tls_config(tls)?;
    }
    let mut ending = api.ending.clone();
    server
        .layer(InterceptorLayer::new(gate))
        .add_routes(routes(api).await)
        .serve_with_incoming_shutdown(incoming(listener), async move { ended(&mut ending).await })
        .await
}

async fn ended(ending: &mut watch::Receiver<()>) {
    while ending.changed().await.is_ok() {}
}

async fn routes(api: Api) -> Routes {
    let mut routes = Routes::default()
        .add_service(
            AdminServiceServer::new(api.clone())
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(ANSWER_BYTES_MAX),
        )
        .add_service(
            NodeServiceServer::new(api.clone())
                .max_decoding_message_size(BLOCK_REQUEST_BYTES_MAX)
                .max_encoding_message_size(ANSWER_BYTES_MAX),
        )
        .add_service(
            IndexServiceServer::new(api.clone())
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(ANSWER_BYTES_MAX),
        )
        .add_service(
            PoolServiceServer::new(api.clone())
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(ANSWER_BYTES_MAX),
        )
        .add_service(
            SnapshotServiceServer::new(api.clone())
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(ANSWER_BYTES_MAX),
        )
        .add_service(EventServiceServer::new(api).max_decoding_message_size(REQUEST_BYTES_MAX));
    let (health, health_service) = tonic_health::server::health_reporter();
    for name in ["", ADMIN, INDEX, NODE, POOL, SNAPSHOT, EVENT] {
        health.set_service_status(name, ServingStatus::Serving).await;
    }
    routes = routes.add_service(health_service.max_decoding_message_size(REQUEST_BYTES_MAX));
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(adit_proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1();
    match reflection {
        Ok(reflection) => routes.add_service(reflection.max_decoding_message_size(REQUEST_BYTES_MAX)),
        Err(error) => {
            tracing::error!(%error, "control interface: no reflection");
            routes
        }
    }
}
