//! An id identifies one row of one table. Each table has a type of its own, so that a user's
//! id cannot be passed in place of a message's.

use std::fmt;

use diesel::deserialize::FromSqlRow;
use diesel::expression::AsExpression;
use diesel::sql_types::{BigInt, Text};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
            AsExpression, FromSqlRow, ToSchema,
        )]
        #[schema(minimum = 1, example = 7)]
        #[serde(transparent)]
        #[diesel(sql_type = BigInt)]
        pub struct $name(i64);

        impl $name {
            /// Returns the id with this number, whether a row has it or not.
            pub const fn new(number: i64) -> Self {
                Self(number)
            }

            /// Parses an id in a path, which is plain digits. One beyond 64 bits becomes 0,
            /// which no row has.
            pub fn from_digits(digits: &str) -> Self {
                Self(digits.parse().unwrap_or(0))
            }

            /// Returns the number.
            pub const fn number(self) -> i64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl<DB> diesel::serialize::ToSql<BigInt, DB> for $name
        where
            DB: diesel::backend::Backend,
            i64: diesel::serialize::ToSql<BigInt, DB>,
        {
            fn to_sql<'b>(
                &'b self,
                out: &mut diesel::serialize::Output<'b, '_, DB>,
            ) -> diesel::serialize::Result {
                self.0.to_sql(out)
            }
        }

        impl<DB> diesel::deserialize::FromSql<BigInt, DB> for $name
        where
            DB: diesel::backend::Backend,
            i64: diesel::deserialize::FromSql<BigInt, DB>,
        {
            fn from_sql(value: DB::RawValue<'_>) -> diesel::deserialize::Result<Self> {
                i64::from_sql(value).map(Self)
            }
        }
    };
}

id! {
    /// Identifies a user.
    UserId
}
id! {
    /// Identifies a message.
    MessageId
}
id! {
    /// Identifies a friend request.
    FriendRequestId
}

/// Identifies a sign-in: whatever tokens were issued for one password, and for each other since.
///
/// It is the first half of the `jti` of all of them, so that tokens need no further claim. A token
/// that Django issued is a sign-in of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(into = "String", try_from = "String")]
#[schema(value_type = String, pattern = "^[0-9a-f]{16}$", example = "273667bb14e54230")]
pub struct SignInId(u64);

impl SignInId {
    /// Returns the id of a new sign-in.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().as_u64_pair().0)
    }

    /// Parses an id, as it is shown.
    pub fn parse(text: &str) -> Option<Self> {
        let is_id = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_id.then(|| u64::from_str_radix(text, 16).ok()).flatten().map(Self)
    }

    /// Returns the id in a token's `jti`. One that is not hexadecimal is the id of this token alone.
    pub fn of_jti(jti: &str) -> Self {
        jti.get(..16).and_then(Self::parse).unwrap_or_else(|| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&Sha256::digest(jti.as_bytes())[..8]);
            Self(u64::from_be_bytes(bytes))
        })
    }

    /// Returns a new `jti` of this sign-in.
    pub fn new_jti(self) -> String {
        format!("{self}{:016x}", uuid::Uuid::new_v4().as_u64_pair().1)
    }
}

impl fmt::Display for SignInId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl From<SignInId> for String {
    fn from(id: SignInId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for SignInId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not the id of a sign-in")
    }
}

id! {
    /// Identifies a post: a reply too.
    PostId
}

/// Identifies a story: a UUID in lowercase, with dashes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, AsExpression, FromSqlRow)]
#[serde(transparent)]
#[diesel(sql_type = Text)]
pub struct StoryId(String);

impl StoryId {
    /// The form of one, of which a router and a description take a part each.
    pub const PATTERN: &str = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";

    /// Returns an id that no story has.
    pub fn random() -> Self {
        Self(Uuid::new_v4().to_string())
    }

    /// Returns the id in a path, whose form the router has checked.
    pub fn from_path(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<Uuid> for StoryId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid.to_string())
    }
}

impl ToSchema for StoryId {}

impl PartialSchema for StoryId {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(Self::PATTERN))
            .examples(["3b241101-e2bb-4255-8caf-4136c566a962"])
            .into()
    }
}

impl<DB> diesel::serialize::ToSql<Text, DB> for StoryId
where
    DB: diesel::backend::Backend,
    String: diesel::serialize::ToSql<Text, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut diesel::serialize::Output<'b, '_, DB>) -> diesel::serialize::Result {
        self.0.to_sql(out)
    }
}

impl<DB> diesel::deserialize::FromSql<Text, DB> for StoryId
where
    DB: diesel::backend::Backend,
    String: diesel::deserialize::FromSql<Text, DB>,
{
    fn from_sql(value: DB::RawValue<'_>) -> diesel::deserialize::Result<Self> {
        String::from_sql(value).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::SignInId;

    #[test]
    fn a_sign_in_is_the_first_half_of_the_jti_of_its_tokens() {
        let id = SignInId::random();
        let jtis = [id.new_jti(), id.new_jti()];
        assert_ne!(jtis[0], jtis[1]);
        for jti in jtis {
            assert_eq!((jti.len(), SignInId::of_jti(&jti)), (32, id));
        }
        assert_eq!(SignInId::parse(&id.to_string()), Some(id));
    }

    #[test]
    fn any_text_may_be_a_jti() {
        for jti in ["", "1", "ü", "üüüüüüüüüüüüüüüüü", "FFFFFFFFFFFFFFFFF", "+fffffffffffffff"]
        {
            assert_eq!(SignInId::of_jti(jti), SignInId::of_jti(jti));
            assert_ne!(SignInId::of_jti(jti), SignInId::of_jti("another"));
        }
    }
}
