//! Signing out: the part of the [`Authenticator`] that revokes what it has issued.

use super::authenticator::Authenticator;
use super::revocation;
use super::sign_ins::{self, SignInEntry};
use super::tokens::TokenType;
use crate::error::{Error, Result};
use crate::ids::{SignInId, UserId};
use crate::timestamp::Timestamp;

impl Authenticator {
    /// Revokes the sign-in that a refresh token belongs to, with all its tokens, and closes its sockets.
    /// Repeating it has no effect.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] if it is not valid.
    pub async fn log_out(&self, token: &str) -> Result<()> {
        let (claims, lifetimes) = (self.tokens.verify(token, TokenType::Refresh)?, self.tokens.lifetimes());
        self.events
            .commit(move |unit| {
                // By its own id too, which is all that instances of the version before look for.
                revocation::revoke_one(unit, &claims)?;
                revocation::revoke_sign_in(unit, claims.user, claims.sign_in(), lifetimes)
            })
            .await?;
        Ok(())
    }

    /// Returns the sign-ins of a user.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if the database does not respond, here and below.
    pub(super) async fn sign_ins(&self, user: UserId) -> Result<Vec<SignInEntry>> {
        self.db.read(move |conn| Ok(sign_ins::list(conn, user, Timestamp::now())?)).await
    }

    /// Revokes one of a user's sign-ins, with all its tokens, and closes its sockets.
    ///
    /// # Errors
    ///
    /// [`Error::not_found`] if the user has none of this id.
    pub(super) async fn revoke_sign_in(&self, user: UserId, id: SignInId) -> Result<()> {
        let lifetimes = self.tokens.lifetimes();
        self.events
            .commit(move |unit| {
                let was_listed = revocation::revoke_sign_in(unit, user, id, lifetimes)?;
                if was_listed { Ok(()) } else { Err(Error::not_found("Sign-in not found")) }
            })
            .await
    }

    /// Revokes all tokens that were issued to a user so far, and closes their sockets.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if the database does not respond.
    pub async fn log_out_everywhere(&self, user: UserId) -> Result<()> {
        self.events.commit(move |unit| revocation::revoke_all(unit, user)).await
    }
}
