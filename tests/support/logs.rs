//! The logs of a run, all in one folder: scripts/check-secrets looks through them.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::sync::Once;

use tracing_subscriber::EnvFilter;

/// Returns a new file in the folder that `TEST_LOG_FOLDER` names; none if it names none.
pub fn file(about: &str) -> Option<File> {
    let folder = PathBuf::from(std::env::var_os("TEST_LOG_FOLDER").filter(|it| !it.is_empty())?);
    let path = folder.join(format!("{about}-{}.log", uuid::Uuid::new_v4().simple()));
    Some(OpenOptions::new().create_new(true).append(true).open(path).expect("TEST_LOG_FOLDER is there"))
}

/// All that the service says, and much of what the libraries below it say. What the tests'
/// own clients say is not the service's.
const FILTER: &str = "off,numeneon=trace,actix_http=debug,actix_multipart=debug,actix_server=debug,\
    actix_web=debug,actix_ws=debug,deadpool=debug,diesel=debug,redis=debug,rustls=debug";

/// Keeps whatever the instances within this process log from now on.
pub fn keep() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let Some(file) = file("tests") else { return };
        let filter = EnvFilter::new(FILTER);
        let lines = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
        // Whoever was first keeps the lines.
        let _ = lines.with_writer(file).try_init();
    });
}
