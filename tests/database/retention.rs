//! Retention looks at inboxes that changed, and deletes from the front of those.

use numeneon::events::inbox;
use numeneon::settings;
use numeneon::timestamp::Timestamp;
use rstest_reuse::apply;

use super::scratch::{Scratch, both_databases};
use crate::support::Database;

/// Inserts events 1 to `count` into the inbox of a user, so many minutes ago.
fn add_events(scratch: &Scratch, user: i64, count: i64, minutes: u32) {
    let created_at = Timestamp::now().minutes_before(minutes).to_string().replace('T', " ").replace('Z', "");
    let rows: Vec<_> =
        (1..=count).map(|seq| format!("({user}, {seq}, 'x', '{{}}', '{created_at}')")).collect();
    scratch.database.execute(&format!(
        "INSERT INTO inbox_events (user_id, seq, type, data, created_at) VALUES {}; \
         UPDATE inboxes SET last_seq = {count} WHERE user_id = {user}",
        rows.join(",")
    ));
}

/// Returns the first number and how many there are.
fn kept(scratch: &Scratch, user: i64) -> (i64, i64) {
    let of = |what: &str| {
        scratch.database.number(&format!("(SELECT {what} FROM inbox_events WHERE user_id = {user})"))
    };
    (of("MIN(seq)"), of("COUNT(*)"))
}

#[apply(both_databases)]
async fn only_inboxes_that_changed_are_looked_at(database: Database) {
    let (scratch, db) = Scratch::migrated(database, &[]);
    let bounds = settings::Inbox { retention_days: 30, max_events: 5 };
    // Beyond the bound: one that changed lately and one that did not. Within it: one that changed.
    for (user, count, minutes) in [(1, 8, 1), (2, 8, 60), (3, 5, 1)] {
        scratch.add_user(user);
        add_events(&scratch, user, count, minutes);
    }
    let now = Timestamp::now();
    for (since, deleted, expected) in [
        (Some(now.minutes_before(10)), 3, [(4, 5), (1, 8), (1, 5)]),
        (Some(now.minutes_before(10)), 0, [(4, 5), (1, 8), (1, 5)]),
        (None, 3, [(4, 5), (4, 5), (1, 5)]),
    ] {
        let pruned = db.read(move |conn| Ok(inbox::prune(conn, &bounds, now, since)?)).await;
        assert_eq!(pruned.expect("pruned"), deleted, "{since:?}");
        assert_eq!([1, 2, 3].map(|user| kept(&scratch, user)), expected, "{since:?}");
    }
}
