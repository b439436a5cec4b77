//! Where a session keeps what it has computed.

use std::path::{Path, PathBuf};

use tokio::sync::OnceCell;
use url::Url;
use uuid::Uuid;
use weir_connectors::exchange::exchange_base;
use weir_plan::settings::CHECKPOINT_DIR;
use weir_plan::{Error, Result, Settings};

use crate::session::Master;
use crate::work_dir::{Purpose, WorkDir};

/// See the module's documentation. Made when it is first asked for.
#[derive(Debug)]
pub(super) struct Directory {
    /// Of this machine or mounted on all, or in an object store.
    parent: Option<Url>,
    made: OnceCell<(Url, Option<WorkDir>)>,
}

impl Directory {
    /// That of a session on `master`.
    ///
    /// # Errors
    /// As [`exchange_base`], naming the setting.
    pub(super) fn try_new(master: &Master, settings: &Settings) -> Result<Self> {
        let parent = match (settings.checkpoint_dir(), master) {
            (Some(place), _) => {
                Some(exchange_base(place).map_err(|error| error.context(CHECKPOINT_DIR.key))?)
            }
            (None, Master::Local { .. } | Master::LocalCluster { .. }) => {
                let local = settings.local_dir().map(PathBuf::from);
                Some(url_of(&local.unwrap_or_else(std::env::temp_dir))?)
            }
            // Other machines do not see this one's.
            (None, Master::Cluster { .. }) => None,
        };
        Ok(Self {
            parent,
            made: OnceCell::new(),
        })
    }

    /// Its URL.
    ///
    /// # Errors
    /// `InvalidArgument` when the session has none; `Storage` when it cannot be made.
    pub(super) async fn url(&self) -> Result<&Url> {
        let made = self.made.get_or_try_init(async || self.make());
        made.await.map(|(url, _)| url)
    }

    /// What it is to be made in.
    ///
    /// # Errors
    /// `InvalidArgument`, naming the setting, when the session has none.
    pub(super) fn parent(&self) -> Result<&Url> {
        self.parent.as_ref().ok_or_else(|| {
            Error::invalid_argument(format!(
                "there is no place to keep rows in: set {} to a directory that the session and all \
                 executors share, or to a URL of an object store",
                CHECKPOINT_DIR.key
            ))
        })
    }

    fn make(&self) -> Result<(Url, Option<WorkDir>)> {
        let parent = self.parent()?;
        if let Ok(path) = parent.to_file_path() {
            let dir = WorkDir::make(&path, Purpose::Checkpoints)?;
            return Ok((url_of(dir.path())?, Some(dir)));
        }
        let mut url = parent.clone();
        let name = Uuid::new_v4().simple();
        url.set_path(&format!(
            "{}/{}{name}",
            parent.path().trim_end_matches('/'),
            Purpose::Checkpoints.prefix()
        ));
        Ok((url, None))
    }
}

fn url_of(path: &Path) -> Result<Url> {
    let path = std::path::absolute(path).map_err(|error| {
        Error::invalid_argument(format!("{} is no path", path.display())).with_source(error)
    })?;
    Url::from_directory_path(&path).map_err(|()| {
        Error::invalid_argument(format!("{} cannot be written as a URL", path.display()))
    })
}
