//! A [`PasswordAttempt`] is a password that somebody gives for an account, and that may be a
//! guess.

use std::net::IpAddr;

use super::Limits;
use super::key::LimitKey;
use crate::error::Result;

/// A password that somebody gives for an account.
///
/// It counts as wrong before it is looked at, or many guesses at once would all be looked
/// at before the first one counts. When it was right, that is taken back.
#[must_use = "a try that is not settled counts as a wrong password"]
pub struct PasswordAttempt<'a> {
    limits: &'a Limits,
    email: String,
    address: IpAddr,
    by_email: LimitKey,
    by_address: LimitKey,
}

impl Limits {
    /// Counts a password that is given for an email from an address. The email is in
    /// the form in which all its spellings are the same.
    ///
    /// Tries for one email are counted together, wherever they come from. When they are
    /// used up, addresses from which this email's password was right lately have as many
    /// of their own: strangers who guess lock out strangers only.
    ///
    /// # Errors
    ///
    /// 429 with the time until the next one.
    pub async fn password_attempt(&self, email: String, address: IpAddr) -> Result<PasswordAttempt<'_>> {
        let by_address = self.keys.address(address);
        // The address first, and here first: who tries many emails from one address is
        // refused without a question to Redis.
        self.failed_logins_by_address.take_here(by_address)?;
        let by_email = match self.take_by_email(&email, address).await {
            Ok(by_email) => by_email,
            Err(refusal) => {
                self.failed_logins_by_address.give_back_here(by_address);
                return Err(refusal);
            }
        };
        if let Err(refusal) = self.failed_logins_by_address.take_in_redis(by_address).await {
            self.failed_logins_by_email.give_back(by_email).await;
            return Err(refusal);
        }
        Ok(PasswordAttempt { limits: self, email, address, by_email, by_address })
    }

    /// Returns the key under which the try was counted.
    async fn take_by_email(&self, email: &str, address: IpAddr) -> Result<LimitKey> {
        let key = self.keys.email(email);
        let refusal = match self.failed_logins_by_email.take(key).await {
            Ok(()) => return Ok(key),
            Err(refusal) => refusal,
        };
        let own = self.known.key(&self.keys, email, address).await.ok_or(refusal)?;
        self.failed_logins_by_email.take(own).await?;
        Ok(own)
    }
}

impl PasswordAttempt<'_> {
    /// Says that the password was right: it does not count, and the address is known.
    pub async fn succeeded(self) {
        self.limits.known.mark(&self.limits.keys, &self.email, self.address).await;
        self.not_verified().await;
    }

    /// Says that nobody learnt whether the password was right, because of a fault of the
    /// server: it does not count.
    pub async fn not_verified(self) {
        self.limits.failed_logins_by_email.give_back(self.by_email).await;
        self.limits.failed_logins_by_address.give_back(self.by_address).await;
    }
}
