//! One process's access to a checkpoint store, by its script.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use weir_plan::Result;

use super::Script;
use crate::store::{CheckpointStore, Put};

#[derive(Debug)]
pub(crate) struct ScriptedStore {
    inner: Arc<dyn CheckpointStore>,
    script: Script,
}

impl ScriptedStore {
    pub(crate) fn new(inner: Arc<dyn CheckpointStore>, script: Script) -> Self {
        Self { inner, script }
    }
}

#[async_trait]
impl CheckpointStore for ScriptedStore {
    fn location(&self) -> String {
        self.inner.location()
    }

    async fn put_if_absent(&self, path: &str, bytes: Bytes) -> Result<Put> {
        let put = self.inner.put_if_absent(path, bytes);
        self.script.play(&format!("store put {path}"), put).await
    }

    async fn get(&self, path: &str) -> Result<Option<Bytes>> {
        let get = self.inner.get(path);
        self.script.play(&format!("store get {path}"), get).await
    }

    async fn list(&self, dir: &str) -> Result<Vec<String>> {
        let list = self.inner.list(dir);
        self.script.play(&format!("store list {dir}"), list).await
    }

    async fn delete(&self, path: &str) -> Result<()> {
        let delete = self.inner.delete(path);
        self.script
            .play(&format!("store delete {path}"), delete)
            .await
    }
}
