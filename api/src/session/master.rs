//! What a session runs on, as a master URL.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use url::Url;
use weir_plan::Error;

/// A parsed master URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Master {
    /// `local[N]`: this process, with N threads. `local[*]`: one per core; `local`: one.
    Local {
        /// Tasks that run at once.
        threads: usize,
    },
    /// `local-cluster[E,C]`: E executors of C threads each, processes of this machine that live as long
    /// as the session.
    LocalCluster {
        /// How many executors.
        executors: usize,
        /// Tasks that run at once in each.
        threads: usize,
    },
    /// `weir://HOST:PORT`: the executors of a driver. By TLS where `WEIR_TLS_CA` names who is trusted.
    Cluster {
        /// The driver, `HOST:PORT`.
        driver: String,
    },
}

impl Master {
    /// Tasks that run at once, where the master says so.
    #[must_use]
    pub fn parallelism(&self) -> Option<usize> {
        match self {
            Self::Local { threads } => Some(*threads),
            Self::LocalCluster { executors, threads } => Some(executors * threads),
            Self::Cluster { .. } => None,
        }
    }
}

impl FromStr for Master {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text == "local" {
            return Ok(Self::Local { threads: 1 });
        }
        if let Some(threads) = text
            .strip_prefix("local[")
            .and_then(|t| t.strip_suffix(']'))
        {
            if threads == "*" {
                let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
                return Ok(Self::Local { threads });
            }
            return match threads.parse() {
                Ok(threads @ 1..) => Ok(Self::Local { threads }),
                _ => Err(Error::invalid_argument(format!(
                    "master {text:?}: local[N] takes a number of threads from 1, or *"
                ))),
            };
        }
        if let Some(sizes) = text
            .strip_prefix("local-cluster[")
            .and_then(|t| t.strip_suffix(']'))
        {
            let sizes: Vec<Option<usize>> = sizes
                .split(',')
                .map(|size| size.trim().parse().ok().filter(|size| *size > 0))
                .collect();
            return match sizes.as_slice() {
                [Some(executors), Some(threads)] => Ok(Self::LocalCluster {
                    executors: *executors,
                    threads: *threads,
                }),
                _ => Err(Error::invalid_argument(format!(
                    "master {text:?}: local-cluster[E,C] takes a number of executors and their number of threads, both from 1"
                ))),
            };
        }
        if let Some(driver) = text.strip_prefix("weir://") {
            let driver = driver.trim_end_matches('/');
            let place = Url::parse(&format!("http://{driver}")).ok();
            let place =
                place.filter(|url| url.port_or_known_default().is_some() && url.path() == "/");
            return match place {
                Some(_)
                    if driver
                        .rsplit(':')
                        .next()
                        .is_some_and(|p| p.parse::<u16>().is_ok()) =>
                {
                    Ok(Self::Cluster {
                        driver: driver.to_owned(),
                    })
                }
                _ => Err(Error::invalid_argument(format!(
                    "master {text:?}: weir:// takes a driver's host and port, as in weir://127.0.0.1:7077"
                ))),
            };
        }
        Err(Error::invalid_argument(format!(
            "master {text:?} is unknown; use local[*], local[N], local-cluster[E,C] or weir://HOST:PORT"
        )))
    }
}

impl fmt::Display for Master {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local { threads } => write!(f, "local[{threads}]"),
            Self::LocalCluster { executors, threads } => {
                write!(f, "local-cluster[{executors},{threads}]")
            }
            Self::Cluster { driver } => write!(f, "weir://{driver}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_plan::ErrorKind;

    use super::*;

    #[test]
    fn local_masters_parse() {
        assert_eq!("local".parse::<Master>().unwrap().parallelism(), Some(1));
        assert_eq!("local[7]".parse::<Master>().unwrap().parallelism(), Some(7));
        assert!("local[*]".parse::<Master>().unwrap().parallelism() >= Some(1));
        let cluster: Master = "local-cluster[3, 2]".parse().unwrap();
        assert_eq!(cluster.parallelism(), Some(6));
        assert_eq!(cluster.to_string(), "local-cluster[3,2]");
        let driver: Master = "weir://host:7077/".parse().unwrap();
        assert_eq!(driver.parallelism(), None);
        assert_eq!(driver.to_string(), "weir://host:7077");
    }

    #[test]
    fn bad_masters_are_refused_by_name() {
        let bad = [
            "local[0]",
            "local[-1]",
            "local[x]",
            "local-cluster[2]",
            "local-cluster[0,1]",
            "local-cluster[2,x]",
            "local-cluster[1,2,3]",
            "weir://",
            "weir://host",
            "weir://host:x",
            "weir://host:1/path",
            "yarn",
            "",
        ];
        for text in bad {
            let error = text.parse::<Master>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{text}");
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
    }
}
