//! Lifted numbers: after a restore all numbers are far above every earlier one, and old cursors
//! lead to a resync.

use rstest_reuse::apply;
use serde_json::json;

use crate::support::{Mode, both_modes};

const LIFT: i64 = 1 << 40;

#[apply(both_modes)]
async fn every_number_is_lifted_and_every_old_cursor_leads_to_a_resync(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut live = stage.there().socket(&bob).await;
    for content in ["one", "two"] {
        stage.here().message(&ada, &bob, content).await;
    }
    assert_eq!(live.next_many(2).await[1]["seq"], 2);
    stage.here().post("/api/notifications/read/").by(&bob).json(&json!({ "up_to": 1 })).await.is(200);
    assert_eq!(live.next().await["type"], "notifications_read");

    stage.sql(&format!("UPDATE generation SET lift = {LIFT}"));
    stage.here().message(&ada, &bob, "three").await;
    let resync = live.next().await;
    assert_eq!((&resync["type"], &resync["seq"]), (&json!("resync_required"), &json!(LIFT + 3)));
    stage.here().message(&ada, &bob, "four").await;
    assert_eq!(live.next().await["seq"], LIFT + 4);

    for (cursor, is_old) in [(0, true), (2, true), (91, true), (LIFT + 2, false), (LIFT + 4, false)] {
        let mut socket = stage.there().resume(&bob, cursor).await;
        assert_eq!(socket.greeting["seq"], LIFT + 4);
        if is_old {
            let resync = socket.next().await;
            assert_eq!((&resync["type"], &resync["seq"]), (&json!("resync_required"), &json!(LIFT + 4)));
        } else {
            for seq in cursor + 1..=LIFT + 4 {
                assert_eq!(socket.next().await["seq"], seq);
            }
        }
    }

    let page = stage.here().get("/api/notifications/?limit=2").by(&bob).await;
    let link = page.header("link").expect("a next page");
    assert!(link.contains(&format!("before={}", LIFT + 3)), "{link}");
    let page = page.is(200);
    assert_eq!((&page["last_seq"], &page["unread_count"]), (&json!(LIFT + 4), &json!(3)));
    assert_eq!(page["results"][1]["seq"], LIFT + 3);
    let next = stage.here().get(&format!("/api/notifications/?before={}", LIFT + 3)).by(&bob).await.is(200);
    let events = [&next["results"][0], &next["results"][1]].map(|event| (&event["seq"], &event["is_read"]));
    assert_eq!(events, [(&json!(LIFT + 2), &json!(false)), (&json!(LIFT + 1), &json!(true))]);
    for (up_to, unread) in [(91, 3), (LIFT + 2, 2), (LIFT + 1, 2), (LIFT + 91, 0)] {
        let read =
            stage.here().post("/api/notifications/read/").by(&bob).json(&json!({ "up_to": up_to })).await;
        assert_eq!(read.is(200)["unread_count"], unread, "{up_to}");
    }

    // Those who never had an event begin there too, and those who have no inbox.
    let eve = stage.person("eve").await;
    let dan = stage.import("dan", "", "");
    stage.sql(&format!("DELETE FROM inboxes WHERE user_id = {}", dan.id));
    for person in [&eve, &dan] {
        let mut socket = stage.there().socket(person).await;
        assert_eq!(socket.greeting["seq"], LIFT);
        stage.here().message(&ada, person, "hello").await;
        assert_eq!(socket.next().await["seq"], LIFT + 1);
    }
}
