//! `POST /api/auth/login/`

use std::time::{Duration, Instant};

use rstest::rstest;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::Mode::{self, Standalone};
use crate::support::{PASSWORD, Response, Stage, both_modes, until};

async fn log_in(stage: &Stage, email: Value, password: Value) -> Response {
    stage.here().post("/api/auth/login/").json(&json!({ "email": email, "password": password })).await
}

#[apply(both_modes)]
async fn it_returns_two_tokens_that_are_valid_on_every_instance(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    let pair = log_in(&stage, json!(ada.email), json!(PASSWORD)).await.is(200);
    assert_eq!(pair.as_object().unwrap().keys().collect::<Vec<_>>(), ["access", "refresh"]);
    for instance in stage.instances() {
        let me = instance.get("/api/auth/me/").bearer(pair["access"].as_str().unwrap()).await.is(200);
        assert_eq!(me["id"], ada.id);
        instance.post("/api/auth/token/refresh/").json(&json!({ "refresh": pair["refresh"] })).await.is(200);
    }
}

#[apply(both_modes)]
async fn emails_are_case_insensitive_and_both_fields_are_trimmed(mode: Mode) {
    let stage = mode.stage();
    stage.person("ada").await;
    for email in ["ADA@EXAMPLE.COM", "Ada@example.com", "  ada@example.com\n"] {
        log_in(&stage, json!(email), json!(format!(" {PASSWORD} "))).await.is(200);
    }
}

#[apply(both_modes)]
async fn a_password_matches_with_and_without_its_surrounding_whitespace(mode: Mode) {
    let stage = mode.stage();
    let body = json!({ "username": "ada", "email": "ada@example.com", "password": "  unheard-of " });
    stage.here().post("/api/auth/signup/").json(&body).await.is(201);
    log_in(&stage, json!("ada@example.com"), json!("  unheard-of ")).await.is(200);
    log_in(&stage, json!("ada@example.com"), json!("unheard-of")).await.is(200);
}

#[apply(both_modes)]
async fn forms_are_accepted(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    let fields = [("email", ada.email.as_str()), ("password", PASSWORD)];
    stage.here().post("/api/auth/login/").form(&fields).await.is(200);
    stage.here().post("/api/auth/login/").multipart(&fields).await.is(200);
}

#[apply(both_modes)]
async fn all_wrong_credentials_get_the_same_response(mode: Mode) {
    const WRONG: &str = "Invalid email or password.";
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    stage.sql(&format!("UPDATE users SET is_active = FALSE WHERE id = {}", bob.id));
    for (email, password) in [
        ("nobody@example.com", PASSWORD),
        (&ada.email, "wrong password"),
        (&ada.email, "Correct horse"),
        (&ada.email, "short"),
        (&bob.email, PASSWORD),
    ] {
        let response = log_in(&stage, json!(email), json!(password)).await;
        response.is_error(401, WRONG);
        assert_eq!(response.header("www-authenticate"), None);
    }
}

#[rstest]
#[case(json!({}))]
#[case(json!({ "email": "ada@example.com" }))]
#[case(json!({ "password": "secret" }))]
#[case(json!({ "email": null, "password": "secret" }))]
#[case(json!({ "email": "ada@example.com", "password": null }))]
#[case(json!({ "email": "", "password": "secret" }))]
#[case(json!({ "email": "ada@example.com", "password": " " }))]
#[case(json!({ "email": "ada", "password": "secret" }))]
#[case(json!({ "email": ["ada@example.com"], "password": "secret" }))]
#[case(json!({ "email": "ada@example.com", "password": { "a": 1 } }))]
#[case(json!({ "email": "a\0@example.com", "password": "secret" }))]
#[case(json!({ "email": "ada@example.com", "password": "sec\0ret" }))]
#[tokio::test]
async fn malformed_credentials_are_refused(#[case] body: Value) {
    let stage = Standalone.stage();
    let response = stage.here().post("/api/auth/login/").json(&body).await;
    response.is_error(401, "Invalid credentials.");
    assert_eq!(response.header("www-authenticate"), None);
}

#[tokio::test]
async fn a_body_that_is_not_an_object_is_refused() {
    let stage = Standalone.stage();
    let response = stage.here().post("/api/auth/login/").json(&json!(["a"])).await;
    response.is_error(401, "Invalid data. Expected a dictionary, but got list.");
}

#[tokio::test]
async fn an_unknown_email_takes_as_long_as_a_wrong_password() {
    let stage = Standalone.stage_with(&[("METRICS_ADDRESS", "127.0.0.1:0")]);
    let ada = stage.person("ada").await;
    let hashes = async || {
        let metrics = stage.here().on_metrics_port("/metrics").await.text;
        let name = "numeneon_password_hash_seconds_count ";
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)).expect("the metric");
        line.parse::<u32>().expect("a count")
    };
    let (mut known, mut unknown) = (Duration::MAX, Duration::MAX);
    let before = hashes().await;
    let mut rounds = 0;
    // The machine can only add to the quickest of several logins.
    until("an unknown email takes at least half as long", async || {
        for (email, quickest) in [(&*ada.email, &mut known), ("nobody@example.com", &mut unknown)] {
            let started = Instant::now();
            log_in(&stage, json!(email), json!("wrong password")).await.is(401);
            *quickest = started.elapsed().min(*quickest);
        }
        rounds += 1;
        rounds >= 3 && unknown > known / 2
    })
    .await;
    assert_eq!(hashes().await - before, 2 * rounds, "the password is hashed for an unknown email too");
}
