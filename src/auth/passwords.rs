//! [`Passwords`] hashes and verifies passwords, off the reactor and a bounded number at
//! once: each takes a core for tens of milliseconds, and 19 MiB.
//!
//! It has threads of its own, each with its own working memory: on a pool of hundreds of
//! threads that take turns, the allocator would keep gigabytes of it.
//!
//! New hashes are Argon2id. Django's `pbkdf2_sha256$…` are valid too, and are reported as
//! outdated so that they can be replaced.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use argon2::password_hash::phc::{Output, PasswordHash, Salt};
use argon2::password_hash::try_generate_salt;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use rayon_core::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use super::credentials::Password;
use crate::error::{BoxError, Error, Result};
use crate::secret;
use crate::telemetry::{GaugeGuard, Metrics};

/// How long a request waits for a thread. A person at a sign-up page gives up about then,
/// and a queue that long means that the service is overloaded.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(10);

/// The most memory that a stored hash may demand, in KiB. One that demands more is taken
/// for corrupt.
const MAX_KIBIBYTES: u64 = 1_048_576;

/// The most work that a stored hash may demand: KiB times passes over them. Some four
/// seconds of a core.
const MAX_WORK: u64 = 4 * MAX_KIBIBYTES;

/// The most PBKDF2 rounds that a stored hash may demand. The fewest are
/// [`pbkdf2::Params::MIN_ROUNDS`], a tenth of what the first Django with PBKDF2 used.
const MAX_ROUNDS: u32 = 10_000_000;

/// Hashes and verifies passwords. A cheap handle.
#[derive(Clone)]
pub struct Passwords {
    permits: Arc<Semaphore>,
    /// Those without an account wait for one of these first.
    without_account: Arc<Semaphore>,
    threads: Arc<ThreadPool>,
    /// The hash of a random password, verified against where there is no account.
    decoy: Arc<str>,
    metrics: Metrics,
}

/// The outcome of verifying a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verification {
    /// It is the password.
    Valid,
    /// It is the password, and its hash is of a kind to be replaced.
    ValidButOutdated,
    /// It is not the password.
    Invalid,
}

impl Passwords {
    /// Starts `at_once` threads, each of which hashes one password at a time. Takes as long
    /// as one hash.
    ///
    /// # Errors
    ///
    /// If the system provides no random numbers or no threads.
    pub(super) fn start(at_once: usize, metrics: Metrics) -> std::result::Result<Self, BoxError> {
        let threads = ThreadPoolBuilder::new()
            .num_threads(at_once)
            .thread_name(|number| format!("password-{number}"))
            // The caller learns of a panic from the channel, which closes.
            .panic_handler(|_| {})
            .build()?;
        let decoy = argon2id(uuid::Uuid::new_v4().to_string().as_bytes())?.into();
        metrics.password_hash_threads.set(i64::try_from(at_once).unwrap_or(i64::MAX));
        let permits = Arc::new(Semaphore::new(at_once));
        let without_account = Arc::new(Semaphore::new((at_once / 2).max(1)));
        Ok(Self { permits, without_account, threads: Arc::new(threads), decoy, metrics })
    }

    /// Returns the hash of a new password.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if no thread is free in time.
    pub(super) async fn hash(&self, password: Password) -> Result<String> {
        self.on_thread(move || argon2id(password.expose())).await?.map_err(Error::Internal)
    }

    /// Verifies a password against a stored hash. Without one it does the same work, so that
    /// a client cannot learn from the time whether there is an account. Gives the password
    /// back.
    ///
    /// Of those without a hash half as many as there are threads are in the queue at once: a
    /// flood of unknown emails does not keep people from signing in.
    ///
    /// # Errors
    ///
    /// As [`Passwords::hash`].
    pub(super) async fn verify(
        &self,
        password: Password,
        stored: Option<String>,
    ) -> Result<(Verification, Password)> {
        let decoy = self.decoy.clone();
        let _place = match &stored {
            Some(_) => None,
            None => Some(free(self.without_account.clone()).await?),
        };
        self.on_thread(move || {
            let verification = match &stored {
                Some(stored) => verify(password.expose(), stored),
                None => {
                    verify(password.expose(), &decoy);
                    Verification::Invalid
                }
            };
            (verification, password)
        })
        .await
    }

    async fn on_thread<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let waiting = GaugeGuard::new(&self.metrics.password_hashes_waiting);
        let permit = free(self.permits.clone()).await?;
        drop(waiting);
        let (sender, receiver) = oneshot::channel();
        let metrics = self.metrics.clone();
        self.threads.spawn(move || {
            // Held by the thread: a caller that gives up must not admit another one.
            let _permit = permit;
            let started = Instant::now();
            let value = work();
            metrics.password_hash_seconds.observe(started.elapsed().as_secs_f64());
            // The caller may have given up.
            let _ = sender.send(value);
        });
        receiver.await.map_err(Error::internal)
    }
}

/// Waits for one of some permits.
///
/// # Errors
///
/// [`Error::Unavailable`] if none is free in time.
async fn free(permits: Arc<Semaphore>) -> Result<OwnedSemaphorePermit> {
    match timeout(QUEUE_TIMEOUT, permits.acquire_owned()).await {
        Ok(permit) => permit.map_err(Error::internal),
        Err(_) => Err(Error::unavailable("no thread to hash a password is free in time")),
    }
}

thread_local! {
    /// The working memory of Argon2, 19 MiB, reused by each thread that hashes. The allocator
    /// keeps far more if it is allocated for each hash.
    static BLOCKS: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
}

/// Hashes into `hash`, in this thread's working memory.
fn hash_into(
    argon2: &Argon2<'_>,
    password: &[u8],
    salt: &[u8],
    hash: &mut [u8],
) -> std::result::Result<(), BoxError> {
    BLOCKS.with_borrow_mut(|blocks| {
        let needed = argon2.params().block_count();
        if blocks.len() < needed {
            blocks.resize(needed, Block::default());
        }
        let hashed = argon2.hash_password_into_with_memory(password, salt, hash, blocks);
        hashed.map_err(|error| error.to_string().into())
    })
}

/// Returns the hash of a new password in the PHC string format, with a salt of its own.
fn argon2id(password: &[u8]) -> std::result::Result<String, BoxError> {
    let (argon2, mut hash) = (Argon2::default(), [0; Params::DEFAULT_OUTPUT_LEN]);
    let salt = try_generate_salt().map_err(|error| error.to_string())?;
    hash_into(&argon2, password, &salt, &mut hash)?;
    let params = argon2.params();
    Ok(format!(
        "$argon2id$v=19$m={},t={},p={}${}${}",
        params.m_cost(),
        params.t_cost(),
        params.p_cost(),
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(hash),
    ))
}

fn verify(password: &[u8], stored: &str) -> Verification {
    match StoredHash::parse(stored) {
        Some(stored) if stored.matches(password) => match stored {
            StoredHash::Argon2 { .. } => Verification::Valid,
            StoredHash::Django { .. } => Verification::ValidButOutdated,
        },
        _ => Verification::Invalid,
    }
}

/// A stored hash that demands no more memory and work than a hash may.
#[derive(Debug)]
pub enum StoredHash {
    /// In the PHC string format.
    Argon2 {
        /// The algorithm with its costs.
        argon2: Argon2<'static>,
        /// The salt.
        salt: Salt,
        /// The hash itself.
        hash: Output,
    },
    /// `pbkdf2_sha256$<rounds>$<salt>$<base64 of 32 bytes>`
    Django {
        /// The number of rounds.
        params: pbkdf2::Params,
        /// The salt, used as its ASCII text.
        salt: String,
        /// The hash itself.
        hash: Vec<u8>,
    },
}

impl StoredHash {
    /// Parses a stored hash. Returns nothing for a text that is none, such as Django's mark
    /// of an unusable password, or that demands more than a hash may.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("pbkdf2_sha256$") {
            Some(rest) => Self::django(rest),
            None => Self::argon2(text),
        }
    }

    fn argon2(text: &str) -> Option<Self> {
        let stored = PasswordHash::new(text).ok()?;
        let algorithm = Algorithm::try_from(stored.algorithm.as_str()).ok()?;
        let version = Version::try_from(stored.version?).ok()?;
        let params = Params::try_from(&stored).ok()?;
        let kibibytes = u64::from(params.m_cost()).max(8 * u64::from(params.p_cost()));
        if kibibytes > MAX_KIBIBYTES || kibibytes * u64::from(params.t_cost()) > MAX_WORK {
            return None;
        }
        let (salt, hash) = (stored.salt?, stored.hash?);
        Some(Self::Argon2 { argon2: Argon2::new(algorithm, version, params), salt, hash })
    }

    fn django(text: &str) -> Option<Self> {
        let mut parts = text.split('$');
        let (Some(rounds), Some(salt), Some(hash), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        let rounds = rounds.parse().ok().filter(|rounds| *rounds <= MAX_ROUNDS)?;
        let params = pbkdf2::Params::new(rounds).ok()?;
        Some(Self::Django { params, salt: salt.to_owned(), hash: STANDARD.decode(hash).ok()? })
    }

    /// Returns whether it is the hash of this password. Blocks while it computes.
    pub fn matches(&self, password: &[u8]) -> bool {
        match self {
            Self::Argon2 { argon2, salt, hash } => {
                let mut computed = vec![0; hash.as_bytes().len()];
                hash_into(argon2, password, salt.as_ref(), &mut computed).is_ok()
                    && secret::same(&computed, hash.as_bytes())
            }
            Self::Django { params, salt, hash } => {
                let mut computed = [0; 32];
                // Not generic over the hash function: the rounds are compiled in their own
                // crate, which debug builds optimise too.
                let algorithm = pbkdf2::Algorithm::Pbkdf2Sha256;
                pbkdf2::pbkdf2_hmac_with_params(password, salt.as_bytes(), algorithm, *params, &mut computed);
                secret::same(&computed, hash)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_flood_of_unknown_emails_does_not_delay_a_known_one() -> Result<()> {
        const FLOOD: usize = 40;
        let passwords = Passwords::start(2, Metrics::default()).map_err(Error::Internal)?;
        let stored = passwords.hash(Password::default()).await?;
        let done = AtomicUsize::new(0);
        let flood = futures_util::future::join_all((0..FLOOD).map(|_| async {
            let verified = passwords.verify(Password::default(), None).await;
            done.fetch_add(1, Ordering::Relaxed);
            verified
        }));
        let known = async {
            // Behind the whole flood.
            tokio::task::yield_now().await;
            let verified = passwords.verify(Password::default(), Some(stored)).await;
            (verified, done.load(Ordering::Relaxed))
        };
        let (flood, (known, before)) = tokio::join!(flood, known);
        assert!(before < FLOOD / 4, "{before} before it");
        assert_eq!(known?.0, Verification::Valid);
        assert!(flood.into_iter().all(|it| it.is_ok_and(|(it, _)| it == Verification::Invalid)));
        Ok(())
    }
}
