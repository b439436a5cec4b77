//! What a session runs on, as a master URL.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use weir_plan::Error;

/// A parsed master URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Master {
    /// `local[N]`: this process, with N threads. `local[*]`: one per core; `local`: one.
    Local {
        /// Tasks that run at once.
        threads: usize,
    },
}

impl Master {
    /// Tasks that run at once.
    #[must_use]
    pub fn parallelism(&self) -> usize {
        match self {
            Self::Local { threads } => *threads,
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
        if text.starts_with("local-cluster[") || text.starts_with("weir://") {
            return Err(Error::unsupported(format!(
                "master {text:?}: clusters are not supported yet; use local[*]"
            )));
        }
        Err(Error::invalid_argument(format!(
            "master {text:?} is unknown; use local[*] or local[N]"
        )))
    }
}

impl fmt::Display for Master {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local { threads } => write!(f, "local[{threads}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_plan::ErrorKind;

    use super::*;

    #[test]
    fn local_masters_parse() {
        assert_eq!("local".parse::<Master>().unwrap().parallelism(), 1);
        assert_eq!("local[7]".parse::<Master>().unwrap().parallelism(), 7);
        assert!("local[*]".parse::<Master>().unwrap().parallelism() >= 1);
    }

    #[test]
    fn bad_masters_are_refused_by_name() {
        for text in ["local[0]", "local[-1]", "local[x]", "yarn", ""] {
            let error = text.parse::<Master>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{text}");
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
        let error = "weir://host:7077".parse::<Master>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
}
