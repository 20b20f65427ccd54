//! How a socket is opened, and how that is refused.

use rstest::rstest;
use serde_json::json;

use crate::support::Kind::{self, Cluster, Laptop};
use crate::support::{Answer, Person, SECRET_KEY, Stage, claims, description, forge, seconds_now};

/// A handshake as bare HTTP, so that a refusal can be read.
async fn handshake(stage: &Stage, query: &str, headers: &[(&str, &str)]) -> Answer {
    let mut call = stage.there().get(&format!("/ws/notifications/{query}"));
    for (name, value) in [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ] {
        call = call.header(name, value);
    }
    for (name, value) in headers {
        call = call.header(name, value);
    }
    let answer = call.await;
    if answer.status != 101 {
        description().refused(answer.status, &answer.headers, answer.text.as_bytes());
    }
    answer
}

/// Every kind of bad token: what it is, and what is said of it.
fn bad_tokens(ada: &Person) -> Vec<(Option<String>, &'static str)> {
    let with = |name: &str, value| {
        let mut claims = claims(ada.id);
        claims[name] = value;
        Some(forge(SECRET_KEY, &claims))
    };
    vec![
        (None, "token missing"),
        (Some(String::new()), "token missing"),
        (Some("junk".into()), "token invalid"),
        (Some("a.b.c".into()), "token invalid"),
        (Some(forge("another key, of a length that would be good", &claims(ada.id))), "token invalid"),
        (with("token_type", json!("refresh")), "token invalid"),
        (with("user_id", json!("abc")), "token invalid"),
        (with("exp", json!(seconds_now() - 1)), "token expired"),
        (with("user_id", json!((ada.id + 100).to_string())), "user not found"),
    ]
}

#[rstest]
#[tokio::test]
async fn without_a_good_token_it_is_refused_before_it_opens(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let ada = stage.person("ada").await;
    for (token, why) in bad_tokens(&ada) {
        let query = token.map(|token| format!("?token={token}")).unwrap_or_default();
        handshake(&stage, &query, &[]).await.details(403, why);
    }
}

#[rstest]
#[tokio::test]
async fn a_client_of_this_protocol_is_told_by_a_close_code(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let ada = stage.person("ada").await;
    for (token, why) in bad_tokens(&ada) {
        let offered = match &token {
            Some(token) if !token.is_empty() => format!("numeneon.v1, bearer.{token}"),
            _ => "numeneon.v1".to_owned(),
        };
        let mut socket = stage.there().dial().subprotocols(&offered).upgrade().await.unwrap();
        assert_eq!(socket.headers["sec-websocket-protocol"], "numeneon.v1");
        assert_eq!(socket.closed().await, (4001, why.to_owned()));
        let dial = stage.there().dial().subprotocols("numeneon.v1");
        let dial = if let Some(token) = &token { dial.token(token) } else { dial };
        assert_eq!(dial.upgrade().await.unwrap().closed().await, (4001, why.to_owned()));
    }
}

#[rstest]
#[tokio::test]
async fn an_inactive_user_is_refused(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let ada = stage.person("ada").await;
    stage.sql("UPDATE users SET is_active = FALSE");
    let answer = handshake(&stage, &format!("?token={}", ada.access), &[]).await;
    assert!(answer.is(403)["detail"].is_string());
    let mut socket =
        stage.there().dial().token(&ada.access).subprotocols("numeneon.v1").upgrade().await.unwrap();
    assert_eq!(socket.closed().await.0, 4001);
}

#[rstest]
#[tokio::test]
async fn a_token_comes_in_the_query_or_as_a_subprotocol(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let by_query = stage.there().dial().token(&ada.access).open().await;
    assert_eq!(by_query.headers.get("sec-websocket-protocol"), None);
    assert_eq!(by_query.greeting["user_id"], ada.id);
    for offered in
        [format!("numeneon.v1, bearer.{}", ada.access), format!("bearer.{},numeneon.v1", ada.access)]
    {
        let socket = stage.there().dial().subprotocols(&offered).open().await;
        assert_eq!(socket.headers["sec-websocket-protocol"], "numeneon.v1");
        assert_eq!(socket.greeting["user_id"], ada.id);
    }
    let both = stage.there().dial().subprotocols("numeneon.v1").token(&bob.access).open().await;
    assert_eq!(both.greeting["user_id"], bob.id);
}

#[rstest]
#[tokio::test]
async fn the_first_token_in_the_query_counts(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let socket = stage.there().dial().token(&ada.access).token(&bob.access).token("junk").open().await;
    assert_eq!(socket.greeting["user_id"], ada.id);
    handshake(&stage, &format!("?token=junk&token={}", ada.access), &[]).await.details(403, "token invalid");
    handshake(&stage, &format!("?token=&token={}", ada.access), &[]).await.details(403, "token missing");
}

#[tokio::test]
async fn a_token_in_a_header_or_a_cookie_is_not_looked_at() {
    let stage = Laptop.stage();
    let ada = stage.person("ada").await;
    for header in
        [("authorization", format!("Bearer {}", ada.access)), ("cookie", format!("token={}", ada.access))]
    {
        handshake(&stage, "", &[(header.0, &header.1)]).await.details(403, "token missing");
    }
    let query = format!("?token={}", ada.access);
    assert_eq!(handshake(&stage, &query, &[("authorization", "Bearer junk")]).await.status, 101);
}

#[tokio::test]
async fn a_missing_last_slash_is_forgiven() {
    let stage = Laptop.stage();
    let ada = stage.person("ada").await;
    let socket = stage.here().dial().path("/ws/notifications").token(&ada.access).open().await;
    assert_eq!(socket.greeting["user_id"], ada.id);
}

#[tokio::test]
async fn other_paths_are_unknown() {
    let stage = Laptop.stage();
    let ada = stage.person("ada").await;
    for path in ["/ws/", "/ws/other/", "/ws/notifications/x/"] {
        let call = stage.here().get(&format!("{path}?token={}", ada.access));
        let call = call.header("connection", "Upgrade").header("upgrade", "websocket");
        call.await.details(404, "Not found.");
    }
}

#[tokio::test]
async fn a_plain_get_is_told_to_upgrade() {
    let stage = Laptop.stage();
    let ada = stage.person("ada").await;
    for query in [String::new(), format!("?token={}", ada.access)] {
        let answer = stage.here().get(&format!("/ws/notifications/{query}")).await;
        assert!(answer.is(426)["detail"].is_string());
        assert_eq!(answer.header("upgrade").unwrap().to_lowercase(), "websocket");
    }
}

#[rstest]
#[case::no_key(&[("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13")])]
#[case::no_version(&[("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")])]
#[case::old_version(&[("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "8"), ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")])]
#[case::no_connection(&[("upgrade", "websocket"), ("sec-websocket-version", "13"), ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")])]
#[tokio::test]
async fn half_a_handshake_is_refused(#[case] headers: &[(&str, &str)]) {
    let stage = Laptop.stage();
    let ada = stage.person("ada").await;
    let mut call = stage.here().get(&format!("/ws/notifications/?token={}", ada.access));
    for (name, value) in headers {
        call = call.header(name, value);
    }
    let answer = call.await;
    assert!(matches!(answer.status, 400 | 426), "{} {}", answer.status, answer.text);
    assert!(answer.json()["detail"].is_string());
}

#[tokio::test]
async fn only_a_get_opens_a_socket() {
    let stage = Laptop.stage();
    for method in ["POST", "PUT", "DELETE"] {
        let answer = stage.here().call(method, "/ws/notifications/").header("upgrade", "websocket").await;
        answer.details(405, &format!("Method \"{method}\" not allowed."));
        assert_eq!(answer.header("allow").as_deref(), Some("GET, OPTIONS"));
    }
}

#[rstest]
#[tokio::test]
async fn any_origin_may_open_one(
    #[values("https://evil.example", "null", "http://localhost:5173")] origin: &str,
) {
    let stage = Laptop.stage();
    let ada = stage.person("ada").await;
    stage.here().dial().token(&ada.access).header("origin", origin).open().await;
}

#[tokio::test]
async fn the_origins_that_may_are_a_setting() {
    let stage = Laptop.stage_with(&[("ALLOWED_WS_ORIGINS", "https://app.example,http://localhost:*")]);
    let ada = stage.person("ada").await;
    for origin in ["https://app.example", "http://localhost:5173"] {
        stage.here().dial().token(&ada.access).header("origin", origin).open().await;
    }
    let query = format!("?token={}", ada.access);
    for origin in ["https://evil.example", "null", "http://app.example", "https://app.example.evil.example"] {
        assert!(
            handshake(&stage, &query, &[("origin", origin)]).await.is(403)["detail"].is_string(),
            "{origin}"
        );
        let versioned = [("origin", origin), ("sec-websocket-protocol", "numeneon.v1")];
        assert_eq!(handshake(&stage, &query, &versioned).await.status, 403, "{origin}");
    }
}

#[rstest]
#[tokio::test]
async fn a_socket_outlives_its_token(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut short = claims(bob.id);
    short["exp"] = json!(seconds_now() + 2);
    let token = forge(SECRET_KEY, &short);
    let mut socket = stage.there().dial().token(&token).open().await;
    crate::support::until("the token is over", async || {
        stage.there().get("/api/auth/me/").bearer(&token).await.status == 401
    })
    .await;
    socket.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}
