//! Settings, and a store that does not keep its word. What a real server does is tried in the
//! integration tests.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::execution::object_store::ObjectStoreRegistry as _;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use url::Url;
use weir_plan::{Error, ErrorKind, find_own};

use super::ObjectStores;
use super::guarded::Guarded;

const SECRET: &str = "hunter2-zwiebelkuchen";

/// A store that, if `ignores`, takes a conditional put for any other.
#[derive(Debug)]
struct Old {
    inner: InMemory,
    ignores: bool,
}

impl fmt::Display for Old {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("old")
    }
}

#[async_trait]
impl ObjectStore for Old {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        mut options: PutOptions,
    ) -> Result<PutResult> {
        if self.ignores {
            options.mode = PutMode::Overwrite;
        }
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

fn store(ignores: bool) -> Guarded {
    let inner = InMemory::new();
    Guarded::new(Arc::new(Old { inner, ignores }), "s3://lake")
}

#[tokio::test]
async fn store_that_ignores_conditional_puts_is_refused_before_anything_is_created() {
    let store = store(true);
    let commit = Path::from("t/_delta_log/00000000000000000000.json");
    for _ in 0..2 {
        let options = PutOptions::from(PutMode::Create);
        let put = store.put_opts(&commit, "a".into(), options).await;
        let error = put.unwrap_err();
        let own = find_own(&error).expect("a Weir error");
        assert_eq!(own.kind(), ErrorKind::Unsupported, "{error}");
        assert!(own.to_string().contains("s3://lake"), "{error}");
    }
    store.head(&commit).await.unwrap_err();
    // What asks for no condition is as good there as anywhere.
    store.put(&commit, "a".into()).await.unwrap();
}

#[tokio::test]
async fn store_that_honours_conditional_puts_is_tried_once() {
    let store = store(false);
    for version in 0..3 {
        let commit = Path::from(format!("t/_delta_log/{version}.json"));
        for expected in [true, false] {
            let options = PutOptions::from(PutMode::Create);
            let put = store.put_opts(&commit, "a".into(), options).await;
            assert_eq!(put.is_ok(), expected, "{put:?}");
        }
    }
    store
        .head(&Path::from("t/_delta_log/.weir-conditional-put"))
        .await
        .unwrap();
}

fn refused(key: &str, value: &str) -> Error {
    ObjectStores::try_new([(key, value)]).unwrap_err()
}

#[test]
fn keys_that_no_store_has_or_that_weir_decides_are_refused_without_their_value() {
    for (key, expected) in [
        ("aws_secret_acces_key", "aws_secret_access_key"),
        (
            "bucket.lake.eu.aws_secret_acces_key",
            "aws_secret_access_key",
        ),
        ("bucket.lake", "unknown setting"),
        ("aws_conditional_put", "not for users"),
        ("aws_bucket", "not for users"),
        ("azure_container_name", "not for users"),
    ] {
        let error = refused(key, SECRET);
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        let text = error.to_string();
        assert!(text.contains(key) && text.contains(expected), "{error}");
        assert!(!text.contains(SECRET), "{error}");
    }
    for (key, value) in [("max_retries", "many"), ("retry_timeout", "soon")] {
        assert!(refused(key, value).to_string().contains(value));
    }
}

#[test]
fn every_scheme_has_a_store_and_no_settings_value_is_shown() {
    let settings = [
        ("AWS_ACCESS_KEY_ID", "a"),
        ("aws_secret_access_key", SECRET),
        ("aws_endpoint_url", "http://127.0.0.1:1"),
        ("aws_allow_http", "true"),
        ("azure_storage_account_name", "account"),
        ("azure_storage_account_key", "aHVudGVyMi16d2llYmVsa3VjaGVu"),
        ("google_skip_signature", "true"),
        ("max_retries", "0"),
        ("bucket.lake.eu.aws_secret_access_key", SECRET),
    ];
    let stores = ObjectStores::try_new(settings).unwrap();
    for url in [
        "s3://lake",
        "s3://lake.eu/t/",
        "gs://lake/t",
        "az://lake/t",
        "abfss://lake@account.dfs.core.windows.net/t",
    ] {
        let url = Url::parse(url).unwrap();
        let store = stores.get_store(&url).unwrap();
        let again = stores.get_store(&url).unwrap();
        assert!(Arc::ptr_eq(&store, &again), "{url} is made once");
        let shown = format!("{stores:?} {store} {store:?}");
        assert!(!shown.contains(SECRET), "{shown}");
        assert!(!shown.contains("aHVudGVyMi16"), "{shown}");
    }
    let error = stores.get_store(&Url::parse("hdfs://lake").unwrap());
    assert!(error.unwrap_err().to_string().contains("hdfs://"));
}

#[tokio::test]
async fn store_nobody_listens_at_is_unavailable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let settings = [
        ("aws_access_key_id", "a"),
        ("aws_secret_access_key", SECRET),
        ("aws_endpoint_url", &endpoint),
        ("aws_allow_http", "true"),
        ("aws_region", "us-east-1"),
        ("max_retries", "1"),
    ];
    let stores = ObjectStores::try_new(settings).unwrap();
    let store = stores.get_store(&Url::parse("s3://lake").unwrap()).unwrap();
    let error = store.head(&Path::from("a")).await.unwrap_err();
    let own = find_own(&error).expect("a Weir error");
    assert_eq!(own.kind(), ErrorKind::Unavailable, "{error}");
    assert!(!error.to_string().contains(SECRET), "{error}");
}
