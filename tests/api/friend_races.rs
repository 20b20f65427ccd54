//! Many change how two people stand to each other at once: exactly one wins, and what
//! remains is whole.

use futures_util::future::join_all;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::Kind::{self, Cluster, Laptop};
use crate::support::{Answer, Call, Person, Stage};

/// How many times a race is run, and how many run in one.
const ROUNDS: usize = 5;
const AT_ONCE: usize = 8;

/// Makes the calls at once, spread over the instances.
async fn race<'a>(stage: &'a Stage, calls: impl IntoIterator<Item = Act<'a>>) -> Vec<Answer> {
    let calls = calls.into_iter().zip(stage.in_turn()).map(|(act, instance)| {
        let Act { method, path, person } = act;
        let call: Call = instance.call(method, &path).by(person);
        call.into_future()
    });
    join_all(calls).await
}

struct Act<'a> {
    method: &'static str,
    path: String,
    person: &'a Person,
}

fn act<'a>(person: &'a Person, method: &'static str, word: &str, id: impl std::fmt::Display) -> Act<'a> {
    Act { method, path: format!("/api/friends/{word}/{id}/"), person }
}

fn statuses(answers: &[Answer]) -> Vec<u16> {
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    statuses
}

async fn request(stage: &Stage, asker: &Person, asked: &Person) -> Value {
    stage.here().post(&format!("/api/friends/request/{}/", asked.id)).by(asker).await.is(201);
    stage.here().get("/api/friends/requests/").by(asked).await.is(200)[0]["id"].clone()
}

async fn are_friends(stage: &Stage, one: &Person, two: &Person) -> bool {
    let mut seen = Vec::new();
    for (person, other) in [(one, two), (two, one)] {
        let friends = stage.there().get("/api/friends/").by(person).await.is(200);
        let count = friends.as_array().unwrap().iter().filter(|friend| friend["id"] == other.id).count();
        assert!(count <= 1, "{friends}");
        seen.push(count == 1);
    }
    assert_eq!(seen[0], seen[1], "a friendship has both sides");
    seen[0]
}

async fn pending(stage: &Stage, person: &Person) -> usize {
    stage.there().get("/api/friends/requests/").by(person).await.is(200).as_array().unwrap().len()
}

#[rstest]
#[tokio::test]
async fn of_many_equal_requests_one_is_sent(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut socket = stage.there().socket(&bob).await;
    for _ in 0..ROUNDS {
        let answers = race(&stage, (0..AT_ONCE).map(|_| act(&ada, "POST", "request", bob.id))).await;
        let mut expected = vec![400; AT_ONCE - 1];
        expected.insert(0, 201);
        expected.sort_unstable();
        assert_eq!(statuses(&answers), expected);
        for answer in answers.iter().filter(|answer| answer.status == 400) {
            answer.refuses(400, "Friend request already sent");
        }
        assert_eq!(pending(&stage, &bob).await, 1);
        assert_eq!(socket.next().await["type"], "friend_request");
        stage.here().delete(&format!("/api/friends/cancel/{}/", bob.id)).by(&ada).await.is(200);
    }
    socket.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}

#[rstest]
#[tokio::test]
async fn mutual_requests_end_as_one_friendship(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    for _ in 0..ROUNDS {
        let acts = (0..AT_ONCE).map(|number| {
            if number % 4 < 2 {
                act(&ada, "POST", "request", bob.id)
            } else {
                act(&bob, "POST", "request", ada.id)
            }
        });
        let answers = race(&stage, acts).await;
        let mut expected = vec![201, 201];
        expected.extend([400; AT_ONCE - 2]);
        assert_eq!(statuses(&answers), expected, "{answers:?}");
        assert!(are_friends(&stage, &ada, &bob).await);
        assert_eq!((pending(&stage, &ada).await, pending(&stage, &bob).await), (0, 0));
        stage.here().delete(&format!("/api/friends/remove/{}/", bob.id)).by(&ada).await.is(200);
    }
}

#[rstest]
#[tokio::test]
async fn of_many_acceptances_one_wins(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut socket = stage.there().socket(&ada).await;
    for _ in 0..ROUNDS {
        let request = request(&stage, &ada, &bob).await;
        let answers = race(&stage, (0..AT_ONCE).map(|_| act(&bob, "POST", "accept", &request))).await;
        let mut expected = vec![201];
        expected.extend([404; AT_ONCE - 1]);
        assert_eq!(statuses(&answers), expected);
        assert!(are_friends(&stage, &ada, &bob).await);
        assert_eq!(socket.next().await["type"], "friend_accepted");
        stage.here().delete(&format!("/api/friends/remove/{}/", bob.id)).by(&ada).await.is(200);
    }
    socket.has_nothing_before_a_message(stage.here(), &bob, &ada).await;
}

#[rstest]
#[tokio::test]
async fn of_accepting_declining_and_cancelling_one_wins(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    for round in 0..2 * ROUNDS {
        let request = request(&stage, &ada, &bob).await;
        let acts = (0..9).map(|number| match (number + round) % 3 {
            0 => act(&bob, "POST", "accept", &request),
            1 => act(&bob, "POST", "decline", &request),
            _ => act(&ada, "DELETE", "cancel", bob.id),
        });
        let answers = race(&stage, acts).await;
        let won: Vec<_> = answers.iter().filter(|answer| answer.status < 300).collect();
        assert_eq!(won.len(), 1, "{answers:?}");
        for lost in answers.iter().filter(|answer| answer.status >= 300) {
            lost.refuses(404, "Request not found");
        }
        let accepted = won[0].status == 201;
        assert_eq!(are_friends(&stage, &ada, &bob).await, accepted);
        assert_eq!((pending(&stage, &ada).await, pending(&stage, &bob).await), (0, 0));
        stage.here().delete(&format!("/api/friends/remove/{}/", bob.id)).by(&ada).await.is(200);
    }
}

#[rstest]
#[tokio::test]
async fn removals_at_once_are_all_fine(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    stage.befriend(&ada, &bob).await;
    let acts = (0..AT_ONCE).map(|number| {
        if number % 2 == 0 {
            act(&ada, "DELETE", "remove", bob.id)
        } else {
            act(&bob, "DELETE", "remove", ada.id)
        }
    });
    assert_eq!(statuses(&race(&stage, acts).await), [200; AT_ONCE]);
    assert!(!are_friends(&stage, &ada, &bob).await);
}

#[rstest]
#[tokio::test]
async fn a_storm_of_everything_leaves_something_whole(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let people: [Person; 3] = stage.people(["ada", "bob", "eve"]).await;
    for round in 0..2 * ROUNDS {
        let mut requests = Vec::new();
        for person in &people {
            let pending = stage.here().get("/api/friends/requests/").by(person).await.is(200);
            requests.extend(pending.as_array().unwrap().iter().map(|row| (person, row["id"].clone())));
        }
        let mut acts = Vec::new();
        for (number, one) in people.iter().enumerate() {
            for two in people.iter().filter(|two| two.id != one.id) {
                acts.push(act(one, "POST", "request", two.id));
                acts.push(act(one, "DELETE", ["remove", "cancel"][(number + round) % 2], two.id));
            }
        }
        for (person, request) in &requests {
            acts.push(act(person, "POST", "accept", request));
            acts.push(act(person, "POST", "decline", request));
        }
        for answer in race(&stage, acts).await {
            assert!(matches!(answer.status, 200 | 201 | 400 | 404), "{answer:?}");
        }
        for (one, two) in [(0, 1), (0, 2), (1, 2)] {
            let (one, two) = (&people[one], &people[two]);
            let friends = are_friends(&stage, one, two).await;
            let mut asked = 0;
            for (person, other) in [(one, two), (two, one)] {
                let pending = stage.there().get("/api/friends/requests/").by(person).await.is(200);
                asked += pending
                    .as_array()
                    .unwrap()
                    .iter()
                    .filter(|row| row["from_user"]["id"] == other.id)
                    .count();
            }
            assert!(asked + usize::from(friends) <= 1, "{} and {}", one.username, two.username);
        }
    }
}

#[rstest]
#[tokio::test]
async fn readers_at_once_mark_each_message_once(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    for _ in 0..6 {
        stage.here().message(&ada, &bob, "x").await;
    }
    let reads = (0..AT_ONCE).zip(stage.in_turn()).map(|(_, instance)| {
        instance.post(&format!("/api/messages/read_all/?user_id={}", ada.id)).by(&bob).into_future()
    });
    let marked: i64 =
        join_all(reads).await.iter().map(|answer| answer.is(200)["marked_read"].as_i64().unwrap()).sum();
    assert_eq!(json!(marked), json!(6));
}
