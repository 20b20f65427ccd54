//! POST /api/auth/logout/, logout/all/ and password/: what was let in before is out.

use std::time::{Duration, Instant};

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::Kind::{self, Cluster, Laptop};
use crate::support::{Answer, Instance, PASSWORD, Person, SECRET_KEY, Stage, claims, forge, seconds_now};

const ENDED: &str = "Token is blacklisted";
const NEW_PASSWORD: &str = "another correct horse";

/// A pair of tokens, as signing in answers them.
struct Pair {
    access: String,
    refresh: String,
}

impl Pair {
    fn of(answer: &Value) -> Self {
        let text = |name: &str| answer[name].as_str().expect("a token").to_owned();
        Self { access: text("access"), refresh: text("refresh") }
    }
}

async fn log_in(instance: &Instance, person: &Person, password: &str) -> Answer {
    let body = json!({ "email": person.email, "password": password });
    instance.post("/api/auth/login/").json(&body).await
}

async fn refresh(instance: &Instance, token: &str) -> Answer {
    instance.post("/api/auth/token/refresh/").json(&json!({ "refresh": token })).await
}

async fn change_password(instance: &Instance, access: &str, old: &str, new: &str) -> Answer {
    let body = json!({ "old_password": old, "new_password": new });
    instance.post("/api/auth/password/").bearer(access).json(&body).await
}

/// Checks on every instance that both tokens are refused.
async fn both_are_refused(stage: &Stage, pair: &Pair) {
    for instance in stage.instances() {
        let answer = instance.get("/api/auth/me/").bearer(&pair.access).await;
        assert_eq!(answer.is(401)["messages"][0]["message"], ENDED);
        assert_eq!(answer.header("www-authenticate").as_deref(), Some("Bearer realm=\"api\""));
        let answer = refresh(instance, &pair.refresh).await;
        answer.says(401, json!({ "detail": ENDED, "code": "token_not_valid" }));
    }
}

async fn both_are_good(stage: &Stage, pair: &Pair) {
    for instance in stage.instances() {
        instance.get("/api/auth/me/").bearer(&pair.access).await.is(200);
        refresh(instance, &pair.refresh).await.is(200);
    }
}

#[rstest]
#[tokio::test]
async fn a_logout_ends_one_refresh_token_and_nothing_else(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let ada = stage.person("ada").await;
    let [here, other] =
        [(), ()].map(async |()| Pair::of(&log_in(stage.here(), &ada, PASSWORD).await.is(200)));
    let (here, other) = (here.await, other.await);
    let mut socket = stage.there().dial().token(&here.access).open().await;
    let log_out = async |instance: &Instance| {
        instance.post("/api/auth/logout/").json(&json!({ "refresh": here.refresh })).await
    };
    log_out(stage.here()).await.says(200, json!({ "message": "Logged out." }));
    for instance in stage.instances() {
        let answer = refresh(instance, &here.refresh).await;
        answer.says(401, json!({ "detail": ENDED, "code": "token_not_valid" }));
        instance.get("/api/auth/me/").bearer(&here.access).await.is(200);
    }
    both_are_good(&stage, &other).await;
    // Repeated after a lost answer, it is done.
    log_out(stage.there()).await.is(200);
    assert_eq!(stage.number("SELECT COUNT(*) FROM spent_tokens"), 1);
    assert_eq!(socket.answer(r#"{"type":"ping"}"#).await, json!({ "type": "pong" }));
}

#[rstest]
#[case(json!({}), 400, json!({ "refresh": ["This field is required."] }))]
#[case(json!({ "refresh": null }), 400, json!({ "refresh": ["This field may not be null."] }))]
#[case(json!([]), 400, json!({ "non_field_errors": ["Invalid data. Expected a dictionary, but got list."] }))]
#[case(json!({ "refresh": "junk" }), 401, json!({ "detail": "Token is invalid", "code": "token_not_valid" }))]
#[tokio::test]
async fn a_logout_without_a_good_refresh_token_is_refused(
    #[case] body: Value,
    #[case] status: u16,
    #[case] answer: Value,
) {
    let stage = Laptop.stage();
    stage.here().post("/api/auth/logout/").json(&body).await.says(status, answer);
}

#[tokio::test]
async fn an_access_token_is_no_refresh_token_at_a_logout_either() {
    let stage = Laptop.stage();
    let ada = stage.person("ada").await;
    let answer = stage.here().post("/api/auth/logout/").json(&json!({ "refresh": ada.access })).await;
    answer.says(401, json!({ "detail": "Token has wrong type", "code": "token_not_valid" }));
}

#[rstest]
#[tokio::test]
async fn a_logout_everywhere_ends_all_that_was_let_in_on_every_instance(
    #[values(Laptop, Cluster)] kind: Kind,
) {
    let stage = kind.stage_with(&NEVER);
    let [ada, bob, cid] = stage.people(["ada", "bob", "cid"]).await;
    let before = Pair::of(&log_in(stage.there(), &ada, PASSWORD).await.is(200));
    let mut sockets = Vec::new();
    for instance in stage.instances() {
        sockets.push(instance.dial().token(&before.access).open().await);
        sockets
            .push(instance.dial().subprotocols(&format!("numeneon.v1, bearer.{}", ada.access)).open().await);
    }
    let mut bobs = stage.there().socket(&bob).await;

    let answer = stage.here().post("/api/auth/logout/all/").bearer(&before.access).await;
    answer.says(200, json!({ "message": "Logged out everywhere." }));
    for socket in &mut sockets {
        assert_eq!(socket.closed().await, (4001, "signed out".to_owned()));
    }
    both_are_refused(&stage, &before).await;
    let refused = stage.there().dial().token(&before.access).upgrade().await.err().expect("a refusal");
    assert!(refused.to_string().contains("403"), "{refused}");
    let told = format!("numeneon.v1, bearer.{}", before.access);
    let mut told = stage.here().dial().subprotocols(&told).upgrade().await.expect("an upgrade");
    assert_eq!(told.closed().await, (4001, "token revoked".to_owned()));

    bobs.has_nothing_before_a_message(stage.here(), &cid, &bob).await;
}

/// How often positions are compared where a test shows that it is not this that closes sockets.
const NEVER: [(&str, &str); 1] = [("POSITION_CHECK_SECONDS", "3600")];

/// The second quickest of three, so that one pause of a busy machine says nothing.
#[tokio::test]
async fn a_logout_everywhere_closes_sockets_on_another_instance_within_a_second() {
    let stage = Cluster.stage_with(&NEVER);
    let ada = stage.person("ada").await;
    let mut took = Vec::new();
    for _ in 0..3 {
        let access = Pair::of(&log_in(stage.here(), &ada, PASSWORD).await.is(200)).access;
        let mut socket = stage.there().dial().token(&access).open().await;
        let started = Instant::now();
        let (answer, end) =
            tokio::join!(stage.here().post("/api/auth/logout/all/").bearer(&access), socket.closed());
        took.push(started.elapsed());
        answer.is(200);
        assert_eq!(end, (4001, "signed out".to_owned()));
    }
    took.sort();
    assert!(took[1] < Duration::from_secs(1), "{took:?}");
}

#[rstest]
#[tokio::test]
async fn whoever_signs_in_at_once_after_it_gets_good_tokens(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let ada = stage.person("ada").await;
    let mut pair = Pair::of(&log_in(stage.here(), &ada, PASSWORD).await.is(200));
    for _ in 0..3 {
        stage.here().post("/api/auth/logout/all/").bearer(&pair.access).await.is(200);
        let next = Pair::of(&log_in(stage.there(), &ada, PASSWORD).await.is(200));
        both_are_refused(&stage, &pair).await;
        both_are_good(&stage, &next).await;
        stage.there().dial().token(&next.access).open().await.close().await;
        pair = next;
    }
}

#[tokio::test]
async fn tokens_of_the_old_backend_end_too() {
    let stage = Laptop.stage();
    let ada = stage.person("ada").await;
    let mut django = claims(ada.id);
    django["iat"] = json!(seconds_now() - 60);
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

#[rstest]
#[tokio::test]
async fn a_new_password_ends_the_rest_and_answers_tokens_that_stay(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage_with(&NEVER);
    let ada = stage.person("ada").await;
    let before = Pair::of(&log_in(stage.here(), &ada, PASSWORD).await.is(200));
    let mut socket = stage.there().dial().token(&before.access).open().await;
    let answer = change_password(stage.here(), &before.access, PASSWORD, NEW_PASSWORD).await.is(200);
    assert_eq!(answer["message"], "Password changed.");
    assert_eq!(socket.closed().await, (4001, "signed out".to_owned()));
    both_are_refused(&stage, &before).await;
    both_are_good(&stage, &Pair::of(&answer)).await;
    log_in(stage.there(), &ada, PASSWORD).await.refuses(401, "Invalid email or password.");
    log_in(stage.there(), &ada, NEW_PASSWORD).await.is(200);
}

#[rstest]
#[case(json!({}), json!({ "old_password": ["This field is required."], "new_password": ["This field is required."] }))]
#[case(json!({ "old_password": null, "new_password": [] }), json!({ "old_password": ["This field may not be null."], "new_password": ["Not a valid string."] }))]
#[case(json!({ "old_password": " ", "new_password": "12345" }), json!({ "old_password": ["This field may not be blank."], "new_password": ["Ensure this field has at least 6 characters."] }))]
#[case(json!({ "old_password": PASSWORD, "new_password": "a\0bcdef" }), json!({ "new_password": ["Null characters are not allowed."] }))]
#[case(json!({ "old_password": "wrong", "new_password": NEW_PASSWORD }), json!({ "old_password": ["Your old password was entered incorrectly. Please enter it again."] }))]
#[tokio::test]
async fn a_change_that_is_wrong_names_its_fields_and_ends_nothing(
    #[case] body: Value,
    #[case] errors: Value,
) {
    let stage = Laptop.stage();
    let ada = stage.person("ada").await;
    stage.here().post("/api/auth/password/").by(&ada).json(&body).await.says(400, errors);
    stage.here().get("/api/auth/me/").by(&ada).await.is(200);
    log_in(stage.here(), &ada, PASSWORD).await.is(200);
}

#[tokio::test]
async fn a_password_beyond_what_is_hashed_is_refused() {
    let stage = Laptop.stage();
    let ada = stage.person("ada").await;
    let long = "x".repeat(1_025);
    let errors = change_password(stage.here(), &ada.access, &long, &long).await.is(400);
    let text = json!(["Ensure this field has no more than 1024 bytes."]);
    assert_eq!(errors, json!({ "old_password": text, "new_password": text }));
}

#[tokio::test]
async fn of_two_who_change_it_at_once_one_does() {
    let stage = Cluster.stage();
    let ada = stage.person("ada").await;
    let changes = ["first new password", "second new password"]
        .map(|new| change_password(stage.here(), &ada.access, PASSWORD, new));
    let [one, other] = changes;
    let (one, other) = tokio::join!(one, other);
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    // The other one meets another password, or a token that was ended by the change.
    assert!(statuses[0] == 200 && [400, 401].contains(&statuses[1]), "{statuses:?}");
    let new = if one.status == 200 { "first new password" } else { "second new password" };
    log_in(stage.there(), &ada, new).await.is(200);
}

#[rstest]
#[tokio::test]
async fn sign_ins_that_race_with_a_change_leave_nobody_in_with_the_old_password(
    #[values(Laptop, Cluster)] kind: Kind,
) {
    let stage = kind.stage();
    let ada = stage.person("ada").await;
    let guesses = async {
        let mut let_in = Vec::new();
        for instance in stage.in_turn().take(6) {
            let answer = log_in(instance, &ada, PASSWORD).await;
            if answer.status == 200 {
                let_in.push(Pair::of(&answer.json()));
            }
        }
        let_in
    };
    let change = change_password(stage.here(), &ada.access, PASSWORD, NEW_PASSWORD);
    let (let_in, answer) = tokio::join!(guesses, change);
    both_are_good(&stage, &Pair::of(&answer.is(200))).await;
    for pair in &let_in {
        both_are_refused(&stage, pair).await;
    }
}

#[rstest]
#[tokio::test]
async fn an_account_that_is_closed_in_the_database_loses_its_sockets(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage_with(&[("POSITION_CHECK_SECONDS", "1")]);
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let (mut adas, mut bobs) = (stage.there().socket(&ada).await, stage.there().socket(&bob).await);
    stage.sql(&format!("UPDATE users SET is_active = FALSE WHERE id = {}", ada.id));
    assert_eq!(adas.closed().await, (4001, "signed out".to_owned()));
    stage.sql(&format!("DELETE FROM users WHERE id = {}", bob.id));
    assert_eq!(bobs.closed().await, (4001, "signed out".to_owned()));
}

#[tokio::test]
async fn closed_routes_stay_closed() {
    let stage = Laptop.stage();
    for path in ["/api/auth/logout/all/", "/api/auth/password/", "/api/auth/ws-ticket/"] {
        stage.here().post(path).await.details(401, "Authentication credentials were not provided.");
    }
}

#[rstest]
#[tokio::test]
async fn tokens_signed_by_a_former_key_are_good_and_new_ones_are_signed_by_the_first(
    #[values(Laptop, Cluster)] kind: Kind,
) {
    const FORMER: &str = "the key that signed before and no more";
    let stage = kind.stage_with(&[(
        "SECRET_KEY_FALLBACKS",
        &format!("a key from long ago that is forgotten now, {FORMER}"),
    )]);
    let ada = stage.person("ada").await;
    let mut old = claims(ada.id);
    stage.here().get("/api/auth/me/").bearer(&forge(FORMER, &old)).await.is(200);
    stage
        .here()
        .get("/api/auth/me/")
        .bearer(&forge("a key of nobody, as long as the others", &old))
        .await
        .is(401);
    old["token_type"] = json!("refresh");
    let pair = Pair::of(&refresh(stage.here(), &forge(FORMER, &old)).await.is(200));
    let key = jsonwebtoken::DecodingKey::from_secret(SECRET_KEY.as_bytes());
    let by_first = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
    for token in [&pair.access, &pair.refresh] {
        jsonwebtoken::decode::<Value>(token, &key, &by_first).expect("signed by the first key");
    }
}
