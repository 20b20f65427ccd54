//! The handshake of a socket: how it is authenticated, and how it is refused.

use rstest::rstest;
use rstest_reuse::apply;
use serde_json::json;

use crate::support::Mode::{self, Standalone};
use crate::support::{
    Person, Response, SECRET_KEY, Socket, Stage, both_modes, claims, description, forge, seconds_now, until,
};

/// Sends a handshake as plain HTTP, so that the body of a refusal can be read.
async fn plain_handshake(stage: &Stage, query: &str, headers: &[(&str, &str)]) -> Response {
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
    let response = call.await;
    if response.status != 101 {
        description().check_refusal(response.status, &response.headers, response.text.as_bytes());
    }
    response
}

/// Every kind of invalid token, with the reason for its refusal.
fn invalid_tokens(ada: &Person) -> Vec<(Option<String>, &'static str)> {
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
        (Some(forge("another key, of a valid length", &claims(ada.id))), "token invalid"),
        (with("token_type", json!("refresh")), "token invalid"),
        (with("user_id", json!("abc")), "token invalid"),
        (with("exp", json!(seconds_now() - 1)), "token expired"),
        (with("user_id", json!((ada.id + 100).to_string())), "user not found"),
    ]
}

#[apply(both_modes)]
async fn without_a_valid_token_the_handshake_is_refused(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    for (token, reason) in invalid_tokens(&ada) {
        let query = token.map(|token| format!("?token={token}")).unwrap_or_default();
        plain_handshake(&stage, &query, &[]).await.has_detail(403, reason);
    }
}

#[apply(both_modes)]
async fn a_client_of_this_protocol_receives_the_reason_as_a_close_code(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    for (token, reason) in invalid_tokens(&ada) {
        let offered = match &token {
            Some(token) if !token.is_empty() => format!("numeneon.v1, bearer.{token}"),
            _ => "numeneon.v1".to_owned(),
        };
        let mut socket = stage.there().handshake().subprotocols(&offered).upgrade().await.unwrap();
        assert_eq!(socket.headers["sec-websocket-protocol"], "numeneon.v1");
        assert_eq!(socket.closed().await, (4001, reason.to_owned()));
        let handshake = stage.there().handshake().subprotocols("numeneon.v1");
        let handshake = if let Some(token) = &token { handshake.token(token) } else { handshake };
        assert_eq!(handshake.upgrade().await.unwrap().closed().await, (4001, reason.to_owned()));
    }
}

#[apply(both_modes)]
async fn an_inactive_user_is_refused(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    stage.sql("UPDATE users SET is_active = FALSE");
    let response = plain_handshake(&stage, &format!("?token={}", ada.access), &[]).await;
    assert!(response.is(403)["detail"].is_string());
    let mut socket =
        stage.there().handshake().token(&ada.access).subprotocols("numeneon.v1").upgrade().await.unwrap();
    assert_eq!(socket.closed().await.0, 4001);
}

#[apply(both_modes)]
async fn a_token_may_be_a_query_parameter_or_a_subprotocol(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let by_query = stage.there().handshake().token(&ada.access).open().await;
    assert_eq!(by_query.headers.get("sec-websocket-protocol"), None);
    assert_eq!(by_query.greeting["user_id"], ada.id);
    for offered in
        [format!("numeneon.v1, bearer.{}", ada.access), format!("bearer.{},numeneon.v1", ada.access)]
    {
        let socket = stage.there().handshake().subprotocols(&offered).open().await;
        assert_eq!(socket.headers["sec-websocket-protocol"], "numeneon.v1");
        assert_eq!(socket.greeting["user_id"], ada.id);
    }
    let both = stage.there().handshake().subprotocols("numeneon.v1").token(&bob.access).open().await;
    assert_eq!(both.greeting["user_id"], bob.id);
}

#[apply(both_modes)]
async fn the_first_token_in_the_query_is_used(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let socket = stage.there().handshake().token(&ada.access).token(&bob.access).token("junk").open().await;
    assert_eq!(socket.greeting["user_id"], ada.id);
    plain_handshake(&stage, &format!("?token=junk&token={}", ada.access), &[])
        .await
        .has_detail(403, "token invalid");
    plain_handshake(&stage, &format!("?token=&token={}", ada.access), &[])
        .await
        .has_detail(403, "token missing");
}

#[tokio::test]
async fn a_token_in_a_header_or_a_cookie_is_ignored() {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    for header in
        [("authorization", format!("Bearer {}", ada.access)), ("cookie", format!("token={}", ada.access))]
    {
        plain_handshake(&stage, "", &[(header.0, &header.1)]).await.has_detail(403, "token missing");
    }
    let query = format!("?token={}", ada.access);
    assert_eq!(plain_handshake(&stage, &query, &[("authorization", "Bearer junk")]).await.status, 101);
}

#[tokio::test]
async fn the_trailing_slash_is_optional() {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    let socket = stage.here().handshake().path("/ws/notifications").token(&ada.access).open().await;
    assert_eq!(socket.greeting["user_id"], ada.id);
}

#[tokio::test]
async fn other_paths_are_not_found() {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    for path in ["/ws/", "/ws/other/", "/ws/notifications/x/"] {
        let call = stage.here().get(&format!("{path}?token={}", ada.access));
        let call = call.header("connection", "Upgrade").header("upgrade", "websocket");
        call.await.has_detail(404, "Not found.");
    }
}

#[tokio::test]
async fn a_plain_get_request_must_upgrade() {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    for query in [String::new(), format!("?token={}", ada.access)] {
        let response = stage.here().get(&format!("/ws/notifications/{query}")).await;
        assert!(response.is(426)["detail"].is_string());
        assert_eq!(response.header("upgrade").unwrap().to_lowercase(), "websocket");
    }
}

#[rstest]
#[case::without_key(&[("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13")])]
#[case::without_version(&[("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")])]
#[case::old_version(&[("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "8"), ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")])]
#[case::without_connection(&[("upgrade", "websocket"), ("sec-websocket-version", "13"), ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")])]
#[tokio::test]
async fn an_incomplete_handshake_is_refused(#[case] headers: &[(&str, &str)]) {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    let mut call = stage.here().get(&format!("/ws/notifications/?token={}", ada.access));
    for (name, value) in headers {
        call = call.header(name, value);
    }
    let response = call.await;
    assert!(matches!(response.status, 400 | 426), "{} {}", response.status, response.text);
    assert!(response.json()["detail"].is_string());
}

#[tokio::test]
async fn only_a_get_request_opens_a_socket() {
    let stage = Standalone.stage();
    for method in ["POST", "PUT", "DELETE"] {
        let response =
            stage.here().request(method, "/ws/notifications/").header("upgrade", "websocket").await;
        response.has_detail(405, &format!("Method \"{method}\" not allowed."));
        assert_eq!(response.header("allow").as_deref(), Some("GET, OPTIONS"));
    }
}

#[rstest]
#[tokio::test]
async fn any_origin_is_allowed_by_default(
    #[values("https://evil.example", "null", "http://localhost:5173")] origin: &str,
) {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    stage.here().handshake().token(&ada.access).header("origin", origin).open().await;
}

#[tokio::test]
async fn the_allowed_origins_are_a_setting() {
    let stage = Standalone.stage_with(&[("ALLOWED_WS_ORIGINS", "https://app.example,http://localhost:*")]);
    let ada = stage.person("ada").await;
    for origin in ["https://app.example", "http://localhost:5173"] {
        stage.here().handshake().token(&ada.access).header("origin", origin).open().await;
    }
    let query = format!("?token={}", ada.access);
    for origin in ["https://evil.example", "null", "http://app.example", "https://app.example.evil.example"] {
        assert!(
            plain_handshake(&stage, &query, &[("origin", origin)]).await.is(403)["detail"].is_string(),
            "{origin}"
        );
        let versioned = [("origin", origin), ("sec-websocket-protocol", "numeneon.v1")];
        assert_eq!(plain_handshake(&stage, &query, &versioned).await.status, 403, "{origin}");
    }
}

#[apply(both_modes)]
async fn a_socket_stays_open_when_its_token_expires(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let (token, mut socket) = socket_with_short_lived_token(&stage, &bob).await;
    until("the token expires", async || {
        stage.there().get("/api/auth/me/").bearer(&token).await.status == 401
    })
    .await;
    socket.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}

/// Opens a socket with a token that expires soon: in two seconds, or in the first power of two
/// that leaves a busy machine enough time to open the socket.
async fn socket_with_short_lived_token(stage: &Stage, person: &Person) -> (String, Socket) {
    let mut seconds = 1;
    loop {
        seconds *= 2;
        assert!(seconds < 64, "no token lives long enough to open a socket");
        let mut claims = claims(person.id);
        claims["exp"] = json!(seconds_now() + seconds);
        let token = forge(SECRET_KEY, &claims);
        if let Ok(mut socket) = stage.there().handshake().token(&token).upgrade().await {
            socket.greeting = socket.next().await;
            return (token, socket);
        }
    }
}

#[rstest]
#[case("transfer-encoding", "chunked")]
#[case("content-length", "5")]
#[tokio::test]
async fn a_handshake_with_a_body_is_refused(#[case] name: &'static str, #[case] value: &str) {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    let handshake = stage.there().handshake().token(&ada.access).header(name, value);
    let refused = handshake.upgrade().await.err().expect("a refusal");
    let tokio_tungstenite::tungstenite::Error::Http(response) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(response.status(), 400);
    stage.there().handshake().token(&ada.access).header("content-length", "0").open().await;
}
