//! `POST /api/auth/token/refresh/`

use rstest::rstest;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::Mode::{self, Standalone};
use crate::support::{Response, SECRET_KEY, Stage, both_modes, claims, forge, seconds_now};

async fn refresh(stage: &Stage, token: &str) -> Response {
    stage.here().post("/api/auth/token/refresh/").json(&json!({ "refresh": token })).await
}

/// Returns a refresh token that is valid, except for what `change` does to its claims.
fn refresh_token(user: i64, change: fn(&mut Value)) -> String {
    let mut claims = claims(user);
    claims["token_type"] = json!("refresh");
    change(&mut claims);
    forge(SECRET_KEY, &claims)
}

#[apply(both_modes)]
async fn it_returns_two_new_tokens_and_the_old_one_stays_valid(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    let first = refresh_token(ada.id, |_| {});
    let mut seen = vec![json!(first)];
    for instance in stage.round_robin().take(4) {
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

#[apply(both_modes)]
async fn forms_are_accepted(mode: Mode) {
    let stage = mode.stage();
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
    let stage = Standalone.stage();
    stage.here().post("/api/auth/token/refresh/").json(&body).await.is_json(400, errors);
}

#[rstest]
#[case::access(|claims: &mut Value| claims["token_type"] = json!("access"), "Token has wrong type")]
#[case::expired(|claims: &mut Value| claims["exp"] = json!(seconds_now() - 1), "Token is expired")]
#[case::future(|claims: &mut Value| claims["iat"] = json!(seconds_now() + 3600), "Token is invalid")]
#[case::no_type(|claims: &mut Value| drop(claims.as_object_mut().unwrap().shift_remove("token_type")), "Token has no type")]
#[tokio::test]
async fn an_invalid_token_is_refused_with_the_reason(#[case] change: fn(&mut Value), #[case] detail: &str) {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    let response = refresh(&stage, &refresh_token(ada.id, change)).await;
    response.is_json(401, json!({ "detail": detail, "code": "token_not_valid" }));
    assert_eq!(response.header("www-authenticate").as_deref(), Some(r#"Bearer realm="api""#));
}

#[tokio::test]
async fn a_token_with_another_signature_is_refused() {
    let stage = Standalone.stage();
    let forged = forge("another key, of a valid length", &claims(1));
    for token in ["junk", "a.b.c", &forged] {
        let body = json!({ "detail": "Token is invalid", "code": "token_not_valid" });
        refresh(&stage, token).await.is_json(401, body);
    }
}

#[apply(both_modes)]
async fn an_inactive_or_deleted_user_is_refused(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    stage.sql(&format!("UPDATE users SET is_active = FALSE WHERE id = {}", bob.id));
    stage.sql(&format!("DELETE FROM users WHERE id = {}", ada.id));
    let response = refresh(&stage, &refresh_token(bob.id, |_| {})).await;
    response.has_detail(401, "No active account found for the given token.");
    let response = refresh(&stage, &refresh_token(ada.id, |_| {})).await;
    assert!(response.is(401)["detail"].is_string());
    let response = refresh(&stage, &refresh_token(0, |claims| claims["user_id"] = json!("abc"))).await;
    assert!(response.is(401)["detail"].is_string());
}

#[tokio::test]
async fn the_lifetimes_are_settings() {
    let stage = Standalone.stage_with(&[("ACCESS_TOKEN_SECONDS", "700"), ("REFRESH_TOKEN_SECONDS", "900")]);
    let ada = stage.person("ada").await;
    // One that was issued for longer, as the settings before allowed, is refused.
    let week = refresh(&stage, &refresh_token(ada.id, |_| {})).await;
    week.is_json(401, json!({ "detail": "Token is invalid", "code": "token_not_valid" }));
    let token = refresh_token(ada.id, |claims| claims["exp"] = json!(seconds_now() + 900));
    let pair = refresh(&stage, &token).await.is(200);
    for (name, seconds) in [("access", 700), ("refresh", 900)] {
        let key = jsonwebtoken::DecodingKey::from_secret(SECRET_KEY.as_bytes());
        let validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
        let token = jsonwebtoken::decode::<Value>(pair[name].as_str().unwrap(), &key, &validation).unwrap();
        assert_eq!(token.claims["exp"].as_i64().unwrap() - token.claims["iat"].as_i64().unwrap(), seconds);
    }
}
