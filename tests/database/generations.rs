//! Generations: a database of another history is recognised by whoever connects first, and its
//! numbers are lifted once.

use futures_util::future::join_all;
use numeneon::db::Db;
use numeneon::events::inbox::{self, Position};
use numeneon::ids::UserId;
use rstest_reuse::apply;
use tokio::runtime::Handle;

use super::scratch::{Scratch, both_databases};
use super::timeouts::refused;
use crate::support::{Database, until};

const USER: UserId = UserId::new(1);

/// The distance of two lifts at least.
const STEP: i64 = 1 << 20;

/// The largest whole number that JavaScript represents.
const LARGEST: i64 = (1 << 53) - 1;

async fn position(db: &Db) -> Position {
    db.read(|conn| Ok(inbox::position(conn, USER)?)).await.expect("a position")
}

fn another_pool(scratch: &Scratch) -> Db {
    Db::new(&scratch.settings, Handle::current()).expect("a pool")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_connections_to_a_database_of_another_history_one_lifts_its_numbers() {
    let (scratch, db) = Scratch::migrated(Database::postgres(), &[("DATABASE_POOL_SIZE", "2")]);
    scratch.add_user(1);
    scratch.database.execute("UPDATE inboxes SET last_seq = 80, read_seq = 70");
    assert_eq!(position(&db).await, Position { last_seq: 80, read_seq: 70 });
    // As a promoted standby or a restored dump has it.
    let mark = scratch.database.text("(SELECT mark FROM generation)");
    for (place, part) in mark.split('/').enumerate() {
        let before = scratch.database.number("(SELECT lift FROM generation)");
        let others: Vec<_> =
            mark.split('/').enumerate().map(|(nth, it)| if nth == place { "7" } else { it }).collect();
        assert_ne!(part, "7");
        scratch.database.execute(&format!("UPDATE generation SET mark = '{}'", others.join("/")));
        let positions = join_all((0..8).map(|_| async { position(&another_pool(&scratch)).await })).await;
        let lift = scratch.database.number("(SELECT lift FROM generation)");
        assert!(lift - before >= STEP, "{before}, then {lift}");
        assert!(lift < LARGEST / 16, "{lift}");
        for position in positions {
            assert_eq!(position, Position { last_seq: lift + 80, read_seq: lift + 70 });
        }
        assert_eq!(scratch.database.text("(SELECT mark FROM generation)"), mark);
    }
}

#[apply(both_databases)]
async fn a_lift_that_another_process_raised_is_noticed_and_reported(database: Database) {
    let (scratch, db) = Scratch::migrated(database, &[]);
    scratch.add_user(1);
    let recoveries = db.recoveries();
    assert_eq!(position(&db).await.last_seq, 0);
    let lift = another_pool(&scratch).raise_lift().await.expect("a lift");
    assert!(lift >= STEP);
    assert_eq!(position(&db).await.last_seq, lift);
    assert_eq!(*recoveries.borrow(), 0);
    if matches!(scratch.database, Database::Postgres { .. }) {
        db.verify_generation().await.expect("verified");
        assert_eq!(*recoveries.borrow(), 1, "sessions are compared with their inboxes");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_of_an_earlier_generation_is_not_used_until_its_numbers_are_lifted() {
    let (scratch, db) = Scratch::migrated(Database::postgres(), &[]);
    scratch.add_user(1);
    let lift = db.raise_lift().await.expect("a lift");
    db.verify_generation().await.expect("verified");
    // As an old primary that was replaced has it, or a table into which old rows were copied.
    scratch.database.execute("UPDATE generation SET lift = 0");
    refused(db.verify_generation().await);
    refused(db.read(|conn| Ok(inbox::position(conn, USER)?)).await);
    until("the database's clock has moved on", async || {
        another_pool(&scratch).raise_lift().await.expect("a lift") > lift
    })
    .await;
    db.verify_generation().await.expect("verified");
    assert!(position(&db).await.last_seq > lift);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_not_be_read_of_the_mark_is_left_out() {
    let (scratch, db) = Scratch::migrated(Database::postgres(), &[]);
    scratch.add_user(1);
    position(&db).await;
    assert!(!scratch.database.text("(SELECT mark FROM generation)").starts_with('-'));
    let name = scratch.database.text("current_database()");
    let role = format!("limited_{name}");
    scratch.database.execute(&format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'limited'; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}; \
         REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC"
    ));
    let mut url = url::Url::parse(&scratch.database.url()).expect("a URL");
    url.set_username(&role).expect("a user name");
    url.set_password(Some("limited")).expect("a password");
    let mut settings = scratch.settings.clone();
    settings.url = numeneon::settings::DatabaseUrl::parse(url.as_str()).expect("a URL");
    let limited = Db::new(&settings, Handle::current()).expect("a pool");
    assert!(position(&limited).await.last_seq > 0, "the mark is another one, so that numbers are lifted");
    assert!(scratch.database.text("(SELECT mark FROM generation)").starts_with("-/00000001/"));
    drop(limited);
    scratch.database.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}
