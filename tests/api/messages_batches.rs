//! Messages that are sent at the same moment share a transaction. None of them fails or waits
//! because of another.

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use futures_util::future::join_all;
use rstest_reuse::apply;
use serde_json::json;

use crate::support::{Cluster, Mode, Person, Response, Stage, both_modes};

/// Sends messages at the same moment, all to one instance, and returns the responses in order.
async fn send_all(stage: &Stage, messages: &[(&Person, i64, String)]) -> Vec<Response> {
    let requests = messages.iter().map(|(sender, receiver, content)| {
        let body = json!({ "receiver_id": receiver, "content": content });
        stage.here().post("/api/messages/").by(sender).json(&body).into_future()
    });
    join_all(requests).await
}

#[apply(both_modes)]
async fn each_gets_its_own_response_and_arrives_once(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob, eve] = stage.people(["ada", "bob", "eve"]).await;
    let mut sockets = [stage.there().socket(&bob).await, stage.there().socket(&eve).await];
    let messages: Vec<_> = (0..60)
        .map(|number| {
            let receiver = match number % 6 {
                0 => 1_000_000_000,
                1 => ada.id,
                2 => eve.id,
                _ => bob.id,
            };
            (&ada, receiver, format!("message {number}"))
        })
        .collect();
    let responses = send_all(&stage, &messages).await;

    let mut contents = [Vec::new(), Vec::new()];
    for ((_, receiver, content), response) in messages.iter().zip(responses) {
        if *receiver == ada.id {
            response.is_json(400, json!({ "receiver_id": ["You cannot write to yourself."] }));
        } else if let Some(place) = [bob.id, eve.id].iter().position(|id| id == receiver) {
            let message = response.is(201);
            assert_eq!(message["content"], *content);
            assert_eq!(message["receiver"], [&bob, &eve][place].summary());
            contents[place].push((message["id"].clone(), content.clone()));
        } else {
            response.is_json(400, json!({ "receiver_id": ["User not found."] }));
        }
    }
    for (socket, mut expected) in sockets.iter_mut().zip(contents) {
        let mut received = Vec::new();
        for (seq, envelope) in (1..).zip(socket.next_many(expected.len()).await) {
            assert_eq!((&envelope["seq"], &envelope["type"]), (&json!(seq), &json!("new_message")));
            let data = &envelope["data"];
            received.push((data["id"].clone(), data["content"].as_str().expect("a text").to_owned()));
        }
        let key = |(id, _): &(serde_json::Value, String)| id.as_i64();
        received.sort_by_key(key);
        expected.sort_by_key(key);
        assert_eq!(received, expected);
    }
}

#[apply(both_modes)]
async fn one_that_the_database_rejects_fails_alone(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    stage.sql(if mode == Cluster {
        "CREATE FUNCTION reject() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN RAISE EXCEPTION 'rejected'; END $$; \
         CREATE TRIGGER reject BEFORE INSERT ON messages FOR EACH ROW WHEN (NEW.content = 'reject') \
         EXECUTE FUNCTION reject()"
    } else {
        "CREATE TRIGGER reject BEFORE INSERT ON messages WHEN NEW.content = 'reject' \
         BEGIN SELECT RAISE(ABORT, 'rejected'); END"
    });
    let messages: Vec<_> = (0..40)
        .map(|number| {
            let content = if number % 10 == 5 { "reject".to_owned() } else { format!("message {number}") };
            (&ada, bob.id, content)
        })
        .collect();
    for ((_, _, content), response) in messages.iter().zip(send_all(&stage, &messages).await) {
        assert_eq!(response.status, if content == "reject" { 500 } else { 201 }, "{response:?}");
    }
    assert_eq!(stage.number("(SELECT count(*) FROM messages)"), 36);
    assert_eq!(stage.number("(SELECT count(*) FROM inbox_events)"), 36);
}

#[tokio::test]
async fn a_locked_inbox_delays_only_its_own_messages() {
    let stage = Cluster.stage();
    let [ada, bob, eve] = stage.people(["ada", "bob", "eve"]).await;
    let mut lock = PgConnection::establish(&stage.database_url()).expect("a connection");
    lock.batch_execute(&format!("BEGIN; SELECT FROM inboxes WHERE user_id = {} FOR UPDATE", bob.id))
        .expect("the lock");
    let to_bob: Vec<_> = (0..2).map(|number| (&ada, bob.id, format!("to bob {number}"))).collect();
    let waiting = send_all(&stage, &to_bob);
    let others = async {
        for number in 0..20 {
            stage.here().message(&ada, &eve, &format!("to eve {number}")).await;
        }
        lock.batch_execute("ROLLBACK").expect("the lock is released");
    };
    let (responses, ()) = tokio::join!(waiting, others);
    for response in responses {
        response.is(201);
    }
}
