//! Concurrent changes to the relationship of two people: exactly one takes effect, and the
//! result is consistent.

use futures_util::future::join_all;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::{Mode, Person, Request, Response, Stage, both_modes};

/// How often a race is repeated, and how many requests compete in each.
const ROUNDS: usize = 5;
const CONCURRENT: usize = 8;

/// Sends the requests concurrently, spread over the instances.
async fn race<'a>(stage: &'a Stage, actions: impl IntoIterator<Item = Action<'a>>) -> Vec<Response> {
    let requests = actions.into_iter().zip(stage.round_robin()).map(|(action, instance)| {
        let Action { method, path, person } = action;
        let request: Request = instance.request(method, &path).by(person);
        request.into_future()
    });
    join_all(requests).await
}

struct Action<'a> {
    method: &'static str,
    path: String,
    person: &'a Person,
}

fn action<'a>(
    person: &'a Person,
    method: &'static str,
    verb: &str,
    id: impl std::fmt::Display,
) -> Action<'a> {
    Action { method, path: format!("/api/friends/{verb}/{id}/"), person }
}

fn statuses(responses: &[Response]) -> Vec<u16> {
    let mut statuses: Vec<_> = responses.iter().map(|response| response.status).collect();
    statuses.sort_unstable();
    statuses
}

async fn request(stage: &Stage, requester: &Person, addressee: &Person) -> Value {
    stage.here().post(&format!("/api/friends/request/{}/", addressee.id)).by(requester).await.is(201);
    stage.here().get("/api/friends/requests/").by(addressee).await.is(200)[0]["id"].clone()
}

async fn are_friends(stage: &Stage, one: &Person, two: &Person) -> bool {
    let mut seen = Vec::new();
    for (person, other) in [(one, two), (two, one)] {
        let friends = stage.there().get("/api/friends/").by(person).await.is(200);
        let count = friends.as_array().unwrap().iter().filter(|friend| friend["id"] == other.id).count();
        assert!(count <= 1, "{friends}");
        seen.push(count == 1);
    }
    assert_eq!(seen[0], seen[1], "a friendship is mutual");
    seen[0]
}

async fn pending(stage: &Stage, person: &Person) -> usize {
    stage.there().get("/api/friends/requests/").by(person).await.is(200).as_array().unwrap().len()
}

#[apply(both_modes)]
async fn of_many_identical_requests_one_is_created(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut socket = stage.there().socket(&bob).await;
    for _ in 0..ROUNDS {
        let responses = race(&stage, (0..CONCURRENT).map(|_| action(&ada, "POST", "request", bob.id))).await;
        let mut expected = vec![400; CONCURRENT - 1];
        expected.insert(0, 201);
        expected.sort_unstable();
        assert_eq!(statuses(&responses), expected);
        for response in responses.iter().filter(|response| response.status == 400) {
            response.is_error(400, "Friend request already sent");
        }
        assert_eq!(pending(&stage, &bob).await, 1);
        assert_eq!(socket.next().await["type"], "friend_request");
        stage.here().delete(&format!("/api/friends/cancel/{}/", bob.id)).by(&ada).await.is(200);
    }
    socket.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}

#[apply(both_modes)]
async fn mutual_requests_become_one_friendship(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    for _ in 0..ROUNDS {
        let actions = (0..CONCURRENT).map(|number| {
            if number % 4 < 2 {
                action(&ada, "POST", "request", bob.id)
            } else {
                action(&bob, "POST", "request", ada.id)
            }
        });
        let responses = race(&stage, actions).await;
        let mut expected = vec![201, 201];
        expected.extend([400; CONCURRENT - 2]);
        assert_eq!(statuses(&responses), expected, "{responses:?}");
        assert!(are_friends(&stage, &ada, &bob).await);
        assert_eq!((pending(&stage, &ada).await, pending(&stage, &bob).await), (0, 0));
        stage.here().delete(&format!("/api/friends/remove/{}/", bob.id)).by(&ada).await.is(200);
    }
}

#[apply(both_modes)]
async fn of_many_acceptances_one_succeeds(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut socket = stage.there().socket(&ada).await;
    for _ in 0..ROUNDS {
        let request = request(&stage, &ada, &bob).await;
        let responses = race(&stage, (0..CONCURRENT).map(|_| action(&bob, "POST", "accept", &request))).await;
        let mut expected = vec![201];
        expected.extend([404; CONCURRENT - 1]);
        assert_eq!(statuses(&responses), expected);
        assert!(are_friends(&stage, &ada, &bob).await);
        assert_eq!(socket.next().await["type"], "friend_accepted");
        stage.here().delete(&format!("/api/friends/remove/{}/", bob.id)).by(&ada).await.is(200);
    }
    socket.has_nothing_before_a_message(stage.here(), &bob, &ada).await;
}

#[apply(both_modes)]
async fn of_accepting_declining_and_cancelling_one_succeeds(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    for round in 0..2 * ROUNDS {
        let request = request(&stage, &ada, &bob).await;
        let actions = (0..9).map(|number| match (number + round) % 3 {
            0 => action(&bob, "POST", "accept", &request),
            1 => action(&bob, "POST", "decline", &request),
            _ => action(&ada, "DELETE", "cancel", bob.id),
        });
        let responses = race(&stage, actions).await;
        let succeeded: Vec<_> = responses.iter().filter(|response| response.status < 300).collect();
        assert_eq!(succeeded.len(), 1, "{responses:?}");
        for failed in responses.iter().filter(|response| response.status >= 300) {
            failed.is_error(404, "Request not found");
        }
        let accepted = succeeded[0].status == 201;
        assert_eq!(are_friends(&stage, &ada, &bob).await, accepted);
        assert_eq!((pending(&stage, &ada).await, pending(&stage, &bob).await), (0, 0));
        stage.here().delete(&format!("/api/friends/remove/{}/", bob.id)).by(&ada).await.is(200);
    }
}

#[apply(both_modes)]
async fn concurrent_removals_all_succeed(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    stage.befriend(&ada, &bob).await;
    let actions = (0..CONCURRENT).map(|number| {
        if number % 2 == 0 {
            action(&ada, "DELETE", "remove", bob.id)
        } else {
            action(&bob, "DELETE", "remove", ada.id)
        }
    });
    assert_eq!(statuses(&race(&stage, actions).await), [200; CONCURRENT]);
    assert!(!are_friends(&stage, &ada, &bob).await);
}

#[apply(both_modes)]
async fn any_mix_of_concurrent_changes_leaves_a_consistent_state(mode: Mode) {
    let stage = mode.stage();
    let people: [Person; 3] = stage.people(["ada", "bob", "eve"]).await;
    for round in 0..2 * ROUNDS {
        let mut requests = Vec::new();
        for person in &people {
            let pending = stage.here().get("/api/friends/requests/").by(person).await.is(200);
            requests.extend(pending.as_array().unwrap().iter().map(|row| (person, row["id"].clone())));
        }
        let mut actions = Vec::new();
        for (number, one) in people.iter().enumerate() {
            for two in people.iter().filter(|two| two.id != one.id) {
                actions.push(action(one, "POST", "request", two.id));
                actions.push(action(one, "DELETE", ["remove", "cancel"][(number + round) % 2], two.id));
            }
        }
        for (person, request) in &requests {
            actions.push(action(person, "POST", "accept", request));
            actions.push(action(person, "POST", "decline", request));
        }
        for response in race(&stage, actions).await {
            assert!(matches!(response.status, 200 | 201 | 400 | 404), "{response:?}");
        }
        for (one, two) in [(0, 1), (0, 2), (1, 2)] {
            let (one, two) = (&people[one], &people[two]);
            let friends = are_friends(&stage, one, two).await;
            let mut pending_count = 0;
            for (person, other) in [(one, two), (two, one)] {
                let pending = stage.there().get("/api/friends/requests/").by(person).await.is(200);
                pending_count += pending
                    .as_array()
                    .unwrap()
                    .iter()
                    .filter(|row| row["from_user"]["id"] == other.id)
                    .count();
            }
            assert!(pending_count + usize::from(friends) <= 1, "{} and {}", one.username, two.username);
        }
    }
}

#[apply(both_modes)]
async fn concurrent_readers_mark_each_message_once(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    for _ in 0..6 {
        stage.here().message(&ada, &bob, "x").await;
    }
    let reads = (0..CONCURRENT).zip(stage.round_robin()).map(|(_, instance)| {
        instance.post(&format!("/api/messages/read_all/?user_id={}", ada.id)).by(&bob).into_future()
    });
    let marked: i64 =
        join_all(reads).await.iter().map(|response| response.is(200)["marked_read"].as_i64().unwrap()).sum();
    assert_eq!(json!(marked), json!(6));
}
