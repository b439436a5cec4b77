//! What a store's failure means: its kind, and what to look at.

use object_store::Error as StoreError;
use object_store::client::{HttpError, HttpErrorKind};
use weir_plan::{Error, ErrorKind, causes, find_own};

/// Who is asked when no other credentials are set: the machine's own service for them.
const METADATA_SERVICE: &str = "169.254.169.254";

/// `error` of the store at `root`, with a Weir error for its cause. What callers decide by stays as it
/// is: that an object is there, is not, or has changed.
pub(super) fn explained(root: &str, error: StoreError) -> StoreError {
    let (kind, message) = match &error {
        StoreError::AlreadyExists { .. }
        | StoreError::Precondition { .. }
        | StoreError::NotModified { .. }
        | StoreError::NotSupported { .. }
        | StoreError::NotImplemented { .. } => return error,
        StoreError::NotFound { source, .. } if !source.to_string().contains("NoSuchBucket") => {
            return error;
        }
        StoreError::NotFound { .. } => (
            ErrorKind::NotFound,
            format!("there is no bucket {root}; make it, or look at the URL and the endpoint"),
        ),
        StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => (
            ErrorKind::Storage,
            format!(
                "{root} refuses these credentials; look at settings weir.storage. and the environment, \
                 and at what they may do there"
            ),
        ),
        other if find_own(other).is_some() => return error,
        other if other.to_string().contains(METADATA_SERVICE) => (
            ErrorKind::Storage,
            format!(
                "there are no credentials for {root}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or \
                 settings weir.storage.aws_access_key_id and aws_secret_access_key"
            ),
        ),
        other => match is_out_of_reach(other) {
            true => (
                ErrorKind::Unavailable,
                format!("{root} is out of reach; look at its endpoint, or try again later"),
            ),
            false => (ErrorKind::Storage, format!("{root} failed")),
        },
    };
    let cause = brief(&error.to_string());
    StoreError::Generic {
        store: "object store",
        source: Box::new(Error::new(kind, message).with_source(cause)),
    }
}

/// `text` with no more of a store's answer than its code and message: some repeat the whole request.
fn brief(text: &str) -> String {
    let Some((before, answer)) = text.split_once("<?xml") else {
        return text.to_owned();
    };
    let part = |name: &str| {
        let (_, rest) = answer.split_once(&format!("<{name}>"))?;
        Some(rest.split_once("</")?.0)
    };
    let said = [part("Code"), part("Message")];
    let said: Vec<&str> = said.into_iter().flatten().collect();
    format!("{before}{}", said.join(": "))
}

/// No answer, or one that says to try later.
fn is_out_of_reach(error: &StoreError) -> bool {
    if let Some(http) = causes(error).find_map(|cause| cause.downcast_ref::<HttpError>()) {
        return !matches!(http.kind(), HttpErrorKind::Decode);
    }
    // The library keeps its type of a refused request to itself.
    let text = error.to_string();
    text.split_once("status code: ")
        .and_then(|(_, rest)| rest.get(..3)?.parse::<u16>().ok())
        .is_some_and(|status| status >= 500 || status == 429 || status == 408)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_refused_request_the_code_and_message_are_kept() {
        let text = "GET http://s3/a - 403 Forbidden: <?xml version=\"1.0\"?>\n<Error><Code>SignatureDoesNotMatch\
                    </Code><Message>no match</Message><StringToSign>AWS4 a b c</StringToSign></Error>";
        assert_eq!(
            brief(text),
            "GET http://s3/a - 403 Forbidden: SignatureDoesNotMatch: no match"
        );
        assert_eq!(brief("no answer"), "no answer");
    }
}
