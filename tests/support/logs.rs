//! The logs of a test run, all in one folder: scripts/check-secrets searches them.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::sync::Once;

use tracing_subscriber::EnvFilter;

/// Creates a file in the folder that `TEST_LOG_FOLDER` names; returns none if it is not set.
pub fn file(name: &str) -> Option<File> {
    let folder = PathBuf::from(std::env::var_os("TEST_LOG_FOLDER").filter(|it| !it.is_empty())?);
    let path = folder.join(format!("{name}-{}.log", uuid::Uuid::new_v4().simple()));
    Some(OpenOptions::new().create_new(true).append(true).open(path).expect("the folder TEST_LOG_FOLDER"))
}

/// Everything that the service logs, and much of what its libraries log. The log lines of the
/// tests' own clients are not the service's.
const FILTER: &str = "off,numeneon=trace,actix_http=debug,actix_multipart=debug,actix_server=debug,\
    actix_web=debug,deadpool=debug,diesel=debug,redis=debug,rustls=debug";

/// Writes what the instances within this process log to a file, from now on.
pub fn capture() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let Some(file) = file("tests") else { return };
        let filter = EnvFilter::new(FILTER);
        let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
        // A subscriber that is set already has the lines instead.
        let _ = subscriber.with_writer(file).try_init();
    });
}
