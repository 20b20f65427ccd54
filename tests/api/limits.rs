//! What anybody may take of requests. All tests come from one machine and share one
//! Redis: each has addresses, emails and people of its own.

use std::time::Duration;

use futures_util::future::join_all;
use rstest::rstest;
use serde_json::json;

use crate::support::Kind::{self, Cluster, Laptop};
use crate::support::{Answer, Instance, PASSWORD, Person, Stage, until};

/// A name that nobody else has.
fn name() -> String {
    format!("p{:016x}", fastrand::u64(..))
}

/// An address that nobody else has, nor the rest of its network.
fn address() -> String {
    format!("2001:db8:{:x}:{:x}::1", fastrand::u16(..), fastrand::u16(..))
}

/// Sets a stage behind one proxy, with these limits.
fn stage(kind: Kind, limits: &[(&'static str, &str)]) -> Stage {
    let mut settings = vec![("TRUSTED_PROXIES", "1")];
    settings.extend(limits);
    kind.stage_with(&settings)
}

async fn log_in(instance: &Instance, email: &str, password: &str, from: &str) -> Answer {
    let body = json!({ "email": email, "password": password });
    instance.post("/api/auth/login/").header("x-forwarded-for", from).json(&body).await
}

async fn sign_up(instance: &Instance, username: &str, from: &str) -> Answer {
    let email = format!("{username}@example.com");
    let body = json!({ "username": username, "email": email, "password": PASSWORD });
    instance.post("/api/auth/signup/").header("x-forwarded-for", from).json(&body).await
}

async fn message(instance: &Instance, sender: &Person, receiver: &Person) -> Answer {
    let body = json!({ "receiver_id": receiver.id, "content": "hello" });
    instance.post("/api/messages/").by(sender).json(&body).await
}

/// Guesses wrongly so many times, all at once, through all instances, and returns the
/// statuses in order.
async fn guess(stage: &Stage, email: &str, from: &str, times: usize) -> Vec<u16> {
    let guesses = stage.in_turn().take(times).map(|it| log_in(it, email, "wrong password", from));
    let mut statuses: Vec<_> = join_all(guesses).await.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    statuses
}

/// Checks a refusal, and returns after how many seconds to try again.
#[track_caller]
fn retry_after(answer: &Answer) -> u64 {
    answer.details(429, "Too many attempts. Try again later.");
    answer.header("retry-after").and_then(|seconds| seconds.parse().ok()).expect("Retry-After in seconds")
}

#[rstest]
#[tokio::test]
async fn retry_after_tells_when_the_next_one_goes_through(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = stage(kind, &[("LIMIT_MESSAGES_BY_PERSON", "2/4s")]);
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    for _ in 0..2 {
        let refused = loop {
            let answer = message(stage.here(), &ada, &bob).await;
            if answer.status != 201 {
                break answer;
            }
        };
        let seconds = retry_after(&refused);
        assert!((1..=2).contains(&seconds), "{seconds}");
        // What is tested is that this time is enough.
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        message(stage.here(), &ada, &bob).await.is(201);
    }
    message(stage.here(), &bob, &ada).await.is(201);
}

#[rstest]
#[case("LIMIT_MESSAGES_BY_PERSON")]
#[case("LIMIT_FRIEND_REQUESTS_BY_PERSON")]
#[tokio::test]
async fn a_person_may_do_so_much_on_all_instances_together(#[case] limit: &'static str) {
    const MOST: usize = 3;
    let stage = stage(Cluster, &[(limit, "3/1h")]);
    let others = stage.people(["ben", "cleo", "dan", "eve", "fay", "gus"]).await;
    // Should Redis be slow for a moment, both instances count by themselves: then with
    // somebody else again.
    until("the limit holds across instances", async || {
        let ada = stage.person(&name()).await;
        let mut statuses = Vec::new();
        for (instance, other) in stage.in_turn().zip(&others) {
            let answer = if limit == "LIMIT_MESSAGES_BY_PERSON" {
                message(instance, &ada, other).await
            } else {
                instance.post(&format!("/api/friends/request/{}/", other.id)).by(&ada).await
            };
            if answer.status != 201 {
                assert!((1..=1_200).contains(&retry_after(&answer)));
            }
            statuses.push(answer.status);
        }
        let accepted = statuses.iter().filter(|status| **status == 201).count();
        assert!((MOST..=2 * MOST).contains(&accepted), "{statuses:?}");
        accepted == MOST
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn accounts_are_made_so_often_from_one_address(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = stage(kind, &[("LIMIT_SIGNUPS_BY_ADDRESS", "2/1h")]);
    let crowded = address();
    for _ in 0..2 {
        sign_up(stage.here(), &name(), &crowded).await.is(201);
    }
    retry_after(&sign_up(stage.here(), &name(), &crowded).await);
    // What a client claims before the proxy's own entry is not believed.
    retry_after(&sign_up(stage.here(), &name(), &format!("{}, {crowded}", address())).await);
    // Within its own network a client may take any address.
    retry_after(&sign_up(stage.here(), &name(), &format!("{crowded}2")).await);
    sign_up(stage.here(), &name(), &address()).await.is(201);
}

#[rstest]
#[tokio::test]
async fn guesses_at_one_email_are_counted_before_they_are_looked_at(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = stage(kind, &[("LIMIT_FAILED_LOGINS_BY_EMAIL", "3/1h")]);
    until("guesses are counted on all instances together", async || {
        let ada = stage.person(&name()).await;
        // An email that nobody has is no different, or its having no account would show.
        let nobody = format!("{}@example.com", name());
        let mut accepted = 0;
        for email in [&ada.email, &nobody] {
            let statuses = guess(&stage, email, &address(), 8).await;
            let wrong = statuses.iter().filter(|status| **status == 401).count();
            assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 8 - wrong, "{statuses:?}");
            accepted += wrong;
        }
        let answer = log_in(stage.here(), &ada.email.to_uppercase(), PASSWORD, &address()).await;
        assert!((1..=1_200).contains(&retry_after(&answer)));
        accepted == 6
    })
    .await;
    let bob = stage.person(&name()).await;
    log_in(stage.here(), &bob.email, PASSWORD, &address()).await.is(200);
}

#[rstest]
#[tokio::test]
async fn right_passwords_do_not_count(#[values(Laptop, Cluster)] kind: Kind) {
    let limits = [("LIMIT_FAILED_LOGINS_BY_EMAIL", "3/1h"), ("LIMIT_FAILED_LOGINS_BY_ADDRESS", "3/1h")];
    let stage = stage(kind, &limits);
    let (ada, home) = (stage.person(&name()).await, address());
    for instance in stage.in_turn().take(8) {
        log_in(instance, &ada.email, PASSWORD, &home).await.is(200);
    }
}

#[rstest]
#[tokio::test]
async fn one_address_guesses_so_often_whatever_the_email(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = stage(kind, &[("LIMIT_FAILED_LOGINS_BY_ADDRESS", "3/1h")]);
    let (ada, from) = (stage.person(&name()).await, address());
    for _ in 0..3 {
        let email = format!("{}@example.com", name());
        assert_eq!(log_in(stage.here(), &email, "wrong password", &from).await.status, 401);
    }
    retry_after(&log_in(stage.here(), &ada.email, PASSWORD, &from).await);
    log_in(stage.here(), &ada.email, PASSWORD, &address()).await.is(200);
}

#[rstest]
#[tokio::test]
async fn strangers_who_guess_lock_nobody_out_where_they_sign_in(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = stage(kind, &[("LIMIT_FAILED_LOGINS_BY_EMAIL", "2/1h")]);
    let (ada, home) = (stage.person(&name()).await, address());
    log_in(stage.here(), &ada.email, PASSWORD, &home).await.is(200);
    // More than both instances would let through by themselves.
    guess(&stage, &ada.email, &address(), 6).await;
    for instance in stage.instances() {
        retry_after(&log_in(instance, &ada.email, PASSWORD, &address()).await);
        until("the address is known on every instance", async || {
            log_in(instance, &ada.email, PASSWORD, &home).await.status == 200
        })
        .await;
    }
    // Who sits there may not guess without end either.
    let statuses = guess(&stage, &ada.email, &home, 8).await;
    let wrong = statuses.iter().filter(|status| **status == 401).count();
    assert!((2..=4).contains(&wrong), "{statuses:?}");
}

#[tokio::test]
async fn refusals_are_counted_by_limit() {
    let limits = [("LIMIT_MESSAGES_BY_PERSON", "1/1h"), ("METRICS_ADDRESS", "127.0.0.1:0")];
    let stage = stage(Laptop, &limits);
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    message(stage.here(), &ada, &bob).await.is(201);
    for _ in 0..2 {
        retry_after(&message(stage.here(), &ada, &bob).await);
    }
    let metrics = stage.here().watch("/metrics").await.text;
    let line = r#"numeneon_limit_refusals_total{limit="messages_by_person"} 2"#;
    assert!(metrics.lines().any(|it| it == line), "{metrics}");
}
