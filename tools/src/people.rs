//! The people of a run: accounts on the server, each with an access token.

use crate::http::{Client, Endpoint, Request, Response};
use crate::token;
use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Concurrent sign-ups. Each costs the server a password hash, so more of them
/// would only wait for each other.
const CONCURRENT_SIGN_UPS: usize = 4;

/// One account.
#[derive(Debug, Clone)]
pub struct Person {
    /// The account's id.
    pub id: u64,
    /// A valid access token.
    pub token: Arc<str>,
}

#[derive(Deserialize)]
struct SignedUp {
    user: Account,
}

#[derive(Deserialize)]
struct Account {
    id: u64,
}

#[derive(Deserialize)]
struct LoggedIn {
    access: String,
}

/// Signs up and logs in `count` new people, in no particular order.
///
/// Their names have a random part, so that several runs against one database do
/// not clash.
///
/// # Errors
///
/// If the server rejects one of them.
pub async fn sign_up(endpoint: &Endpoint, count: usize) -> anyhow::Result<Vec<Person>> {
    let run = format!("{:08x}", fastrand::u32(..));
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..CONCURRENT_SIGN_UPS.min(count) {
        let (endpoint, run, next) = (endpoint.clone(), run.clone(), Arc::clone(&next));
        tasks.spawn(async move {
            let mut client = Client::new(endpoint);
            let mut people = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    return anyhow::Ok(people);
                }
                people.push(sign_up_one(&mut client, &format!("load{run}-{index}")).await?);
            }
        });
    }
    let mut people = Vec::with_capacity(count);
    while let Some(done) = tasks.join_next().await {
        people.extend(done??);
    }
    Ok(people)
}

async fn sign_up_one(client: &mut Client, name: &str) -> anyhow::Result<Person> {
    let password = format!("{:032x}", fastrand::u128(..));
    let email = format!("{name}@example.com");
    let body = serde_json::json!({"username": name, "email": email, "password": password});
    let response = post(client, "/api/auth/signup/", &body).await?;
    ensure!(response.status == 201, "sign-up: {}", describe(&response));
    let signed_up: SignedUp = serde_json::from_slice(&response.body).context("sign-up response")?;
    let body = serde_json::json!({"email": email, "password": password});
    let response = post(client, "/api/auth/login/", &body).await?;
    ensure!(response.status == 200, "login: {}", describe(&response));
    let logged_in: LoggedIn = serde_json::from_slice(&response.body).context("login response")?;
    Ok(Person { id: signed_up.user.id, token: logged_in.access.into() })
}

async fn post(client: &mut Client, path: &str, body: &serde_json::Value) -> anyhow::Result<Response> {
    let body = body.to_string();
    client
        .request(Request { method: "POST", path, body: Some(body.as_bytes()), ..Request::default() })
        .await
        .with_context(|| format!("POST {path}"))
}

fn describe(response: &Response) -> String {
    format!("{} {}", response.status, String::from_utf8_lossy(&response.body))
}

/// Returns people who exist already, with tokens signed with the secret key.
///
/// # Errors
///
/// If a token cannot be signed.
pub fn with_ids(ids: RangeInclusive<u64>, secret_key: &str) -> anyhow::Result<Vec<Person>> {
    ids.map(|id| Ok(Person { id, token: token::access(secret_key, id)?.into() })).collect()
}

/// Parses a range of ids, written as `1000-1999`.
///
/// # Errors
///
/// If the text is not such a range.
pub fn parse_ids(text: &str) -> anyhow::Result<RangeInclusive<u64>> {
    let Some((first, last)) = text.split_once('-') else {
        bail!("expected FIRST-LAST");
    };
    let range = first.parse()?..=last.parse()?;
    ensure!(!range.is_empty(), "the range is empty");
    Ok(range)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_range_of_ids_has_a_first_and_a_last() -> anyhow::Result<()> {
        assert_eq!(super::parse_ids("3-5")?, 3..=5);
        assert!(super::parse_ids("5-3").is_err());
        assert!(super::parse_ids("5").is_err());
        Ok(())
    }
}
