//! POST /api/auth/token/refresh/

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::Kind::{self, Cluster, Laptop};
use crate::support::{Answer, SECRET_KEY, Stage, claims, forge, seconds_now};

async fn refresh(stage: &Stage, token: &str) -> Answer {
    stage.here().post("/api/auth/token/refresh/").json(&json!({ "refresh": token })).await
}

/// A good refresh token, but for what `change` does to its claims.
fn refresh_token(user: i64, change: fn(&mut Value)) -> String {
    let mut claims = claims(user);
    claims["token_type"] = json!("refresh");
    change(&mut claims);
    forge(SECRET_KEY, &claims)
}

#[rstest]
#[tokio::test]
async fn it_answers_two_new_tokens_and_the_old_one_stays_good(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let ada = stage.person("ada").await;
    let first = refresh_token(ada.id, |_| {});
    let mut seen = vec![json!(first)];
    for instance in stage.in_turn().take(4) {
        let pair = instance.post("/api/auth/token/refresh/").json(&json!({ "refresh": first })).await.is(200);
        assert_eq!(pair.as_object().unwrap().keys().collect::<Vec<_>>(), ["access", "refresh"]);
        let me = instance.get("/api/auth/me/").bearer(pair["access"].as_str().unwrap()).await.is(200);
        assert_eq!(me["username"], "ada");
        refresh(&stage, pair["refresh"].as_str().unwrap()).await.is(200);
        for token in [&pair["access"], &pair["refresh"]] {
            assert!(!seen.contains(token));
            seen.push(token.clone());
        }
    }
    stage.here().get("/api/auth/me/").by(&ada).await.is(200);
}

#[rstest]
#[tokio::test]
async fn forms_refresh_too(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let ada = stage.person("ada").await;
    let token = refresh_token(ada.id, |_| {});
    stage.here().post("/api/auth/token/refresh/").form(&[("refresh", &token)]).await.is(200);
    stage.here().post("/api/auth/token/refresh/").multipart(&[("refresh", &token)]).await.is(200);
}

#[rstest]
#[case(json!({}), json!({ "refresh": ["This field is required."] }))]
#[case(json!({ "refresh": null }), json!({ "refresh": ["This field may not be null."] }))]
#[case(json!({ "refresh": "" }), json!({ "refresh": ["This field may not be blank."] }))]
#[case(json!({ "refresh": "  " }), json!({ "refresh": ["This field may not be blank."] }))]
#[case(json!({ "refresh": [] }), json!({ "refresh": ["Not a valid string."] }))]
#[case(json!([]), json!({ "non_field_errors": ["Invalid data. Expected a dictionary, but got list."] }))]
#[tokio::test]
async fn a_body_without_a_token_is_refused(#[case] body: Value, #[case] errors: Value) {
    let stage = Laptop.stage();
    stage.here().post("/api/auth/token/refresh/").json(&body).await.says(400, errors);
}

#[rstest]
#[case::access(|claims: &mut Value| claims["token_type"] = json!("access"), "Token has wrong type")]
#[case::expired(|claims: &mut Value| claims["exp"] = json!(seconds_now() - 1), "Token is expired")]
#[case::future(|claims: &mut Value| claims["iat"] = json!(seconds_now() + 60), "Token is invalid")]
#[case::no_type(|claims: &mut Value| drop(claims.as_object_mut().unwrap().shift_remove("token_type")), "Token has no type")]
#[tokio::test]
async fn a_bad_token_is_refused_with_its_cause(#[case] change: fn(&mut Value), #[case] detail: &str) {
    let stage = Laptop.stage();
    let ada = stage.person("ada").await;
    let answer = refresh(&stage, &refresh_token(ada.id, change)).await;
    answer.says(401, json!({ "detail": detail, "code": "token_not_valid" }));
    assert_eq!(answer.header("www-authenticate").as_deref(), Some(r#"Bearer realm="api""#));
}

#[tokio::test]
async fn junk_is_refused() {
    let stage = Laptop.stage();
    let forged = forge("another key, of a length that would be good", &claims(1));
    for token in ["junk", "a.b.c", &forged] {
        let body = json!({ "detail": "Token is invalid", "code": "token_not_valid" });
        refresh(&stage, token).await.says(401, body);
    }
}

#[rstest]
#[tokio::test]
async fn a_user_who_is_inactive_or_gone_is_refused(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    stage.sql(&format!("UPDATE users SET is_active = FALSE WHERE id = {}", bob.id));
    stage.sql(&format!("DELETE FROM users WHERE id = {}", ada.id));
    let answer = refresh(&stage, &refresh_token(bob.id, |_| {})).await;
    answer.details(401, "No active account found for the given token.");
    let answer = refresh(&stage, &refresh_token(ada.id, |_| {})).await;
    assert!(answer.is(401)["detail"].is_string());
    let answer = refresh(&stage, &refresh_token(0, |claims| claims["user_id"] = json!("abc"))).await;
    assert!(answer.is(401)["detail"].is_string());
}

#[tokio::test]
async fn the_lifetimes_are_settings() {
    let stage = Laptop.stage_with(&[("ACCESS_TOKEN_SECONDS", "2"), ("REFRESH_TOKEN_SECONDS", "5")]);
    let ada = stage.person("ada").await;
    let pair = refresh(&stage, &refresh_token(ada.id, |_| {})).await.is(200);
    for (name, seconds) in [("access", 2), ("refresh", 5)] {
        let key = jsonwebtoken::DecodingKey::from_secret(SECRET_KEY.as_bytes());
        let validation = jsonwebtoken::Validation::default();
        let token = jsonwebtoken::decode::<Value>(pair[name].as_str().unwrap(), &key, &validation).unwrap();
        assert_eq!(token.claims["exp"].as_i64().unwrap() - token.claims["iat"].as_i64().unwrap(), seconds);
    }
}
