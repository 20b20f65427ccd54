//! `GET /api/auth/sign-ins/` and `DELETE /api/auth/sign-ins/<id>/`: which sign-ins a person has,
//! and what ends with one.

use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::Mode::{self, Cluster, Standalone};
use crate::support::{
    Instance, PASSWORD, Person, Stage, assert_timestamp, both_modes, claims, forge, seconds_now,
};
use crate::support::{SECRET_KEY, until};

const REVOKED: &str = "Token is blacklisted";

/// The position check, which also closes the sockets of revoked tokens, does not run.
const NO_POSITION_CHECK: (&str, &str) = ("POSITION_CHECK_SECONDS", "3600");

struct SignIn {
    access: String,
    refresh: String,
}

impl SignIn {
    fn of(pair: &Value) -> Self {
        let text = |name: &str| pair[name].as_str().expect("a token").to_owned();
        Self { access: text("access"), refresh: text("refresh") }
    }

    async fn by(instance: &Instance, person: &Person, client: &str) -> Self {
        let body = json!({ "email": person.email, "password": PASSWORD });
        let request = instance.post("/api/auth/login/").header("user-agent", client).json(&body);
        Self::of(&request.await.is(200))
    }

    async fn refreshed(&self, instance: &Instance) -> Self {
        let body = json!({ "refresh": self.refresh });
        Self::of(&instance.post("/api/auth/token/refresh/").json(&body).await.is(200))
    }

    /// Checks on every instance whether both tokens are accepted.
    async fn is_valid(&self, stage: &Stage, valid: bool) {
        for instance in stage.instances() {
            let me = instance.get("/api/auth/me/").bearer(&self.access).await;
            let body = json!({ "refresh": self.refresh });
            let refresh = instance.post("/api/auth/token/refresh/").json(&body).await;
            if valid {
                me.is(200);
                refresh.is(200);
            } else {
                assert_eq!(me.is(401)["messages"][0]["message"], REVOKED);
                refresh.is_json(401, json!({ "detail": REVOKED, "code": "token_not_valid" }));
            }
        }
    }

    async fn list(&self, instance: &Instance) -> Vec<Value> {
        let list = instance.get("/api/auth/sign-ins/").bearer(&self.access).await.is(200);
        list.as_array().expect("a list").clone()
    }
}

#[apply(both_modes)]
async fn a_logout_ends_the_whole_family_of_its_sign_in_and_its_sockets(mode: Mode) {
    let stage = mode.stage_with(&[NO_POSITION_CHECK]);
    let ada = stage.person("ada").await;
    let first = SignIn::by(stage.here(), &ada, "phone").await;
    let other = SignIn::by(stage.here(), &ada, "tablet").await;
    let second = first.refreshed(stage.there()).await;
    let third = second.refreshed(stage.here()).await;
    let ticket = stage.here().post("/api/auth/ws-ticket/").bearer(&first.access).await.is(201);
    let by_ticket = stage.there().handshake().query("ticket", ticket["ticket"].as_str().unwrap());
    let mut sockets = vec![
        stage.here().handshake().token(&first.access).open().await,
        stage.there().handshake().token(&third.access).open().await,
        by_ticket.open().await,
    ];
    let mut others = stage.there().handshake().token(&other.access).open().await;

    // The client keeps its first refresh token, whatever it got since.
    let body = json!({ "refresh": first.refresh });
    let log_out = async || stage.here().post("/api/auth/logout/").json(&body).await;
    log_out().await.is_json(200, json!({ "message": "Logged out." }));
    for socket in &mut sockets {
        assert_eq!(socket.closed().await, (4001, "signed out".to_owned()));
    }
    for family in [&first, &second, &third] {
        family.is_valid(&stage, false).await;
    }
    other.is_valid(&stage, true).await;
    assert_eq!(others.reply_to(r#"{"type":"ping"}"#).await, json!({ "type": "pong" }));
    // A client that lost the response may repeat the request.
    log_out().await.is(200);
}

#[apply(both_modes)]
async fn a_person_lists_sign_ins_and_revokes_one(mode: Mode) {
    let stage = mode.stage_with(&[NO_POSITION_CHECK]);
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let phone = SignIn::by(stage.here(), &ada, "phone").await;
    let tablet = SignIn::by(stage.there(), &ada, &"l".repeat(300)).await;
    let bobs = SignIn::by(stage.here(), &bob, "desktop").await;
    let mut socket = stage.there().handshake().token(&phone.access).open().await;
    phone.refreshed(stage.there()).await;

    let list = tablet.list(stage.here()).await;
    let seen: Vec<_> =
        list.iter().map(|it| (it["client"].as_str().unwrap().len(), &it["is_current"])).collect();
    assert_eq!(seen, [(0, &json!(false)), (200, &json!(true))], "the latest used first: {list:?}");
    for entry in &list {
        assert_eq!(entry["address"], "127.0.0.1");
        for name in ["created_at", "last_used_at"] {
            assert_timestamp(&entry[name]);
        }
        assert!(entry["expires_at"].as_str() > entry["last_used_at"].as_str(), "{entry}");
    }

    let path = format!("/api/auth/sign-ins/{}/", list[0]["id"].as_str().unwrap());
    let not_found = async |id: &str| {
        let response = stage.here().delete(&format!("/api/auth/sign-ins/{id}/")).bearer(&tablet.access).await;
        response.is_error(404, "Sign-in not found");
    };
    stage.here().delete(&path).bearer(&bobs.access).await.is_error(404, "Sign-in not found");
    stage.here().delete(&path).bearer(&tablet.access).await.is_json(200, json!({ "message": "Signed out." }));
    assert_eq!(socket.closed().await, (4001, "signed out".to_owned()));
    phone.is_valid(&stage, false).await;
    tablet.is_valid(&stage, true).await;
    bobs.is_valid(&stage, true).await;
    for id in [list[0]["id"].as_str().unwrap(), "0000000000000000", "x", "FFFFFFFFFFFFFFFF"] {
        not_found(id).await;
    }
    assert_eq!(tablet.list(stage.there()).await.len(), 1);
    stage.here().post("/api/auth/logout/all/").bearer(&tablet.access).await.is(200);
    assert_eq!(stage.number(&format!("SELECT COUNT(*) FROM sign_ins WHERE user_id = {}", ada.id)), 0);
}

#[tokio::test]
async fn a_token_of_django_becomes_a_sign_in_when_it_is_refreshed() {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    let mut refresh = claims(ada.id);
    refresh["token_type"] = json!("refresh");
    let django = SignIn { access: ada.access.clone(), refresh: forge(SECRET_KEY, &refresh) };
    let renewed = django.refreshed(stage.here()).await;
    let list = renewed.list(stage.here()).await;
    assert_eq!((list.len(), &list[0]["is_current"]), (1, &json!(true)));
    assert!(refresh["jti"].as_str().unwrap().starts_with(list[0]["id"].as_str().unwrap()));
    let body = json!({ "refresh": django.refresh });
    stage.here().post("/api/auth/logout/").json(&body).await.is(200);
    renewed.is_valid(&stage, false).await;
}

/// The revocation is not published: what is in the database suffices.
#[tokio::test]
async fn an_instance_that_missed_a_revocation_closes_the_sockets_at_its_position_check() {
    let stage = Cluster.stage_with(&[("POSITION_CHECK_SECONDS", "1")]);
    let ada = stage.person("ada").await;
    let signed_in = SignIn::by(stage.here(), &ada, "phone").await;
    let mut socket = stage.there().handshake().token(&signed_in.access).open().await;
    let id = signed_in.list(stage.here()).await[0]["id"].as_str().unwrap().to_owned();
    stage.sql(&format!("UPDATE users SET ended_sign_ins = '{id}:{}' WHERE id = {}", seconds_now(), ada.id));
    assert_eq!(socket.closed().await, (4001, "signed out".to_owned()));
}

#[tokio::test]
async fn sign_ins_that_have_expired_are_forgotten_at_the_next_one() {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    SignIn::by(stage.here(), &ada, "old").await;
    stage.sql("UPDATE sign_ins SET expires_at = '2001-01-01 00:00:00'");
    let next = SignIn::by(stage.here(), &ada, "new").await;
    assert_eq!(stage.number("SELECT COUNT(*) FROM sign_ins"), 1);
    assert_eq!(next.list(stage.here()).await[0]["client"], "new");
}

/// Clients that offer `numeneon.v1` reconnect with a fresh token; others would lose their socket.
#[tokio::test]
async fn a_socket_that_has_outlived_its_token_for_too_long_is_closed_if_its_client_can_read_why() {
    let stage = Standalone.stage_with(&[
        ("ACCESS_TOKEN_SECONDS", "2"),
        ("SOCKET_BEYOND_TOKEN_SECONDS", "1"),
        ("SOCKET_PING_SECONDS", "1"),
        ("SOCKET_UNANSWERED_PINGS", "100"),
    ]);
    let ada = stage.person("ada").await;
    // A busy machine may take longer than the token lives.
    let mut opened = None;
    until("both sockets are open", async || {
        let mut claims = claims(ada.id);
        claims["exp"] = json!(seconds_now() + 2);
        let token = forge(SECRET_KEY, &claims);
        let plain = stage.here().handshake().token(&token).upgrade().await;
        let offered = format!("numeneon.v1, bearer.{token}");
        let versioned = stage.here().handshake().subprotocols(&offered).upgrade().await;
        if let (Ok(plain), Ok(mut versioned)) = (plain, versioned)
            && versioned.next().await["type"] == "connection_established"
        {
            opened = Some((plain, versioned));
        }
        opened.is_some()
    })
    .await;
    let (mut plain, mut versioned) = opened.expect("sockets");
    assert_eq!(versioned.closed().await, (4001, "token expired".to_owned()));
    assert_eq!(plain.next().await["type"], "connection_established");
    assert_eq!(plain.reply_to(r#"{"type":"ping"}"#).await, json!({ "type": "pong" }));
}
