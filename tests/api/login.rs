//! POST /api/auth/login/

use std::time::{Duration, Instant};

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::Kind::{self, Cluster, Laptop};
use crate::support::{Answer, PASSWORD, Stage};

async fn log_in(stage: &Stage, email: Value, password: Value) -> Answer {
    stage.here().post("/api/auth/login/").json(&json!({ "email": email, "password": password })).await
}

#[rstest]
#[tokio::test]
async fn it_answers_two_tokens_good_on_every_instance(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let ada = stage.person("ada").await;
    let pair = log_in(&stage, json!(ada.email), json!(PASSWORD)).await.is(200);
    assert_eq!(pair.as_object().unwrap().keys().collect::<Vec<_>>(), ["access", "refresh"]);
    for instance in stage.instances() {
        let me = instance.get("/api/auth/me/").bearer(pair["access"].as_str().unwrap()).await.is(200);
        assert_eq!(me["id"], ada.id);
        instance.post("/api/auth/token/refresh/").json(&json!({ "refresh": pair["refresh"] })).await.is(200);
    }
}

#[rstest]
#[tokio::test]
async fn emails_match_in_any_case_and_both_fields_are_trimmed(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    stage.person("ada").await;
    for email in ["ADA@EXAMPLE.COM", "Ada@example.com", "  ada@example.com\n"] {
        log_in(&stage, json!(email), json!(format!(" {PASSWORD} "))).await.is(200);
    }
}

#[rstest]
#[tokio::test]
async fn a_password_with_outer_space_is_good_however_it_is_typed(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let body = json!({ "username": "ada", "email": "ada@example.com", "password": "  secret " });
    stage.here().post("/api/auth/signup/").json(&body).await.is(201);
    log_in(&stage, json!("ada@example.com"), json!("  secret ")).await.is(200);
    log_in(&stage, json!("ada@example.com"), json!("secret")).await.is(200);
}

#[rstest]
#[tokio::test]
async fn forms_sign_in_too(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let ada = stage.person("ada").await;
    let fields = [("email", ada.email.as_str()), ("password", PASSWORD)];
    stage.here().post("/api/auth/login/").form(&fields).await.is(200);
    stage.here().post("/api/auth/login/").multipart(&fields).await.is(200);
}

#[rstest]
#[tokio::test]
async fn wrong_credentials_are_refused_alike(#[values(Laptop, Cluster)] kind: Kind) {
    const WRONG: &str = "Invalid email or password.";
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    stage.sql(&format!("UPDATE users SET is_active = FALSE WHERE id = {}", bob.id));
    for (email, password) in [
        ("nobody@example.com", PASSWORD),
        (&ada.email, "wrong password"),
        (&ada.email, "Correct horse"),
        (&ada.email, "short"),
        (&bob.email, PASSWORD),
    ] {
        let answer = log_in(&stage, json!(email), json!(password)).await;
        answer.refuses(401, WRONG);
        assert_eq!(answer.header("www-authenticate"), None);
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
async fn what_can_be_no_credentials_is_refused(#[case] body: Value) {
    let stage = Laptop.stage();
    let answer = stage.here().post("/api/auth/login/").json(&body).await;
    answer.refuses(401, "Invalid credentials.");
    assert_eq!(answer.header("www-authenticate"), None);
}

#[tokio::test]
async fn a_body_that_is_no_object_is_refused() {
    let stage = Laptop.stage();
    let answer = stage.here().post("/api/auth/login/").json(&json!(["a"])).await;
    answer.refuses(401, "Invalid data. Expected a dictionary, but got list.");
}

#[tokio::test]
async fn an_unknown_email_takes_as_long_as_a_wrong_password() {
    let stage = Laptop.stage();
    let ada = stage.person("ada").await;
    let (mut known, mut unknown) = (Duration::MAX, Duration::MAX);
    for _ in 0..3 {
        for (email, best) in [(&*ada.email, &mut known), ("nobody@example.com", &mut unknown)] {
            let started = Instant::now();
            log_in(&stage, json!(email), json!("wrong password")).await.is(401);
            *best = started.elapsed().min(*best);
        }
    }
    // The work of a hash is 20 times that of a lookup; the machine's own noise is less.
    assert!(unknown > known / 2, "unknown in {unknown:?}, known in {known:?}");
}
