use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use adit_domain::units::Entropy;
use bitcoin::hashes::{Hash, sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;
use tonic::service::Interceptor;
use tonic::transport::server::TlsConnectInfo;
use tonic::{Request, Status};

use super::incoming::Caller;

/// Characters that a token has at least: 16 of hex are 64 bits.
const TOKEN_CHARS_MIN: usize = 16;
/// Bytes that a token file has at most.
const TOKEN_BYTES_MAX: u64 = 1024;

/// Why there is no token.
#[derive(Debug, Error)]
pub enum TokenError {
    /// Others may read it.
    #[error("{0} can be read by others: make it mode 0600")]
    Open(PathBuf),
    /// It is no secret.
    #[error("{0} holds no token of at least {TOKEN_CHARS_MIN} characters")]
    TooShort(PathBuf),
    /// The system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What a caller must show. Kept as a hash, so that a comparison takes the same time whatever it is given.
#[derive(Clone, Copy)]
pub(super) struct Token([u8; 32]);

impl Token {
    /// Reads the token, or makes a new one of 256 bits where there is no such file.
    pub(super) fn load(path: &Path, entropy: &dyn Entropy) -> Result<Token, TokenError> {
        let named = |source| TokenError::Io { path: path.to_owned(), source };
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Ok(mut file) => {
                let text: String = (0..4).map(|_| format!("{:016x}", entropy.next_u64())).collect();
                writeln!(file, "{text}").and_then(|()| file.sync_all()).map_err(named)?;
                Ok(Token::of(&text))
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Token::read(path),
            Err(e) => Err(named(e)),
        }
    }

    fn read(path: &Path) -> Result<Token, TokenError> {
        let named = |source| TokenError::Io { path: path.to_owned(), source };
        if fs::metadata(path).map_err(named)?.mode() & 0o077 != 0 {
            return Err(TokenError::Open(path.to_owned()));
        }
        let mut text = String::new();
        File::open(path).map_err(named)?.take(TOKEN_BYTES_MAX).read_to_string(&mut text).map_err(named)?;
        match text.trim() {
            short if short.len() < TOKEN_CHARS_MIN => Err(TokenError::TooShort(path.to_owned())),
            token => Ok(Token::of(token)),
        }
    }

    fn of(text: &str) -> Token {
        Token(sha256::Hash::hash(text.as_bytes()).to_byte_array())
    }

    fn is(&self, shown: &str) -> bool {
        Token::of(shown).0.ct_eq(&self.0).into()
    }
}

/// Stands before every method, those of health and reflection too.
#[derive(Clone)]
pub(super) struct Gate {
    /// What a caller must show; none where the socket's mode or TLS has proved it.
    pub(super) token: Option<Token>,
}

impl Interceptor for Gate {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.token {
            let shown = request.metadata().get("authorization").and_then(|v| v.to_str().ok());
            let word = shown.and_then(|text| text.strip_prefix("Bearer "));
            if !word.is_some_and(|word| token.is(word)) {
                return Err(Status::unauthenticated("this needs a valid token: --token-file"));
            }
        }
        let extensions = request.extensions();
        let over_tls = || extensions.get::<TlsConnectInfo<Caller>>().map(TlsConnectInfo::get_ref);
        if let Some(caller) = extensions.get::<Caller>().or_else(over_tls) {
            caller.prove();
        }
        Ok(request)
    }
}

#[cfg(test)]
#[path = "auth/tests.rs"]
mod tests;
