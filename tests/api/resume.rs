//! What was missed comes once, in order, and before anything newer.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::Kind::{self, Cluster, Laptop};
use crate::support::{Person, Stage};

async fn send_many(stage: &Stage, sender: &Person, receiver: &Person, count: usize) {
    for (number, instance) in (1..=count).zip(stage.in_turn()) {
        instance.message(sender, receiver, &number.to_string()).await;
    }
}

fn seqs(frames: &[Value]) -> Vec<i64> {
    frames.iter().map(|frame| frame["seq"].as_i64().expect("a numbered frame")).collect()
}

#[rstest]
#[case(0)]
#[case(1)]
#[case(3)]
#[case(4)]
#[tokio::test]
async fn everything_after_the_cursor_comes_first(#[case] cursor: i64, #[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut live = stage.here().socket(&bob).await;
    send_many(&stage, &ada, &bob, 5).await;
    let told = live.next_many(5).await;
    let mut socket = stage.there().resume(&bob, cursor).await;
    assert_eq!(socket.greeting["seq"], 5);
    let missed = &told[usize::try_from(cursor).unwrap()..];
    assert_eq!(socket.next_many(missed.len()).await, missed);
    socket.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}

#[rstest]
#[tokio::test]
async fn a_current_cursor_misses_nothing(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    for count in [0, 2] {
        send_many(&stage, &ada, &bob, count).await;
        let mut socket = stage.there().resume(&bob, i64::try_from(count).unwrap()).await;
        socket.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
        stage.sql(&format!(
            "DELETE FROM inbox_events; UPDATE inboxes SET last_seq = 0 WHERE user_id = {}",
            bob.id
        ));
    }
}

#[rstest]
#[tokio::test]
async fn without_a_cursor_nothing_is_replayed(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    send_many(&stage, &ada, &bob, 3).await;
    let mut socket = stage.there().socket(&bob).await;
    socket.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}

#[rstest]
#[tokio::test]
async fn a_cursor_ahead_of_the_inbox_asks_for_a_reload(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    send_many(&stage, &ada, &bob, 2).await;
    for cursor in ["3", "1000", "9223372036854775807", "99999999999999999999999"] {
        let mut socket = stage.there().dial().token(&bob.access).query("cursor", cursor).open().await;
        let resync = socket.next().await;
        let last = &socket.greeting["seq"];
        assert_eq!(resync, json!({ "type": "resync_required", "seq": last }), "{cursor}");
        // Once, and then all goes on.
        socket.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
    }
}

#[rstest]
#[tokio::test]
async fn a_cursor_before_the_inbox_asks_for_a_reload(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    send_many(&stage, &ada, &bob, 10).await;
    stage.sql(&format!("DELETE FROM inbox_events WHERE user_id = {} AND seq <= 4", bob.id));
    for cursor in 0..4 {
        let mut socket = stage.there().resume(&bob, cursor).await;
        assert_eq!(socket.next().await, json!({ "type": "resync_required", "seq": 10 }), "{cursor}");
    }
    let mut socket = stage.there().resume(&bob, 4).await;
    assert_eq!(seqs(&socket.next_many(6).await), [5, 6, 7, 8, 9, 10]);
    let mut socket = stage.there().resume(&bob, 0).await;
    socket.next().await;
    socket.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
    stage.sql(&format!("DELETE FROM inbox_events WHERE user_id = {}", bob.id));
    let mut socket = stage.there().resume(&bob, 4).await;
    assert_eq!(socket.next().await, json!({ "type": "resync_required", "seq": 11 }));
}

#[rstest]
#[tokio::test]
async fn any_number_of_missed_events_is_replayed(#[values(Laptop, Cluster)] kind: Kind) {
    const MISSED: i64 = 1000;
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let rows: Vec<_> = (1..=MISSED)
        .map(|seq| format!("({}, {seq}, 'new_post', '{{\"id\":{seq}}}', CURRENT_TIMESTAMP)", bob.id))
        .collect();
    stage.sql(&format!(
        "UPDATE inboxes SET last_seq = {MISSED} WHERE user_id = {}; \
         INSERT INTO inbox_events (user_id, seq, type, data, created_at) VALUES {}",
        bob.id,
        rows.join(", ")
    ));
    let mut socket = stage.there().resume(&bob, 0).await;
    let frames = socket.next_many(1000).await;
    assert_eq!(seqs(&frames), (1..=MISSED).collect::<Vec<_>>());
    assert_eq!(frames[999], json!({ "type": "new_post", "data": { "id": MISSED }, "seq": MISSED }));
    socket.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}

#[rstest]
#[tokio::test]
async fn resuming_amid_the_writing_loses_and_repeats_nothing(#[values(Laptop, Cluster)] kind: Kind) {
    const SENDERS: usize = 4;
    const EACH: usize = 20;
    let stage = kind.stage();
    let bob = stage.person("bob").await;
    let senders = ["s0", "s1", "s2", "s3"].map(|name| stage.import(name, "", ""));
    let sending =
        futures_util::future::join_all(senders.iter().map(|sender| send_many(&stage, sender, &bob, EACH)));
    let returning = async {
        let (mut cursor, mut instances) = (0, stage.in_turn());
        while cursor < (SENDERS * EACH) as i64 {
            // Each time a little further, and then gone without a word.
            let mut socket = instances.next().unwrap().resume(&bob, cursor).await;
            for _ in 0..7 {
                if cursor < (SENDERS * EACH) as i64 {
                    let frame = socket.next().await;
                    assert_eq!(frame["seq"], cursor + 1, "{frame}");
                    cursor += 1;
                }
            }
        }
    };
    tokio::join!(sending, returning);
}

/// Appends an event to an inbox as an instance does that dies before it publishes.
fn append_silently(stage: &Stage, person: &Person, seq: i64) {
    stage.sql(&format!(
        "UPDATE inboxes SET last_seq = {seq} WHERE user_id = {id}; \
         INSERT INTO inbox_events (user_id, seq, type, data, created_at) \
         VALUES ({id}, {seq}, 'new_post', '{{\"id\":0}}', CURRENT_TIMESTAMP)",
        id = person.id
    ));
}

#[rstest]
#[tokio::test]
async fn a_gap_is_read_from_the_inbox_first(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut socket = stage.there().socket(&bob).await;
    append_silently(&stage, &bob, 1);
    append_silently(&stage, &bob, 2);
    stage.here().message(&ada, &bob, "three").await;
    let frames = socket.next_many(3).await;
    assert_eq!(seqs(&frames), [1, 2, 3]);
    assert_eq!(frames[0], json!({ "type": "new_post", "data": { "id": 0 }, "seq": 1 }));
    socket.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}

#[rstest]
#[tokio::test]
async fn a_lost_last_event_is_found_by_the_position_check(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage_with(&[("POSITION_CHECK_SECONDS", "1")]);
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut sockets = [stage.here().socket(&bob).await, stage.there().socket(&bob).await];
    append_silently(&stage, &bob, 1);
    for socket in &mut sockets {
        assert_eq!(socket.next().await["seq"], 1);
    }
    stage.here().message(&ada, &bob, "two").await;
    for socket in &mut sockets {
        assert_eq!(socket.next().await["seq"], 2);
    }
}
