//! What a process shows of itself, and what it asks of others: a token, certificates.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::HeaderValue;
use http::header::AUTHORIZATION;
use sha2::{Digest as _, Sha256};
use tonic::service::Interceptor;
use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};
use tonic::{Request, Status};
use weir_plan::{Error, ErrorKind, Result};

use crate::to_status;

const TOKEN: &str = "WEIR_TOKEN";
const TOKEN_FILE: &str = "WEIR_TOKEN_FILE";
const TLS_CERT: &str = "WEIR_TLS_CERT";
const TLS_KEY: &str = "WEIR_TLS_KEY";
const TLS_CA: &str = "WEIR_TLS_CA";
const TLS_MUTUAL: &str = "WEIR_TLS_MUTUAL";

/// Tokens that are shorter can be guessed.
const TOKEN_BYTES_MIN: usize = 16;

/// Where a process finds its token and certificates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecuritySource {
    /// A file with the token in it; spaces around it do not count.
    pub token_file: Option<PathBuf>,
    /// This process's certificate and those that lead to its authority, PEM.
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key, PEM.
    pub tls_key: Option<PathBuf>,
    /// The authorities whose certificates are accepted, PEM.
    pub tls_ca: Option<PathBuf>,
    /// Whether whoever connects has to show a certificate of such an authority.
    pub tls_mutual: bool,
}

/// A process's token and certificates. Cheap to clone; shows no secret.
#[derive(Clone, Default)]
pub struct Security {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    token: Option<Token>,
    identity: Option<Identity>,
    authorities: Option<Certificate>,
    mutual: bool,
    /// For the processes this one starts.
    environment: Vec<(&'static str, String)>,
}

struct Token {
    digest: [u8; 32],
    header: HeaderValue,
}

impl Security {
    /// What the environment says: `WEIR_TOKEN` or `WEIR_TOKEN_FILE`, `WEIR_TLS_CERT`, `WEIR_TLS_KEY`,
    /// `WEIR_TLS_CA`, `WEIR_TLS_MUTUAL`.
    ///
    /// # Errors
    /// As [`Self::open`]; `InvalidArgument` when `WEIR_TLS_MUTUAL` is neither `true` nor `false`.
    pub fn from_environment() -> Result<Self> {
        Self::open(&SecuritySource::default())
    }

    /// What `source` says, and the environment where it says nothing.
    ///
    /// # Errors
    /// `Storage` for a file that cannot be read; `InvalidArgument` for a token that is too short or no
    /// visible ASCII, a certificate without its key or the reverse, and mutual TLS without both and an
    /// authority.
    pub fn open(source: &SecuritySource) -> Result<Self> {
        let path = |own: &Option<PathBuf>, name| -> Option<PathBuf> {
            own.clone().or_else(|| {
                std::env::var_os(name)
                    .filter(|v| !v.is_empty())
                    .map(Into::into)
            })
        };
        let mut environment = Vec::new();
        let token_file = path(&source.token_file, TOKEN_FILE);
        let token = match (&token_file, std::env::var(TOKEN)) {
            (Some(file), _) => Some((read_text(TOKEN_FILE, file)?, TOKEN_FILE)),
            (None, Ok(token)) => Some((token, TOKEN)),
            (None, Err(_)) => None,
        };
        let token = token.map(|(text, place)| {
            let text = text.trim();
            environment.push((TOKEN, text.to_owned()));
            Token::new(text, place)
        });
        let (cert, key) = (
            path(&source.tls_cert, TLS_CERT),
            path(&source.tls_key, TLS_KEY),
        );
        let identity = match (&cert, &key) {
            (Some(cert), Some(key)) => Some(Identity::from_pem(
                read(TLS_CERT, cert)?,
                read(TLS_KEY, key)?,
            )),
            (None, None) => None,
            _ => {
                return Err(Error::invalid_argument(format!(
                    "a certificate ({TLS_CERT}) and its private key ({TLS_KEY}) go together; \
                     only one of them is given"
                )));
            }
        };
        let authority_file = path(&source.tls_ca, TLS_CA);
        let authorities = match &authority_file {
            Some(file) => Some(Certificate::from_pem(read(TLS_CA, file)?)),
            None => None,
        };
        let mutual = source.tls_mutual
            || match std::env::var(TLS_MUTUAL).as_deref() {
                Ok("true") => true,
                Ok("false" | "") | Err(_) => false,
                Ok(other) => {
                    return Err(Error::invalid_argument(format!(
                        "{TLS_MUTUAL} is {other:?}; it takes true or false"
                    )));
                }
            };
        if mutual && (identity.is_none() || authorities.is_none()) {
            return Err(Error::invalid_argument(format!(
                "{TLS_MUTUAL} needs {TLS_CERT}, {TLS_KEY} and {TLS_CA}: each process shows a certificate, \
                 and knows whose to accept"
            )));
        }
        for (name, file) in [
            (TLS_CERT, &cert),
            (TLS_KEY, &key),
            (TLS_CA, &authority_file),
        ] {
            if let Some(file) = file {
                environment.push((name, absolute(name, file)?));
            }
        }
        if mutual {
            environment.push((TLS_MUTUAL, "true".to_owned()));
        }
        if identity.is_some() || authorities.is_some() {
            // Two providers are compiled in through libraries, so that rustls does not choose by itself.
            // An error means that the program has chosen one already.
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        }
        Ok(Self {
            inner: Arc::new(Inner {
                token: token.transpose()?,
                identity,
                authorities,
                mutual,
                environment,
            }),
        })
    }

    /// A token of `token`, and no certificates: for processes that one starts for itself.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn with_token(token: &str) -> Result<Self> {
        Ok(Self {
            inner: Arc::new(Inner {
                token: Some(Token::new(token, TOKEN)?),
                environment: vec![(TOKEN, token.to_owned())],
                ..Inner::default()
            }),
        })
    }

    /// The variables that give a process the same.
    #[must_use]
    pub fn environment(&self) -> &[(&'static str, String)] {
        &self.inner.environment
    }

    /// Whether who connects has to show who they are.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.inner.token.is_some() || self.inner.mutual
    }

    /// Whether this process's server speaks TLS.
    #[must_use]
    pub fn serves_tls(&self) -> bool {
        self.inner.identity.is_some()
    }

    /// Whether this process connects by TLS where nobody says how.
    #[must_use]
    pub fn connects_by_tls(&self) -> bool {
        self.inner.authorities.is_some()
    }

    pub(crate) fn server_tls(&self) -> Option<ServerTlsConfig> {
        let identity = self.inner.identity.clone()?;
        let config = ServerTlsConfig::new().identity(identity);
        Some(match (&self.inner.authorities, self.inner.mutual) {
            (Some(authorities), true) => config.client_ca_root(authorities.clone()),
            _ => config,
        })
    }

    pub(crate) fn client_tls(&self) -> Result<ClientTlsConfig> {
        let Some(authorities) = &self.inner.authorities else {
            return Err(Error::invalid_argument(format!(
                "an https:// address needs {TLS_CA}: whose certificates to accept"
            )));
        };
        let config = ClientTlsConfig::new().ca_certificate(authorities.clone());
        Ok(match &self.inner.identity {
            Some(identity) => config.identity(identity.clone()),
            None => config,
        })
    }

    /// The header that shows the token.
    pub(crate) fn token(&self) -> Option<&HeaderValue> {
        self.inner.token.as_ref().map(|token| &token.header)
    }

    pub(crate) fn asked(&self) -> AskForToken {
        AskForToken(self.clone())
    }
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Security")
            .field("token", &self.inner.token.is_some())
            .field("certificate", &self.inner.identity.is_some())
            .field("mutual", &self.inner.mutual)
            .finish_non_exhaustive()
    }
}

impl Token {
    fn new(text: &str, place: &str) -> Result<Self> {
        if text.len() < TOKEN_BYTES_MIN {
            return Err(Error::invalid_argument(format!(
                "the token of {place} has {} characters; it takes at least {TOKEN_BYTES_MIN} random ones",
                text.len()
            )));
        }
        // The library's error would hold the token.
        let mut header = HeaderValue::from_str(&format!("Bearer {text}")).map_err(|_| {
            Error::invalid_argument(format!(
                "the token of {place} has characters that are no visible ASCII"
            ))
        })?;
        header.set_sensitive(true);
        Ok(Self {
            digest: Sha256::digest(header.as_bytes()).into(),
            header,
        })
    }
}

/// Refuses requests without the token.
#[derive(Debug, Clone)]
pub struct AskForToken(Security);

impl Interceptor for AskForToken {
    fn call(&mut self, request: Request<()>) -> std::result::Result<Request<()>, Status> {
        let Some(token) = &self.0.inner.token else {
            return Ok(request);
        };
        let denied = |what: &str| {
            let text = format!("{what}; set {TOKEN} or {TOKEN_FILE} to the cluster's");
            to_status(&Error::new(ErrorKind::PermissionDenied, text))
        };
        let Some(shown) = request.metadata().get(AUTHORIZATION.as_str()) else {
            return Err(denied("no token was given"));
        };
        // Digests are compared, so that the time it takes says nothing of the token.
        if <[u8; 32]>::from(Sha256::digest(shown.as_bytes())) != token.digest {
            return Err(denied("the token is another one"));
        }
        Ok(request)
    }
}

fn read(name: &str, file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).map_err(|error| {
        let place = file.display();
        Error::new(
            ErrorKind::Storage,
            format!("{name}: {place} cannot be read"),
        )
        .with_source(error)
    })
}

fn read_text(name: &str, file: &Path) -> Result<String> {
    String::from_utf8(read(name, file)?).map_err(|_| {
        let place = file.display();
        Error::invalid_argument(format!("{name}: {place} is no text"))
    })
}

fn absolute(name: &str, file: &Path) -> Result<String> {
    let path = std::path::absolute(file).ok();
    let path = path.as_deref().and_then(Path::to_str);
    path.map(str::to_owned).ok_or_else(|| {
        let place = file.display();
        Error::invalid_argument(format!("{name}: {place} has no form as text"))
    })
}
