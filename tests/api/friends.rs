//! `/api/friends/`: requests, friends and suggestions.

use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::{Mode, Person, Response, Stage, assert_timestamp, both_modes};

async fn send_request(stage: &Stage, requester: &Person, addressee: &Person) -> Response {
    stage.here().post(&format!("/api/friends/request/{}/", addressee.id)).by(requester).await
}

async fn respond(stage: &Stage, verb: &str, person: &Person, request: &Value) -> Response {
    stage.there().post(&format!("/api/friends/{verb}/{request}/")).by(person).await
}

async fn delete(stage: &Stage, verb: &str, person: &Person, other: i64) -> Response {
    stage.there().delete(&format!("/api/friends/{verb}/{other}/")).by(person).await
}

async fn list(stage: &Stage, name: &str, person: &Person) -> Value {
    stage.there().get(&format!("/api/friends/{name}")).by(person).await.is(200)
}

async fn only_request(stage: &Stage, person: &Person) -> Value {
    list(stage, "requests/", person).await[0]["id"].clone()
}

#[apply(both_modes)]
async fn a_request_is_created_and_listed_for_its_addressee(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    send_request(&stage, &ada, &bob).await.is_json(201, json!({ "message": "Friend request sent" }));
    let pending = list(&stage, "requests/", &bob).await;
    let row = &pending[0];
    assert_eq!(
        pending,
        json!([{ "id": row["id"], "from_user": ada.with_name(), "created_at": row["created_at"] }])
    );
    assert!(row["id"].is_i64());
    assert_timestamp(&row["created_at"]);
    assert_eq!(list(&stage, "requests/", &ada).await, json!([]));
    for person in [&ada, &bob] {
        assert_eq!(list(&stage, "", person).await, json!([]));
    }
}

#[apply(both_modes)]
async fn requests_are_listed_newest_first(mode: Mode) {
    let stage = mode.stage();
    let bob = stage.person("bob").await;
    let requesters = ["u1", "u2", "u3"].map(|name| stage.import(name, "", ""));
    for requester in &requesters {
        send_request(&stage, requester, &bob).await.is(201);
    }
    let pending = list(&stage, "requests/", &bob).await;
    let names: Vec<_> = pending.as_array().unwrap().iter().map(|row| &row["from_user"]["username"]).collect();
    assert_eq!(names, ["u3", "u2", "u1"]);
}

#[apply(both_modes)]
async fn an_acceptance_makes_both_friends(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    send_request(&stage, &ada, &bob).await.is(201);
    let request = only_request(&stage, &bob).await;
    let body = json!({
        "message": "Friend request accepted", "friend": ada.with_name(), "id": ada.id, "username": "ada",
    });
    respond(&stage, "accept", &bob, &request).await.is_json(201, body);
    assert_eq!(list(&stage, "", &ada).await, json!([bob.with_picture(None)]));
    assert_eq!(list(&stage, "", &bob).await, json!([ada.with_picture(None)]));
    assert_eq!(list(&stage, "requests/", &bob).await, json!([]));
    for verb in ["accept", "decline"] {
        respond(&stage, verb, &bob, &request).await.is_error(404, "Request not found");
    }
    delete(&stage, "cancel", &ada, bob.id).await.is_error(404, "Request not found");
}

#[apply(both_modes)]
async fn all_friends_are_listed_with_pictures_newest_first(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    let mut names = Vec::new();
    for number in 0..25 {
        let friend = stage.import(&format!("f{number}"), "F", "");
        // Each side requests every other time.
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

#[apply(both_modes)]
async fn a_request_is_checked_in_the_order_of_the_contract(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    send_request(&stage, &ada, &ada).await.is_error(400, "You cannot friend yourself");
    send_request(&stage, &ada, &bob).await.is(201);
    send_request(&stage, &ada, &bob).await.is_error(400, "Friend request already sent");
    let request = only_request(&stage, &bob).await;
    respond(&stage, "accept", &bob, &request).await.is(201);
    send_request(&stage, &ada, &bob).await.is_error(400, "You are already friends");
    send_request(&stage, &bob, &ada).await.is_error(400, "You are already friends");
}

#[apply(both_modes)]
async fn a_request_in_return_is_an_acceptance(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    send_request(&stage, &ada, &bob).await.is(201);
    let request = only_request(&stage, &bob).await;
    assert!(send_request(&stage, &bob, &ada).await.is(201)["message"].is_string());
    assert_eq!(list(&stage, "", &ada).await, json!([bob.with_picture(None)]));
    assert_eq!(list(&stage, "", &bob).await, json!([ada.with_picture(None)]));
    assert_eq!(list(&stage, "requests/", &bob).await, json!([]));
    assert_eq!(list(&stage, "requests/", &ada).await, json!([]));
    respond(&stage, "accept", &bob, &request).await.is_error(404, "Request not found");
}

#[apply(both_modes)]
async fn a_declined_request_is_deleted_and_may_be_sent_again(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    send_request(&stage, &ada, &bob).await.is(201);
    let request = only_request(&stage, &bob).await;
    respond(&stage, "decline", &bob, &request)
        .await
        .is_json(200, json!({ "message": "Friend request declined" }));
    respond(&stage, "decline", &bob, &request).await.is_error(404, "Request not found");
    respond(&stage, "accept", &bob, &request).await.is_error(404, "Request not found");
    assert_eq!(list(&stage, "requests/", &bob).await, json!([]));
    assert_eq!(list(&stage, "", &ada).await, json!([]));
    send_request(&stage, &ada, &bob).await.is_json(201, json!({ "message": "Friend request sent" }));
}

#[apply(both_modes)]
async fn only_its_addressee_may_accept_or_decline_a_request(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob, eve] = stage.people(["ada", "bob", "eve"]).await;
    send_request(&stage, &ada, &bob).await.is(201);
    let request = only_request(&stage, &bob).await;
    for person in [&ada, &eve] {
        for verb in ["accept", "decline"] {
            respond(&stage, verb, person, &request).await.is_error(403, "Not authorized");
        }
    }
    assert_eq!(only_request(&stage, &bob).await, request);
    assert_eq!(list(&stage, "", &ada).await, json!([]));
}

#[apply(both_modes)]
async fn only_its_sender_may_cancel_a_request(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    delete(&stage, "cancel", &ada, bob.id).await.is_error(404, "Request not found");
    send_request(&stage, &ada, &bob).await.is(201);
    delete(&stage, "cancel", &bob, ada.id).await.is_error(404, "Request not found");
    delete(&stage, "cancel", &ada, ada.id).await.is_error(404, "Request not found");
    delete(&stage, "cancel", &ada, bob.id)
        .await
        .is_json(200, json!({ "message": "Friend request cancelled" }));
    delete(&stage, "cancel", &ada, bob.id).await.is_error(404, "Request not found");
    assert_eq!(list(&stage, "requests/", &bob).await, json!([]));
    send_request(&stage, &ada, &bob).await.is(201);
}

#[apply(both_modes)]
async fn either_side_may_end_a_friendship(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    for person in [&ada, &bob] {
        stage.befriend(&ada, &bob).await;
        let other = if person.id == ada.id { &bob } else { &ada };
        delete(&stage, "remove", person, other.id).await.is_json(200, json!({ "message": "Friend removed" }));
        assert_eq!(list(&stage, "", &ada).await, json!([]));
        assert_eq!(list(&stage, "", &bob).await, json!([]));
    }
}

#[apply(both_modes)]
async fn removing_somebody_who_is_not_a_friend_succeeds(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let removed = json!({ "message": "Friend removed" });
    delete(&stage, "remove", &ada, bob.id).await.is_json(200, removed.clone());
    delete(&stage, "remove", &ada, ada.id).await.is_json(200, removed.clone());
    delete(&stage, "remove", &ada, bob.id + 1000).await.is_error(404, "User not found");
    // A pending request is not a friendship: it is kept.
    send_request(&stage, &ada, &bob).await.is(201);
    delete(&stage, "remove", &ada, bob.id).await.is_json(200, removed.clone());
    delete(&stage, "remove", &bob, ada.id).await.is_json(200, removed);
    assert_eq!(list(&stage, "requests/", &bob).await.as_array().unwrap().len(), 1);
}

#[apply(both_modes)]
async fn suggestions_exclude_friends_and_pending_requests(mode: Mode) {
    let stage = mode.stage();
    let [ada, friend, addressee, requester, stranger] =
        stage.people(["ada", "friend", "addressee", "requester", "stranger"]).await;
    stage.befriend(&ada, &friend).await;
    send_request(&stage, &ada, &addressee).await.is(201);
    send_request(&stage, &requester, &ada).await.is(201);
    stage.sql("UPDATE users SET is_superuser = TRUE WHERE username = 'stranger'");
    let body = json!({ "avatar": "https://example.com/a" });
    stage.here().patch("/api/auth/profile/").by(&stranger).json(&body).await.is(200);
    let mut suggested = stranger.with_picture(Some("https://example.com/a"));
    suggested["mutual_friends_count"] = json!(0);
    assert_eq!(list(&stage, "suggestions/", &ada).await, json!([suggested]));
    let of_stranger = list(&stage, "suggestions/", &stranger).await;
    assert_eq!(of_stranger.as_array().unwrap().len(), 4);
    assert_eq!(
        of_stranger[0].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["id", "username", "first_name", "last_name", "profile_picture", "mutual_friends_count"]
    );
}

#[apply(both_modes)]
async fn suggestions_count_friends_in_common(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob, cleo, dan, eve] = stage.people(["ada", "bob", "cleo", "dan", "eve"]).await;
    // Bob and Cleo are friends of Ada; Dan of both, Eve of one of them.
    for (one, other) in
        [(&ada, &bob), (&cleo, &ada), (&dan, &bob), (&cleo, &dan), (&eve, &cleo), (&eve, &dan)]
    {
        stage.befriend(one, other).await;
    }
    // A request is no friendship.
    send_request(&stage, &eve, &bob).await.is(201);
    let suggested = list(&stage, "suggestions/", &ada).await;
    let mut counts: Vec<_> = suggested.as_array().unwrap().iter().collect();
    counts.sort_by_key(|user| user["username"].as_str());
    let counts: Vec<_> =
        counts.iter().map(|user| (&user["username"], &user["mutual_friends_count"])).collect();
    assert_eq!(counts, [(&json!("dan"), &json!(2)), (&json!("eve"), &json!(1))]);
}

#[apply(both_modes)]
async fn at_most_twenty_people_are_suggested(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    for number in 0..25 {
        stage.import(&format!("u{number}"), "", "");
    }
    assert_eq!(list(&stage, "suggestions/", &ada).await.as_array().unwrap().len(), 20);
}
