//! The plans that PostgreSQL chooses: a message costs no scan of a table that grows.

use tempfile::TempDir;

use crate::process::Program;
use crate::support::wait::until;
use crate::support::{Database, SECRET_KEY};

/// Messages: far more than PostgreSQL plans anew before it keeps a generic plan.
const MESSAGES: i64 = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sending_a_message_does_not_scan_the_users() {
    let database = Database::postgres();
    let folder = TempDir::new().expect("a folder");
    let process = Program::in_folder(&folder)
        .with_all(&[("PORT", "0"), ("SECRET_KEY", SECRET_KEY), ("DATABASE_POOL_SIZE", "1")])
        .with_all(&[("DATABASE_URL", &database.url()), ("LIMIT_MESSAGES_BY_PERSON", "off")])
        .start();
    let (ada, bob) = (process.sign_up("ada").await, process.sign_up("bob").await);
    database.execute(
        "INSERT INTO users (username, email, email_key, password_hash, first_name, last_name, search_key, date_joined) \
         SELECT 'user' || n, n::text, n::text, '', '', '', '', now() FROM generate_series(1, 2000) AS n; \
         ANALYZE",
    );
    let statistic = |column: &str, table: &str| {
        database.number(&format!("(SELECT {column} FROM pg_stat_user_tables WHERE relname = '{table}')"))
    };
    let before = statistic("seq_scan", "users");
    for _ in 0..MESSAGES {
        process.message(&ada, &bob, "hello").await.is(201);
    }
    // A connection reports its statistics some time after its transactions, those of all tables at
    // once. The first report has the sign-ups too.
    until("the statistics are reported", async || statistic("n_tup_ins", "messages") >= MESSAGES).await;
    let scans = statistic("seq_scan", "users") - before;
    assert!(scans < MESSAGES / 2, "{scans} scans of the users for {MESSAGES} messages");
}
