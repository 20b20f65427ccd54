//! `POST /api/auth/ws-ticket/`, and handshakes with tickets.

use rstest_reuse::apply;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Error;

use crate::support::Mode::{self, Standalone};
use crate::support::{
    Handshake, Instance, Person, SECRET_KEY, Socket, both_modes, claims, forge, seconds_now, until,
};

async fn ticket(instance: &Instance, person: &Person) -> String {
    let response = instance.post("/api/auth/ws-ticket/").by(person).await.is(201);
    assert_eq!(response["expires_in"], 30);
    response["ticket"].as_str().expect("a ticket").to_owned()
}

fn with(instance: &Instance, ticket: &str) -> Handshake {
    instance.handshake().query("ticket", ticket)
}

/// Returns the status of a refused handshake.
fn status(outcome: Result<Socket, Error>) -> u16 {
    match outcome {
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("the socket opened"),
    }
}

/// Checks that the handshake is refused with this reason, by a status and by a close code.
async fn refused(instance: &Instance, ticket: &str, reason: &str) {
    let error = with(instance, ticket).upgrade().await.err().expect("a refusal");
    let Error::Http(response) = error else { panic!("{error}") };
    assert_eq!(response.status(), 403);
    let body: Value = serde_json::from_slice(response.body().as_deref().unwrap_or_default()).expect("JSON");
    assert_eq!(body, json!({ "detail": reason }));
    let mut socket = with(instance, ticket).subprotocols("numeneon.v1").upgrade().await.expect("an upgrade");
    assert_eq!(socket.closed().await, (4001, reason.to_owned()));
}

#[apply(both_modes)]
async fn a_ticket_opens_one_socket_on_any_instance(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    for instance in stage.instances() {
        let ticket = ticket(stage.here(), &ada).await;
        let mut socket = with(instance, &ticket).open().await;
        assert_eq!(socket.greeting["user_id"], ada.id);
        socket.has_nothing_before_a_message(stage.here(), &bob, &ada).await;
        for instance in stage.instances() {
            refused(instance, &ticket, "ticket used").await;
        }
    }
}

#[apply(both_modes)]
async fn of_many_concurrent_handshakes_with_a_ticket_one_succeeds(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    let ticket = ticket(stage.here(), &ada).await;
    let handshakes = stage.round_robin().take(8).map(|instance| with(instance, &ticket).upgrade());
    let opened = futures_util::future::join_all(handshakes).await;
    assert_eq!(opened.iter().filter(|socket| socket.is_ok()).count(), 1);
}

#[tokio::test]
async fn a_ticket_is_not_redeemed_by_a_handshake_that_is_over_a_limit() {
    let stage = Standalone.stage_with(&[("MAX_SOCKETS_BY_PERSON", "1")]);
    let ada = stage.person("ada").await;
    let first = stage.here().socket(&ada).await;
    let ticket = ticket(stage.here(), &ada).await;
    assert_eq!(status(with(stage.here(), &ticket).upgrade().await), 429);
    first.close().await;
    let mut second = None;
    until("another socket may be opened", async || {
        second = with(stage.here(), &ticket).upgrade().await.ok();
        second.is_some()
    })
    .await;
    second.expect("a socket").close().await;
    until("the instance has noticed the close", async || {
        status(with(stage.here(), &ticket).upgrade().await) != 429
    })
    .await;
    refused(stage.here(), &ticket, "ticket used").await;
}

#[apply(both_modes)]
async fn a_ticket_resumes_like_a_token(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    stage.here().message(&bob, &ada, "one").await;
    stage.here().message(&bob, &ada, "two").await;
    let ticket = ticket(stage.here(), &ada).await;
    let mut socket = with(stage.there(), &ticket).query("cursor", "1").open().await;
    assert_eq!(socket.next().await["data"]["content"], "two");
}

#[apply(both_modes)]
async fn a_ticket_is_revoked_with_the_token_that_requested_it(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    let [unused, used] = [ticket(stage.here(), &ada).await, ticket(stage.here(), &ada).await];
    let mut socket = with(stage.there(), &used).open().await;
    stage.here().post("/api/auth/logout/all/").by(&ada).await.is(200);
    assert_eq!(socket.closed().await, (4001, "signed out".to_owned()));
    refused(stage.there(), &unused, "ticket used").await;
}

#[tokio::test]
async fn a_ticket_and_a_token_are_not_interchangeable() {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    refused(stage.here(), &ada.access, "ticket invalid").await;
    refused(stage.here(), "junk", "ticket invalid").await;
    let mut late = claims(ada.id);
    late["token_type"] = json!("ticket");
    late["exp"] = json!(seconds_now() - 1);
    refused(stage.here(), &forge(SECRET_KEY, &late), "ticket expired").await;

    let ticket = ticket(stage.here(), &ada).await;
    let response = stage.here().get("/api/auth/me/").bearer(&ticket).await.is(401);
    assert_eq!(response["messages"][0]["message"], "Token has wrong type");
    let body = json!({ "refresh": ticket });
    stage.here().post("/api/auth/token/refresh/").json(&body).await.is(401);
    assert!(stage.here().handshake().token(&ticket).upgrade().await.is_err());
    // None of this has redeemed it.
    with(stage.here(), &ticket).open().await.close().await;
}

#[tokio::test]
async fn a_handshake_with_a_token_does_not_redeem_its_ticket() {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    let ticket = ticket(stage.here(), &ada).await;
    let offered = format!("numeneon.v1, bearer.{}", ada.access);
    with(stage.here(), &ticket).subprotocols(&offered).open().await.close().await;
    with(stage.here(), &ticket).open().await.close().await;
}
