//! `GET /api/messages/conversations/`: what the whole history says, whatever happened.

use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::{Mode, Person, Stage, both_modes};

/// Returns a person's conversations as they follow from all of their messages: partner, last
/// message, and unread messages to the person.
fn from_history(stage: &Stage, person: &Person) -> Value {
    let id = person.id;
    let rows = stage.text(&format!(
        "SELECT COALESCE(string_agg('[' || partner_id || ',' || last_id || ',' || unread || ']', ',' \
           ORDER BY last_id DESC), '') \
         FROM (SELECT partner_id, MAX(id) AS last_id, SUM(unread) AS unread FROM ( \
           SELECT receiver_id AS partner_id, id, 0 AS unread FROM messages WHERE sender_id = {id} \
           UNION ALL \
           SELECT sender_id, id, CASE WHEN is_read THEN 0 ELSE 1 END FROM messages WHERE receiver_id = {id} \
         ) AS both_ways GROUP BY partner_id) AS partners"
    ));
    serde_json::from_str(&format!("[{rows}]")).expect("JSON")
}

async fn assert_conversations(stage: &Stage, people: &[Person], step: &str) {
    for person in people {
        let list = stage.there().get("/api/messages/conversations/").by(person).await.is(200);
        let list = list.as_array().expect("a list");
        let listed: Vec<_> = list
            .iter()
            .map(|it| json!([it["user"]["id"], it["last_message"]["id"], it["unread_count"]]))
            .collect();
        assert_eq!(json!(listed), from_history(stage, person), "{step}, {}", person.username);
        for conversation in list {
            let (user, last) = (&conversation["user"], &conversation["last_message"]);
            let partner = people.iter().find(|it| user["id"] == it.id).expect("one of the people");
            assert_eq!(*user, partner.with_name());
            let mut two = [&last["sender"], &last["receiver"]];
            two.sort_by_key(|it| it["id"] != person.id);
            assert_eq!(two, [&person.summary(), &partner.summary()]);
            let path = format!("/api/messages/conversation/{}/?limit=1", partner.id);
            assert_eq!(stage.here().get(&path).by(person).await.is(200), json!([last]));
        }
    }
}

#[apply(both_modes)]
async fn conversations_are_those_of_the_history(mode: Mode) {
    let stage = mode.stage();
    let mut people = Vec::from(stage.people(["ada", "bob", "eve", "max"]).await);
    for step in 0..60 {
        let (one, other) = (fastrand::usize(..people.len()), fastrand::usize(..people.len()));
        let (one, other) = (&people[one], &people[other]);
        let act = match fastrand::u8(0..10) {
            _ if one.id == other.id => continue,
            0..6 => {
                stage.here().message(one, other, &format!("message {step}")).await;
                "sent"
            }
            6 => {
                let path = format!("/api/messages/conversation/{}/read/", one.id);
                stage.here().post(&path).by(other).await.is(200);
                "read all"
            }
            7 | 8 => {
                let list = stage.here().get("/api/messages/").by(other).await.is(200);
                let mut received =
                    list.as_array().expect("a list").iter().filter(|it| it["receiver"]["id"] == other.id);
                if let Some(message) = received.next() {
                    let path = format!("/api/messages/{}/read/", message["id"]);
                    stage.here().request("PATCH", &path).by(other).await.is(200);
                }
                "read one"
            }
            _ => {
                stage.sql(&format!(
                    "DELETE FROM messages WHERE sender_id = {} AND receiver_id = {}",
                    one.id, other.id
                ));
                "deleted"
            }
        };
        assert_conversations(&stage, &people, &format!("step {step}, {act}")).await;
    }
    let gone = people.remove(1);
    stage.sql(&format!("DELETE FROM users WHERE id = {}", gone.id));
    assert_conversations(&stage, &people, "a user is deleted").await;
}

#[apply(both_modes)]
async fn unread_messages_before_read_ones_are_marked_too(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    for number in 0..4 {
        let sent = stage.here().message(&ada, &bob, "x").await;
        if number >= 2 {
            let path = format!("/api/messages/{}/read/", sent["id"]);
            stage.here().request("PATCH", &path).by(&bob).await.is(200);
        }
    }
    stage.here().message(&bob, &ada, "not to Bob").await;
    let path = format!("/api/messages/conversation/{}/read/", ada.id);
    stage.here().post(&path).by(&bob).await.is_json(200, json!({ "marked_read": 2 }));
    stage.here().post(&path).by(&bob).await.is_json(200, json!({ "marked_read": 0 }));
    assert_eq!(stage.number("SELECT count(*) FROM messages WHERE NOT is_read"), 1);
}
