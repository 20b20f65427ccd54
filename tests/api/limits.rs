//! Rate limits. All tests come from one machine and share one Redis: each has addresses, emails
//! and users of its own.

use std::time::Duration;

use futures_util::future::join_all;
use rstest::rstest;
use rstest_reuse::apply;
use serde_json::json;

use crate::support::{
    Cluster, Instance, Mode, PASSWORD, Person, Response, Stage, Standalone, both_modes, until,
};

/// Returns a username that nobody else has.
fn name() -> String {
    format!("p{:016x}", fastrand::u64(..))
}

/// Returns an address in a network that nobody else has.
fn address() -> String {
    format!("2001:db8:{:x}:{:x}::1", fastrand::u16(..), fastrand::u16(..))
}

/// Starts a stage behind one proxy, with these limits.
fn stage(mode: Mode, limits: &[(&'static str, &str)]) -> Stage {
    let mut settings = vec![("TRUSTED_PROXIES", "1"), ("METRICS_ADDRESS", "127.0.0.1:0")];
    settings.extend(limits);
    mode.stage_with(&settings)
}

/// Repeats the attempt until Redis has replied in time throughout one, and returns its result.
///
/// The limits wait 100 ms for Redis and then do without it: each instance counts alone, so that more
/// is accepted than by one limit for both. On a busy machine this may happen in any test. Each
/// attempt must have users, emails and addresses of its own.
async fn while_redis_replies<T>(stage: &Stage, mut attempt: impl AsyncFnMut() -> T) -> T {
    let mut result = None;
    until("Redis replies in time throughout an attempt", async || {
        let failed = failed_questions(stage).await;
        result = Some(attempt().await);
        failed_questions(stage).await == failed
    })
    .await;
    result.expect("the result of an attempt")
}

/// Returns how often Redis has not replied in time to the limits of all instances.
async fn failed_questions(stage: &Stage) -> u64 {
    let mut sum = 0;
    for instance in stage.instances() {
        let metrics = instance.on_metrics_port("/metrics").await.text;
        let name = "numeneon_limit_questions_failed_total ";
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)).expect("the metric");
        sum += line.parse::<u64>().expect("a count");
    }
    sum
}

async fn log_in(instance: &Instance, email: &str, password: &str, from: &str) -> Response {
    let body = json!({ "email": email, "password": password });
    instance.post("/api/auth/login/").header("x-forwarded-for", from).json(&body).await
}

async fn sign_up(instance: &Instance, username: &str, from: &str) -> Response {
    let email = format!("{username}@example.com");
    let body = json!({ "username": username, "email": email, "password": PASSWORD });
    instance.post("/api/auth/signup/").header("x-forwarded-for", from).json(&body).await
}

async fn message(instance: &Instance, sender: &Person, receiver: &Person) -> Response {
    let body = json!({ "receiver_id": receiver.id, "content": "hello" });
    instance.post("/api/messages/").by(sender).json(&body).await
}

/// Sends this many wrong passwords concurrently, spread over the instances, and returns the
/// sorted statuses.
async fn guess(stage: &Stage, email: &str, from: &str, times: usize) -> Vec<u16> {
    let guesses = stage.round_robin().take(times).map(|it| log_in(it, email, "wrong password", from));
    let mut statuses: Vec<_> = join_all(guesses).await.iter().map(|response| response.status).collect();
    statuses.sort_unstable();
    statuses
}

/// Returns the sorted statuses of `count` guesses of which `accepted` are within the limit.
fn guesses_within_limit(accepted: usize, count: usize) -> Vec<u16> {
    let mut statuses = vec![401; accepted];
    statuses.resize(count, 429);
    statuses
}

/// Checks that a limit refused the request, and returns `Retry-After` in seconds.
#[track_caller]
fn retry_after(response: &Response) -> u64 {
    response.has_detail(429, "Too many attempts. Try again later.");
    response.header("retry-after").and_then(|seconds| seconds.parse().ok()).expect("Retry-After in seconds")
}

#[apply(both_modes)]
async fn a_request_after_the_seconds_of_retry_after_is_accepted(mode: Mode) {
    let stage = stage(mode, &[("LIMIT_MESSAGES_BY_PERSON", "2/8s")]);
    let statuses = while_redis_replies(&stage, async || {
        let [ada, bob] = stage.people([&name(), &name()]).await;
        let mut statuses = Vec::new();
        for _ in 0..2 {
            // Redis refuses the message, by the clock that also decides about the next one: the
            // instance itself has counted only the messages that went through it.
            let mut seconds = 0;
            until("a message is refused", async || {
                message(stage.there(), &ada, &bob).await;
                let response = message(stage.here(), &ada, &bob).await;
                seconds = if response.status == 201 { 0 } else { retry_after(&response) };
                seconds > 0
            })
            .await;
            assert!(seconds <= 4, "{seconds}");
            // The test is about this time: it must be long enough.
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            statuses.push(message(stage.here(), &ada, &bob).await.status);
        }
        statuses.push(message(stage.here(), &bob, &ada).await.status);
        statuses
    })
    .await;
    assert_eq!(statuses, [201; 3]);
}

#[rstest]
#[case("LIMIT_MESSAGES_BY_PERSON")]
#[case("LIMIT_FRIEND_REQUESTS_BY_PERSON")]
#[tokio::test]
async fn a_limit_on_a_person_holds_across_instances(#[case] limit: &'static str) {
    let stage = stage(Cluster, &[(limit, "3/1h")]);
    let others = stage.people(["ben", "cleo", "dan", "eve", "fay", "gus"]).await;
    let statuses = while_redis_replies(&stage, async || {
        let ada = stage.person(&name()).await;
        let mut statuses = Vec::new();
        for (instance, other) in stage.round_robin().zip(&others) {
            let response = if limit == "LIMIT_MESSAGES_BY_PERSON" {
                message(instance, &ada, other).await
            } else {
                instance.post(&format!("/api/friends/request/{}/", other.id)).by(&ada).await
            };
            if response.status != 201 {
                assert!((1..=1_200).contains(&retry_after(&response)));
            }
            statuses.push(response.status);
        }
        statuses
    })
    .await;
    assert_eq!(statuses, [201, 201, 201, 429, 429, 429]);
}

#[apply(both_modes)]
async fn the_rate_of_sign_ups_from_an_address_is_limited(mode: Mode) {
    let stage = stage(mode, &[("LIMIT_SIGNUPS_BY_ADDRESS", "2/1h")]);
    let limited = address();
    for _ in 0..2 {
        sign_up(stage.here(), &name(), &limited).await.is(201);
    }
    retry_after(&sign_up(stage.here(), &name(), &limited).await);
    // Addresses that the client itself put before the proxy's entry are ignored.
    retry_after(&sign_up(stage.here(), &name(), &format!("{}, {limited}", address())).await);
    // A client may choose any address of its network.
    retry_after(&sign_up(stage.here(), &name(), &format!("{limited}2")).await);
    sign_up(stage.here(), &name(), &address()).await.is(201);
}

#[apply(both_modes)]
async fn guesses_at_one_email_are_counted_before_they_are_verified(mode: Mode) {
    let stage = stage(mode, &[("LIMIT_FAILED_LOGINS_BY_EMAIL", "3/1h")]);
    let (statuses, with_right_password) = while_redis_replies(&stage, async || {
        let ada = stage.person(&name()).await;
        // An email without an account is limited too, or the limit would reveal which emails have one.
        let unknown = format!("{}@example.com", name());
        let of_ada = guess(&stage, &ada.email, &address(), 8).await;
        let of_unknown = guess(&stage, &unknown, &address(), 8).await;
        let response = log_in(stage.here(), &ada.email.to_uppercase(), PASSWORD, &address()).await;
        ([of_ada, of_unknown], response)
    })
    .await;
    for statuses in statuses {
        assert_eq!(statuses, guesses_within_limit(3, 8));
    }
    assert!((1..=1_200).contains(&retry_after(&with_right_password)));
    let bob = stage.person(&name()).await;
    log_in(stage.here(), &bob.email, PASSWORD, &address()).await.is(200);
}

#[apply(both_modes)]
async fn right_passwords_do_not_count(mode: Mode) {
    let limits = [("LIMIT_FAILED_LOGINS_BY_EMAIL", "3/1h"), ("LIMIT_FAILED_LOGINS_BY_ADDRESS", "3/1h")];
    let stage = stage(mode, &limits);
    let statuses = while_redis_replies(&stage, async || {
        let (ada, home) = (stage.person(&name()).await, address());
        let mut statuses = Vec::new();
        for instance in stage.round_robin().take(8) {
            statuses.push(log_in(instance, &ada.email, PASSWORD, &home).await.status);
        }
        statuses
    })
    .await;
    assert_eq!(statuses, [200; 8]);
}

#[apply(both_modes)]
async fn the_rate_of_failed_logins_from_an_address_is_limited(mode: Mode) {
    let stage = stage(mode, &[("LIMIT_FAILED_LOGINS_BY_ADDRESS", "3/1h")]);
    let (ada, from) = (stage.person(&name()).await, address());
    for _ in 0..3 {
        let email = format!("{}@example.com", name());
        assert_eq!(log_in(stage.here(), &email, "wrong password", &from).await.status, 401);
    }
    retry_after(&log_in(stage.here(), &ada.email, PASSWORD, &from).await);
    log_in(stage.here(), &ada.email, PASSWORD, &address()).await.is(200);
}

/// Each costs a hash.
#[apply(both_modes)]
async fn right_passwords_for_one_email_from_one_address_are_limited(mode: Mode) {
    let stage = stage(mode, &[("LIMIT_LOGINS_BY_EMAIL_AND_ADDRESS", "3/1h")]);
    let statuses = while_redis_replies(&stage, async || {
        let (ada, home) = (stage.person(&name()).await, address());
        let mut statuses = Vec::new();
        for instance in stage.round_robin().take(5) {
            statuses.push(log_in(instance, &ada.email, PASSWORD, &home).await.status);
        }
        log_in(stage.here(), &ada.email, PASSWORD, &address()).await.is(200);
        statuses
    })
    .await;
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
}

#[apply(both_modes)]
async fn guesses_from_a_shared_address_do_not_lock_out_a_person_who_is_known_there(mode: Mode) {
    let stage = stage(mode, &[("LIMIT_FAILED_LOGINS_BY_ADDRESS", "2/1h")]);
    let statuses = while_redis_replies(&stage, async || {
        let (ada, bob, shared) = (stage.person(&name()).await, stage.person(&name()).await, address());
        log_in(stage.here(), &ada.email, PASSWORD, &shared).await.is(200);
        for instance in stage.round_robin().take(4) {
            let email = format!("{}@example.com", name());
            log_in(instance, &email, "wrong password", &shared).await;
        }
        let mut statuses = Vec::new();
        for instance in stage.instances() {
            statuses.push(log_in(instance, &ada.email, PASSWORD, &shared).await.status);
            statuses.push(log_in(instance, &bob.email, PASSWORD, &shared).await.status);
        }
        statuses
    })
    .await;
    assert!(statuses.chunks(2).all(|of_both| of_both == [200, 429]), "{statuses:?}");
}

#[apply(both_modes)]
async fn guesses_of_strangers_do_not_lock_a_person_out_at_a_known_address(mode: Mode) {
    let stage = stage(mode, &[("LIMIT_FAILED_LOGINS_BY_EMAIL", "2/1h")]);
    let (elsewhere, at_home, guesses_at_home) = while_redis_replies(&stage, async || {
        let (ada, home) = (stage.person(&name()).await, address());
        log_in(stage.here(), &ada.email, PASSWORD, &home).await.is(200);
        // More than both instances would accept if each counted alone.
        guess(&stage, &ada.email, &address(), 6).await;
        let (mut elsewhere, mut at_home) = (Vec::new(), Vec::new());
        for instance in stage.instances() {
            elsewhere.push(log_in(instance, &ada.email, PASSWORD, &address()).await);
            at_home.push(log_in(instance, &ada.email, PASSWORD, &home).await.status);
        }
        (elsewhere, at_home, guess(&stage, &ada.email, &home, 8).await)
    })
    .await;
    for response in &elsewhere {
        retry_after(response);
    }
    assert_eq!(at_home, vec![200; stage.instances().len()]);
    // The number of guesses from a known address is limited as well.
    assert_eq!(guesses_at_home, guesses_within_limit(2, 8));
}

#[tokio::test]
async fn refusals_are_counted_by_limit() {
    let stage = stage(Standalone, &[("LIMIT_MESSAGES_BY_PERSON", "1/1h")]);
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    message(stage.here(), &ada, &bob).await.is(201);
    for _ in 0..2 {
        retry_after(&message(stage.here(), &ada, &bob).await);
    }
    let metrics = stage.here().on_metrics_port("/metrics").await.text;
    let line = r#"numeneon_limit_refusals_total{limit="messages_by_person"} 2"#;
    assert!(metrics.lines().any(|it| it == line), "{metrics}");
}
