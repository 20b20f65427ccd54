//! A [`PasswordAttempt`] is a password that a client gives for an account, and that may be
//! a guess.

use std::net::IpAddr;

use super::all::Limits;
use super::key::LimitKey;
use crate::error::Result;

/// A password that a client gives for an account.
///
/// It counts as wrong before it is verified: otherwise many guesses at once would all be
/// verified before the first one counts. The count is taken back when it was right.
#[must_use = "an attempt without an outcome counts as a wrong password"]
pub struct PasswordAttempt<'a> {
    limits: &'a Limits,
    email: String,
    address: IpAddr,
    by_email: LimitKey,
    /// Whether it is counted by address too. It is not where that is exhausted and the address is
    /// trusted: whoever shares it with a guesser can still sign in.
    counts_by_address: bool,
}

impl Limits {
    /// Counts a password that is given for an email from an address. The email is in
    /// the form in which all its spellings are the same.
    ///
    /// Attempts for one email are counted together, wherever they come from. When they are
    /// exhausted, each address from which a password of this email was right lately has as
    /// many of its own: strangers who guess lock out strangers only. Nor does an exhausted address
    /// lock out an email that is trusted there.
    ///
    /// # Errors
    ///
    /// 429 with the time until the next one.
    pub async fn password_attempt(&self, email: String, address: IpAddr) -> Result<PasswordAttempt<'_>> {
        // The address first, and locally first: a client that tries many emails from one
        // address is rejected without a query to Redis.
        let mut counts_by_address = true;
        if let Err(refusal) = self.failed_logins_by_address.take_locally(&self.keys, address) {
            self.trusted_addresses.key(&self.keys, &email, address).await.ok_or(refusal)?;
            counts_by_address = false;
        }
        let by_email = match self.take_by_email(&email, address).await {
            Ok(by_email) => by_email,
            Err(refusal) => {
                if counts_by_address {
                    self.failed_logins_by_address.give_back_locally(&self.keys, address);
                }
                return Err(refusal);
            }
        };
        if counts_by_address
            && let Err(refusal) = self.failed_logins_by_address.take_in_redis(&self.keys, address).await
        {
            counts_by_address = false;
            if self.trusted_addresses.key(&self.keys, &email, address).await.is_none() {
                self.failed_logins_by_email.give_back(by_email).await;
                return Err(refusal);
            }
        }
        let attempt = PasswordAttempt { limits: self, email, address, by_email, counts_by_address };
        // Each costs a hash, the right ones too.
        let by_both = self.keys.email_at(&attempt.email, address);
        if let Err(refusal) = self.logins_by_email_and_address.take(by_both).await {
            attempt.not_verified().await;
            return Err(refusal);
        }
        Ok(attempt)
    }

    /// Returns the key under which the attempt was counted.
    async fn take_by_email(&self, email: &str, address: IpAddr) -> Result<LimitKey> {
        let key = self.keys.email(email);
        let refusal = match self.failed_logins_by_email.take(key).await {
            Ok(()) => return Ok(key),
            Err(refusal) => refusal,
        };
        let own = self.trusted_addresses.key(&self.keys, email, address).await.ok_or(refusal)?;
        self.failed_logins_by_email.take(own).await?;
        Ok(own)
    }
}

impl PasswordAttempt<'_> {
    /// Records that the password was right: it does not count, and the address is trusted.
    pub async fn succeeded(self) {
        let Self { limits, email, address, .. } = &self;
        limits.trusted_addresses.add(&limits.keys, email, *address).await;
        self.not_verified().await;
    }

    /// Records that the password could not be verified, because of a fault of the server: it
    /// does not count.
    pub async fn not_verified(self) {
        self.limits.failed_logins_by_email.give_back(self.by_email).await;
        if self.counts_by_address {
            self.limits.failed_logins_by_address.give_back(&self.limits.keys, self.address).await;
        }
    }
}
