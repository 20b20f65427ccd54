//! A [`Stage`] is everything that one test needs of the world.

use std::collections::BTreeMap;

use super::database::Database;
use super::redis;
use super::{Instance, NO_LIMITS, Person, SECRET_KEY};

/// The two ways in which the service runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One instance on SQLite, with the in-memory channel layer.
    Laptop,
    /// Two instances on PostgreSQL and Redis.
    Cluster,
}

pub use Kind::{Cluster, Laptop};

/// A database of its own and the instances that use it. All of it is gone when this is
/// dropped, also when the test fails.
pub struct Stage {
    // Dropped in this order: the instances use the database.
    instances: Vec<Instance>,
    database: Database,
    settings: BTreeMap<&'static str, String>,
}

impl Kind {
    /// Sets a stage with the default settings.
    pub fn stage(self) -> Stage {
        self.stage_with(&[])
    }

    /// Sets a stage with these settings.
    pub fn stage_with(self, given: &[(&'static str, &str)]) -> Stage {
        let database = match self {
            Laptop => Database::sqlite(),
            Cluster => Database::postgres(),
        };
        let mut settings = BTreeMap::from([
            ("PORT", "0".to_owned()),
            ("WORKERS", "1".to_owned()),
            ("SECRET_KEY", SECRET_KEY.to_owned()),
            ("DATABASE_URL", database.url()),
            ("DATABASE_POOL_SIZE", "6".to_owned()),
            // Under many tests at once a loan may have to wait for the machine.
            ("DATABASE_WAIT_MS", "20000".to_owned()),
            ("DATABASE_CONNECT_TIMEOUT_SECONDS", "20".to_owned()),
            ("SHUTDOWN_DELAY_SECONDS", "0".to_owned()),
            ("SHUTDOWN_SPREAD_SECONDS", "0".to_owned()),
            ("SHUTDOWN_REQUESTS_SECONDS", "0".to_owned()),
        ]);
        // All tests come from one address; those of limits set them.
        settings.extend(NO_LIMITS.iter().copied().map(|(name, value)| (name, value.to_owned())));
        if self == Cluster {
            settings.insert("REDIS_URL", redis::url());
        }
        settings.extend(given.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let count = if self == Cluster { 2 } else { 1 };
        let starting: Vec<_> = (0..count).map(|_| Instance::start(settings.clone())).collect();
        let instances = starting.into_iter().map(Instance::wait).collect();
        database.keep_ids_apart();
        Stage { instances, database, settings }
    }
}

impl Stage {
    /// The instance that tests write through.
    pub fn here(&self) -> &Instance {
        self.instances.first().expect("a stage has an instance")
    }

    /// The instance that tests listen on: on a cluster another than [`Stage::here`].
    pub fn there(&self) -> &Instance {
        self.instances.last().expect("a stage has an instance")
    }

    /// All instances, one after the other and over again.
    pub fn in_turn(&self) -> impl Iterator<Item = &Instance> {
        self.instances.iter().cycle()
    }

    /// All instances.
    pub fn instances(&self) -> &[Instance] {
        &self.instances
    }

    /// Starts one more instance, with further settings. [`Stage::there`] is it.
    pub fn start_another(&mut self, given: &[(&'static str, &str)]) -> &Instance {
        let mut settings = self.settings.clone();
        settings.extend(given.iter().map(|(name, value)| (*name, (*value).to_owned())));
        self.instances.push(Instance::wait(Instance::start(settings)));
        self.there()
    }

    /// Takes the last instance off the stage, to be stopped by itself.
    pub fn take_there(&mut self) -> Instance {
        self.instances.pop().expect("a stage has an instance")
    }

    /// Signs somebody up, with this for a username.
    pub async fn person(&self, username: &str) -> Person {
        Person::sign_up(self.here(), username).await
    }

    /// Signs several people up.
    pub async fn people<const N: usize>(&self, usernames: [&str; N]) -> [Person; N] {
        let people = futures_util::future::join_all(usernames.map(|name| self.person(name))).await;
        people.try_into().unwrap_or_else(|_| unreachable!("as many people as names"))
    }

    /// Adds somebody with a stated name in the way of an import: no request, and a
    /// password that nobody knows.
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
        Person::known(id, username, &email)
    }

    /// Makes two people friends, as they would.
    pub async fn befriend(&self, asker: &Person, asked: &Person) {
        for (one, other) in [(asker, asked), (asked, asker)] {
            self.here().post(&format!("/api/friends/request/{}/", other.id)).by(one).await.is(201);
        }
    }

    /// Changes the database behind the service's back.
    pub fn sql(&self, statements: &str) {
        self.database.execute(statements);
    }

    /// Returns the number that a query asks for.
    pub fn number(&self, query: &str) -> i64 {
        self.database.number(query)
    }

    /// Returns the text that a query asks for.
    pub fn text(&self, query: &str) -> String {
        self.database.text(query)
    }

    /// Publishes to a person's group as another service would, by Redis itself.
    pub fn publish(&self, person: &Person, payloads: &[&str]) {
        redis::publish(&format!("user_{}", person.id), payloads);
    }
}
