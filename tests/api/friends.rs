//! /api/friends/

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::Kind::{self, Cluster, Laptop};
use crate::support::{Answer, Person, Stage, assert_timestamp};

async fn ask(stage: &Stage, asker: &Person, asked: &Person) -> Answer {
    stage.here().post(&format!("/api/friends/request/{}/", asked.id)).by(asker).await
}

async fn answer(stage: &Stage, word: &str, person: &Person, request: &Value) -> Answer {
    stage.there().post(&format!("/api/friends/{word}/{request}/")).by(person).await
}

async fn end(stage: &Stage, word: &str, person: &Person, other: i64) -> Answer {
    stage.there().delete(&format!("/api/friends/{word}/{other}/")).by(person).await
}

async fn list(stage: &Stage, name: &str, person: &Person) -> Value {
    stage.there().get(&format!("/api/friends/{name}")).by(person).await.is(200)
}

async fn only_request(stage: &Stage, person: &Person) -> Value {
    list(stage, "requests/", person).await[0]["id"].clone()
}

#[rstest]
#[tokio::test]
async fn a_request_is_sent_and_listed_for_the_asked(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    ask(&stage, &ada, &bob).await.says(201, json!({ "message": "Friend request sent" }));
    let pending = list(&stage, "requests/", &bob).await;
    let row = &pending[0];
    assert_eq!(
        pending,
        json!([{ "id": row["id"], "from_user": ada.person(), "created_at": row["created_at"] }])
    );
    assert!(row["id"].is_i64());
    assert_timestamp(&row["created_at"]);
    assert_eq!(list(&stage, "requests/", &ada).await, json!([]));
    for person in [&ada, &bob] {
        assert_eq!(list(&stage, "", person).await, json!([]));
    }
}

#[rstest]
#[tokio::test]
async fn requests_are_listed_newest_first(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let bob = stage.person("bob").await;
    let askers = ["u1", "u2", "u3"].map(|name| stage.import(name, "", ""));
    for asker in &askers {
        ask(&stage, asker, &bob).await.is(201);
    }
    let pending = list(&stage, "requests/", &bob).await;
    let names: Vec<_> = pending.as_array().unwrap().iter().map(|row| &row["from_user"]["username"]).collect();
    assert_eq!(names, ["u3", "u2", "u1"]);
}

#[rstest]
#[tokio::test]
async fn an_acceptance_makes_both_friends(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    ask(&stage, &ada, &bob).await.is(201);
    let request = only_request(&stage, &bob).await;
    let body = json!({ "message": "Friend request accepted", "friend": ada.person() });
    answer(&stage, "accept", &bob, &request).await.says(201, body);
    assert_eq!(list(&stage, "", &ada).await, json!([bob.pictured(None)]));
    assert_eq!(list(&stage, "", &bob).await, json!([ada.pictured(None)]));
    assert_eq!(list(&stage, "requests/", &bob).await, json!([]));
    for word in ["accept", "decline"] {
        answer(&stage, word, &bob, &request).await.refuses(404, "Request not found");
    }
    end(&stage, "cancel", &ada, bob.id).await.refuses(404, "Request not found");
}

#[rstest]
#[tokio::test]
async fn friends_are_listed_whole_with_pictures_newest_first(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let ada = stage.person("ada").await;
    let mut names = Vec::new();
    for number in 0..25 {
        let friend = stage.import(&format!("f{number}"), "F", "");
        // Either side asks first.
        let (one, two) = if number % 2 == 0 { (&ada, &friend) } else { (&friend, &ada) };
        stage.befriend(one, two).await;
        names.insert(0, json!(friend.username));
    }
    stage.sql("UPDATE profiles SET avatar = 'https://example.com/a' WHERE user_id IN (SELECT id FROM users WHERE username = 'f24')");
    let friends = list(&stage, "", &ada).await;
    assert_eq!(
        friends.as_array().unwrap().iter().map(|row| row["username"].clone()).collect::<Vec<_>>(),
        names
    );
    let keys = ["id", "username", "first_name", "last_name", "profile_picture"];
    assert_eq!(friends[0].as_object().unwrap().keys().collect::<Vec<_>>(), keys);
    assert_eq!(
        (&friends[0]["profile_picture"], &friends[1]["profile_picture"]),
        (&json!("https://example.com/a"), &json!(null))
    );
}

#[rstest]
#[tokio::test]
async fn asking_is_refused_in_the_contracts_order(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    ask(&stage, &ada, &ada).await.refuses(400, "You cannot friend yourself");
    ask(&stage, &ada, &bob).await.is(201);
    ask(&stage, &ada, &bob).await.refuses(400, "Friend request already sent");
    let request = only_request(&stage, &bob).await;
    answer(&stage, "accept", &bob, &request).await.is(201);
    ask(&stage, &ada, &bob).await.refuses(400, "You are already friends");
    ask(&stage, &bob, &ada).await.refuses(400, "You are already friends");
}

#[rstest]
#[tokio::test]
async fn asking_back_is_accepting(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    ask(&stage, &ada, &bob).await.is(201);
    let request = only_request(&stage, &bob).await;
    assert!(ask(&stage, &bob, &ada).await.is(201)["message"].is_string());
    assert_eq!(list(&stage, "", &ada).await, json!([bob.pictured(None)]));
    assert_eq!(list(&stage, "", &bob).await, json!([ada.pictured(None)]));
    assert_eq!(list(&stage, "requests/", &bob).await, json!([]));
    assert_eq!(list(&stage, "requests/", &ada).await, json!([]));
    answer(&stage, "accept", &bob, &request).await.refuses(404, "Request not found");
}

#[rstest]
#[tokio::test]
async fn a_declined_request_is_gone_and_may_be_sent_anew(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    ask(&stage, &ada, &bob).await.is(201);
    let request = only_request(&stage, &bob).await;
    answer(&stage, "decline", &bob, &request)
        .await
        .says(200, json!({ "message": "Friend request declined" }));
    answer(&stage, "decline", &bob, &request).await.refuses(404, "Request not found");
    answer(&stage, "accept", &bob, &request).await.refuses(404, "Request not found");
    assert_eq!(list(&stage, "requests/", &bob).await, json!([]));
    assert_eq!(list(&stage, "", &ada).await, json!([]));
    ask(&stage, &ada, &bob).await.says(201, json!({ "message": "Friend request sent" }));
}

#[rstest]
#[tokio::test]
async fn only_its_recipient_answers_a_request(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob, eve] = stage.people(["ada", "bob", "eve"]).await;
    ask(&stage, &ada, &bob).await.is(201);
    let request = only_request(&stage, &bob).await;
    for person in [&ada, &eve] {
        for word in ["accept", "decline"] {
            answer(&stage, word, person, &request).await.refuses(403, "Not authorized");
        }
    }
    assert_eq!(only_request(&stage, &bob).await, request);
    assert_eq!(list(&stage, "", &ada).await, json!([]));
}

#[rstest]
#[tokio::test]
async fn a_request_is_cancelled_by_its_sender(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    end(&stage, "cancel", &ada, bob.id).await.refuses(404, "Request not found");
    ask(&stage, &ada, &bob).await.is(201);
    end(&stage, "cancel", &bob, ada.id).await.refuses(404, "Request not found");
    end(&stage, "cancel", &ada, ada.id).await.refuses(404, "Request not found");
    end(&stage, "cancel", &ada, bob.id).await.says(200, json!({ "message": "Friend request cancelled" }));
    end(&stage, "cancel", &ada, bob.id).await.refuses(404, "Request not found");
    assert_eq!(list(&stage, "requests/", &bob).await, json!([]));
    ask(&stage, &ada, &bob).await.is(201);
}

#[rstest]
#[tokio::test]
async fn a_friendship_is_ended_by_either_side(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    for person in [&ada, &bob] {
        stage.befriend(&ada, &bob).await;
        let other = if person.id == ada.id { &bob } else { &ada };
        end(&stage, "remove", person, other.id).await.says(200, json!({ "message": "Friend removed" }));
        assert_eq!(list(&stage, "", &ada).await, json!([]));
        assert_eq!(list(&stage, "", &bob).await, json!([]));
    }
}

#[rstest]
#[tokio::test]
async fn removing_what_is_not_there_is_fine(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let removed = json!({ "message": "Friend removed" });
    end(&stage, "remove", &ada, bob.id).await.says(200, removed.clone());
    end(&stage, "remove", &ada, ada.id).await.says(200, removed.clone());
    end(&stage, "remove", &ada, bob.id + 1000).await.refuses(404, "User not found");
    // A request is no friendship: it stays.
    ask(&stage, &ada, &bob).await.is(201);
    end(&stage, "remove", &ada, bob.id).await.says(200, removed.clone());
    end(&stage, "remove", &bob, ada.id).await.says(200, removed);
    assert_eq!(list(&stage, "requests/", &bob).await.as_array().unwrap().len(), 1);
}

#[rstest]
#[tokio::test]
async fn suggestions_leave_out_whom_one_knows_already(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, friend, asked, asker, stranger] =
        stage.people(["ada", "friend", "asked", "asker", "stranger"]).await;
    stage.befriend(&ada, &friend).await;
    ask(&stage, &ada, &asked).await.is(201);
    ask(&stage, &asker, &ada).await.is(201);
    stage.sql("UPDATE users SET is_superuser = TRUE WHERE username = 'stranger'");
    let body = json!({ "avatar": "https://example.com/a" });
    stage.here().patch("/api/auth/profile/").by(&stranger).json(&body).await.is(200);
    assert_eq!(
        list(&stage, "suggestions/", &ada).await,
        json!([stranger.pictured(Some("https://example.com/a"))])
    );
    let of_stranger = list(&stage, "suggestions/", &stranger).await;
    assert_eq!(of_stranger.as_array().unwrap().len(), 4);
    assert_eq!(
        of_stranger[0].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["id", "username", "first_name", "last_name", "profile_picture"]
    );
}

#[rstest]
#[tokio::test]
async fn suggestions_are_twenty_at_most(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let ada = stage.person("ada").await;
    for number in 0..25 {
        stage.import(&format!("u{number}"), "", "");
    }
    assert_eq!(list(&stage, "suggestions/", &ada).await.as_array().unwrap().len(), 20);
}
