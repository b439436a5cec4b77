//! A store that is trusted with conditional puts only once it was seen to honour them.
//!
//! A store that does not know `If-None-Match` takes such a put for any other: two writers would both
//! believe to have won, and the rows of one would be gone. So before its first conditional put, a process
//! puts an object beside it that way, and expects to be refused the second time; the object stays, and
//! tells the next process with one request. That two puts at one moment are told apart, too, cannot be
//! asked of a store: its makers have to promise it.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error as StoreError, GetOptions, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result, UploadPart,
};
use tokio::sync::OnceCell;
use weir_plan::Error;

use super::failure::explained;

/// The object by which a store is tried. Names that begin with a dot are nobody's data.
const PROBE: &str = ".weir-conditional-put";
const PROBE_TEXT: &[u8] = b"Weir was refused to create this object a second time.\n";

/// See the module's documentation. Failures are [`explained`].
#[derive(Debug)]
pub(super) struct Guarded {
    inner: Arc<dyn ObjectStore>,
    root: Arc<str>,
    honours: OnceCell<()>,
}

impl Guarded {
    pub(super) fn new(inner: Arc<dyn ObjectStore>, root: &str) -> Self {
        Self {
            inner,
            root: root.into(),
            honours: OnceCell::new(),
        }
    }

    fn explain(&self, error: StoreError) -> StoreError {
        explained(&self.root, error)
    }

    /// Tries the store by an object beside `location`.
    async fn try_conditional_puts(&self, location: &Path) -> Result<()> {
        let names: Vec<_> = location.parts().collect();
        let directory = &names[..names.len().saturating_sub(1)];
        let probe: Path = directory.iter().cloned().chain([PROBE.into()]).collect();
        for _ in 0..2 {
            let options = PutOptions::from(PutMode::Create);
            let payload = PutPayload::from_static(PROBE_TEXT);
            match self.inner.put_opts(&probe, payload, options).await {
                Ok(_) => {}
                Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) => {
                    return Ok(());
                }
                Err(error) => return Err(self.explain(error)),
            }
        }
        let message = format!(
            "{} does not honour conditional puts (If-None-Match): it created {probe} twice, and would let \
             two writers commit the same version; use a store that does",
            self.root
        );
        Err(StoreError::NotSupported {
            source: Box::new(Error::unsupported(message)),
        })
    }
}

impl fmt::Display for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.root)
    }
}

#[async_trait]
impl ObjectStore for Guarded {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        if options.mode == PutMode::Create {
            let tried = self
                .honours
                .get_or_try_init(|| self.try_conditional_puts(location));
            tried.await?;
        }
        let put = self.inner.put_opts(location, payload, options).await;
        put.map_err(|error| self.explain(error))
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let upload = self.inner.put_multipart_opts(location, options).await;
        let inner = upload.map_err(|error| self.explain(error))?;
        let root = Arc::clone(&self.root);
        Ok(Box::new(ExplainedUpload { inner, root }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let got = self.inner.get_opts(location, options).await;
        let mut got = got.map_err(|error| self.explain(error))?;
        if let GetResultPayload::Stream(bytes) = got.payload {
            let root = Arc::clone(&self.root);
            let bytes = bytes.map(move |part| part.map_err(|error| explained(&root, error)));
            got.payload = GetResultPayload::Stream(bytes.boxed());
        }
        Ok(got)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let root = Arc::clone(&self.root);
        let deleted = self.inner.delete_stream(locations);
        let deleted = deleted.map(move |path| path.map_err(|error| explained(&root, error)));
        deleted.boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let root = Arc::clone(&self.root);
        let found = self.inner.list(prefix);
        let found = found.map(move |meta| meta.map_err(|error| explained(&root, error)));
        found.boxed()
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let root = Arc::clone(&self.root);
        let found = self.inner.list_with_offset(prefix, offset);
        let found = found.map(move |meta| meta.map_err(|error| explained(&root, error)));
        found.boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let found = self.inner.list_with_delimiter(prefix).await;
        found.map_err(|error| self.explain(error))
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let copied = self.inner.copy_opts(from, to, options).await;
        copied.map_err(|error| self.explain(error))
    }
}

#[derive(Debug)]
struct ExplainedUpload {
    inner: Box<dyn MultipartUpload>,
    root: Arc<str>,
}

#[async_trait]
impl MultipartUpload for ExplainedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let part = self.inner.put_part(data);
        let root = Arc::clone(&self.root);
        Box::pin(async move { part.await.map_err(|error| explained(&root, error)) })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let done = self.inner.complete().await;
        done.map_err(|error| explained(&self.root, error))
    }

    async fn abort(&mut self) -> Result<()> {
        let done = self.inner.abort().await;
        done.map_err(|error| explained(&self.root, error))
    }
}
