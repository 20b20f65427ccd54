//! [`Passwords`] hashes and checks passwords, off the reactor and only so many at
//! once: each takes a core for tens of milliseconds, and 19 MiB.
//!
//! It has threads of its own, each with the memory that it hashes in: on a pool of
//! hundreds of threads that take turns, the allocator would keep gigabytes of it.
//!
//! New hashes are Argon2id. Django's `pbkdf2_sha256$…` are good too, and are told
//! apart so that they can be replaced.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use argon2::password_hash::phc::{Output, PasswordHash, Salt};
use argon2::password_hash::try_generate_salt;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use rayon_core::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use super::sign_in::Password;
use crate::error::{Cause, Error, Result};
use crate::secret;
use crate::telemetry::{Metrics, Raised};

/// How long a request waits for its turn to hash. A sign-up page loses patience
/// about then, and a queue that long means that the service is swamped.
const TURN_LIMIT: Duration = Duration::from_secs(10);

/// More memory than this in a stored hash, in KiB, is taken for damage too.
const MOST_KIBIBYTES: u64 = 1_048_576;

/// And so is more work: KiB times passes over them. Some four seconds of a core.
const MOST_WORK: u64 = 4 * MOST_KIBIBYTES;

/// More rounds than this in a stored hash are taken for damage, not for caution.
const MOST_ROUNDS: u32 = 10_000_000;

/// Hashes and checks passwords. A cheap handle.
#[derive(Clone)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    threads: Arc<ThreadPool>,
    /// A hash that no password has, checked where there is no account.
    nobody: Arc<str>,
    metrics: Metrics,
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
    pub fn new(at_once: usize, metrics: Metrics) -> std::result::Result<Self, Cause> {
        let threads = ThreadPoolBuilder::new()
            .num_threads(at_once)
            .thread_name(|number| format!("password-{number}"))
            // Whoever waits is told by the answer that does not come.
            .panic_handler(|_| {})
            .build()?;
        let nobody = uuid::Uuid::new_v4().to_string();
        let nobody = argon2id(nobody.as_bytes())?.into();
        metrics.password_hash_threads.set(i64::try_from(at_once).unwrap_or(i64::MAX));
        Ok(Self { turns: Arc::new(Semaphore::new(at_once)), threads: Arc::new(threads), nobody, metrics })
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
        let waiting = Raised::new(&self.metrics.password_hashes_waiting);
        let turn = match timeout(TURN_LIMIT, self.turns.clone().acquire_owned()).await {
            Ok(turn) => turn.map_err(Error::internal)?,
            Err(_) => return Err(Error::unavailable("too many passwords wait to be hashed")),
        };
        drop(waiting);
        let (answer, answered) = oneshot::channel();
        let metrics = self.metrics.clone();
        self.threads.spawn(move || {
            // Held by the thread: a caller that goes away must not let another one in.
            let _turn = turn;
            let started = Instant::now();
            let worked = work();
            metrics.password_hash_seconds.observe(started.elapsed().as_secs_f64());
            // The caller may have gone away.
            let _ = answer.send(worked);
        });
        answered.await.map_err(Error::internal)
    }
}

thread_local! {
    /// What Argon2 works in, 19 MiB, kept by each thread that hashes. The allocator keeps
    /// far more of blocks that come and go.
    static BLOCKS: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
}

/// Hashes into `hash`, in this thread's own blocks.
fn fill(
    argon2: &Argon2<'_>,
    password: &[u8],
    salt: &[u8],
    hash: &mut [u8],
) -> std::result::Result<(), Cause> {
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
fn argon2id(password: &[u8]) -> std::result::Result<String, Cause> {
    let (argon2, mut hash) = (Argon2::default(), [0; Params::DEFAULT_OUTPUT_LEN]);
    let salt = try_generate_salt().map_err(|error| error.to_string())?;
    fill(&argon2, password, &salt, &mut hash)?;
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

fn check(password: &[u8], stored: &str) -> Check {
    match Stored::parse(stored) {
        Some(stored) if stored.fits(password) => match stored {
            Stored::Argon2 { .. } => Check::Right,
            Stored::Django { .. } => Check::RightButOld,
        },
        _ => Check::Wrong,
    }
}

/// A stored hash, read, and found to cost no more than a hash may.
#[derive(Debug)]
pub enum Stored {
    /// In the PHC string format.
    Argon2 {
        /// The algorithm with its costs.
        argon2: Argon2<'static>,
        /// What was hashed with the password.
        salt: Salt,
        /// What came of it.
        hash: Output,
    },
    /// `pbkdf2_sha256$<rounds>$<salt>$<base64 of 32 bytes>`
    Django {
        /// How often it was hashed over.
        rounds: u32,
        /// What was hashed with the password, taken as its text.
        salt: String,
        /// What came of it.
        hash: Vec<u8>,
    },
}

impl Stored {
    /// Reads a stored hash. What is none, as Django's mark for an unusable password, or
    /// would cost what no hash of ours costs, fits no password.
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
        if kibibytes > MOST_KIBIBYTES || kibibytes * u64::from(params.t_cost()) > MOST_WORK {
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
        let rounds = rounds.parse().ok().filter(|rounds| (1..=MOST_ROUNDS).contains(rounds))?;
        Some(Self::Django { rounds, salt: salt.to_owned(), hash: STANDARD.decode(hash).ok()? })
    }

    /// Returns whether it is the hash of this password. Takes the time that it costs.
    pub fn fits(&self, password: &[u8]) -> bool {
        match self {
            Self::Argon2 { argon2, salt, hash } => {
                let mut computed = vec![0; hash.as_bytes().len()];
                fill(argon2, password, salt.as_ref(), &mut computed).is_ok()
                    && secret::same(&computed, hash.as_bytes())
            }
            Self::Django { rounds, salt, hash } => {
                let computed: [u8; 32] =
                    pbkdf2::pbkdf2_hmac_array::<sha2::Sha256, 32>(password, salt.as_bytes(), *rounds);
                secret::same(&computed, hash)
            }
        }
    }
}
