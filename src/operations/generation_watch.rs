//! The [`GenerationWatch`] notices a database that was restored, or a file that was replaced, while
//! nobody uses it or its connections stay open.

use std::time::Duration;

use tokio::time::sleep;

use crate::db::Db;

/// How often it looks: for no longer than this are numbers given out a second time after a dump was
/// restored under open connections. Each time costs one row.
const PERIOD: Duration = Duration::from_secs(1);

/// The task that verifies the generation of the database.
pub struct GenerationWatch(Db);

impl GenerationWatch {
    /// Watches this database.
    pub const fn new(db: Db) -> Self {
        Self(db)
    }

    /// Runs until the future is dropped.
    pub async fn run(self) {
        loop {
            sleep(PERIOD).await;
            if let Err(error) = self.0.verify_generation().await {
                // The database logs at `warn` when it fails and at `info` when it recovers.
                tracing::debug!(cause = %error, "verifying the generation failed; retrying");
            }
        }
    }
}
