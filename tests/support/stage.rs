//! A [`Stage`] is the environment of one test: a database and the instances that use it.

use std::collections::BTreeMap;

use rstest_reuse::template;

use super::database::Database;
use super::redis;
use super::{Instance, LONG_DATABASE_TIMEOUTS, NO_LIMITS, Person, SECRET_KEY};

/// The two modes in which the service runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One instance on SQLite, with the in-memory channel layer.
    Standalone,
    /// Two instances on PostgreSQL and Redis.
    Cluster,
}

pub use Mode::{Cluster, Standalone};

/// Runs a test in both modes.
#[template]
#[rstest::rstest]
#[tokio::test]
async fn both_modes(#[values(Mode::Standalone, Mode::Cluster)] mode: Mode) {}

/// A database and the instances that use it. All of it is gone when this is dropped, also
/// when the test fails.
pub struct Stage {
    // Dropped in this order: the instances use the database.
    instances: Vec<Instance>,
    database: Database,
    settings: BTreeMap<&'static str, String>,
}

impl Mode {
    /// Starts a stage with the default settings.
    pub fn stage(self) -> Stage {
        self.stage_with(&[])
    }

    /// Starts a stage with these settings.
    pub fn stage_with(self, given: &[(&'static str, &str)]) -> Stage {
        let database = match self {
            Standalone => Database::sqlite(),
            Cluster => Database::postgres(),
        };
        let mut settings = BTreeMap::from([
            ("PORT", "0".to_owned()),
            ("WORKERS", "1".to_owned()),
            ("SECRET_KEY", SECRET_KEY.to_owned()),
            ("DATABASE_URL", database.url()),
            ("DATABASE_POOL_SIZE", "6".to_owned()),
            ("SHUTDOWN_DELAY_SECONDS", "0".to_owned()),
            ("SHUTDOWN_SPREAD_SECONDS", "0".to_owned()),
            ("SHUTDOWN_REQUESTS_SECONDS", "0".to_owned()),
        ]);
        // All tests come from one address, and the machine may be busy.
        let unlimited = NO_LIMITS.iter().chain(LONG_DATABASE_TIMEOUTS);
        settings.extend(unlimited.map(|(name, value)| (*name, (*value).to_owned())));
        if self == Cluster {
            settings.insert("REDIS_URL", redis::url());
        }
        settings.extend(given.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let count = if self == Cluster { 2 } else { 1 };
        let starting: Vec<_> = (0..count).map(|_| Instance::start(settings.clone())).collect();
        let instances = starting.into_iter().map(Instance::wait).collect();
        database.use_distinct_ids();
        Stage { instances, database, settings }
    }
}

impl Stage {
    /// The first instance: tests send their requests to it.
    pub fn here(&self) -> &Instance {
        self.instances.first().expect("a stage has an instance")
    }

    /// The last instance: tests open their sockets on it. In cluster mode it is another than
    /// [`Stage::here`].
    pub fn there(&self) -> &Instance {
        self.instances.last().expect("a stage has an instance")
    }

    /// All instances, one after the other and over again.
    pub fn round_robin(&self) -> impl Iterator<Item = &Instance> {
        self.instances.iter().cycle()
    }

    /// All instances.
    pub fn instances(&self) -> &[Instance] {
        &self.instances
    }

    /// Starts one more instance, with further settings. From then on it is [`Stage::there`].
    pub fn start_instance(&mut self, given: &[(&'static str, &str)]) -> &Instance {
        let mut settings = self.settings.clone();
        settings.extend(given.iter().map(|(name, value)| (*name, (*value).to_owned())));
        self.instances.push(Instance::wait(Instance::start(settings)));
        self.there()
    }

    /// Removes the last instance from the stage, so that the test can stop it.
    pub fn take_last(&mut self) -> Instance {
        self.instances.pop().expect("a stage has an instance")
    }

    /// Signs a user up.
    pub async fn person(&self, username: &str) -> Person {
        Person::sign_up(self.here(), username).await
    }

    /// Signs several users up.
    pub async fn people<const N: usize>(&self, usernames: [&str; N]) -> [Person; N] {
        let people = futures_util::future::join_all(usernames.map(|name| self.person(name))).await;
        people.try_into().unwrap_or_else(|_| unreachable!("as many people as names"))
    }

    /// Inserts a user into the database, without a request and without a usable password.
    pub fn import(&self, username: &str, first_name: &str, last_name: &str) -> Person {
        let (email, search_key) = (
            format!("{username}@example.org"),
            format!("{username}\n{first_name}\n{last_name}").to_lowercase(),
        );
        self.sql(&format!(
            "INSERT INTO users (username, email, email_key, password_hash, first_name, last_name, search_key, date_joined) \
             VALUES ('{username}', '{email}', '{email}', '!', '{first_name}', '{last_name}', '{search_key}', CURRENT_TIMESTAMP); \
             INSERT INTO profiles (user_id, created_at, updated_at) \
             SELECT id, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP FROM users WHERE username = '{username}'; \
             INSERT INTO inboxes (user_id) SELECT id FROM users WHERE username = '{username}'"
        ));
        let id = self.number(&format!("SELECT id FROM users WHERE username = '{username}'"));
        Person::existing(id, username, &email)
    }

    /// Makes two people friends: one sends a request, and the other sends one back.
    pub async fn befriend(&self, requester: &Person, addressee: &Person) {
        for (one, other) in [(requester, addressee), (addressee, requester)] {
            self.here().post(&format!("/api/friends/request/{}/", other.id)).by(one).await.is(201);
        }
    }

    /// The URL of the database.
    pub fn database_url(&self) -> String {
        self.database.url()
    }

    /// Executes SQL on the database, without the service.
    pub fn sql(&self, statements: &str) {
        self.database.execute(statements);
    }

    /// Returns the number that an expression of SQL yields.
    pub fn number(&self, expression: &str) -> i64 {
        self.database.number(expression)
    }

    /// Returns the text that an expression of SQL yields.
    pub fn text(&self, expression: &str) -> String {
        self.database.text(expression)
    }

    /// Publishes to a person's group directly through Redis, as another service does.
    pub fn publish(&self, person: &Person, payloads: &[&str]) {
        redis::publish(&format!("user_{}", person.id), payloads);
    }
}
