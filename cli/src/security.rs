//! The arguments that say who a process is, and whom it accepts.

use std::path::PathBuf;

use clap::Args;
use weir::Result;
use weir_rpc::{Security, SecuritySource};

/// The cluster's token and certificates.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Security")]
pub(crate) struct SecurityArguments {
    /// A file with the cluster's token (or WEIR_TOKEN_FILE; or the token itself in WEIR_TOKEN).
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// This process's certificate, PEM (or WEIR_TLS_CERT).
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,

    /// The certificate's private key, PEM (or WEIR_TLS_KEY).
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,

    /// The authorities whose certificates are accepted, PEM (or WEIR_TLS_CA).
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,

    /// Accept only those who show a certificate of such an authority (or WEIR_TLS_MUTUAL=true).
    #[arg(long)]
    tls_mutual: bool,
}

impl SecurityArguments {
    /// # Errors
    /// As [`Security::open`].
    pub(crate) fn open(&self) -> Result<Security> {
        Security::open(&SecuritySource {
            token_file: self.token_file.clone(),
            tls_cert: self.tls_cert.clone(),
            tls_key: self.tls_key.clone(),
            tls_ca: self.tls_ca.clone(),
            tls_mutual: self.tls_mutual,
        })
    }
}
