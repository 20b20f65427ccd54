//! The [`Authenticator`] verifies credentials, and issues, refreshes and revokes tokens. It
//! does not depend on HTTP.
//!
//! A refused sign-in takes equally long for an unknown email and for a wrong password.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::commands::{self, Credential, Grant};
use super::credentials::{Password, PasswordChange, SignIn};
use super::model::{Account, AuthError};
use super::passwords::{Passwords, Verification};
use super::queries::{self, StoredCredential};
use super::revocation;
use super::sign_ins::Device;
use super::tokens::{Claims, TokenError, TokenPair, TokenType, Tokens};
use crate::db::{BatchedRead, Db};
use crate::error::{BoxError, Error, Kind, Result, Unauthenticated};
use crate::events::{Events, retry_conflicts};
use crate::ids::{SignInId, UserId};
use crate::limits::Limits;
use crate::settings::Auth;
use crate::telemetry::Metrics;

/// The maximum number of attempts to issue tokens. Each waits for the next second of Unix
/// time, because tokens of the current second are revoked.
const MAX_ISSUE_ATTEMPTS: usize = 5;

/// Refused sign-ins are delayed to a whole multiple of this time, which is more than twice
/// what the slower kind of hash takes on a slow core: the delay hides the kind of the hash
/// and whether there is one.
const REFUSAL_STEP: Duration = Duration::from_secs(1);

/// A verified password whose tokens have been issued.
struct SignedIn {
    tokens: TokenPair,
    /// The password and its stored hash, if that is of a kind to be replaced.
    outdated: Option<(StoredCredential, Password)>,
}

/// Verifies credentials, and issues, refreshes and revokes tokens.
pub struct Authenticator {
    pub(super) tokens: Tokens,
    passwords: Passwords,
    limits: Arc<Limits>,
    accounts: BatchedRead<UserId, Account>,
    pub(super) db: Db,
    pub(super) events: Events,
}

impl Authenticator {
    /// Starts the threads that hash passwords.
    ///
    /// # Errors
    ///
    /// If the system provides no threads or no random numbers.
    pub fn start(
        settings: &Auth,
        db: Db,
        events: Events,
        limits: Arc<Limits>,
        metrics: Metrics,
    ) -> std::result::Result<Self, BoxError> {
        let passwords = Passwords::start(settings.hashes_at_once, metrics)?;
        let accounts = BatchedRead::new(&db, queries::accounts);
        Ok(Self { tokens: Tokens::new(settings), passwords, limits, accounts, db, events })
    }

    /// Returns the account that a token of this type was issued to, and its claims.
    ///
    /// The account's row, which every request needs, also has the second from which tokens
    /// are valid: a revocation is seen at once by every instance, at the cost of no query. Requests
    /// that arrive while one such query runs share the next.
    ///
    /// # Errors
    ///
    /// [`AuthError`], by cause.
    pub async fn authenticate(
        &self,
        token: &str,
        token_type: TokenType,
    ) -> std::result::Result<(Account, Claims), AuthError> {
        let claims = self.tokens.verify(token, token_type).map_err(AuthError::Token)?;
        match self.accounts.get(claims.user).await.map_err(AuthError::Failed)? {
            None => Err(AuthError::UserNotFound),
            Some(account) if !account.is_active => Err(AuthError::UserInactive),
            Some(account)
                if claims.issued_at < account.tokens_valid_from
                    || account.ended_sign_ins.contain(claims.sign_in()) =>
            {
                Err(AuthError::Token(TokenError::Revoked))
            }
            Some(account) => Ok((account, claims)),
        }
    }

    /// Signs a user in from an address, and returns their tokens. An outdated hash of the
    /// password is replaced.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongCredentials`] for an unknown email and a wrong password alike, also in
    /// time; [`Error::RateLimited`] after too many of them.
    pub async fn sign_in(&self, sign_in: SignIn, address: IpAddr, device: &Device) -> Result<TokenPair> {
        let started = Instant::now();
        let attempt = self.limits.password_attempt(sign_in.email.key(), address).await?;
        match self.verify_credentials(sign_in, device).await {
            Ok(Some(signed_in)) => {
                attempt.succeeded().await;
                if let Some((stored, password)) = signed_in.outdated {
                    self.replace_outdated_hash(stored, password).await;
                }
                Ok(signed_in.tokens)
            }
            Ok(None) => {
                delay_to_next_step(started).await;
                Err(Error::Rejected(Kind::WrongCredentials, "Invalid email or password.".into()))
            }
            Err(fault) => {
                attempt.not_verified().await;
                Err(fault)
            }
        }
    }

    /// Returns new tokens for a refresh token, which stays valid.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] if it is not valid, or its user may not authenticate.
    pub async fn refresh(&self, token: &str, device: &Device) -> Result<TokenPair> {
        let claims = self.tokens.verify(token, TokenType::Refresh)?;
        self.issue(Credential::Refresh(claims), device).await
    }

    /// Changes a user's password, revokes all their tokens and returns new ones.
    ///
    /// # Errors
    ///
    /// [`Error::Fields`] if the old password is wrong, [`Error::RateLimited`] after too many
    /// of them. After [`Error::Unavailable`] the password may have been changed all the same.
    pub async fn change_password(
        &self,
        account: &Account,
        change: PasswordChange,
        address: IpAddr,
        device: &Device,
    ) -> Result<TokenPair> {
        const WRONG: &str = "Your old password was entered incorrectly. Please enter it again.";
        let user = account.id;
        let attempt = self.limits.password_attempt(account.email.to_lowercase(), address).await?;
        let (mut old, mut new, mut new_hash) = (change.old, Some(change.new), String::new());
        // A hash that is replaced meanwhile is of another password, or a rehash of this one: the
        // old password is verified again.
        let changed = retry_conflicts(async || {
            let Some(old_hash) = self.verified_hash(&mut old, user).await? else { return Ok(false) };
            if let Some(password) = new.take() {
                new_hash = self.passwords.hash(password).await?;
            }
            let hash = new_hash.clone();
            let is_changed = self
                .events
                .commit(move |unit| commands::change_password(unit, user, &old_hash, &hash))
                .await?;
            if is_changed { Ok(true) } else { Err(Error::Conflict) }
        });
        match changed.await {
            Ok(true) => attempt.succeeded().await,
            Ok(false) => return Err(Error::field("old_password", WRONG)),
            Err(fault) => {
                attempt.not_verified().await;
                return Err(fault);
            }
        }
        self.issue(Credential::Password(user, new_hash), device).await
    }

    /// Issues a ticket, which opens one socket. `issued_at` is the `iat` of the access token that
    /// requests it, and `sign_in` is its sign-in: the ticket is revoked with that token.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if signing fails, which it does not.
    pub fn ticket(&self, user: UserId, sign_in: SignInId, issued_at: i64) -> Result<String> {
        self.tokens.issue_ticket(user, sign_in, issued_at)
    }

    /// Redeems a ticket, which opens one socket: it is revoked. Of many handshakes with the same
    /// one, one succeeds.
    ///
    /// # Errors
    ///
    /// [`TokenError::Revoked`] for the others.
    pub async fn redeem(&self, ticket: Claims) -> std::result::Result<(), AuthError> {
        match self.events.commit(move |unit| revocation::revoke_one(unit, &ticket)).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(AuthError::Token(TokenError::Revoked)),
            Err(error) => Err(AuthError::Failed(error)),
        }
    }

    /// Returns the hash to store of a new password.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if no thread is free in time.
    pub async fn hash(&self, password: Password) -> Result<String> {
        self.passwords.hash(password).await
    }

    /// Returns tokens if the email has an account and the password is its own.
    async fn verify_credentials(&self, sign_in: SignIn, device: &Device) -> Result<Option<SignedIn>> {
        let (email, mut password) = (sign_in.email.key(), sign_in.password);
        // A password whose hash is replaced meanwhile is verified again, against the new one.
        retry_conflicts(async || {
            let key = email.clone();
            let stored = self.db.read(move |conn| Ok(queries::stored_credential(conn, &key)?)).await?;
            let hash = stored.as_ref().map(|stored| stored.password_hash.clone());
            let verification;
            (verification, password) = self.passwords.verify(std::mem::take(&mut password), hash).await?;
            let is_valid = verification != Verification::Invalid;
            let Some(stored) = stored.filter(|stored| stored.is_active && is_valid) else {
                return Ok(None);
            };
            let credential = Credential::Password(stored.user, stored.password_hash.clone());
            match self.issue(credential, device).await {
                Ok(tokens) => {
                    let is_outdated = verification == Verification::ValidButOutdated;
                    let outdated = is_outdated.then(|| (stored, std::mem::take(&mut password)));
                    Ok(Some(SignedIn { tokens, outdated }))
                }
                // The account was deactivated meanwhile.
                Err(Error::Unauthenticated(_)) => Ok(None),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// Returns the stored hash of a user's password, if this is the password.
    async fn verified_hash(&self, password: &mut Password, user: UserId) -> Result<Option<String>> {
        let stored = self.db.read(move |conn| Ok(queries::password_hash(conn, user)?)).await?;
        let verification;
        (verification, *password) = self.passwords.verify(std::mem::take(password), stored.clone()).await?;
        Ok(stored.filter(|_| verification != Verification::Invalid))
    }

    /// Replaces the hash of a verified password by one of the present kind.
    async fn replace_outdated_hash(&self, stored: StoredCredential, password: Password) {
        let StoredCredential { user, password_hash: old, .. } = stored;
        let replaced = match self.passwords.hash(password).await {
            Ok(new) => self.events.commit(move |unit| commands::replace_hash(unit, user, &old, &new)).await,
            Err(error) => Err(error),
        };
        // The sign-in has succeeded all the same: the next one tries again.
        if let Err(error) = replaced {
            tracing::warn!(user.id = %user, cause = %error, "password rehash failed; keeping the old hash");
        }
    }

    /// Issues tokens for a verified credential, unless it was revoked meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] if it was; [`Error::Conflict`] if the password has another
    /// hash by now.
    async fn issue(&self, credential: Credential, device: &Device) -> Result<TokenPair> {
        let (_, lifetime) = self.tokens.lifetimes();
        for _ in 0..MAX_ISSUE_ATTEMPTS {
            let (credential, device) = (credential.clone(), device.clone());
            let grant = self.events.commit(move |unit| commands::grant(unit, &credential, &device, lifetime));
            match grant.await? {
                Grant::Granted(user, sign_in, issued_at) => {
                    return self.tokens.issue_pair(user, sign_in, issued_at);
                }
                Grant::After(wait) => tokio::time::sleep(wait.min(Duration::from_secs(1))).await,
                Grant::Revoked => return Err(TokenError::Revoked.into()),
                Grant::HashChanged => return Err(Error::Conflict),
                Grant::Inactive => {
                    return Err(Error::Unauthenticated(Unauthenticated {
                        detail: "No active account found for the given token.",
                        code: None,
                        access_token: None,
                    }));
                }
            }
        }
        Err(Error::unavailable("tokens are revoked faster than they can be issued"))
    }
}

async fn delay_to_next_step(started: Instant) {
    let steps = started.elapsed().as_millis() / REFUSAL_STEP.as_millis() + 1;
    let due = REFUSAL_STEP.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX));
    tokio::time::sleep(due.saturating_sub(started.elapsed())).await;
}
