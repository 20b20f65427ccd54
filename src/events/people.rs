//! A user as others see them: a [`Person`], or a [`UserSummary`].

use diesel::prelude::*;
use serde::Serialize;
use utoipa::ToSchema;

use crate::ids::UserId;

/// A user as others see them in lists and events.
#[derive(Clone, Debug, Serialize, Queryable, Selectable, ToSchema)]
#[diesel(table_name = crate::db::schema::users)]
pub struct Person {
    /// The user's id.
    pub id: UserId,
    /// Unique, case-sensitive.
    pub username: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
}

/// A user in a message.
#[derive(Clone, Debug, Serialize, Queryable, Selectable, ToSchema)]
#[schema(as = Brief)]
#[diesel(table_name = crate::db::schema::users)]
pub struct UserSummary {
    /// The user's id.
    pub id: UserId,
    /// Unique, case-sensitive.
    pub username: String,
}

impl From<&Person> for UserSummary {
    fn from(person: &Person) -> Self {
        Self { id: person.id, username: person.username.clone() }
    }
}
