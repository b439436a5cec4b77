//! Certificates for tests: an authority, and processes it vouches for on this machine.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};

/// An authority, its certificate in a file.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: PathBuf,
    /// Its certificate, PEM.
    pub file: PathBuf,
}

/// A certificate and its private key, PEM files.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The certificate.
    pub cert: PathBuf,
    /// The key.
    pub key: PathBuf,
}

impl Authority {
    /// A new one, with files named `name` in `directory`.
    pub fn new(directory: &Path, name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority");
        let file = directory.join(format!("{name}.pem"));
        fs::write(&file, issuer.pem()).expect("a file");
        Self {
            issuer,
            directory: directory.to_owned(),
            file,
        }
    }

    /// A certificate for processes of this machine.
    pub fn certificate(&self, name: &str) -> Certificate {
        self.issue(name, Self::params())
    }

    /// One that is no longer valid.
    pub fn expired_certificate(&self, name: &str) -> Certificate {
        let mut params = Self::params();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
        self.issue(name, params)
    }

    fn params() -> CertificateParams {
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        CertificateParams::new(names).expect("names")
    }

    fn issue(&self, name: &str, params: CertificateParams) -> Certificate {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let file = |suffix: &str, pem: String| {
            let file = self.directory.join(format!("{name}.{suffix}"));
            fs::write(&file, pem).expect("a file");
            file
        };
        Certificate {
            cert: file("crt", certificate.pem()),
            key: file("key", key.serialize_pem()),
        }
    }
}
