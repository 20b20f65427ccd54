//! A [`Person`] is somebody with an account.

use serde_json::{Value, json};

use super::token::{claims, forge};
use super::{Instance, SECRET_KEY};

/// Somebody with an account, signed in.
#[derive(Clone, Debug)]
pub struct Person {
    pub id: i64,
    pub username: String,
    pub email: String,
    pub access: String,
}

/// Everybody's password.
pub const PASSWORD: &str = "correct horse";

impl Person {
    /// Signs somebody up; Ada is called Ada Ample and writes from ada@example.com.
    pub async fn sign_up(instance: &Instance, username: &str) -> Self {
        let email = format!("{username}@example.com");
        let mut name = username.to_owned();
        name[..1].make_ascii_uppercase();
        let body = json!({
            "username": username, "email": email, "password": PASSWORD, "display_name": format!("{name} Ample"),
        });
        let answer = instance.post("/api/auth/signup/").json(&body).await.is(201);
        let id = answer["user"]["id"].as_i64().expect("the new user's id");
        Self::known(id, username, &email)
    }

    /// Somebody whose account was made in another way.
    pub fn known(id: i64, username: &str, email: &str) -> Self {
        // Signing in costs a hash each time; its tokens have tests of their own.
        let access = forge(SECRET_KEY, &claims(id));
        Self { id, username: username.to_owned(), email: email.to_owned(), access }
    }

    /// The first name with which somebody signed up.
    pub fn first_name(&self) -> String {
        let mut name = self.username.clone();
        name[..1].make_ascii_uppercase();
        name
    }

    /// `{id, username}`
    pub fn brief(&self) -> Value {
        json!({ "id": self.id, "username": self.username })
    }

    /// `{id, username, first_name, last_name}`
    pub fn person(&self) -> Value {
        let Self { id, username, .. } = self;
        json!({ "id": id, "username": username, "first_name": self.first_name(), "last_name": "Ample" })
    }

    /// A person with the key `profile_picture`.
    pub fn pictured(&self, picture: Option<&str>) -> Value {
        let mut person = self.person();
        person["profile_picture"] = json!(picture);
        person
    }
}
