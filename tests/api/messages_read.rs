//! Marking messages as read.

use rstest::rstest;
use rstest_reuse::apply;
use serde_json::json;

use crate::support::Mode::{self, Standalone};
use crate::support::{Person, Stage, both_modes};

async fn unread(stage: &Stage, reader: &Person, sender: &Person) -> usize {
    let list =
        stage.there().get(&format!("/api/messages/conversation/{}/", sender.id)).by(reader).await.is(200);
    list.as_array()
        .unwrap()
        .iter()
        .filter(|it| it["sender"]["id"] == sender.id && it["is_read"] == false)
        .count()
}

#[rstest]
#[case::read_all("/api/messages/read_all/?user_id=")]
#[case::conversation("/api/messages/conversation/")]
#[tokio::test]
async fn the_messages_from_a_person_are_marked_and_counted(
    #[case] path: &str,
    #[values(Mode::Standalone, Mode::Cluster)] mode: Mode,
) {
    let stage = mode.stage();
    let [ada, bob, eve] = stage.people(["ada", "bob", "eve"]).await;
    for (sender, receiver) in [(&bob, &ada), (&bob, &ada), (&ada, &bob), (&eve, &ada)] {
        stage.here().message(sender, receiver, "x").await;
    }
    let path =
        |user: i64| if path.ends_with('=') { format!("{path}{user}") } else { format!("{path}{user}/read/") };
    let read = async |user: i64| stage.here().post(&path(user)).by(&ada).await;
    read(bob.id).await.is_json(200, json!({ "marked_read": 2 }));
    read(bob.id).await.is_json(200, json!({ "marked_read": 0 }));
    assert_eq!(unread(&stage, &ada, &bob).await, 0);
    assert_eq!(unread(&stage, &bob, &ada).await, 1);
    assert_eq!(unread(&stage, &ada, &eve).await, 1);
    for nobody in [0, ada.id, 999_999_999_999] {
        read(nobody).await.is_json(200, json!({ "marked_read": 0 }));
    }
}

#[rstest]
#[case("/api/messages/read_all/")]
#[case("/api/messages/read_all/?user_id=")]
#[case("/api/messages/read_all/?user=1")]
#[tokio::test]
async fn read_all_needs_a_user(#[case] path: &str) {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    let response = stage.here().post(path).by(&ada).json(&json!({ "user_id": ada.id })).await;
    response.is_error(400, "user_id query parameter required");
}

#[rstest]
#[tokio::test]
async fn the_user_id_must_be_a_number(#[values("abc", "1.5", "-", "1%00", "true", "0x1")] user: &str) {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    let response =
        stage.here().post(&format!("/api/messages/read_all/?user_id={user}")).by(&ada).await.is(400);
    assert!(response["error"].is_string() && response["detail"] == response["error"], "{response}");
}

#[apply(both_modes)]
async fn a_get_request_marks_no_message(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    stage.here().message(&bob, &ada, "x").await;
    let response = stage.here().get(&format!("/api/messages/read_all/?user_id={}", bob.id)).by(&ada).await;
    response.has_detail(405, "Method \"GET\" not allowed.");
    assert_eq!(unread(&stage, &ada, &bob).await, 1);
}

#[apply(both_modes)]
async fn only_its_receiver_may_mark_a_message(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob, eve] = stage.people(["ada", "bob", "eve"]).await;
    let mut message = stage.here().message(&ada, &bob, "x").await;
    stage.here().message(&ada, &bob, "another").await;
    let path = format!("/api/messages/{}/read/", message["id"]);
    for person in [&ada, &eve] {
        let status = stage.here().patch(&path).by(person).await.status;
        assert!(matches!(status, 403 | 404), "{status}");
    }
    assert_eq!(unread(&stage, &bob, &ada).await, 2);
    message["is_read"] = json!(true);
    for _ in 0..2 {
        stage.here().patch(&path).by(&bob).await.is_json(200, message.clone());
    }
    assert_eq!(unread(&stage, &bob, &ada).await, 1);
    assert!(
        stage.here().patch("/api/messages/999999999999/read/").by(&bob).await.is(404)["detail"].is_string()
    );
}
