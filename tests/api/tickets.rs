//! POST /api/auth/ws-ticket/, and sockets opened with what it answers.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::Kind::{self, Cluster, Laptop};
use crate::support::{Dial, Instance, Person, SECRET_KEY, claims, forge, seconds_now, until};

async fn ticket(instance: &Instance, person: &Person) -> String {
    let answer = instance.post("/api/auth/ws-ticket/").by(person).await.is(201);
    assert_eq!(answer["expires_in"], 30);
    answer["ticket"].as_str().expect("a ticket").to_owned()
}

fn with(instance: &Instance, ticket: &str) -> Dial {
    instance.dial().query("ticket", ticket)
}

/// Checks that the handshake is refused with this reason, in both forms.
async fn refused(instance: &Instance, ticket: &str, reason: &str) {
    let error = with(instance, ticket).upgrade().await.err().expect("a refusal");
    let tokio_tungstenite::tungstenite::Error::Http(answer) = error else { panic!("{error}") };
    assert_eq!(answer.status(), 403);
    let body: Value = serde_json::from_slice(answer.body().as_deref().unwrap_or_default()).expect("JSON");
    assert_eq!(body, json!({ "detail": reason }));
    let mut told = with(instance, ticket).subprotocols("numeneon.v1").upgrade().await.expect("an upgrade");
    assert_eq!(told.closed().await, (4001, reason.to_owned()));
}

#[rstest]
#[tokio::test]
async fn a_ticket_opens_one_socket_on_any_instance(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
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

#[rstest]
#[tokio::test]
async fn of_many_who_use_a_ticket_at_once_one_gets_in(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let ada = stage.person("ada").await;
    let ticket = ticket(stage.here(), &ada).await;
    let dials = stage.in_turn().take(8).map(|instance| with(instance, &ticket).upgrade());
    let opened = futures_util::future::join_all(dials).await;
    assert_eq!(opened.iter().filter(|socket| socket.is_ok()).count(), 1);
}

#[tokio::test]
async fn a_ticket_whose_handshake_found_no_room_is_good_for_another_try() {
    let stage = Laptop.stage_with(&[("MAX_SOCKETS_BY_PERSON", "1")]);
    let ada = stage.person("ada").await;
    let first = stage.here().socket(&ada).await;
    let ticket = ticket(stage.here(), &ada).await;
    let error = with(stage.here(), &ticket).upgrade().await.err().expect("a refusal");
    let tokio_tungstenite::tungstenite::Error::Http(answer) = error else { panic!("{error}") };
    assert_eq!(answer.status(), 429);
    first.close().await;
    until("there is room", async || with(stage.here(), &ticket).upgrade().await.is_ok()).await;
    refused(stage.here(), &ticket, "ticket used").await;
}

#[rstest]
#[tokio::test]
async fn a_ticket_resumes_like_a_token(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    stage.here().message(&bob, &ada, "one").await;
    stage.here().message(&bob, &ada, "two").await;
    let ticket = ticket(stage.here(), &ada).await;
    let mut socket = with(stage.there(), &ticket).query("cursor", "1").open().await;
    assert_eq!(socket.next().await["data"]["content"], "two");
}

#[rstest]
#[tokio::test]
async fn a_ticket_ends_with_the_token_that_asked_for_it(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let ada = stage.person("ada").await;
    let [unused, used] = [ticket(stage.here(), &ada).await, ticket(stage.here(), &ada).await];
    let mut socket = with(stage.there(), &used).open().await;
    stage.here().post("/api/auth/logout/all/").by(&ada).await.is(200);
    assert_eq!(socket.closed().await, (4001, "signed out".to_owned()));
    refused(stage.there(), &unused, "ticket used").await;
}

#[tokio::test]
async fn only_a_ticket_is_a_ticket_and_it_is_nothing_else() {
    let stage = Laptop.stage();
    let ada = stage.person("ada").await;
    refused(stage.here(), &ada.access, "ticket invalid").await;
    refused(stage.here(), "junk", "ticket invalid").await;
    let mut late = claims(ada.id);
    late["token_type"] = json!("ticket");
    late["exp"] = json!(seconds_now() - 1);
    refused(stage.here(), &forge(SECRET_KEY, &late), "ticket expired").await;

    let ticket = ticket(stage.here(), &ada).await;
    let answer = stage.here().get("/api/auth/me/").bearer(&ticket).await.is(401);
    assert_eq!(answer["messages"][0]["message"], "Token has wrong type");
    let body = json!({ "refresh": ticket });
    stage.here().post("/api/auth/token/refresh/").json(&body).await.is(401);
    assert!(stage.here().dial().token(&ticket).upgrade().await.is_err());
    // None of this has used it up.
    with(stage.here(), &ticket).open().await.close().await;
}

#[tokio::test]
async fn a_token_among_the_subprotocols_leaves_the_ticket_unused() {
    let stage = Laptop.stage();
    let ada = stage.person("ada").await;
    let ticket = ticket(stage.here(), &ada).await;
    let offered = format!("numeneon.v1, bearer.{}", ada.access);
    with(stage.here(), &ticket).subprotocols(&offered).open().await.close().await;
    with(stage.here(), &ticket).open().await.close().await;
}
