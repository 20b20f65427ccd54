//! Password hashes and tokens of Django and simplejwt stay valid.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use rstest::rstest;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::Mode::{self, Standalone};
use crate::support::{PASSWORD, SECRET_KEY, Stage, both_modes, forge, seconds_now};

/// The output of `tests/data/make_django_data.py`.
fn data() -> Value {
    serde_json::from_str(include_str!("../data/django.json")).unwrap()
}

/// Returns one of Django's tokens, which are valid for a century, with the times of one that was
/// issued now: none is accepted that is valid for longer than this service issues them for.
fn of_today(data: &Value, name: &str) -> String {
    let (key, token) = (data["secret_key"].as_str().unwrap(), data["tokens"][name].as_str().unwrap());
    let validation = Validation::new(Algorithm::HS256);
    let token = jsonwebtoken::decode::<Value>(token, &DecodingKey::from_secret(key.as_bytes()), &validation);
    let (mut claims, now) = (token.unwrap().claims, seconds_now());
    let lifetime = if claims["token_type"] == "refresh" { 604_800 } else { 3_600 };
    (claims["iat"], claims["exp"]) = (json!(now), json!(now + lifetime));
    forge(key, &claims)
}

/// Starts a stage with Django's key and the user of its tokens.
fn stage(mode: Mode) -> Stage {
    let data = data();
    let stage = mode.stage_with(&[("SECRET_KEY", data["secret_key"].as_str().unwrap())]);
    stage.import("django", "Django", "Reinhardt");
    let id = &data["user_id"];
    stage.sql(&format!(
        "DELETE FROM inboxes; DELETE FROM profiles; DELETE FROM username_keys; UPDATE users SET id = {id}, email = 'Django@example.com', \
         email_key = 'django@example.com'; INSERT INTO inboxes (user_id) VALUES ({id}); \
         INSERT INTO profiles (user_id, created_at, updated_at) VALUES ({id}, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP)"
    ));
    stage
}

#[rstest]
#[case::user_id_as_a_string("access")]
#[case::user_id_as_a_number("access_with_a_number")]
#[tokio::test]
async fn its_access_tokens_are_accepted(
    #[case] name: &str,
    #[values(Mode::Standalone, Mode::Cluster)] mode: Mode,
) {
    let (stage, data) = (stage(mode), data());
    let token = &of_today(&data, name);
    let me = stage.here().get("/api/auth/me/").bearer(token).await.is(200);
    assert_eq!((&me["id"], &me["username"]), (&data["user_id"], &json!("django")));
    let socket = stage.there().handshake().token(token).open().await;
    assert_eq!(socket.greeting["message"], "Connected as django");
}

#[apply(both_modes)]
async fn its_refresh_tokens_are_accepted(mode: Mode) {
    let (stage, data) = (stage(mode), data());
    let body = json!({ "refresh": of_today(&data, "refresh") });
    for instance in stage.instances() {
        let pair = instance.post("/api/auth/token/refresh/").json(&body).await.is(200);
        instance.get("/api/auth/me/").bearer(pair["access"].as_str().unwrap()).await.is(200);
    }
}

#[rstest]
#[case("access_expired", "Token is expired")]
#[case("access_without_jti", "Token has no id")]
#[case("access_without_exp", "Token has no 'exp' claim")]
#[case("refresh", "Token has wrong type")]
#[tokio::test]
async fn its_invalid_tokens_are_refused_with_its_messages(#[case] name: &str, #[case] message: &str) {
    let (stage, data) = (stage(Standalone), data());
    let response = stage.here().get("/api/auth/me/").bearer(data["tokens"][name].as_str().unwrap()).await;
    assert_eq!(response.is(401)["messages"][0]["message"], message);
}

#[tokio::test]
async fn its_token_without_a_user_id_is_refused() {
    let (stage, data) = (stage(Standalone), data());
    let token = &of_today(&data, "access_without_user_id");
    let body = json!({
        "detail": "Token contained no recognizable user identification", "code": "token_not_valid",
    });
    stage.here().get("/api/auth/me/").bearer(token).await.is_json(401, body);
}

#[rstest]
#[case("refresh_expired", "Token is expired")]
#[case("refresh_without_jti", "Token has no id")]
#[case("access", "Token has wrong type")]
#[tokio::test]
async fn its_invalid_refresh_tokens_are_refused_with_its_messages(#[case] name: &str, #[case] detail: &str) {
    let (stage, data) = (stage(Standalone), data());
    let response =
        stage.here().post("/api/auth/token/refresh/").json(&json!({ "refresh": data["tokens"][name] })).await;
    response.is_json(401, json!({ "detail": detail, "code": "token_not_valid" }));
}

#[apply(both_modes)]
async fn logging_in_replaces_its_hash_with_argon2id(mode: Mode) {
    let (stage, data) = (stage(mode), data());
    let wrong = json!({ "email": "django@example.com", "password": "wrong password" });
    stage.sql(&format!(
        "UPDATE users SET password_hash = '{}'",
        data["passwords"][0]["hash"].as_str().unwrap()
    ));
    let login = |body: &Value| stage.here().post("/api/auth/login/").json(body);
    login(&wrong).await.is_error(401, "Invalid email or password.");
    assert!(stage.text("SELECT password_hash FROM users").starts_with("pbkdf2_sha256$"));
    for entry in data["passwords"].as_array().unwrap() {
        stage.sql(&format!("UPDATE users SET password_hash = '{}'", entry["hash"].as_str().unwrap()));
        let log_in = async |email: &str, password: &Value| {
            let body = json!({ "email": email, "password": password });
            login(&body).await
        };
        let pair = log_in("django@EXAMPLE.com", &entry["password"]).await.is(200);
        stage.there().get("/api/auth/me/").bearer(pair["access"].as_str().unwrap()).await.is(200);
        let replaced = stage.text("SELECT password_hash FROM users");
        assert!(replaced.starts_with("$argon2id$"), "{replaced}");
        log_in("Django@example.com", &entry["password"]).await.is(200);
        assert_eq!(stage.text("SELECT password_hash FROM users"), replaced);
    }
}

#[rstest]
#[case::unusable(None)]
#[case::empty(Some(""))]
#[case::iterations_missing(Some("pbkdf2_sha256$$salt$aGFzaA=="))]
#[case::too_many_iterations(Some("pbkdf2_sha256$99999999999$salt$aGFzaA=="))]
#[case::not_base64(Some("pbkdf2_sha256$1000$salt$***"))]
#[case::other_algorithm(Some("md5$salt$5f4dcc3b5aa765d61d8327deb882cf99"))]
#[tokio::test]
async fn a_hash_that_matches_no_password_is_never_accepted(#[case] hash: Option<&str>) {
    let (stage, data) = (stage(Standalone), data());
    let hash = hash.unwrap_or(data["unusable_hash"].as_str().unwrap());
    stage.sql(&format!("UPDATE users SET password_hash = '{hash}'"));
    for password in ["", "password", hash] {
        let body = json!({ "email": "django@example.com", "password": password });
        assert_eq!(stage.here().post("/api/auth/login/").json(&body).await.status, 401, "{password}");
    }
}

#[rstest]
#[case("access", 3600)]
#[case("refresh", 604_800)]
#[tokio::test]
async fn tokens_have_the_claims_that_django_expects(#[case] token_type: &str, #[case] seconds: i64) {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    let body = json!({ "email": ada.email, "password": PASSWORD });
    let pair = stage.here().post("/api/auth/login/").json(&body).await.is(200);
    let token = pair[token_type].as_str().unwrap();

    let parts: Vec<_> = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
    let header: Value = serde_json::from_slice(&parts[0]).unwrap();
    assert_eq!(header, json!({ "alg": "HS256", "typ": "JWT" }));
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_required_spec_claims(&["exp"]);
    let key = DecodingKey::from_secret(SECRET_KEY.as_bytes());
    let claims = jsonwebtoken::decode::<Value>(token, &key, &validation).unwrap().claims;
    let (exp, iat) = (claims["exp"].as_i64().unwrap(), claims["iat"].as_i64().unwrap());
    let jti = claims["jti"].as_str().unwrap();
    assert_eq!(
        claims,
        json!({ "token_type": token_type, "exp": exp, "iat": iat, "jti": jti, "user_id": ada.id.to_string() })
    );
    assert_eq!(exp - iat, seconds);
    assert!(jti.len() == 32 && jti.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{jti}");
}
