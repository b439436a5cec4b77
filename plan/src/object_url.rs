//! URLs of object stores, as users write them, normalised: one place has one URL.
//!
//! `s3://bucket/path` (or `s3a://`), `gs://bucket/path`, `az://container/path`, and
//! `abfss://container@account.dfs.core.windows.net/path` (or `abfs://`). A URL that holds a secret is
//! refused without being repeated.

use url::{Position, Url};

use crate::{Error, Result};

/// Schemes that object stores are named by.
pub const SCHEMES: &[&str] = &["s3", "s3a", "gs", "az", "abfs", "abfss"];

/// The URL of `location` in an object store, without a trailing slash; `None` for a local place. In
/// messages it is the location of `what` ("delta table").
///
/// # Errors
/// `Unsupported` for a scheme nothing is known of; `InvalidArgument` for what is no URL of a store, or
/// holds what does not belong there.
pub fn object_url(location: &str, what: &str) -> Result<Option<Url>> {
    let location = location.trim();
    let Some((scheme, _)) = location.split_once("://") else {
        return Ok(None);
    };
    if scheme.eq_ignore_ascii_case("file") {
        return Ok(None);
    }
    let scheme = scheme.to_lowercase();
    if !SCHEMES.contains(&scheme.as_str()) {
        // What stands before an "@" may be a secret.
        let shown = match location.contains('@') {
            true => format!("{scheme}://..."),
            false => location.to_owned(),
        };
        return Err(Error::unsupported(format!(
            "{what} {shown:?}: there is no store for {scheme}://; use a path, a file:// URL, or one of {}",
            SCHEMES.join(", ")
        )));
    }
    let refused = |why: &str| {
        Error::invalid_argument(format!(
            "the {scheme}:// URL of the {what} {why}; write it as {scheme}://bucket/path"
        ))
    };
    let mut url = Url::parse(location).map_err(|error| refused("is no URL").with_source(error))?;
    // What stands there may be a secret: the URL is not repeated.
    let container_is_user = scheme.starts_with("abfs");
    if url.password().is_some() || (!container_is_user && !url.username().is_empty()) {
        return Err(refused(
            "has credentials in it, which would be shown wherever it is; set them as settings \
             (weir.storage.) or in the environment",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refused("has a \"?\" or \"#\" in it"));
    }
    if url.host_str().is_none_or(str::is_empty) || url.port().is_some() {
        return Err(refused("names no bucket, or a port"));
    }
    if let Some(escape) = escape_in(location) {
        return Err(Error::invalid_argument(format!(
            "{what} {location:?} has {escape:?} in its path, which one reader takes for an escaped \
             character and another does not; choose another name"
        )));
    }
    if scheme == "s3a" {
        // One table must have one name, and s3a is Hadoop's for the same store.
        url = Url::parse(&format!("s3{}", &url[Position::AfterScheme..]))
            .map_err(|error| refused("is no URL").with_source(error))?;
    }
    let path = url.path().trim_end_matches('/').to_owned();
    if path.split('/').skip(1).any(str::is_empty) {
        return Err(refused("has an empty name in its path"));
    }
    url.set_path(&path);
    Ok(Some(url))
}

/// What looks like an escaped character of a URL: "%" before two hexadecimal digits.
#[must_use]
pub fn escape_in(path: &str) -> Option<&str> {
    path.match_indices('%').find_map(|(at, _)| {
        let escape = path.get(at..at + 3)?;
        let escaped = escape[1..].bytes().all(|byte| byte.is_ascii_hexdigit());
        escaped.then_some(escape)
    })
}

/// The store that `url` is in: scheme and authority.
#[must_use]
pub fn root_of(url: &Url) -> &str {
    &url[..Position::AfterPort]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn every_spelling_of_a_place_is_one_url() {
        for (location, url) in [
            ("s3://lake/a/b", "s3://lake/a/b"),
            ("s3a://lake/a/b/", "s3://lake/a/b"),
            ("S3://lake/a/./x/../b", "s3://lake/a/b"),
            ("gs://lake/a", "gs://lake/a"),
            (
                "abfss://lake@account.dfs.core.windows.net/a",
                "abfss://lake@account.dfs.core.windows.net/a",
            ),
        ] {
            let found = object_url(location, "table").unwrap().unwrap();
            assert_eq!(found.as_str(), url, "{location}");
        }
        for local in ["/lake/a", "file:///lake/a", "lake", "C:/x"] {
            assert_eq!(object_url(local, "table").unwrap(), None);
        }
    }

    #[test]
    fn url_with_credentials_is_refused_without_repeating_it() {
        for location in [
            "s3://key:hunter2@lake/a",
            "s3://hunter2@lake/a",
            "ftp://hunter2@lake/a",
        ] {
            let error = object_url(location, "table").unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn what_is_no_place_of_a_store_is_refused_by_name() {
        for (location, kind) in [
            ("hdfs://lake/a", ErrorKind::Unsupported),
            ("s3:///a", ErrorKind::InvalidArgument),
            ("s3://lake/a?version=1", ErrorKind::InvalidArgument),
            ("s3://lake/a//b", ErrorKind::InvalidArgument),
            ("s3://lake/a%20b", ErrorKind::InvalidArgument),
        ] {
            let error = object_url(location, "table").unwrap_err();
            assert_eq!(error.kind(), kind, "{location}: {error}");
        }
    }
}
