//! What may be submitted, and what of it is shown.

use weir_plan::{Error, Result, Settings};
use weir_proto::jobs::{Job, JobSpec};

/// Variables that the driver sets.
const OWN_PREFIX: &str = "WEIR_";

/// Parts of a name that mark its value as a secret.
const SENSITIVE: &[&str] = &["password", "secret", "token", "credential", "key", "jaas"];

const MASKED: &str = "********";

/// Refuses what cannot be run as it is asked for.
///
/// # Errors
/// `InvalidArgument`, naming the variable or setting.
pub(super) fn check(spec: &JobSpec) -> Result<()> {
    let mut settings = Settings::new();
    for (key, value) in &spec.conf {
        settings
            .set(key, value)
            .map_err(|error| error.context("--conf"))?;
    }
    for name in spec.environment.keys() {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(Error::invalid_argument(format!(
                "--env: {name:?} is no name of a variable"
            )));
        }
        if name.starts_with(OWN_PREFIX) {
            return Err(Error::invalid_argument(format!(
                "--env: {name:?} is the driver's to set; use --conf for settings"
            )));
        }
    }
    Ok(())
}

/// `job` without the values of secrets.
pub(super) fn masked(mut job: Job) -> Job {
    if let Some(spec) = &mut job.spec {
        for (name, value) in spec.environment.iter_mut().chain(&mut spec.conf) {
            let name = name.to_lowercase();
            if SENSITIVE.iter().any(|part| name.contains(part)) {
                MASKED.clone_into(value);
            }
        }
    }
    job
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(environment: &[(&str, &str)], conf: &[(&str, &str)]) -> JobSpec {
        let map = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter();
            pairs
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        JobSpec {
            environment: map(environment),
            conf: map(conf),
            ..JobSpec::default()
        }
    }

    #[test]
    fn unknown_settings_and_variables_of_the_drivers_own_are_refused_by_name() {
        let error = check(&spec(&[], &[("weir.memory.limits", "1GB")])).unwrap_err();
        assert!(error.to_string().contains("did you mean"), "{error}");
        let error = check(&spec(&[("WEIR_MASTER", "local")], &[])).unwrap_err();
        assert!(error.to_string().contains("WEIR_MASTER"), "{error}");
        assert!(check(&spec(&[("A=B", "")], &[])).is_err());
        check(&spec(&[("A", "b")], &[("weir.memory.limit", "1GB")])).unwrap();
    }

    #[test]
    fn secrets_are_not_shown() {
        let secret = "hunter2";
        let job = Job {
            spec: Some(spec(
                &[("AWS_SECRET_ACCESS_KEY", secret), ("REGION", "eu")],
                &[],
            )),
            ..Job::default()
        };
        let shown = format!("{:?}", masked(job));
        assert!(!shown.contains(secret) && shown.contains("eu"), "{shown}");
    }
}
