//! `GET /api/messages/`, `conversation/<user>/` and `conversations/`

use rstest::rstest;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::Mode::{self, Standalone};
use crate::support::{Person, Stage, both_modes};

async fn get(stage: &Stage, person: &Person, path: &str) -> Value {
    stage.there().get(&format!("/api/messages/{path}")).by(person).await.is(200)
}

fn ids(list: &Value) -> Vec<i64> {
    list.as_array().unwrap().iter().map(|message| message["id"].as_i64().unwrap()).collect()
}

#[apply(both_modes)]
async fn all_messages_are_listed_oldest_first(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob, eve] = stage.people(["ada", "bob", "eve"]).await;
    let mut sent = Vec::new();
    for (sender, receiver) in [(&ada, &bob), (&bob, &ada), (&eve, &ada), (&ada, &eve), (&ada, &bob)] {
        sent.push(stage.here().message(sender, receiver, "x").await);
    }
    stage.here().message(&eve, &bob, "not Ada's").await;
    assert_eq!(get(&stage, &ada, "").await, json!(sent));
    assert_eq!(get(&stage, &ada, "?page=2&unknown=1").await, json!(sent));
    let between = [&sent[0], &sent[1], &sent[4]];
    assert_eq!(get(&stage, &ada, &format!("conversation/{}/", bob.id)).await, json!(between));
    assert_eq!(get(&stage, &bob, &format!("conversation/{}/", ada.id)).await, json!(between));
    assert_eq!(get(&stage, &ada, "conversation/999999999999/").await, json!([]));
    assert_eq!(get(&stage, &ada, &format!("conversation/{}/", ada.id)).await, json!([]));
}

#[apply(both_modes)]
async fn reading_a_conversation_marks_no_message_as_read(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    stage.here().message(&ada, &bob, "x").await;
    for _ in 0..2 {
        assert_eq!(get(&stage, &bob, &format!("conversation/{}/", ada.id)).await[0]["is_read"], false);
    }
}

#[apply(both_modes)]
async fn pages_begin_with_the_newest_messages(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob, eve] = stage.people(["ada", "bob", "eve"]).await;
    for number in 0..7 {
        let (sender, receiver) = if number % 2 == 0 { (&ada, &bob) } else { (&bob, &ada) };
        stage.here().message(sender, receiver, &number.to_string()).await;
    }
    stage.here().message(&eve, &bob, "not Ada's").await;
    for path in ["/api/messages/".to_owned(), format!("/api/messages/conversation/{}/", bob.id)] {
        let whole = stage.there().get(&path).by(&ada).await;
        assert_eq!(whole.next_page(), None);
        let whole = ids(&whole.is(200));
        for limit in [1, 2, 3, 6, 7, 8, 200] {
            let (mut found, mut pages) = (Vec::new(), Vec::new());
            let mut path = Some(format!("{path}?limit={limit}"));
            while let Some(at) = path {
                let page = stage.there().get(&at).by(&ada).await;
                path = page.next_page();
                let page = ids(&page.is(200));
                pages.push(page.len());
                found.splice(0..0, page);
            }
            assert_eq!(found, whole, "limit {limit}");
            let full = whole.len() / limit;
            let rest = whole.len() % limit;
            let expected: Vec<_> =
                std::iter::repeat_n(limit, full).chain((rest > 0).then_some(rest)).collect();
            assert_eq!(pages, expected, "limit {limit}");
        }
        let before = whole[4];
        let page = stage.there().get(&format!("{path}?limit=2&before={before}")).by(&ada).await;
        assert_eq!(ids(&page.is(200)), whole[2..4]);
        let page = stage.there().get(&format!("{path}?before={}", whole[0])).by(&ada).await;
        assert_eq!((page.next_page(), page.is(200)), (None, json!([])));
        let page = stage.there().get(&format!("{path}?limit=2&before={}", i64::MAX)).by(&ada).await;
        assert_eq!(ids(&page.is(200)), whole[5..]);
    }
}

#[rstest]
#[case("limit=0")]
#[case("limit=201")]
#[case("limit=-1")]
#[case("limit=x")]
#[case("limit=1.5")]
#[case("before=x")]
#[case("before=-1")]
#[case("before=%2B1")]
#[case("before=7.0")]
#[case("before=9223372036854775808")]
#[case("before=99999999999999999999")]
#[tokio::test]
async fn invalid_page_parameters_are_refused(#[case] query: &str) {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    for path in ["/api/messages/", "/api/messages/conversation/1/", "/api/posts/", "/api/notifications/"] {
        let response = stage.here().get(&format!("{path}?{query}")).by(&ada).await;
        let name = query.split('=').next().unwrap();
        assert!(response.is(400)[name][0].is_string(), "{path}: {}", response.text);
    }
}

#[apply(both_modes)]
async fn conversations_show_the_last_message_and_the_unread_count(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob, eve, zoe] = stage.people(["ada", "bob", "eve", "zoe"]).await;
    assert_eq!(get(&stage, &ada, "conversations/").await, json!([]));
    let send = async |sender: &Person, receiver: &Person, text: &str| {
        stage.here().message(sender, receiver, text).await
    };
    send(&bob, &ada, "1").await;
    send(&bob, &ada, "2").await;
    let to_zoe = send(&ada, &zoe, "3").await;
    let from_eve = send(&eve, &ada, "4").await;
    let to_bob = send(&ada, &bob, "5").await;
    send(&eve, &bob, "not Ada's").await;
    let conversation = |user: &Person, last: &Value, unread: usize| json!({ "user": user.with_name(), "last_message": last, "unread_count": unread });
    let expected = json!([
        conversation(&bob, &to_bob, 2),
        conversation(&eve, &from_eve, 1),
        conversation(&zoe, &to_zoe, 0)
    ]);
    assert_eq!(get(&stage, &ada, "conversations/").await, expected);
    let of_zoe = get(&stage, &zoe, "conversations/").await;
    assert_eq!(of_zoe, json!([conversation(&ada, &to_zoe, 1)]));

    stage.here().post(&format!("/api/messages/read_all/?user_id={}", bob.id)).by(&ada).await.is(200);
    let after = get(&stage, &ada, "conversations/").await;
    assert_eq!((&after[0]["unread_count"], &after[1]["unread_count"]), (&json!(0), &json!(1)));
    let last = send(&zoe, &ada, "6").await;
    assert_eq!(get(&stage, &ada, "conversations/").await[0], conversation(&zoe, &last, 1));
}

#[apply(both_modes)]
async fn all_conversations_are_listed(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    for number in 0..30 {
        let other = stage.import(&format!("u{number}"), "", "");
        stage.here().message(&other, &ada, "x").await;
    }
    let conversations = get(&stage, &ada, "conversations/").await;
    let names: Vec<_> =
        conversations.as_array().unwrap().iter().map(|row| row["user"]["username"].clone()).collect();
    assert_eq!(names, (0..30).rev().map(|number| json!(format!("u{number}"))).collect::<Vec<_>>());
}
