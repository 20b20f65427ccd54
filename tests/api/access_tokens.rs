//! Access tokens: which requests to an authenticated route are accepted.

use jsonwebtoken::Algorithm;
use rstest::rstest;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::Mode::{self, Standalone};
use crate::support::{Response, SECRET_KEY, Stage, both_modes, claims, forge, forge_with, seconds_now};

const REALM: &str = r#"Bearer realm="api""#;

#[track_caller]
fn refused(response: &Response, body: Value) {
    assert_eq!((response.status, response.json()), (401, body));
    assert_eq!(response.header("www-authenticate").as_deref(), Some(REALM));
}

fn token_not_valid_body(message: &str) -> Value {
    json!({
        "detail": "Given token not valid for any token type", "code": "token_not_valid",
        "messages": [{ "token_class": "AccessToken", "token_type": "access", "message": message }],
    })
}

async fn me(stage: &Stage, token: &str) -> Response {
    stage.here().get("/api/auth/me/").bearer(token).await
}

/// The claims of a valid token with one of them changed, or removed by null.
fn changed(user: i64, name: &str, value: Value) -> Value {
    let mut claims = claims(user);
    match value {
        Value::Null => drop(claims.as_object_mut().unwrap().shift_remove(name)),
        value => claims[name] = value,
    }
    claims
}

#[rstest]
#[case::none(None)]
#[case::other_scheme(Some("Basic YTpi"))]
#[case::lowercase(Some("bearer x"))]
#[case::uppercase(Some("BEARER x"))]
#[case::empty(Some(""))]
#[case::no_scheme(Some("x.y.z"))]
#[tokio::test]
async fn without_a_bearer_token_no_credentials_were_provided(#[case] header: Option<&str>) {
    let stage = Standalone.stage();
    let mut call = stage.here().get("/api/auth/me/");
    if let Some(header) = header {
        call = call.header("authorization", header);
    }
    refused(&call.await, json!({ "detail": "Authentication credentials were not provided." }));
}

#[rstest]
#[tokio::test]
async fn an_authorization_header_has_two_words(
    #[values("Bearer", "Bearer a b", "Bearer a b c")] header: &str,
) {
    let stage = Standalone.stage();
    let response = stage.here().get("/api/auth/me/").header("authorization", header).await;
    let body = json!({
        "detail": "Authorization header must contain two space-delimited values", "code": "bad_authorization_header",
    });
    refused(&response, body);
}

#[apply(both_modes)]
async fn a_valid_token_may_name_its_user_by_a_string_or_a_number(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    for user in [json!(ada.id.to_string()), json!(ada.id)] {
        let token = forge(SECRET_KEY, &changed(ada.id, "user_id", user));
        assert_eq!(me(&stage, &token).await.is(200)["id"], ada.id);
    }
    let mut more = claims(ada.id);
    (more["iss"], more["aud"], more["nbf"]) = (json!("x"), json!(["y"]), json!(seconds_now() - 60));
    me(&stage, &forge(SECRET_KEY, &more)).await.is(200);
}

/// The clocks of two instances differ.
#[tokio::test]
async fn a_token_from_a_clock_that_is_ahead_by_less_than_two_seconds_is_valid() {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    for (ahead, status) in [(0.3, 200), (1.5, 200), (60.0, 401)] {
        let issued_at = seconds_now() as f64 + ahead;
        let token = forge(SECRET_KEY, &changed(ada.id, "iat", json!(issued_at)));
        assert_eq!(me(&stage, &token).await.status, status, "{ahead}");
    }
}

#[tokio::test]
async fn a_token_without_the_time_of_its_issue_may_be_valid_for_as_long_as_a_new_one() {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    for (seconds, status) in [(3_600, 200), (7_200, 401)] {
        let mut claims = changed(ada.id, "iat", Value::Null);
        claims["exp"] = json!(seconds_now() + seconds);
        assert_eq!(me(&stage, &forge(SECRET_KEY, &claims)).await.status, status, "{seconds}");
    }
}

#[tokio::test]
async fn a_token_with_another_signature_is_invalid() {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    let valid = forge(SECRET_KEY, &claims(ada.id));
    let (head, signature) = valid.rsplit_once('.').unwrap();
    let (header, body) = head.split_once('.').unwrap();
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"; // {"alg":"none","typ":"JWT"}
    let other = forge(SECRET_KEY, &claims(ada.id + 1));
    let others_body = other.split('.').nth(1).unwrap();
    for token in [
        "junk".into(),
        "a.b.c".into(),
        "..".into(),
        head.to_owned(),
        format!("{head}."),
        format!("{head}.{}", signature.to_lowercase()),
        format!("{valid}.x"),
        format!("{none}.{body}."),
        format!("{none}.{body}.{signature}"),
        format!("{header}.{others_body}.{signature}"),
        forge("another key, of a valid length", &claims(ada.id)),
        forge_with(Algorithm::HS384, SECRET_KEY, &claims(ada.id)),
        forge_with(Algorithm::HS512, SECRET_KEY, &claims(ada.id)),
        forge(SECRET_KEY, &json!([1, 2])),
        forge(SECRET_KEY, &json!("text")),
    ] {
        let response = me(&stage, &token).await;
        assert_eq!(
            (response.status, response.json()),
            (401, token_not_valid_body("Token is invalid")),
            "{token}"
        );
    }
}

#[rstest]
#[case::from_the_future("iat", |now| json!(now + 3600), "Token is invalid")]
#[case::not_yet("nbf", |now| json!(now + 3600), "Token is invalid")]
#[case::exp_is_not_a_number("exp", |_| json!("soon"), "Token is invalid")]
#[case::expired("exp", |now| json!(now - 1), "Token is expired")]
#[case::expires_now("exp", |now| json!(now), "Token is expired")]
#[case::expired_long_ago("exp", |_| json!(0), "Token is expired")]
#[case::longer_than_any_that_is_issued("exp", |now| json!(now + 3610), "Token is invalid")]
#[case::for_ten_years("exp", |now| json!(now + 315_360_000_i64), "Token is invalid")]
#[case::refresh("token_type", |_| json!("refresh"), "Token has wrong type")]
#[case::other_type("token_type", |_| json!("sliding"), "Token has wrong type")]
#[case::no_type("token_type", |_| json!(null), "Token has no type")]
#[case::no_id("jti", |_| json!(null), "Token has no id")]
#[case::no_exp("exp", |_| json!(null), "Token has no 'exp' claim")]
#[tokio::test]
async fn an_invalid_token_is_refused_with_the_reason(
    #[case] name: &str,
    #[case] value: fn(i64) -> Value,
    #[case] message: &str,
) {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    let token = forge(SECRET_KEY, &changed(ada.id, name, value(seconds_now())));
    refused(&me(&stage, &token).await, token_not_valid_body(message));
}

#[rstest]
#[case::absent(json!(null))]
#[case::text(json!("abc"))]
#[case::empty(json!(""))]
#[case::signed(json!("-1"))]
#[case::fraction(json!(1.5))]
#[case::boolean(json!(true))]
#[case::list(json!([1]))]
#[case::object(json!({ "id": 1 }))]
#[tokio::test]
async fn a_user_id_that_is_not_a_number_identifies_nobody(#[case] user: Value) {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    let response = me(&stage, &forge(SECRET_KEY, &changed(ada.id, "user_id", user))).await;
    assert_eq!(response.status, 401, "{}", response.text);
    assert_eq!(response.json()["code"], "token_not_valid");
    assert_eq!(response.json()["detail"], "Token contained no recognizable user identification");
}

#[apply(both_modes)]
async fn a_deleted_or_inactive_user_is_refused(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    stage.sql(&format!("UPDATE users SET is_active = FALSE WHERE id = {}", bob.id));
    refused(&me(&stage, &bob.access).await, json!({ "detail": "User is inactive", "code": "user_inactive" }));
    let not_found = json!({ "detail": "User not found", "code": "user_not_found" });
    for user in [json!(ada.id + 100), json!("0"), json!("9".repeat(40)), json!(u64::MAX)] {
        refused(&me(&stage, &forge(SECRET_KEY, &changed(0, "user_id", user))).await, not_found.clone());
    }
    stage.sql(&format!("DELETE FROM users WHERE id = {}", ada.id));
    refused(&me(&stage, &ada.access).await, not_found);
}

#[rstest]
#[case("GET", "/api/auth/me/")]
#[case("PATCH", "/api/auth/profile/")]
#[case("PUT", "/api/auth/profile/1/")]
#[case("GET", "/api/auth/search/")]
#[case("GET", "/api/auth/sign-ins/")]
#[case("DELETE", "/api/auth/sign-ins/0000000000000000/")]
#[case("GET", "/api/friends/")]
#[case("GET", "/api/friends/requests/")]
#[case("GET", "/api/friends/suggestions/")]
#[case("POST", "/api/friends/request/1/")]
#[case("POST", "/api/friends/accept/1/")]
#[case("POST", "/api/friends/decline/1/")]
#[case("DELETE", "/api/friends/cancel/1/")]
#[case("DELETE", "/api/friends/remove/1/")]
#[case("GET", "/api/messages/")]
#[case("POST", "/api/messages/")]
#[case("GET", "/api/messages/conversations/")]
#[case("GET", "/api/messages/conversation/1/")]
#[case("POST", "/api/messages/conversation/1/read/")]
#[case("POST", "/api/messages/read_all/")]
#[case("PATCH", "/api/messages/1/read/")]
#[case("GET", "/api/notifications/")]
#[case("POST", "/api/notifications/read/")]
#[tokio::test]
async fn an_authenticated_route_checks_the_token_first(#[case] method: &str, #[case] path: &str) {
    let stage = Standalone.stage();
    let missing = json!({ "detail": "Authentication credentials were not provided." });
    refused(&stage.here().request(method, path).await, missing.clone());
    // Before it checks the method and the body.
    refused(&stage.here().request("TRACE", path).await, missing.clone());
    refused(&stage.here().request("PUT", path).body("text/plain", "{").await, missing.clone());
    refused(
        &stage.here().request(method, path).body("application/json", "{".repeat(70_000)).await,
        missing.clone(),
    );
    refused(&stage.here().request("OPTIONS", path).await, missing);
}

#[tokio::test]
async fn a_token_in_the_query_is_ignored() {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    let response = stage.here().get(&format!("/api/auth/me/?token={}", ada.access)).await;
    refused(&response, json!({ "detail": "Authentication credentials were not provided." }));
}

#[rstest]
#[tokio::test]
async fn routes_without_authentication_ignore_an_invalid_token(
    #[values("Bearer junk", "Bearer", "Basic x")] header: &str,
) {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    let here = stage.here();
    here.get("/").header("authorization", header).await.is(200);
    here.get("/api/auth/users/ada/").header("authorization", header).await.is(200);
    let body = json!({ "username": "bob", "email": "bob@example.com", "password": "unheard-of" });
    here.post("/api/auth/signup/").header("authorization", header).json(&body).await.is(201);
    let pair = here.post("/api/auth/login/").header("authorization", header).json(&body).await.is(200);
    let body = json!({ "refresh": pair["refresh"] });
    here.post("/api/auth/token/refresh/").header("authorization", header).json(&body).await.is(200);
    here.get("/api/auth/me/").by(&ada).await.is(200);
}
