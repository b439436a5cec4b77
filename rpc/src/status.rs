//! Errors on the wire: a gRPC status with the kind in its metadata, so that a client has the error again.

use tonic::metadata::MetadataValue;
use tonic::{Code, Status};
use weir_plan::{Error, ErrorKind};

const KIND: &str = "weir-error-kind";

/// Kinds that cross the wire, each with its gRPC code. Any other is an internal error to the other side.
const KINDS: &[(ErrorKind, Code)] = &[
    (ErrorKind::InvalidArgument, Code::InvalidArgument),
    (ErrorKind::NotFound, Code::NotFound),
    (ErrorKind::Unsupported, Code::Unimplemented),
    (ErrorKind::Unavailable, Code::Unavailable),
    (ErrorKind::PermissionDenied, Code::Unauthenticated),
    (ErrorKind::ResourcesExhausted, Code::ResourceExhausted),
    (ErrorKind::Cancelled, Code::Cancelled),
    (ErrorKind::Storage, Code::Internal),
    (ErrorKind::Internal, Code::Internal),
];

/// `error` as a status.
#[must_use]
pub fn to_status(error: &Error) -> Status {
    let code = KINDS.iter().find(|(kind, _)| *kind == error.kind());
    let code = code.map_or(Code::Internal, |(_, code)| *code);
    let mut status = Status::new(code, error.to_string());
    status
        .metadata_mut()
        .insert(KIND, MetadataValue::from_static(error.kind().as_str()));
    status
}

/// The error that `status` was made of, or the failure of the call itself, at `place`.
#[must_use]
pub fn from_status(place: &str, status: Status) -> Error {
    let kind = status.metadata().get(KIND).and_then(|kind| {
        let known = KINDS.iter().map(|(kind, _)| *kind);
        known.into_iter().find(|known| kind == known.as_str())
    });
    match kind {
        Some(kind) => Error::new(kind, status.message().to_owned()),
        None => {
            // A server that speaks TLS closes such a connection in several ways.
            let tls = match place.contains("http://") {
                true => "; if it speaks TLS, it is to be found by https:// (WEIR_TLS_CA)",
                false => "",
            };
            let text = format!("{place} does not answer{tls}");
            Error::new(ErrorKind::Unavailable, text).with_source(status)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_come_back_with_their_kind_and_message() {
        for (kind, _) in KINDS {
            let error = Error::new(*kind, "no such thing");
            let back = from_status("driver", to_status(&error));
            assert_eq!((back.kind(), back.to_string()), (*kind, error.to_string()));
        }
        let back = from_status("driver x", Status::unavailable("gone"));
        assert_eq!(back.kind(), ErrorKind::Unavailable);
        assert!(back.to_string().contains("driver x"), "{back}");
    }
}
