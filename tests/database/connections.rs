//! Connections to PostgreSQL: how they are located, and what the role's settings cannot change.

use diesel::sql_types::Text;
use diesel::{QueryableByName, RunQueryDsl};
use numeneon::db::Db;
use numeneon::settings::DatabaseUrl;
use tokio::runtime::Handle;

use super::scratch::Scratch;
use crate::support::Database;

/// Returns a value as a connection of the service's pool has it.
async fn value(db: &Db, expression: &'static str) -> numeneon::error::Result<String> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        value: String,
    }
    let query = format!("SELECT CAST(({expression}) AS TEXT) AS value");
    db.read(move |conn| Ok(diesel::sql_query(&query).get_result::<Row>(conn)?.value)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_is_located_by_every_form_of_url_that_libpq_takes() {
    let (scratch, _db) = Scratch::migrated(Database::postgres(), &[]);
    let url = url::Url::parse(&scratch.database.url()).expect("a URL");
    let (user, password, name) = (url.username(), url.password().unwrap_or_default(), url.path());
    let port = url.port().expect("a port");
    let mut forms = vec![
        // Nothing listens on the first port.
        format!("postgres://{user}:{password}@127.0.0.1:1,127.0.0.1:{port}{name}"),
        format!("postgresql://{user}:{password}@{name}?host=127.0.0.1&port={port}"),
        format!("postgres://{name}?host=127.0.0.1,localhost&port=1,{port}&user={user}&password={password}"),
    ];
    let folder = scratch.database.text("current_setting('unix_socket_directories')");
    if !folder.is_empty() {
        forms.push(format!("postgres://{user}:{password}@{name}?host={folder}&port={port}"));
        forms.push(format!("postgres://{user}:{password}@{}:{port}{name}", folder.replace('/', "%2F")));
    }
    for form in forms {
        let mut settings = scratch.settings.clone();
        settings.url = DatabaseUrl::parse(&form).expect("a URL");
        let db = Db::new(&settings, Handle::current()).expect("a pool");
        assert_eq!(value(&db, "current_database()").await.expect(&form), name[1..]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_of_the_role_or_database_do_not_weaken_a_commit() {
    let (scratch, db) = Scratch::migrated(Database::postgres(), &[]);
    let name = scratch.database.text("current_database()");
    for (set, expected) in
        [("off", "on"), ("local", "on"), ("remote_write", "on"), ("remote_apply", "remote_apply")]
    {
        scratch.database.execute(&format!(
            "ALTER DATABASE {name} SET synchronous_commit = {set}; \
             ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'"
        ));
        let other = Db::new(&scratch.settings, Handle::current()).expect("a pool");
        assert_eq!(value(&other, "current_setting('synchronous_commit')").await.expect("a value"), expected);
        let isolation = value(&other, "current_setting('transaction_isolation')").await;
        assert_eq!(isolation.expect("a value"), "read committed");
    }
    drop(db);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_accepts_no_writes_is_not_used() {
    let (scratch, _db) = Scratch::migrated(Database::postgres(), &[]);
    let name = scratch.database.text("current_database()");
    scratch.database.execute(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on"));
    let db = Db::new(&scratch.settings, Handle::current()).expect("a pool");
    super::timeouts::refused(value(&db, "1").await);
}
