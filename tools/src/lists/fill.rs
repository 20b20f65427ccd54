//! Fills an empty database by SQL, in one transaction: killed, it leaves nothing.

use super::{PARTNERS, connect};
use anyhow::ensure;
use std::time::Instant;
use tokio_postgres::{Client, SimpleQueryMessage};

/// Rows in one statement, between two lines of progress.
const PART: u64 = 500_000;

/// Sixty-four first and last names, so that some letters are common and some are rare.
const FIRST_NAMES: &str = "ada adam alan alice amara anna barbara ben björn carlos chen clara dennis diego edsger elena emma \
    fatima felix finn george grace hana hedy hugo ines ivan jana john jonas julia kai karen katherine ken leila leon \
    liam linus lucia margaret maria mehmet mia nadia niklaus noah olga oscar paula pedro quentin radia rosa samuel \
    sofia tim uma vint wei xenia yusuf zoe adele";
const LAST_NAMES: &str = "allen andersson bauer becker berners brown cerf costa diaz dijkstra eriksson fernandez fischer \
    garcia goldberg hamilton hopper huber ivanov jensen johansson johnson kernighan khan kim knuth kumar lamarr lamport \
    larsen lee liskov lopez lovelace martin meyer miller moreau müller nguyen novak olsen perlman petrov ritchie rossi \
    santos schmidt schneider silva singh smith stroustrup suzuki tanaka thompson torvalds turing wang weber wilson wirth \
    yilmaz zhang";

/// Fills the database, unless it has these people already.
pub async fn fill(url: &str, people: u64, messages: u64) -> anyhow::Result<()> {
    let client = connect(url).await?;
    let found = number(&client, "SELECT count(*) FROM users").await?;
    if found >= people && number(&client, "SELECT id FROM users WHERE username = 'person1'").await? == 1 {
        return Ok(());
    }
    ensure!(found == 0, "the database has {found} users: it must be empty, or filled by a run before");
    let began = Instant::now();
    // Without triggers and foreign keys: the conversations are counted at the end.
    client
        .batch_execute(
            "BEGIN; SET LOCAL session_replication_role = replica; SET LOCAL maintenance_work_mem = '256MB'; \
             SET LOCAL work_mem = '256MB'; SET LOCAL statement_timeout = 0",
        )
        .await?;
    let indexes = drop_indexes(&client).await?;
    for first in (1..=people).step_by(usize::try_from(PART)?) {
        let last = people.min(first + PART - 1);
        eprintln!("numeneon-lists: people {first} to {last} of {people}");
        client.batch_execute(&people_sql(first, last)).await?;
    }
    for first in (1..=messages).step_by(usize::try_from(PART)?) {
        let last = messages.min(first + PART - 1);
        eprintln!("numeneon-lists: messages {first} to {last} of {messages}");
        client.batch_execute(&messages_sql(first, last, people)).await?;
    }
    // Builds to compare with may be older than the table.
    if number(&client, "SELECT count(to_regclass('conversations'))").await? == 1 {
        eprintln!("numeneon-lists: conversations");
        client.batch_execute(CONVERSATIONS).await?;
    }
    for index in indexes {
        eprintln!("numeneon-lists: {index}");
        client.batch_execute(&index).await?;
    }
    client.batch_execute("COMMIT").await?;
    eprintln!("numeneon-lists: VACUUM ANALYZE");
    client.batch_execute("VACUUM ANALYZE").await?;
    eprintln!("numeneon-lists: filled in {:.0} s", began.elapsed().as_secs_f64());
    Ok(())
}

/// Returns the number that a query yields; 0 if it yields no row.
async fn number(client: &Client, query: &str) -> anyhow::Result<u64> {
    for message in client.simple_query(query).await? {
        if let SimpleQueryMessage::Row(row) = message {
            return Ok(row.get(0).unwrap_or_default().parse()?);
        }
    }
    Ok(0)
}

/// Drops the indexes that are cheaper to build at the end, and returns their definitions.
async fn drop_indexes(client: &Client) -> anyhow::Result<Vec<String>> {
    let mut definitions = Vec::new();
    let query = "SELECT indexdef, format('DROP INDEX %I', indexname) FROM pg_indexes \
        WHERE schemaname = current_schema() AND tablename IN ('users', 'messages', 'conversations', 'friendships') \
        AND indexname NOT IN (SELECT conname FROM pg_constraint)";
    for message in client.simple_query(query).await? {
        if let SimpleQueryMessage::Row(row) = message {
            client.batch_execute(row.get(1).unwrap_or_default()).await?;
            definitions.push(row.get(0).unwrap_or_default().to_owned());
        }
    }
    Ok(definitions)
}

/// People with profile, inbox of two events, four friends, and one request to the next.
fn people_sql(first: u64, last: u64) -> String {
    let array = |names: &str| names.split_whitespace().collect::<Vec<_>>().join(",");
    let (firsts, lasts) = (array(FIRST_NAMES), array(LAST_NAMES));
    format!(
        "INSERT INTO users (id, username, email, email_key, password_hash, first_name, last_name, search_key, \
           is_superuser, date_joined) \
         SELECT n, username, username || '@example.org', username || '@example.org', '!', initcap(given), \
           initcap(family), lower(username || E'\\n' || given || E'\\n' || family), n % 10000 = 0, \
           timestamp '2026-01-01' + n * interval '10 seconds' \
         FROM (SELECT n, 'person' || n AS username, \
           ('{{{firsts}}}'::text[])[1 + (hashint8(n) & 63)] AS given, \
           ('{{{lasts}}}'::text[])[1 + (hashint8(n + 77777777) & 63)] AS family \
           FROM generate_series({first}::bigint, {last}) AS n) AS people; \
         INSERT INTO profiles (user_id, created_at, updated_at) \
         SELECT n, now(), now() FROM generate_series({first}::bigint, {last}) AS n; \
         INSERT INTO inboxes (user_id, last_seq) SELECT n, 2 FROM generate_series({first}::bigint, {last}) AS n; \
         INSERT INTO inbox_events (user_id, seq, type, data, created_at) \
         SELECT n, seq, 'new_message', '{{\"id\":1,\"content\":\"hello\"}}', now() \
         FROM generate_series({first}::bigint, {last}) AS n, generate_series(1, 2) AS seq; \
         INSERT INTO friendships (low_id, high_id, asked_by, created_at, accepted_at) \
         SELECT n, n + d, CASE WHEN n % 2 = 0 THEN n ELSE n + d END, now(), CASE WHEN d < 5 THEN now() END \
         FROM generate_series({first}::bigint, {last} - 5) AS n, generate_series(1, 5) AS d; \
         SELECT setval(pg_get_serial_sequence('users', 'id'), {last})"
    )
}

/// One message in fifty is from or to the first person, the others are between neighbours.
fn messages_sql(first: u64, last: u64, people: u64) -> String {
    format!(
        "INSERT INTO messages (sender_id, receiver_id, content, is_read, created_at) \
         SELECT CASE WHEN n % 100 = 0 THEN 1 WHEN n % 50 = 0 THEN partner ELSE 1 + one END, \
           CASE WHEN n % 100 = 0 THEN partner WHEN n % 50 = 0 THEN 1 ELSE 1 + (one + 1 + (hashint8(n) & 7)) % {people} END, \
           'message number ' || n || repeat(' and words', (n % 8)::int), n % 20 <> 0, \
           timestamp '2026-06-01' + n * interval '1 second' \
         FROM (SELECT n, 2 + (n / 50) % {PARTNERS} AS partner, (n * 7919) % {people} AS one \
           FROM generate_series({first}::bigint, {last}) AS n) AS numbered"
    )
}

const CONVERSATIONS: &str = "INSERT INTO conversations (low_id, high_id, last_message_id, low_unread, high_unread) \
    SELECT LEAST(sender_id, receiver_id), GREATEST(sender_id, receiver_id), MAX(id), \
        COUNT(*) FILTER (WHERE NOT is_read AND receiver_id <= sender_id), \
        COUNT(*) FILTER (WHERE NOT is_read AND receiver_id >= sender_id) \
    FROM messages GROUP BY 1, 2";
