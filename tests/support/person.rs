//! A [`Person`] is a user of the service, with an access token.

use serde_json::{Value, json};

use super::token::{claims, forge};
use super::{Instance, SECRET_KEY};

/// A user, signed in.
#[derive(Clone, Debug)]
pub struct Person {
    pub id: i64,
    pub username: String,
    pub email: String,
    pub access: String,
}

/// The password of every user.
pub const PASSWORD: &str = "correct horse";

impl Person {
    /// Signs a user up. The user `ada` has the name Ada Ample and the email ada@example.com.
    pub async fn sign_up(instance: &Instance, username: &str) -> Self {
        let email = format!("{username}@example.com");
        let mut name = username.to_owned();
        name[..1].make_ascii_uppercase();
        let body = json!({
            "username": username, "email": email, "password": PASSWORD, "display_name": format!("{name} Ample"),
        });
        let response = instance.post("/api/auth/signup/").json(&body).await.is(201);
        let id = response["user"]["id"].as_i64().expect("the new user's id");
        Self::existing(id, username, &email)
    }

    /// Returns a user whose account exists already.
    pub fn existing(id: i64, username: &str, email: &str) -> Self {
        // Logging in would cost a password hash each time. It has tests of its own.
        let access = forge(SECRET_KEY, &claims(id));
        Self { id, username: username.to_owned(), email: email.to_owned(), access }
    }

    /// The first name of a user whom [`Person::sign_up`] has signed up.
    pub fn first_name(&self) -> String {
        let mut name = self.username.clone();
        name[..1].make_ascii_uppercase();
        name
    }

    /// `{id, username}`
    pub fn summary(&self) -> Value {
        json!({ "id": self.id, "username": self.username })
    }

    /// `{id, username, first_name, last_name}`
    pub fn with_name(&self) -> Value {
        let Self { id, username, .. } = self;
        json!({ "id": id, "username": username, "first_name": self.first_name(), "last_name": "Ample" })
    }

    /// `{id, username, first_name, last_name, profile_picture}`
    pub fn with_picture(&self, picture: Option<&str>) -> Value {
        let mut person = self.with_name();
        person["profile_picture"] = json!(picture);
        person
    }

    /// A user within a post; the email is shown to themselves only.
    pub fn in_post(&self, user: &Value, is_own: bool) -> Value {
        let mut expected = self.with_name();
        expected["email"] = json!(if is_own { &self.email } else { "" });
        expected["date_joined"] = user["date_joined"].clone();
        expected["profile_picture"] = json!(null);
        expected
    }
}
