//! [`Passwords`] hashes and checks passwords, off the reactor and only so many at
//! once: each takes a core for tens of milliseconds, and 19 MiB.
//!
//! It has threads of its own. The allocator keeps what a thread gives back for that
//! same thread: on a pool of hundreds of threads that take turns, the blocks of a few
//! hashes at a time would grow to gigabytes.
//!
//! New hashes are Argon2id. Django's `pbkdf2_sha256$…` are good too, and are told
//! apart so that they can be replaced.

use std::sync::Arc;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rayon_core::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use super::model::Password;
use crate::error::{Cause, Error, Result};

/// How long a request waits for its turn to hash. A sign-up page loses patience
/// about then, and a queue that long means that the service is swamped.
const TURN_LIMIT: Duration = Duration::from_secs(10);

/// More rounds than this in a stored hash are taken for damage, not for caution.
const MOST_ROUNDS: u32 = 10_000_000;

/// Hashes and checks passwords. A cheap handle.
#[derive(Clone)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    threads: Arc<ThreadPool>,
    /// A hash that no password has, checked where there is no account.
    nobody: Arc<str>,
}

/// What checking a password came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// It is right.
    Right,
    /// It is right, and its hash is of a kind to be replaced.
    RightButOld,
    /// It is wrong.
    Wrong,
}

impl Passwords {
    /// Hashes `at_once` passwords at the same time, on as many threads. Takes as long
    /// as one hash.
    ///
    /// # Errors
    ///
    /// If the system gives no random numbers or no threads.
    pub fn new(at_once: usize) -> std::result::Result<Self, Cause> {
        let threads = ThreadPoolBuilder::new()
            .num_threads(at_once)
            .thread_name(|number| format!("password-{number}"))
            // Whoever waits is told by the answer that does not come.
            .panic_handler(|_| {})
            .build()?;
        let nobody = uuid::Uuid::new_v4().to_string();
        let nobody = argon2id(nobody.as_bytes())?.into();
        Ok(Self { turns: Arc::new(Semaphore::new(at_once)), threads: Arc::new(threads), nobody })
    }

    /// Returns the hash to keep of a new password.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if its turn does not come in time.
    pub(super) async fn hash(&self, password: Password) -> Result<String> {
        self.in_turn(move || argon2id(password.expose())).await?.map_err(Error::Internal)
    }

    /// Checks a password against a stored hash; without one, does the same work for
    /// nothing.
    ///
    /// # Errors
    ///
    /// As [`Passwords::hash`].
    pub(super) async fn check(
        &self,
        password: Password,
        stored: Option<String>,
    ) -> Result<(Check, Password)> {
        let nobody = self.nobody.clone();
        self.in_turn(move || {
            let check = match &stored {
                Some(stored) => check(password.expose(), stored),
                None => {
                    check(password.expose(), &nobody);
                    Check::Wrong
                }
            };
            (check, password)
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let turn = match timeout(TURN_LIMIT, self.turns.clone().acquire_owned()).await {
            Ok(turn) => turn.map_err(Error::internal)?,
            Err(_) => return Err(Error::unavailable("too many passwords wait to be hashed")),
        };
        let (answer, answered) = oneshot::channel();
        self.threads.spawn(move || {
            // Held by the thread: a caller that goes away must not let another one in.
            let _turn = turn;
            // The caller may have gone away.
            let _ = answer.send(work());
        });
        answered.await.map_err(Error::internal)
    }
}

fn argon2id(password: &[u8]) -> std::result::Result<String, Cause> {
    Ok(Argon2::default().hash_password(password).map_err(|error| error.to_string())?.to_string())
}

fn check(password: &[u8], stored: &str) -> Check {
    if let Some(rest) = stored.strip_prefix("pbkdf2_sha256$") {
        return if is_django_hash(password, rest) { Check::RightButOld } else { Check::Wrong };
    }
    let right = PasswordHash::new(stored)
        .is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok());
    if right { Check::Right } else { Check::Wrong }
}

/// Checks `<rounds>$<salt>$<base64 of 32 bytes>`. What is not of that form, as
/// Django's mark for an unusable password, fits no password.
fn is_django_hash(password: &[u8], stored: &str) -> bool {
    let mut parts = stored.split('$');
    let (Some(rounds), Some(salt), Some(hash), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let (Ok(rounds @ 1..=MOST_ROUNDS), Ok(hash)) = (rounds.parse::<u32>(), STANDARD.decode(hash)) else {
        return false;
    };
    let computed: [u8; 32] = pbkdf2::pbkdf2_hmac_array::<sha2::Sha256, 32>(password, salt.as_bytes(), rounds);
    same(&computed, &hash)
}

/// Compares without stopping at the first difference, whose place would be told by
/// the time taken.
fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).fold(0, |difference, (left, right)| difference | (left ^ right)) == 0
}
