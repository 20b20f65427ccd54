//! Events reach all sockets of the right person, on all instances, and nobody else.

use rstest::rstest;
use serde_json::json;

use crate::support::Kind::{self, Cluster, Laptop};
use crate::support::{Socket, Stage};

#[rstest]
#[tokio::test]
async fn the_first_frame_greets_and_tells_the_position(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let socket = stage.there().socket(&bob).await;
    let greeting = json!({
        "type": "connection_established", "message": "Connected as bob", "user_id": bob.id, "seq": 0,
    });
    assert_eq!(socket.greeting, greeting);
    stage.here().message(&ada, &bob, "one").await;
    stage.here().message(&ada, &bob, "two").await;
    assert_eq!(stage.there().socket(&bob).await.greeting["seq"], 2);
}

#[rstest]
#[tokio::test]
async fn a_message_reaches_its_receiver(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut socket = stage.there().socket(&bob).await;
    let message = stage.here().message(&ada, &bob, "héllo\n<b>😀</b>").await;
    let data = json!({
        "id": message["id"], "sender": ada.brief(), "content": "héllo\n<b>😀</b>", "created_at": message["created_at"],
    });
    assert_eq!(socket.next().await, json!({ "type": "new_message", "data": data, "seq": 1 }));
}

#[rstest]
#[tokio::test]
async fn a_friend_request_reaches_the_asked(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut socket = stage.there().socket(&bob).await;
    stage.here().post(&format!("/api/friends/request/{}/", bob.id)).by(&ada).await.is(201);
    let pending = stage.here().get("/api/friends/requests/").by(&bob).await.is(200);
    let data = json!({
        "request_id": pending[0]["id"], "from_user": ada.person(), "created_at": pending[0]["created_at"],
    });
    assert_eq!(socket.next().await, json!({ "type": "friend_request", "data": data, "seq": 1 }));
}

#[rstest]
#[tokio::test]
async fn an_acceptance_reaches_the_asker(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut socket = stage.there().socket(&ada).await;
    stage.here().post(&format!("/api/friends/request/{}/", bob.id)).by(&ada).await.is(201);
    let pending = stage.here().get("/api/friends/requests/").by(&bob).await.is(200);
    stage.here().post(&format!("/api/friends/accept/{}/", pending[0]["id"])).by(&bob).await.is(201);
    let data = json!({ "friend": bob.person() });
    assert_eq!(socket.next().await, json!({ "type": "friend_accepted", "data": data, "seq": 1 }));
}

#[rstest]
#[tokio::test]
async fn asking_back_is_an_acceptance_for_the_first_asker(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut adas = stage.there().socket(&ada).await;
    let mut bobs = stage.there().socket(&bob).await;
    stage.befriend(&ada, &bob).await;
    assert_eq!(bobs.next().await["type"], "friend_request");
    let data = json!({ "friend": bob.person() });
    assert_eq!(adas.next().await, json!({ "type": "friend_accepted", "data": data, "seq": 1 }));
    bobs.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}

#[rstest]
#[tokio::test]
async fn every_socket_of_a_person_is_told_on_every_instance(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut sockets = Vec::new();
    for instance in stage.in_turn().take(6) {
        sockets.push(instance.socket(&bob).await);
    }
    for (number, instance) in (1..=10).zip(stage.in_turn()) {
        instance.message(&ada, &bob, &number.to_string()).await;
    }
    for socket in &mut sockets {
        let frames = socket.next_many(10).await;
        let told: Vec<_> = frames.iter().map(|frame| (&frame["data"]["content"], &frame["seq"])).collect();
        let (texts, seqs): (Vec<_>, Vec<_>) = (1..=10).map(|n| (json!(n.to_string()), json!(n))).unzip();
        assert_eq!(told, texts.iter().zip(&seqs).collect::<Vec<_>>());
    }
}

#[rstest]
#[tokio::test]
async fn nobody_else_is_told(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
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

#[rstest]
#[tokio::test]
async fn declining_cancelling_removing_and_reading_tell_nobody(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let here = stage.here();
    let ask = async || {
        here.post(&format!("/api/friends/request/{}/", bob.id)).by(&ada).await.is(201);
    };
    ask().await;
    let pending = here.get("/api/friends/requests/").by(&bob).await.is(200);
    let message = here.message(&bob, &ada, "hello").await;
    let (mut adas, mut bobs) = (stage.there().socket(&ada).await, stage.there().socket(&bob).await);

    here.post(&format!("/api/friends/decline/{}/", pending[0]["id"])).by(&bob).await.is(200);
    here.patch(&format!("/api/messages/{}/read/", message["id"])).by(&ada).await.is(200);
    here.post(&format!("/api/messages/read_all/?user_id={}", bob.id)).by(&ada).await.is(200);
    here.patch("/api/auth/profile/").by(&ada).json(&json!({ "bio": "new" })).await.is(200);
    adas.has_nothing_before_a_message(here, &bob, &ada).await;
    bobs.has_nothing_before_a_message(here, &ada, &bob).await;

    ask().await;
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

#[rstest]
#[tokio::test]
async fn a_refused_request_tells_nobody(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let path = format!("/api/friends/request/{}/", bob.id);
    stage.here().post(&path).by(&ada).await.is(201);
    let mut socket = stage.there().socket(&bob).await;
    stage.here().post(&path).by(&ada).await.is(400);
    let body = json!({ "receiver_id": bob.id, "content": " " });
    stage.here().post("/api/messages/").by(&ada).json(&body).await.is(400);
    socket.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}

#[rstest]
#[tokio::test]
async fn many_senders_at_once_leave_no_gap_and_every_socket_sees_the_same(
    #[values(Laptop, Cluster)] kind: Kind,
) {
    const SENDERS: usize = 8;
    const EACH: usize = 15;
    let stage = kind.stage();
    let bob = stage.person("bob").await;
    let senders: [_; SENDERS] =
        stage.people(std::array::from_fn(|n| ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"][n])).await;
    let mut sockets = Vec::new();
    for instance in stage.in_turn().take(4) {
        sockets.push(instance.socket(&bob).await);
    }
    let sending = senders.iter().zip(stage.in_turn()).map(|(sender, instance)| {
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

#[rstest]
#[tokio::test]
async fn a_person_who_left_and_came_back_is_told_again(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    for number in 1..=5 {
        let mut socket = stage.there().socket(&bob).await;
        stage.here().message(&ada, &bob, "hello").await;
        assert_eq!(socket.next().await["seq"], number);
        socket.close().await;
    }
}

#[tokio::test]
async fn a_person_is_subscribed_to_once_for_each_instance_and_left_with_the_last_socket() {
    let stage: Stage = Cluster.stage();
    let bob = stage.person("bob").await;
    let channel = format!("user_{}", bob.id);
    let subscribers = || crate::support::subscribers(&channel);
    assert_eq!(subscribers(), 0);
    let (one, two) = (stage.here().socket(&bob).await, stage.here().socket(&bob).await);
    assert_eq!(subscribers(), 1);
    let three = stage.there().socket(&bob).await;
    assert_eq!(subscribers(), 2);
    one.close().await;
    assert_eq!(subscribers(), 2);
    two.close().await;
    crate::support::until("one instance left the group", async || subscribers() == 1).await;
    three.close().await;
    crate::support::until("both instances left the group", async || subscribers() == 0).await;
}
