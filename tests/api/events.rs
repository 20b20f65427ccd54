//! Events are delivered to every socket of their recipient, on every instance, and to nobody else.

use rstest_reuse::apply;
use serde_json::json;

use crate::support::Mode::{self, Cluster};
use crate::support::{Person, Socket, Stage, both_modes};

#[apply(both_modes)]
async fn the_first_frame_is_a_greeting_with_the_current_seq(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let socket = stage.there().socket(&bob).await;
    let greeting = json!({
        "type": "connection_established", "message": "Connected as bob", "user_id": bob.id, "seq": 0,
        "read_seq": 0,
    });
    assert_eq!(socket.greeting, greeting);
    stage.here().message(&ada, &bob, "one").await;
    stage.here().message(&ada, &bob, "two").await;
    let read = stage.here().post("/api/notifications/read/").by(&bob).json(&json!({ "up_to": 1 }));
    read.await.is(200);
    let greeting = stage.there().socket(&bob).await.greeting;
    assert_eq!((&greeting["seq"], &greeting["read_seq"]), (&json!(2), &json!(1)));
}

#[apply(both_modes)]
async fn a_message_is_delivered_to_its_receiver(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut socket = stage.there().socket(&bob).await;
    let message = stage.here().message(&ada, &bob, "héllo\n<b>😀</b>").await;
    let data = json!({
        "id": message["id"], "sender": ada.summary(), "content": "héllo\n<b>😀</b>", "created_at": message["created_at"],
    });
    assert_eq!(socket.next().await, json!({ "type": "new_message", "data": data, "seq": 1 }));
}

#[apply(both_modes)]
async fn a_friend_request_is_delivered_to_its_addressee(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut socket = stage.there().socket(&bob).await;
    stage.here().post(&format!("/api/friends/request/{}/", bob.id)).by(&ada).await.is(201);
    let pending = stage.here().get("/api/friends/requests/").by(&bob).await.is(200);
    let data = json!({
        "request_id": pending[0]["id"], "from_user": ada.with_name(), "created_at": pending[0]["created_at"],
    });
    assert_eq!(socket.next().await, json!({ "type": "friend_request", "data": data, "seq": 1 }));
}

#[apply(both_modes)]
async fn an_acceptance_is_delivered_to_the_requester(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut socket = stage.there().socket(&ada).await;
    stage.here().post(&format!("/api/friends/request/{}/", bob.id)).by(&ada).await.is(201);
    let pending = stage.here().get("/api/friends/requests/").by(&bob).await.is(200);
    stage.here().post(&format!("/api/friends/accept/{}/", pending[0]["id"])).by(&bob).await.is(201);
    let data = json!({ "friend": bob.with_name() });
    assert_eq!(socket.next().await, json!({ "type": "friend_accepted", "data": data, "seq": 1 }));
}

#[apply(both_modes)]
async fn a_request_in_return_is_an_acceptance_for_the_first_requester(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut adas = stage.there().socket(&ada).await;
    let mut bobs = stage.there().socket(&bob).await;
    stage.befriend(&ada, &bob).await;
    assert_eq!(bobs.next().await["type"], "friend_request");
    let data = json!({ "friend": bob.with_name() });
    assert_eq!(adas.next().await, json!({ "type": "friend_accepted", "data": data, "seq": 1 }));
    bobs.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}

#[apply(both_modes)]
async fn every_socket_of_a_person_receives_every_event_on_every_instance(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut sockets = Vec::new();
    for instance in stage.round_robin().take(6) {
        sockets.push(instance.socket(&bob).await);
    }
    for (number, instance) in (1..=10).zip(stage.round_robin()) {
        instance.message(&ada, &bob, &number.to_string()).await;
    }
    for socket in &mut sockets {
        let frames = socket.next_many(10).await;
        let received: Vec<_> =
            frames.iter().map(|frame| (&frame["data"]["content"], &frame["seq"])).collect();
        let (texts, seqs): (Vec<_>, Vec<_>) = (1..=10).map(|n| (json!(n.to_string()), json!(n))).unzip();
        assert_eq!(received, texts.iter().zip(&seqs).collect::<Vec<_>>());
    }
}

#[apply(both_modes)]
async fn nobody_else_receives_an_event(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob, eve] = stage.people(["ada", "bob", "eve"]).await;
    let mut bystanders: Vec<(Socket, _)> = Vec::new();
    for instance in stage.instances() {
        bystanders.push((instance.socket(&ada).await, &ada));
        bystanders.push((instance.socket(&eve).await, &eve));
    }
    stage.here().message(&ada, &bob, "for Bob only").await;
    stage.here().post(&format!("/api/friends/request/{}/", bob.id)).by(&ada).await.is(201);
    for person in [&ada, &eve] {
        stage.here().message(&bob, person, "the next frame").await;
    }
    for (socket, person) in &mut bystanders {
        let frame = socket.next().await;
        assert_eq!(
            (&frame["data"]["content"], &frame["seq"]),
            (&json!("the next frame"), &json!(1)),
            "{}",
            person.username
        );
    }
}

#[apply(both_modes)]
async fn declining_cancelling_removing_and_reading_emit_no_event(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let here = stage.here();
    let request = async || {
        here.post(&format!("/api/friends/request/{}/", bob.id)).by(&ada).await.is(201);
    };
    request().await;
    let pending = here.get("/api/friends/requests/").by(&bob).await.is(200);
    let message = here.message(&bob, &ada, "hello").await;
    let (mut adas, mut bobs) = (stage.there().socket(&ada).await, stage.there().socket(&bob).await);

    here.post(&format!("/api/friends/decline/{}/", pending[0]["id"])).by(&bob).await.is(200);
    here.patch(&format!("/api/messages/{}/read/", message["id"])).by(&ada).await.is(200);
    here.post(&format!("/api/messages/read_all/?user_id={}", bob.id)).by(&ada).await.is(200);
    here.patch("/api/auth/profile/").by(&ada).json(&json!({ "bio": "new" })).await.is(200);
    adas.has_nothing_before_a_message(here, &bob, &ada).await;
    bobs.has_nothing_before_a_message(here, &ada, &bob).await;

    request().await;
    assert_eq!(bobs.next().await["type"], "friend_request");
    here.delete(&format!("/api/friends/cancel/{}/", bob.id)).by(&ada).await.is(200);
    bobs.has_nothing_before_a_message(here, &ada, &bob).await;

    stage.befriend(&ada, &bob).await;
    assert_eq!(bobs.next().await["type"], "friend_request");
    assert_eq!(adas.next().await["type"], "friend_accepted");
    here.delete(&format!("/api/friends/remove/{}/", bob.id)).by(&ada).await.is(200);
    adas.has_nothing_before_a_message(here, &bob, &ada).await;
    bobs.has_nothing_before_a_message(here, &ada, &bob).await;
}

#[apply(both_modes)]
async fn a_refused_request_emits_no_event(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let path = format!("/api/friends/request/{}/", bob.id);
    stage.here().post(&path).by(&ada).await.is(201);
    let mut socket = stage.there().socket(&bob).await;
    stage.here().post(&path).by(&ada).await.is(400);
    let body = json!({ "receiver_id": bob.id, "content": " " });
    stage.here().post("/api/messages/").by(&ada).json(&body).await.is(400);
    socket.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}

#[apply(both_modes)]
async fn concurrent_senders_leave_no_gap_and_every_socket_receives_the_same_order(mode: Mode) {
    const SENDERS: usize = 8;
    const EACH: usize = 15;
    let stage = mode.stage();
    let bob = stage.person("bob").await;
    let senders: [_; SENDERS] =
        stage.people(std::array::from_fn(|n| ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"][n])).await;
    let mut sockets = Vec::new();
    for instance in stage.round_robin().take(4) {
        sockets.push(instance.socket(&bob).await);
    }
    let sending = senders.iter().zip(stage.round_robin()).map(|(sender, instance)| {
        let bob = &bob;
        async move {
            for number in 0..EACH {
                instance.message(sender, bob, &number.to_string()).await;
            }
        }
    });
    futures_util::future::join_all(sending).await;

    let first = sockets[0].next_many(SENDERS * EACH).await;
    let seqs: Vec<_> = first.iter().map(|frame| frame["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=(SENDERS * EACH) as u64).collect::<Vec<_>>());
    for sender in &senders {
        let of_sender = first.iter().filter(|frame| frame["data"]["sender"]["id"] == sender.id);
        let texts: Vec<_> = of_sender.map(|frame| frame["data"]["content"].as_str().unwrap()).collect();
        assert_eq!(texts, (0..EACH).map(|number| number.to_string()).collect::<Vec<_>>());
    }
    for socket in &mut sockets[1..] {
        assert_eq!(socket.next_many(SENDERS * EACH).await, first);
    }
}

#[apply(both_modes)]
async fn a_person_who_reconnects_receives_events_again(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    for number in 1..=5 {
        let mut socket = stage.there().socket(&bob).await;
        stage.here().message(&ada, &bob, "hello").await;
        assert_eq!(socket.next().await["seq"], number);
        socket.close().await;
    }
}

#[tokio::test]
async fn each_instance_subscribes_once_to_a_person_and_unsubscribes_with_the_last_socket() {
    let stage: Stage = Cluster.stage();
    let bob = stage.person("bob").await;
    let channel = format!("user_{}", bob.id);
    let subscribers = || crate::support::subscribers(&channel);
    assert_eq!(subscribers(), 0);
    let (one, two) = (stage.here().socket(&bob).await, stage.here().socket(&bob).await);
    crate::support::until("one instance subscribes", async || subscribers() == 1).await;
    let three = stage.there().socket(&bob).await;
    crate::support::until("both instances subscribe", async || subscribers() == 2).await;
    one.close().await;
    assert_eq!(subscribers(), 2);
    two.close().await;
    crate::support::until("one instance has unsubscribed", async || subscribers() == 1).await;
    three.close().await;
    crate::support::until("both instances have unsubscribed", async || subscribers() == 0).await;
}

/// Opens a socket of a client that offers `numeneon.v1`.
async fn versioned(stage: &Stage, person: &Person) -> Socket {
    stage.there().handshake().token(&person.access).subprotocols("numeneon.v1").open().await
}

#[apply(both_modes)]
async fn what_one_device_sends_and_reads_is_seen_on_the_others_and_by_the_other_user(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let (mut adas, mut bobs) = (versioned(&stage, &ada).await, versioned(&stage, &bob).await);
    let message = stage.here().message(&ada, &bob, "hello").await;
    let sent = json!({ "type": "message_sent", "data": message, "only": "numeneon.v1" });
    assert_eq!(adas.next().await, sent);
    assert_eq!(bobs.next().await["type"], "new_message");

    let read = |up_to| {
        let data = json!({ "sender_id": ada.id, "reader_id": bob.id, "up_to": up_to });
        json!({ "type": "messages_read", "data": data, "only": "numeneon.v1" })
    };
    let path = format!("/api/messages/conversation/{}/read/", ada.id);
    stage.here().post(&path).by(&bob).await.is(200);
    assert_eq!(bobs.next().await, read(message["id"].clone()));
    assert_eq!(adas.next().await, read(message["id"].clone()));
    // What was read already is read by nobody again.
    stage.here().post(&path).by(&bob).await.is(200);

    let another = stage.here().message(&ada, &bob, "another").await;
    assert_eq!(adas.next().await["data"], another);
    assert_eq!(bobs.next().await["type"], "new_message");
    stage.here().patch(&format!("/api/messages/{}/read/", another["id"])).by(&bob).await.is(200);
    assert_eq!(bobs.next().await, read(json!(null)));
    assert_eq!(adas.next().await, read(json!(null)));
}

#[apply(both_modes)]
async fn changes_of_friends_without_an_event_are_seen_by_those_whose_lists_they_change(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob, cleo] = stage.people(["ada", "bob", "cleo"]).await;
    let (mut adas, mut bobs) = (versioned(&stage, &ada).await, versioned(&stage, &bob).await);
    let here = stage.here();
    let changed = |other: &Person| json!({ "type": "friends_changed", "data": { "user_id": other.id }, "only": "numeneon.v1" });
    let request =
        |from: &Person, to: &Person| here.post(&format!("/api/friends/request/{}/", to.id)).by(from);

    request(&ada, &bob).await.is(201);
    let request_id = bobs.next().await["data"]["request_id"].clone();
    here.post(&format!("/api/friends/decline/{request_id}/")).by(&bob).await.is(200);
    assert_eq!(bobs.next().await, changed(&ada));
    // The requester does not learn of it: the next thing is of another change.
    request(&ada, &bob).await.is(201);
    assert_eq!(bobs.next().await["type"], "friend_request");
    here.delete(&format!("/api/friends/cancel/{}/", bob.id)).by(&ada).await.is(200);
    assert_eq!((adas.next().await, bobs.next().await), (changed(&bob), changed(&ada)));

    request(&ada, &bob).await.is(201);
    let request_id = bobs.next().await["data"]["request_id"].clone();
    here.post(&format!("/api/friends/accept/{request_id}/")).by(&bob).await.is(201);
    assert_eq!(
        (adas.next().await["type"].clone(), bobs.next().await),
        (json!("friend_accepted"), changed(&ada))
    );
    here.delete(&format!("/api/friends/remove/{}/", ada.id)).by(&bob).await.is(200);
    assert_eq!((adas.next().await, bobs.next().await), (changed(&bob), changed(&ada)));
    here.delete(&format!("/api/friends/remove/{}/", cleo.id)).by(&ada).await.is(200);
    adas.has_nothing_before_a_message(here, &cleo, &ada).await;
}

#[apply(both_modes)]
async fn a_client_that_offers_no_version_gets_only_what_the_contract_has(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    stage.befriend(&ada, &bob).await;
    let mut socket = stage.there().socket(&ada).await;
    stage.here().message(&ada, &bob, "hello").await;
    stage.here().post(&format!("/api/messages/conversation/{}/read/", ada.id)).by(&bob).await.is(200);
    stage.here().delete(&format!("/api/friends/remove/{}/", bob.id)).by(&ada).await.is(200);
    socket.has_nothing_before_a_message(stage.here(), &bob, &ada).await;
}
