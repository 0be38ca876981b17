use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use adit_domain::consensus::Params;
use adit_proto::v1::admin_service_client::AdminServiceClient;
use adit_proto::v1::event_service_client::EventServiceClient;
use adit_proto::v1::index_service_client::IndexServiceClient;
use adit_proto::v1::node_service_client::NodeServiceClient;
use adit_proto::v1::pool_service_client::PoolServiceClient;
use adit_proto::v1::snapshot_service_client::SnapshotServiceClient;
use adit_store::DataDir;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity, Uri};
use tonic::{Request, Status};
use tower::service_fn;

use super::{CtlArgs, CtlError, input};

/// How long the other end may take to accept a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// What an answer may have at most: a mempool of 1,000 rows has 200 kB, a million workers' rows would have 100 MB.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Shows who calls, where that is asked for.
#[derive(Clone)]
pub(super) struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}

type Line = InterceptedService<Channel, Bearer>;

/// A connection to a running node.
pub(super) struct Node {
    line: Line,
}

impl Node {
    pub(super) async fn connect(args: &CtlArgs) -> Result<Node, CtlError> {
        let bearer = Bearer(args.token_file.as_deref().map(token).transpose()?);
        let channel = match &args.url {
            Some(url) => over_tcp(url, args).await?,
            None => over_socket(&find_socket(args).await?).await?,
        };
        Ok(Node { line: InterceptedService::new(channel, bearer) })
    }

    pub(super) fn snapshot(&self) -> SnapshotServiceClient<Line> {
        SnapshotServiceClient::new(self.line.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    pub(super) fn admin(&self) -> AdminServiceClient<Line> {
        AdminServiceClient::new(self.line.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    pub(super) fn node(&self) -> NodeServiceClient<Line> {
        NodeServiceClient::new(self.line.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    pub(super) fn index(&self) -> IndexServiceClient<Line> {
        IndexServiceClient::new(self.line.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    pub(super) fn pool(&self) -> PoolServiceClient<Line> {
        PoolServiceClient::new(self.line.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    pub(super) fn events(&self) -> EventServiceClient<Line> {
        EventServiceClient::new(self.line.clone())
    }
}

fn token(file: &Path) -> Result<MetadataValue<Ascii>, CtlError> {
    let text = String::from_utf8(input::read(file)?).unwrap_or_default();
    let word = text.trim();
    let named = || CtlError::BadToken(file.display().to_string());
    if word.is_empty() {
        return Err(named());
    }
    format!("Bearer {word}").parse().map_err(|_| named())
}

/// The socket that a node listens on: the named network's, or the only one of the datadir that answers.
async fn find_socket(args: &CtlArgs) -> Result<PathBuf, CtlError> {
    let datadir = match &args.datadir {
        Some(dir) => dir.clone(),
        None => default_datadir()?,
    };
    if let Some(name) = &args.network {
        let known = Params::names().any(|known| known == name) || is_own_signet(name);
        if !known {
            return Err(CtlError::NoSuchNetwork(name.clone()));
        }
        return answers(DataDir::socket_of(&datadir, name)).await?.ok_or_else(|| not_running(&datadir));
    }
    let mut found = Vec::new();
    for name in Params::names().map(str::to_owned).chain(own_signets(&datadir)) {
        if let Some(socket) = answers(DataDir::socket_of(&datadir, &name)).await? {
            found.push((name, socket));
        }
    }
    match (found.pop(), found.is_empty()) {
        (None, _) => Err(not_running(&datadir)),
        (Some((_, socket)), true) => Ok(socket),
        (Some((last, _)), false) => {
            let mut networks: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
            networks.push(&last);
            let datadir = datadir.display().to_string();
            Err(CtlError::Several { datadir, networks: networks.join("|") })
        }
    }
}

/// Whether it is what a signet of one's own is called: its magic in hex stands in it.
fn is_own_signet(name: &str) -> bool {
    let magic = name.strip_prefix(Params::OWN_SIGNET);
    magic.is_some_and(|magic| magic.len() == 8 && magic.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The folders of signets of one's own, 100 at most.
fn own_signets(datadir: &Path) -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(datadir).into_iter().flatten().flatten();
    entries.filter_map(|e| e.file_name().into_string().ok()).filter(|name| is_own_signet(name)).take(100)
}

fn not_running(datadir: &Path) -> CtlError {
    CtlError::NotRunning(datadir.display().to_string())
}

fn default_datadir() -> Result<PathBuf, CtlError> {
    std::env::home_dir().map(|home| home.join(".adit")).ok_or(CtlError::NoHome)
}

/// The socket, if somebody listens on it.
async fn answers(socket: PathBuf) -> Result<Option<PathBuf>, CtlError> {
    match UnixStream::connect(&socket).await {
        Ok(_) => Ok(Some(socket)),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => Ok(None),
        Err(source) => Err(CtlError::Connect { at: socket.display().to_string(), source }),
    }
}

async fn over_socket(socket: &Path) -> Result<Channel, CtlError> {
    let path = socket.to_path_buf();
    // The address is not looked at: the connector knows where.
    Endpoint::from_static("http://adit.sock")
        .connect_timeout(CONNECT_WITHIN)
        .connect_with_connector(service_fn(move |_: Uri| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        }))
        .await
        .map_err(|e| transport(&socket.display().to_string(), &e))
}

async fn over_tcp(url: &str, args: &CtlArgs) -> Result<Channel, CtlError> {
    let mut endpoint = Endpoint::from_shared(url.to_owned())
        .map_err(|e| transport(url, &e))?
        .connect_timeout(CONNECT_WITHIN);
    if url.starts_with("https://") {
        endpoint = endpoint.tls_config(tls(args)?).map_err(|e| transport(url, &e))?;
    }
    endpoint.connect().await.map_err(|e| transport(url, &e))
}

fn tls(args: &CtlArgs) -> Result<ClientTlsConfig, CtlError> {
    let mut tls = ClientTlsConfig::new();
    if let Some(ca) = &args.ca {
        tls = tls.ca_certificate(Certificate::from_pem(input::read(ca)?));
    }
    if let (Some(cert), Some(key)) = (&args.cert, &args.key) {
        tls = tls.identity(Identity::from_pem(input::read(cert)?, input::read(key)?));
    }
    Ok(tls)
}

/// An error with all its causes: the outermost alone says "transport error".
fn transport(at: &str, error: &dyn std::error::Error) -> CtlError {
    let mut detail = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        detail = format!("{detail}: {inner}");
        cause = inner.source();
    }
    CtlError::Transport { at: at.to_owned(), detail }
}
