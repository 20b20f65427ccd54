//! `POST /api/auth/logout/`, `logout/all/` and `password/`: which tokens they revoke, and which sockets they close.

use std::time::{Duration, Instant};

use rstest::rstest;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::Mode::{self, Cluster, Standalone};
use crate::support::wait::until_quicker_than;
use crate::support::{
    Instance, PASSWORD, Person, Response, SECRET_KEY, Stage, both_modes, claims, forge, seconds_now,
};

const REVOKED: &str = "Token is blacklisted";
const NEW_PASSWORD: &str = "another correct horse";

/// A pair of tokens, as returned by a login.
struct Pair {
    access: String,
    refresh: String,
}

impl Pair {
    fn of(response: &Value) -> Self {
        let text = |name: &str| response[name].as_str().expect("a token").to_owned();
        Self { access: text("access"), refresh: text("refresh") }
    }
}

async fn log_in(instance: &Instance, person: &Person, password: &str) -> Response {
    let body = json!({ "email": person.email, "password": password });
    instance.post("/api/auth/login/").json(&body).await
}

async fn refresh(instance: &Instance, token: &str) -> Response {
    instance.post("/api/auth/token/refresh/").json(&json!({ "refresh": token })).await
}

async fn change_password(instance: &Instance, access: &str, old: &str, new: &str) -> Response {
    let body = json!({ "old_password": old, "new_password": new });
    instance.post("/api/auth/password/").bearer(access).json(&body).await
}

/// Checks that every instance refuses both tokens.
async fn both_are_revoked(stage: &Stage, pair: &Pair) {
    for instance in stage.instances() {
        let response = instance.get("/api/auth/me/").bearer(&pair.access).await;
        assert_eq!(response.is(401)["messages"][0]["message"], REVOKED);
        assert_eq!(response.header("www-authenticate").as_deref(), Some("Bearer realm=\"api\""));
        let response = refresh(instance, &pair.refresh).await;
        response.is_json(401, json!({ "detail": REVOKED, "code": "token_not_valid" }));
    }
}

async fn both_are_valid(stage: &Stage, pair: &Pair) {
    for instance in stage.instances() {
        instance.get("/api/auth/me/").bearer(&pair.access).await.is(200);
        refresh(instance, &pair.refresh).await.is(200);
    }
}

#[rstest]
#[case(json!({}), 400, json!({ "refresh": ["This field is required."] }))]
#[case(json!({ "refresh": null }), 400, json!({ "refresh": ["This field may not be null."] }))]
#[case(json!([]), 400, json!({ "non_field_errors": ["Invalid data. Expected a dictionary, but got list."] }))]
#[case(json!({ "refresh": "junk" }), 401, json!({ "detail": "Token is invalid", "code": "token_not_valid" }))]
#[tokio::test]
async fn a_logout_without_a_valid_refresh_token_is_refused(
    #[case] body: Value,
    #[case] status: u16,
    #[case] response: Value,
) {
    let stage = Standalone.stage();
    stage.here().post("/api/auth/logout/").json(&body).await.is_json(status, response);
}

#[tokio::test]
async fn a_logout_does_not_accept_an_access_token() {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    let response = stage.here().post("/api/auth/logout/").json(&json!({ "refresh": ada.access })).await;
    response.is_json(401, json!({ "detail": "Token has wrong type", "code": "token_not_valid" }));
}

#[apply(both_modes)]
async fn a_logout_everywhere_revokes_all_tokens_and_closes_all_sockets_on_every_instance(mode: Mode) {
    let stage = mode.stage_with(&NO_POSITION_CHECK);
    let [ada, bob, cid] = stage.people(["ada", "bob", "cid"]).await;
    let before = Pair::of(&log_in(stage.there(), &ada, PASSWORD).await.is(200));
    let mut sockets = Vec::new();
    for instance in stage.instances() {
        sockets.push(instance.handshake().token(&before.access).open().await);
        sockets.push(
            instance.handshake().subprotocols(&format!("numeneon.v1, bearer.{}", ada.access)).open().await,
        );
    }
    let mut bobs = stage.there().socket(&bob).await;

    let response = stage.here().post("/api/auth/logout/all/").bearer(&before.access).await;
    response.is_json(200, json!({ "message": "Logged out everywhere." }));
    for socket in &mut sockets {
        assert_eq!(socket.closed().await, (4001, "signed out".to_owned()));
    }
    both_are_revoked(&stage, &before).await;
    let refused = stage.there().handshake().token(&before.access).upgrade().await.err().expect("a refusal");
    assert!(refused.to_string().contains("403"), "{refused}");
    let offered = format!("numeneon.v1, bearer.{}", before.access);
    let mut socket = stage.here().handshake().subprotocols(&offered).upgrade().await.expect("an upgrade");
    assert_eq!(socket.closed().await, (4001, "token revoked".to_owned()));

    bobs.has_nothing_before_a_message(stage.here(), &cid, &bob).await;
}

/// The position check, which also closes the sockets of revoked tokens, does not run during these tests.
const NO_POSITION_CHECK: [(&str, &str); 1] = [("POSITION_CHECK_SECONDS", "3600")];

#[tokio::test]
async fn a_logout_everywhere_closes_sockets_on_another_instance_within_a_second() {
    let stage = Cluster.stage_with(&NO_POSITION_CHECK);
    let ada = stage.person("ada").await;
    let log_out = async || {
        let access = Pair::of(&log_in(stage.here(), &ada, PASSWORD).await.is(200)).access;
        let mut socket = stage.there().handshake().token(&access).open().await;
        let started = Instant::now();
        let (response, close) =
            tokio::join!(stage.here().post("/api/auth/logout/all/").bearer(&access), socket.closed());
        let elapsed = started.elapsed();
        response.is(200);
        assert_eq!(close, (4001, "signed out".to_owned()));
        elapsed
    };
    until_quicker_than(Duration::from_secs(1), "closing the sockets of a logout everywhere", log_out).await;
}

#[apply(both_modes)]
async fn a_login_right_after_a_logout_everywhere_returns_valid_tokens(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    let mut pair = Pair::of(&log_in(stage.here(), &ada, PASSWORD).await.is(200));
    for _ in 0..3 {
        stage.here().post("/api/auth/logout/all/").bearer(&pair.access).await.is(200);
        let next = Pair::of(&log_in(stage.there(), &ada, PASSWORD).await.is(200));
        both_are_revoked(&stage, &pair).await;
        both_are_valid(&stage, &next).await;
        stage.there().handshake().token(&next.access).open().await.close().await;
        pair = next;
    }
}

#[tokio::test]
async fn a_logout_everywhere_revokes_tokens_of_django() {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    let mut django = claims(ada.id);
    (django["iat"], django["exp"]) = (json!(seconds_now() - 60), json!(seconds_now() + 3_540));
    let without_iat = {
        let mut claims = django.clone();
        claims.as_object_mut().expect("claims").remove("iat");
        forge(SECRET_KEY, &claims)
    };
    let django = forge(SECRET_KEY, &django);
    for token in [&django, &without_iat] {
        stage.here().get("/api/auth/me/").bearer(token).await.is(200);
    }
    stage.here().post("/api/auth/logout/all/").bearer(&django).await.is(200);
    for token in [&django, &without_iat] {
        stage.here().get("/api/auth/me/").bearer(token).await.is(401);
    }
}

#[apply(both_modes)]
async fn a_change_of_password_revokes_all_tokens_and_returns_new_ones(mode: Mode) {
    let stage = mode.stage_with(&NO_POSITION_CHECK);
    let ada = stage.person("ada").await;
    let before = Pair::of(&log_in(stage.here(), &ada, PASSWORD).await.is(200));
    let mut socket = stage.there().handshake().token(&before.access).open().await;
    let response = change_password(stage.here(), &before.access, PASSWORD, NEW_PASSWORD).await.is(200);
    assert_eq!(response["message"], "Password changed.");
    assert_eq!(socket.closed().await, (4001, "signed out".to_owned()));
    both_are_revoked(&stage, &before).await;
    both_are_valid(&stage, &Pair::of(&response)).await;
    log_in(stage.there(), &ada, PASSWORD).await.is_error(401, "Invalid email or password.");
    log_in(stage.there(), &ada, NEW_PASSWORD).await.is(200);
}

#[rstest]
#[case(json!({}), json!({ "old_password": ["This field is required."], "new_password": ["This field is required."] }))]
#[case(json!({ "old_password": null, "new_password": [] }), json!({ "old_password": ["This field may not be null."], "new_password": ["Not a valid string."] }))]
#[case(json!({ "old_password": " ", "new_password": "12345" }), json!({ "old_password": ["This field may not be blank."], "new_password": ["Ensure this field has at least 6 characters."] }))]
#[case(json!({ "old_password": PASSWORD, "new_password": "Password1" }), json!({ "new_password": ["This password is too common."] }))]
#[case(json!({ "old_password": PASSWORD, "new_password": "a\0bcdef" }), json!({ "new_password": ["Null characters are not allowed."] }))]
#[case(json!({ "old_password": "wrong", "new_password": NEW_PASSWORD }), json!({ "old_password": ["Your old password was entered incorrectly. Please enter it again."] }))]
#[tokio::test]
async fn an_invalid_change_of_password_names_its_fields_and_revokes_nothing(
    #[case] body: Value,
    #[case] errors: Value,
) {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    stage.here().post("/api/auth/password/").by(&ada).json(&body).await.is_json(400, errors);
    stage.here().get("/api/auth/me/").by(&ada).await.is(200);
    log_in(stage.here(), &ada, PASSWORD).await.is(200);
}

#[tokio::test]
async fn a_password_that_is_too_long_is_refused() {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    let long = "x".repeat(1_025);
    let errors = change_password(stage.here(), &ada.access, &long, &long).await.is(400);
    let text = json!(["Ensure this field has no more than 1024 bytes."]);
    assert_eq!(errors, json!({ "old_password": text, "new_password": text }));
}

#[tokio::test]
async fn of_two_concurrent_changes_of_password_one_succeeds() {
    let stage = Cluster.stage();
    let ada = stage.person("ada").await;
    let changes = ["first new password", "second new password"]
        .map(|new| change_password(stage.here(), &ada.access, PASSWORD, new));
    let [one, other] = changes;
    let (one, other) = tokio::join!(one, other);
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    // The other one finds another password, or that its token is revoked.
    assert!(statuses[0] == 200 && [400, 401].contains(&statuses[1]), "{statuses:?}");
    let new = if one.status == 200 { "first new password" } else { "second new password" };
    log_in(stage.there(), &ada, new).await.is(200);
}

#[apply(both_modes)]
async fn logins_that_race_with_a_change_of_password_leave_no_token_of_the_old_password(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    let logins = async {
        let mut pairs = Vec::new();
        for instance in stage.round_robin().take(6) {
            let response = log_in(instance, &ada, PASSWORD).await;
            if response.status == 200 {
                pairs.push(Pair::of(&response.json()));
            }
        }
        pairs
    };
    let change = change_password(stage.here(), &ada.access, PASSWORD, NEW_PASSWORD);
    let (pairs, response) = tokio::join!(logins, change);
    both_are_valid(&stage, &Pair::of(&response.is(200))).await;
    for pair in &pairs {
        both_are_revoked(&stage, pair).await;
    }
}

#[apply(both_modes)]
async fn the_sockets_of_an_account_that_is_deactivated_or_deleted_in_the_database_are_closed(mode: Mode) {
    let stage = mode.stage_with(&[("POSITION_CHECK_SECONDS", "1")]);
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let (mut adas, mut bobs) = (stage.there().socket(&ada).await, stage.there().socket(&bob).await);
    stage.sql(&format!("UPDATE users SET is_active = FALSE WHERE id = {}", ada.id));
    assert_eq!(adas.closed().await, (4001, "signed out".to_owned()));
    stage.sql(&format!("DELETE FROM users WHERE id = {}", bob.id));
    assert_eq!(bobs.closed().await, (4001, "signed out".to_owned()));
}

#[tokio::test]
async fn these_routes_require_a_token() {
    let stage = Standalone.stage();
    for path in ["/api/auth/logout/all/", "/api/auth/password/", "/api/auth/ws-ticket/"] {
        stage.here().post(path).await.has_detail(401, "Authentication credentials were not provided.");
    }
}

#[apply(both_modes)]
async fn tokens_signed_by_a_fallback_key_are_valid_and_new_ones_are_signed_by_the_first_key(mode: Mode) {
    const FALLBACK: &str = "the key that signed before and no more";
    let stage = mode.stage_with(&[(
        "SECRET_KEY_FALLBACKS",
        &format!("a key from long ago that is forgotten now, {FALLBACK}"),
    )]);
    let ada = stage.person("ada").await;
    let mut old = claims(ada.id);
    stage.here().get("/api/auth/me/").bearer(&forge(FALLBACK, &old)).await.is(200);
    stage
        .here()
        .get("/api/auth/me/")
        .bearer(&forge("a key of nobody, as long as the others", &old))
        .await
        .is(401);
    old["token_type"] = json!("refresh");
    let pair = Pair::of(&refresh(stage.here(), &forge(FALLBACK, &old)).await.is(200));
    let key = jsonwebtoken::DecodingKey::from_secret(SECRET_KEY.as_bytes());
    let by_first = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
    for token in [&pair.access, &pair.refresh] {
        jsonwebtoken::decode::<Value>(token, &key, &by_first).expect("signed by the first key");
    }
}

/// Otherwise an operator's machine or an instance whose clock is ahead locks people out.
#[tokio::test]
async fn tokens_are_issued_and_revoked_by_the_clock_of_the_database() {
    const BEHIND: i64 = 60;
    let mut stage = Cluster.stage();
    let ada = stage.person("ada").await;
    stage.sql(&format!(
        "CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS \
         $$ SELECT pg_catalog.clock_timestamp() - interval '{BEHIND} seconds' $$; \
         DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); END $$"
    ));
    let instance = stage.start_instance(&[]);
    let first = Pair::of(&log_in(instance, &ada, PASSWORD).await.is(200));
    instance.post("/api/auth/logout/all/").bearer(&first.access).await.is(200);
    let second = Pair::of(&log_in(instance, &ada, PASSWORD).await.is(200));
    let behind =
        seconds_now() - stage.number(&format!("SELECT tokens_valid_from FROM users WHERE id = {}", ada.id));
    assert!((BEHIND - 10..=BEHIND + 30).contains(&behind), "{behind}");
    both_are_revoked(&stage, &first).await;
    both_are_valid(&stage, &second).await;
}
