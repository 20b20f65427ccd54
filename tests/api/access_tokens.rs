//! What lets a request through to a closed route, and what does not.

use jsonwebtoken::Algorithm;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::Kind::{self, Cluster, Laptop};
use crate::support::{Answer, SECRET_KEY, Stage, claims, forge, forge_with, seconds_now};

const REALM: &str = r#"Bearer realm="api""#;

#[track_caller]
fn refused(answer: &Answer, body: Value) {
    assert_eq!((answer.status, answer.json()), (401, body));
    assert_eq!(answer.header("www-authenticate").as_deref(), Some(REALM));
}

fn not_valid(message: &str) -> Value {
    json!({
        "detail": "Given token not valid for any token type", "code": "token_not_valid",
        "messages": [{ "token_class": "AccessToken", "token_type": "access", "message": message }],
    })
}

async fn me(stage: &Stage, token: &str) -> Answer {
    stage.here().get("/api/auth/me/").bearer(token).await
}

/// The claims of a good token with one of them changed, or taken away by null.
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
#[case::small_letters(Some("bearer x"))]
#[case::capitals(Some("BEARER x"))]
#[case::empty(Some(""))]
#[case::no_scheme(Some("x.y.z"))]
#[tokio::test]
async fn no_bearer_token_is_no_credentials(#[case] header: Option<&str>) {
    let stage = Laptop.stage();
    let mut call = stage.here().get("/api/auth/me/");
    if let Some(header) = header {
        call = call.header("authorization", header);
    }
    refused(&call.await, json!({ "detail": "Authentication credentials were not provided." }));
}

#[rstest]
#[tokio::test]
async fn a_bearer_header_has_two_words(#[values("Bearer", "Bearer a b", "Bearer a b c")] header: &str) {
    let stage = Laptop.stage();
    let answer = stage.here().get("/api/auth/me/").header("authorization", header).await;
    let body = json!({
        "detail": "Authorization header must contain two space-delimited values", "code": "bad_authorization_header",
    });
    refused(&answer, body);
}

#[rstest]
#[tokio::test]
async fn a_good_token_names_its_user_by_text_or_number(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let ada = stage.person("ada").await;
    for user in [json!(ada.id.to_string()), json!(ada.id)] {
        let token = forge(SECRET_KEY, &changed(ada.id, "user_id", user));
        assert_eq!(me(&stage, &token).await.is(200)["id"], ada.id);
    }
    let mut more = claims(ada.id);
    (more["iss"], more["aud"], more["nbf"]) = (json!("x"), json!(["y"]), json!(seconds_now() - 60));
    me(&stage, &forge(SECRET_KEY, &more)).await.is(200);
}

#[tokio::test]
async fn a_token_that_nobody_here_signed_is_invalid() {
    let stage = Laptop.stage();
    let ada = stage.person("ada").await;
    let good = forge(SECRET_KEY, &claims(ada.id));
    let (head, signature) = good.rsplit_once('.').unwrap();
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
        format!("{good}.x"),
        format!("{none}.{body}."),
        format!("{none}.{body}.{signature}"),
        format!("{header}.{others_body}.{signature}"),
        forge("another key, of a length that would be good", &claims(ada.id)),
        forge_with(Algorithm::HS384, SECRET_KEY, &claims(ada.id)),
        forge_with(Algorithm::HS512, SECRET_KEY, &claims(ada.id)),
        forge(SECRET_KEY, &json!([1, 2])),
        forge(SECRET_KEY, &json!("text")),
    ] {
        let answer = me(&stage, &token).await;
        assert_eq!((answer.status, answer.json()), (401, not_valid("Token is invalid")), "{token}");
    }
}

#[rstest]
#[case::from_the_future("iat", |now| json!(now + 60), "Token is invalid")]
#[case::not_yet("nbf", |now| json!(now + 60), "Token is invalid")]
#[case::exp_no_number("exp", |_| json!("soon"), "Token is invalid")]
#[case::over("exp", |now| json!(now - 1), "Token is expired")]
#[case::over_now("exp", |now| json!(now), "Token is expired")]
#[case::over_long_ago("exp", |_| json!(0), "Token is expired")]
#[case::refresh("token_type", |_| json!("refresh"), "Token has wrong type")]
#[case::other_type("token_type", |_| json!("sliding"), "Token has wrong type")]
#[case::no_type("token_type", |_| json!(null), "Token has no type")]
#[case::no_id("jti", |_| json!(null), "Token has no id")]
#[case::no_exp("exp", |_| json!(null), "Token has no 'exp' claim")]
#[tokio::test]
async fn a_bad_token_is_refused_with_its_cause(
    #[case] name: &str,
    #[case] value: fn(i64) -> Value,
    #[case] message: &str,
) {
    let stage = Laptop.stage();
    let ada = stage.person("ada").await;
    let token = forge(SECRET_KEY, &changed(ada.id, name, value(seconds_now())));
    refused(&me(&stage, &token).await, not_valid(message));
}

#[rstest]
#[case::absent(json!(null))]
#[case::text(json!("abc"))]
#[case::empty(json!(""))]
#[case::signed(json!("-1"))]
#[case::fraction(json!(1.5))]
#[case::truth(json!(true))]
#[case::list(json!([1]))]
#[case::object(json!({ "id": 1 }))]
#[tokio::test]
async fn a_user_id_that_is_no_number_names_nobody(#[case] user: Value) {
    let stage = Laptop.stage();
    let ada = stage.person("ada").await;
    let answer = me(&stage, &forge(SECRET_KEY, &changed(ada.id, "user_id", user))).await;
    assert_eq!(answer.status, 401, "{}", answer.text);
    assert_eq!(answer.json()["code"], "token_not_valid");
    assert_eq!(answer.json()["detail"], "Token contained no recognizable user identification");
}

#[rstest]
#[tokio::test]
async fn a_user_who_is_gone_or_inactive_is_refused(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    stage.sql(&format!("UPDATE users SET is_active = FALSE WHERE id = {}", bob.id));
    refused(&me(&stage, &bob.access).await, json!({ "detail": "User is inactive", "code": "user_inactive" }));
    let gone = json!({ "detail": "User not found", "code": "user_not_found" });
    for user in [json!(ada.id + 100), json!("0"), json!("9".repeat(40)), json!(u64::MAX)] {
        refused(&me(&stage, &forge(SECRET_KEY, &changed(0, "user_id", user))).await, gone.clone());
    }
    stage.sql(&format!("DELETE FROM users WHERE id = {}", ada.id));
    refused(&me(&stage, &ada.access).await, gone);
}

#[rstest]
#[case("GET", "/api/auth/me/")]
#[case("PATCH", "/api/auth/profile/")]
#[case("PUT", "/api/auth/profile/1/")]
#[case("GET", "/api/auth/search/")]
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
async fn a_closed_route_asks_for_a_token_before_anything_else(#[case] method: &str, #[case] path: &str) {
    let stage = Laptop.stage();
    let missing = json!({ "detail": "Authentication credentials were not provided." });
    refused(&stage.here().call(method, path).await, missing.clone());
    // Before the method and before the body.
    refused(&stage.here().call("TRACE", path).await, missing.clone());
    refused(&stage.here().call("PUT", path).body("text/plain", "{").await, missing.clone());
    refused(
        &stage.here().call(method, path).body("application/json", "{".repeat(70_000)).await,
        missing.clone(),
    );
    refused(&stage.here().call("OPTIONS", path).await, missing);
}

#[rstest]
#[tokio::test]
async fn a_token_in_the_query_counts_for_no_route(#[values(Laptop)] kind: Kind) {
    let stage = kind.stage();
    let ada = stage.person("ada").await;
    let answer = stage.here().get(&format!("/api/auth/me/?token={}", ada.access)).await;
    refused(&answer, json!({ "detail": "Authentication credentials were not provided." }));
}

#[rstest]
#[tokio::test]
async fn a_bad_token_does_not_hinder_open_routes(#[values("Bearer junk", "Bearer", "Basic x")] header: &str) {
    let stage = Laptop.stage();
    let ada = stage.person("ada").await;
    let here = stage.here();
    here.get("/").header("authorization", header).await.is(200);
    here.get("/api/auth/users/ada/").header("authorization", header).await.is(200);
    let body = json!({ "username": "bob", "email": "bob@example.com", "password": "secret" });
    here.post("/api/auth/signup/").header("authorization", header).json(&body).await.is(201);
    let pair = here.post("/api/auth/login/").header("authorization", header).json(&body).await.is(200);
    let body = json!({ "refresh": pair["refresh"] });
    here.post("/api/auth/token/refresh/").header("authorization", header).json(&body).await.is(200);
    here.get("/api/auth/me/").by(&ada).await.is(200);
}
