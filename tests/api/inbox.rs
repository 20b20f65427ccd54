//! `/api/notifications/`: the inbox over REST.

use rstest::rstest;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::Mode::{self, Standalone};
use crate::support::{Person, Stage, assert_timestamp, both_modes};

async fn get(stage: &Stage, person: &Person, query: &str) -> Value {
    stage.there().get(&format!("/api/notifications/{query}")).by(person).await.is(200)
}

async fn read(stage: &Stage, person: &Person, up_to: Value) -> crate::support::Response {
    stage.here().post("/api/notifications/read/").by(person).json(&json!({ "up_to": up_to })).await
}

fn seqs(list: &Value) -> Vec<i64> {
    list["results"].as_array().unwrap().iter().map(|row| row["seq"].as_i64().unwrap()).collect()
}

#[apply(both_modes)]
async fn it_lists_the_events_of_the_socket_newest_first(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    assert_eq!(get(&stage, &bob, "").await, json!({ "unread_count": 0, "last_seq": 0, "results": [] }));
    let mut socket = stage.there().socket(&bob).await;
    stage.here().message(&ada, &bob, "grüße").await;
    stage.here().post(&format!("/api/friends/request/{}/", bob.id)).by(&ada).await.is(201);
    let mut frames = socket.next_many(2).await;
    frames.reverse();
    let list = get(&stage, &bob, "").await;
    let rows: Vec<_> = frames
        .iter()
        .zip(list["results"].as_array().unwrap())
        .map(|(frame, row)| {
            assert_timestamp(&row["created_at"]);
            json!({
                "seq": frame["seq"], "type": frame["type"], "data": frame["data"],
                "created_at": row["created_at"], "is_read": false,
            })
        })
        .collect();
    assert_eq!(list, json!({ "unread_count": 2, "last_seq": 2, "results": rows }));
    assert_eq!(get(&stage, &ada, "").await["results"], json!([]));
}

#[apply(both_modes)]
async fn it_is_paged(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    for number in 0..55 {
        stage.here().message(&ada, &bob, &number.to_string()).await;
    }
    let first = stage.here().get("/api/notifications/").by(&bob).await;
    assert_eq!(seqs(&first.is(200)), (6..=55).rev().collect::<Vec<_>>());
    let (mut path, mut found) = (Some("/api/notifications/?limit=20".to_owned()), Vec::new());
    while let Some(at) = path {
        let page = stage.there().get(&at).by(&bob).await;
        path = page.header("link").map(|link| {
            let target =
                link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).expect("a link");
            target[target.find("/api/").unwrap()..].to_owned()
        });
        let page = page.is(200);
        assert_eq!((&page["unread_count"], &page["last_seq"]), (&json!(55), &json!(55)));
        found.extend(seqs(&page));
    }
    assert_eq!(found, (1..=55).rev().collect::<Vec<_>>());
    assert_eq!(seqs(&get(&stage, &bob, "?limit=3&before=10").await), [9, 8, 7]);
    assert_eq!(seqs(&get(&stage, &bob, "?before=1").await), [0; 0]);
    assert_eq!(seqs(&get(&stage, &bob, "?limit=200").await).len(), 55);
}

#[apply(both_modes)]
async fn marking_as_read_never_raises_the_unread_count(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    for _ in 0..5 {
        stage.here().message(&ada, &bob, "x").await;
    }
    for (up_to, unread) in [(0, 5), (2, 3), (1, 3), (2, 3), (4, 1)] {
        read(&stage, &bob, json!(up_to)).await.is_json(200, json!({ "unread_count": unread }));
        assert_eq!(get(&stage, &bob, "").await["unread_count"], unread);
    }
    let rows = get(&stage, &bob, "").await;
    let is_read: Vec<_> =
        rows["results"].as_array().unwrap().iter().map(|row| row["is_read"] == true).collect();
    assert_eq!(is_read, [false, true, true, true, true]);
    // A seq beyond the last marks up to the last: later events are unread.
    read(&stage, &bob, json!(1000)).await.is_json(200, json!({ "unread_count": 0 }));
    stage.here().message(&ada, &bob, "x").await;
    assert_eq!(get(&stage, &bob, "").await["unread_count"], 1);
    read(&stage, &bob, json!(i64::MAX)).await.is_json(200, json!({ "unread_count": 0 }));
    read(&stage, &bob, json!(" 0009223372036854775807 ")).await.is(200);
    // Other inboxes are not affected.
    assert_eq!(get(&stage, &ada, "").await["unread_count"], 0);
}

#[apply(both_modes)]
async fn marking_as_read_sends_a_notice_without_a_seq_to_the_persons_sockets(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    stage.here().message(&ada, &bob, "x").await;
    stage.here().message(&ada, &bob, "x").await;
    let mut sockets = Vec::new();
    for instance in stage.round_robin().take(3) {
        sockets.push(instance.socket(&bob).await);
    }
    let mut adas = stage.there().socket(&ada).await;
    read(&stage, &bob, json!(1)).await.is(200);
    let frame = json!({ "type": "notifications_read", "data": { "up_to": 1, "unread_count": 1 } });
    for socket in &mut sockets {
        assert_eq!(socket.next().await, frame);
    }
    adas.has_nothing_before_a_message(stage.here(), &bob, &ada).await;
    // A notice is not stored.
    assert_eq!(get(&stage, &bob, "").await["last_seq"], 2);
    let mut late = stage.there().resume(&bob, 2).await;
    late.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}

#[rstest]
#[case(json!({}))]
#[case(json!({ "up_to": null }))]
#[case(json!({ "up_to": "x" }))]
#[case(json!({ "up_to": -1 }))]
#[case(json!({ "up_to": 1.5 }))]
#[case(json!({ "up_to": 7.0 }))]
#[case(json!({ "up_to": "7.0" }))]
#[case(json!({ "up_to": "+7" }))]
#[case(json!({ "up_to": 9_223_372_036_854_775_808_u64 }))]
#[case(json!({ "up_to": "9223372036854775808" }))]
#[case(json!({ "up_to": 1e26 }))]
#[case(json!({ "up_to": [1] }))]
#[case(json!({ "up_to": true }))]
#[tokio::test]
async fn up_to_must_be_a_valid_seq(#[case] body: Value) {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    let errors = stage.here().post("/api/notifications/read/").by(&ada).json(&body).await.is(400);
    assert!(errors["up_to"][0].is_string(), "{errors}");
}

#[apply(both_modes)]
async fn old_events_are_deleted_by_count_and_by_age(mode: Mode) {
    let mut stage = mode.stage();
    let [ada, bob, eve] = stage.people(["ada", "bob", "eve"]).await;
    for _ in 0..8 {
        stage.here().message(&ada, &bob, "x").await;
    }
    for _ in 0..3 {
        stage.here().message(&ada, &eve, "x").await;
    }
    stage.sql(&format!(
        "UPDATE inbox_events SET created_at = '2001-01-01 00:00:00' WHERE user_id = {} AND seq <= 2",
        eve.id
    ));
    // An instance deletes old events when it starts.
    stage.start_instance(&[("INBOX_MAX_EVENTS", "5"), ("INBOX_RETENTION_DAYS", "30")]);
    crate::support::until("old events are deleted", async || {
        seqs(&get(&stage, &bob, "").await) == [8, 7, 6, 5, 4] && seqs(&get(&stage, &eve, "").await) == [3]
    })
    .await;
    assert_eq!(get(&stage, &bob, "").await["last_seq"], 8);
    let mut socket = stage.here().resume(&bob, 2).await;
    assert_eq!(socket.next().await, json!({ "type": "resync_required", "seq": 8 }));
    let mut socket = stage.here().resume(&bob, 3).await;
    assert_eq!(socket.next_many(5).await[0]["seq"], 4);
}

/// The number of the inbox at which a response was read.
fn inbox_seq(response: &crate::support::Response) -> i64 {
    response.header("x-inbox-seq").expect("a number of the inbox").parse().unwrap()
}

#[apply(both_modes)]
async fn every_list_that_events_change_names_the_number_at_which_it_was_read(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    stage.here().message(&ada, &bob, "one").await;
    stage.here().post(&format!("/api/friends/request/{}/", bob.id)).by(&ada).await.is(201);
    let conversation = format!("/api/messages/conversation/{}/", ada.id);
    for path in [
        "/api/messages/",
        "/api/messages/?limit=1",
        "/api/messages/conversations/",
        &conversation,
        "/api/friends/",
        "/api/friends/requests/",
        "/api/friends/suggestions/",
        "/api/notifications/",
    ] {
        let response = stage.there().get(path).by(&bob).await;
        response.is(200);
        assert_eq!(inbox_seq(&response), 2, "{path}");
    }
}

/// Each message to bob is one event of his inbox, and he reads none: whatever commits meanwhile,
/// a list read at number n holds exactly n of them.
#[apply(both_modes)]
async fn a_list_and_its_number_are_of_one_moment(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    stage.here().message(&ada, &bob, "the first").await;
    let writing = async {
        for number in 0..150 {
            stage.here().message(&ada, &bob, &number.to_string()).await;
        }
    };
    let reading = async {
        let mut seq = 0;
        while seq < 151 {
            let list = stage.there().get("/api/messages/conversations/").by(&bob).await;
            seq = inbox_seq(&list);
            assert_eq!(list.is(200)[0]["unread_count"], seq);
            let inbox = stage.there().get("/api/notifications/?limit=1").by(&bob).await;
            let body = inbox.is(200);
            assert_eq!(body["results"][0]["seq"], inbox_seq(&inbox));
        }
    };
    tokio::join!(writing, reading);
}
