//! Resuming: missed events are replayed once, in order, and before any newer event.

use rstest::rstest;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::{Mode, Person, Stage, both_modes};

async fn send_many(stage: &Stage, sender: &Person, receiver: &Person, count: usize) {
    for (number, instance) in (1..=count).zip(stage.round_robin()) {
        instance.message(sender, receiver, &number.to_string()).await;
    }
}

fn seqs(frames: &[Value]) -> Vec<i64> {
    frames.iter().map(|frame| frame["seq"].as_i64().expect("a frame with a seq")).collect()
}

#[rstest]
#[case(0)]
#[case(1)]
#[case(3)]
#[case(4)]
#[tokio::test]
async fn everything_after_the_cursor_is_replayed_first(
    #[case] cursor: i64,
    #[values(Mode::Standalone, Mode::Cluster)] mode: Mode,
) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut live = stage.here().socket(&bob).await;
    send_many(&stage, &ada, &bob, 5).await;
    let received = live.next_many(5).await;
    let mut socket = stage.there().resume(&bob, cursor).await;
    assert_eq!(socket.greeting["seq"], 5);
    let missed = &received[usize::try_from(cursor).unwrap()..];
    assert_eq!(socket.next_many(missed.len()).await, missed);
    socket.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}

#[apply(both_modes)]
async fn with_a_current_cursor_nothing_is_replayed(mode: Mode) {
    let stage = mode.stage();
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

#[apply(both_modes)]
async fn without_a_cursor_nothing_is_replayed(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    send_many(&stage, &ada, &bob, 3).await;
    let mut socket = stage.there().socket(&bob).await;
    socket.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}

#[apply(both_modes)]
async fn a_cursor_ahead_of_the_inbox_requires_a_resync(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    send_many(&stage, &ada, &bob, 2).await;
    for cursor in ["3", "1000", "9223372036854775807", "99999999999999999999999"] {
        let mut socket = stage.there().handshake().token(&bob.access).query("cursor", cursor).open().await;
        let resync = socket.next().await;
        let last = &socket.greeting["seq"];
        assert_eq!(resync, json!({ "type": "resync_required", "seq": last }), "{cursor}");
        // Only once; then events arrive as usual.
        socket.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
    }
}

#[apply(both_modes)]
async fn a_cursor_before_the_oldest_event_requires_a_resync(mode: Mode) {
    let stage = mode.stage();
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

#[apply(both_modes)]
async fn any_number_of_missed_events_is_replayed(mode: Mode) {
    const MISSED: i64 = 1000;
    let stage = mode.stage();
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

#[apply(both_modes)]
async fn resuming_during_writes_loses_and_repeats_nothing(mode: Mode) {
    const SENDERS: usize = 4;
    const EACH: usize = 20;
    let stage = mode.stage();
    let bob = stage.person("bob").await;
    let senders = ["s0", "s1", "s2", "s3"].map(|name| stage.import(name, "", ""));
    let sending =
        futures_util::future::join_all(senders.iter().map(|sender| send_many(&stage, sender, &bob, EACH)));
    let resuming = async {
        let (mut cursor, mut instances) = (0, stage.round_robin());
        while cursor < (SENDERS * EACH) as i64 {
            // Receives a few events each time and then disconnects without a close frame.
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
    tokio::join!(sending, resuming);
}

/// Appends an event to an inbox without publishing it, as an instance does that is killed after COMMIT.
fn append_without_publishing(stage: &Stage, person: &Person, seq: i64) {
    stage.sql(&format!(
        "UPDATE inboxes SET last_seq = {seq} WHERE user_id = {id}; \
         INSERT INTO inbox_events (user_id, seq, type, data, created_at) \
         VALUES ({id}, {seq}, 'new_post', '{{\"id\":0}}', CURRENT_TIMESTAMP)",
        id = person.id
    ));
}

#[apply(both_modes)]
async fn the_events_of_a_gap_are_read_from_the_inbox_first(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut socket = stage.there().socket(&bob).await;
    append_without_publishing(&stage, &bob, 1);
    append_without_publishing(&stage, &bob, 2);
    stage.here().message(&ada, &bob, "three").await;
    let frames = socket.next_many(3).await;
    assert_eq!(seqs(&frames), [1, 2, 3]);
    assert_eq!(frames[0], json!({ "type": "new_post", "data": { "id": 0 }, "seq": 1 }));
    socket.has_nothing_before_a_message(stage.here(), &ada, &bob).await;
}

#[apply(both_modes)]
async fn the_position_check_finds_a_lost_last_event(mode: Mode) {
    let stage = mode.stage_with(&[("POSITION_CHECK_SECONDS", "1")]);
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut sockets = [stage.here().socket(&bob).await, stage.there().socket(&bob).await];
    append_without_publishing(&stage, &bob, 1);
    for socket in &mut sockets {
        assert_eq!(socket.next().await["seq"], 1);
    }
    stage.here().message(&ada, &bob, "two").await;
    for socket in &mut sockets {
        assert_eq!(socket.next().await["seq"], 2);
    }
}

#[apply(both_modes)]
async fn clients_that_do_not_read_do_not_stop_the_replay_of_others(mode: Mode) {
    // Half of the connections read inboxes: one.
    let stage = mode.stage_with(&[
        ("DATABASE_POOL_SIZE", "2"),
        ("SOCKET_WRITE_TIMEOUT_SECONDS", "600"),
        ("SOCKET_PING_SECONDS", "600"),
    ]);
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    send_many(&stage, &ada, &bob, 3).await;
    // More than the kernel buffers for a socket, in pages that are each sent at once: whenever
    // the kernel takes no more, the next page is being read.
    let (events, data) = (15_000, "x".repeat(400));
    let mut stuck = Vec::new();
    for name in ["eve", "mallory"] {
        let person = stage.import(name, "", "");
        let rows: Vec<_> = (1..=events)
            .map(|seq| format!("({}, {seq}, 'new_post', '\"{data}\"', '2026-11-30 00:00:00')", person.id))
            .collect();
        stage.sql(&format!(
            "UPDATE inboxes SET last_seq = {events} WHERE user_id = {}; \
             INSERT INTO inbox_events (user_id, seq, type, data, created_at) VALUES {}",
            person.id,
            rows.join(",")
        ));
        let handshake = stage.there().handshake().token(&person.access).query("cursor", "0");
        stuck.push(handshake.receive_buffer_bytes(4_096).upgrade().await.expect("the socket opens"));
    }
    for _ in 0..30 {
        let mut socket = stage.there().resume(&bob, 0).await;
        assert_eq!(seqs(&socket.next_many(3).await), [1, 2, 3]);
    }
}
