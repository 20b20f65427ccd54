//! Events that were lost because Redis, a connection to it, or an instance failed are delivered
//! from the inbox.
//!
//! The periodical position check is an hour away in these tests, but for the one that is about it:
//! recovery begins when the failure is noticed. An event that nothing recovers exceeds every bound.

use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::time::timeout;

use crate::private_redis::PrivateRedis;
use crate::process::Program;
use crate::proxy::Proxy;
use crate::support::{Cluster, Database, Instance, Person, Response, SECRET_KEY, Socket, Stage};
use crate::wait::{Promises, SLACK, TIMEOUT, until};

/// The service promises that two seconds after the return of Redis every socket has received every
/// event.
const AFTER_RETURN: Duration = Duration::from_secs(2);

/// While Redis is down, positions are checked each second.
const DURING_OUTAGE: Duration = Duration::from_millis(2_500);

/// A connection on which nothing arrives, or an instance that was killed, is noticed after three
/// seconds.
const AFTER_SILENCE: Duration = Duration::from_secs(6);

/// A message is acknowledged within two seconds, whatever Redis does.
const ACKNOWLEDGED: Duration = Duration::from_secs(2);

const METRICS: (&str, &str) = ("METRICS_ADDRESS", "127.0.0.1:0");

/// Waits until an instance has finished the position checks that it makes when it starts, so that
/// it makes the next one when it notices the failure.
async fn until_no_position_check(metrics: impl AsyncFn() -> Response) {
    let rounds = async || {
        let text = metrics().await.text;
        let line = text.lines().find_map(|line| line.strip_prefix("numeneon_position_checks_total "));
        line.expect("the metric").to_owned()
    };
    let mut last = (String::new(), Instant::now());
    until("no position check is made", async || {
        let now = rounds().await;
        if now != last.0 {
            last = (now, Instant::now());
        }
        last.1.elapsed() > Duration::from_millis(2_500)
    })
    .await;
}

/// Returns what an instance says of its channel layer. It is ready in any case.
async fn channel_layer(instance: &Instance) -> String {
    let readiness = instance.get("/readyz").await.is(200);
    readiness["channel_layer"].as_str().expect("a word").to_owned()
}

struct Fixture {
    stage: Stage,
    ada: Person,
    bob: Person,
    /// A socket of Bob's, on the instance to which nobody writes.
    socket: Socket,
    last: i64,
    promises: Promises,
}

impl Fixture {
    /// Two instances on this Redis: Ada sends messages to one, and Bob has a socket on the other.
    async fn start(redis_url: &str, promises: &Promises) -> Self {
        let hourly = ("POSITION_CHECK_SECONDS", "3600");
        let stage = Cluster.stage_with(&[("REDIS_URL", redis_url), hourly, METRICS]);
        let [ada, bob] = stage.people(["ada", "bob"]).await;
        let socket = stage.there().socket(&bob).await;
        until("both instances hear each other", async || {
            channel_layer(stage.here()).await == "ok" && channel_layer(stage.there()).await == "ok"
        })
        .await;
        Self { stage, ada, bob, socket, last: 0, promises: promises.clone() }
    }

    /// Sends a message, which must be acknowledged in time.
    async fn send(&mut self) {
        let started = Instant::now();
        self.stage.here().message(&self.ada, &self.bob, "hello").await;
        self.promises.note(ACKNOWLEDGED, "a message is acknowledged", started.elapsed());
        self.last += 1;
    }

    /// Checks that the socket receives every message from this seq on, in order and once, within
    /// the bound. Returns how long that took.
    async fn receives(&mut self, bound: Duration, from: i64) -> Duration {
        let started = Instant::now();
        for seq in from..=self.last {
            let frame = timeout(bound + SLACK, self.socket.next()).await;
            let frame =
                frame.unwrap_or_else(|_| panic!("{seq} was not received after {:?}", started.elapsed()));
            assert_eq!(frame["seq"], seq, "{frame}");
        }
        let elapsed = started.elapsed();
        self.promises.note(bound, "every event is received", elapsed);
        elapsed
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_are_acknowledged_while_redis_is_down_are_delivered_once() {
    Promises::check(async |promises| {
        let mut redis = PrivateRedis::start();
        let mut fixture = Fixture::start(&redis.url(), &promises).await;
        fixture.send().await;
        fixture.receives(TIMEOUT, 1).await;

        redis.kill();
        fixture.send().await;
        println!(
            "with Redis down an event is delivered after {:?}",
            fixture.receives(DURING_OUTAGE, 2).await
        );
        for _ in 0..5 {
            fixture.send().await;
        }
        fixture.receives(DURING_OUTAGE, 3).await;

        // The last event before the return of Redis: no later one reveals a gap.
        fixture.send().await;
        redis.restart();
        println!(
            "after its return the last event is delivered after {:?}",
            fixture.receives(AFTER_RETURN, 8).await
        );
        let healthy = async || channel_layer(fixture.stage.there()).await == "ok";
        promises.until_within(AFTER_RETURN, "the channel layer is healthy", healthy).await;
        for from in 9..12 {
            fixture.send().await;
            fixture.receives(TIMEOUT, from).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_are_acknowledged_while_redis_is_frozen_are_delivered_once() {
    Promises::check(async |promises| {
        let redis = PrivateRedis::start();
        let mut fixture = Fixture::start(&redis.url(), &promises).await;
        redis.freeze();
        fixture.send().await;
        println!(
            "with Redis frozen an event is delivered after {:?}",
            fixture.receives(DURING_OUTAGE + AFTER_RETURN, 1).await
        );
        fixture.send().await;
        redis.thaw();
        println!(
            "after its thaw the last event is delivered after {:?}",
            fixture.receives(AFTER_RETURN, 2).await
        );
        for from in 3..6 {
            fixture.send().await;
            fixture.receives(TIMEOUT, from).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_messages_survives_everything_that_redis_can_do_to_its_clients() {
    Promises::check(async |promises| {
        let redis = PrivateRedis::start();
        let mut fixture = Fixture::start(&redis.url(), &promises).await;
        let mut admin = redis.connect();
        let commands: [&[&str]; 5] = [
            &["FLUSHALL"],
            &["CLIENT", "KILL", "TYPE", "pubsub"],
            &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"],
            &["CLIENT", "PAUSE", "400"],
            &["SCRIPT", "FLUSH"],
        ];
        let mut longest = Duration::ZERO;
        for command in commands {
            for _ in 0..10 {
                fixture.send().await;
            }
            let (name, arguments) = command.split_first().expect("a command");
            redis::cmd(name).arg(arguments).exec(&mut admin).expect("Redis executes the command");
            let from = fixture.last - 9;
            fixture.send().await;
            longest = longest.max(fixture.receives(AFTER_RETURN, from).await);
        }
        println!("the longest delay was {longest:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_was_lost_on_a_subscriber_connection_is_delivered() {
    Promises::check(async |promises| {
        let redis = PrivateRedis::start();
        let proxy = Proxy::to(redis.port());
        let mut fixture = Fixture::start(&redis.url(), &promises).await;
        let through = format!("redis://127.0.0.1:{}/", proxy.port());
        let there = fixture.stage.start_instance(&[("REDIS_URL", &through)]);
        fixture.socket = there.socket(&fixture.bob).await;
        fixture.send().await;
        fixture.receives(TIMEOUT, 1).await;
        until_no_position_check(async || fixture.stage.there().on_metrics_port("/metrics").await).await;

        assert_eq!(proxy.mute_subscribers(), 1);
        fixture.send().await;
        println!("the instance delivers the lost event after {:?}", fixture.receives(AFTER_SILENCE, 2).await);
        fixture.send().await;
        println!("and the next one after {:?}", fixture.receives(AFTER_RETURN, 3).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_whose_instance_was_killed_before_publishing_it_is_delivered() {
    Promises::check(async |promises| {
    let redis = PrivateRedis::start();
    let database = Database::postgres();
    let folder = TempDir::new().expect("a folder");
    let program = Program::in_folder(&folder)
        .with_all(&[("PORT", "0"), ("WORKERS", "1"), ("SECRET_KEY", SECRET_KEY), METRICS])
        .with_all(&[
            ("DATABASE_URL", &database.url()),
            ("REDIS_URL", &redis.url()),
            ("POSITION_CHECK_SECONDS", "3600"),
        ]);
    let (mut killed, survivor) = (program.start(), program.start());
    let (ada, bob) = (killed.sign_up("ada").await, killed.sign_up("bob").await);
    let mut socket = survivor.handshake(&bob).open().await;
    killed.message(&ada, &bob, "published").await.is(201);
    assert_eq!(socket.next().await["seq"], 1);
    until_no_position_check(async || survivor.on_metrics_port("/metrics").await).await;

    // What a transaction commits, without the publication that follows it.
    database.execute(&format!(
        "UPDATE inboxes SET last_seq = 2 WHERE user_id = {0}; \
         INSERT INTO inbox_events (user_id, seq, type, data, created_at) VALUES ({0}, 2, 'new_post', '{{}}', now())",
        bob.id
    ));
    killed.kill();
    let started = Instant::now();
    let frame = timeout(AFTER_SILENCE + SLACK, socket.next()).await.expect("the event, which was never published");
    assert_eq!((&frame["seq"], &frame["data"]), (&2.into(), &serde_json::json!({})));
    promises.note(AFTER_SILENCE, "the event of a killed instance is delivered", started.elapsed());
    survivor.message(&ada, &bob, "published").await.is(201);
    assert_eq!(socket.next().await["seq"], 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_periodical_position_check_finds_an_event_that_nothing_else_reveals() {
    Promises::check(async |promises| {
    let redis = PrivateRedis::start();
    let stage = Cluster.stage_with(&[("REDIS_URL", &redis.url()), ("POSITION_CHECK_SECONDS", "1")]);
    let [_, bob] = stage.people(["ada", "bob"]).await;
    let mut socket = stage.there().socket(&bob).await;
    for seq in 1..4 {
        stage.sql(&format!(
            "UPDATE inboxes SET last_seq = {seq} WHERE user_id = {0}; \
             INSERT INTO inbox_events (user_id, seq, type, data, created_at) VALUES ({0}, {seq}, 'new_post', '{{}}', now())",
            bob.id
        ));
        let started = Instant::now();
        assert_eq!(socket.next().await["seq"], seq);
        promises.note(Duration::from_secs(3), "an event that nothing else reveals is found", started.elapsed());
    }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_on_two_redis_servers_are_degraded_and_deliver_by_the_position_check() {
    Promises::check(async |promises| {
        let (one, other) = (PrivateRedis::start(), PrivateRedis::start());
        let mut fixture = Fixture::start(&one.url(), &promises).await;
        let there = fixture.stage.start_instance(&[("REDIS_URL", &other.url())]);
        fixture.socket = there.socket(&fixture.bob).await;
        until("all instances are degraded", async || {
            for instance in fixture.stage.instances() {
                if channel_layer(instance).await != "degraded" {
                    return false;
                }
            }
            true
        })
        .await;
        let readiness = fixture.stage.there().get("/readyz").await.is(200);
        let cause = readiness["channel_layer_cause"].as_str().unwrap_or_default();
        assert!(cause.contains("not heard through Redis"), "{readiness}");
        for seq in 1..4 {
            fixture.send().await;
            println!("an event arrives after {:?}", fixture.receives(DURING_OUTAGE, seq).await);
        }
    })
    .await;
}

/// Has a transaction that inserts a message of this content do something before its end.
fn trigger(stage: &Stage, name: &str, kind: &str, content: &str, act: &str) {
    stage.sql(&format!(
        "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN PERFORM {act}; RETURN NEW; END $$; \
         CREATE {kind} FOR EACH ROW WHEN (NEW.content = '{content}') EXECUTE FUNCTION {name}()"
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_recipients_of_a_commit_in_doubt_are_compared() {
    let redis = PrivateRedis::start();
    let hourly = ("POSITION_CHECK_SECONDS", "3600");
    let short = ("DATABASE_STATEMENT_TIMEOUT_MS", "3000");
    let stage = Cluster.stage_with(&[("REDIS_URL", &redis.url()), hourly, METRICS, short]);
    let [ada, bob, carol] = stage.people(["ada", "bob", "carol"]).await;
    let (mut bobs, mut carols) = (stage.there().socket(&bob).await, stage.there().socket(&carol).await);
    let there = async || stage.there().on_metrics_port("/metrics").await;
    let metric = async |name: &str| {
        let text = there().await.text;
        let value = text.lines().find_map(|line| line.strip_prefix(name)).expect("the metric");
        value.trim().parse::<u64>().expect("a count")
    };
    until_no_position_check(there).await;
    let rounds = metric("numeneon_position_checks_total").await;
    for person in [&bob, &carol] {
        stage.sql(&format!(
            "UPDATE inboxes SET last_seq = 1 WHERE user_id = {0}; \
             INSERT INTO inbox_events (user_id, seq, type, data, created_at) VALUES ({0}, 1, 'new_post', '{{}}', now())",
            person.id
        ));
    }
    let send = async |content: &str| {
        let body = serde_json::json!({ "receiver_id": bob.id, "content": content });
        stage.here().post("/api/messages/").by(&ada).json(&body).await.status
    };

    // A statement that takes too long stores nothing, which is certain.
    trigger(&stage, "sleeps", "TRIGGER slow BEFORE INSERT ON messages", "slow", "pg_sleep(60)");
    assert_eq!(send("slow").await, 503);
    let heartbeats = metric("numeneon_publications_total").await;
    until("a request to compare everybody would have arrived", async || {
        metric("numeneon_publications_total").await >= heartbeats + 4
    })
    .await;
    assert_eq!(metric("numeneon_position_checks_total").await, rounds);
    assert_eq!(metric("numeneon_feeds_found_behind_total").await, 0);

    // A connection that is lost during COMMIT is another matter.
    let kind = "CONSTRAINT TRIGGER lost AFTER INSERT ON messages DEFERRABLE INITIALLY DEFERRED";
    trigger(&stage, "disconnects", kind, "doubt", "pg_terminate_backend(pg_backend_pid())");
    assert_eq!(send("doubt").await, 503);
    assert_eq!(bobs.next().await["seq"], 1, "the event that nobody published");
    assert_eq!(metric("numeneon_feeds_found_behind_total").await, 1);
    assert_eq!(metric("numeneon_position_checks_total").await, rounds, "nobody else is compared");
    stage.here().message(&ada, &carol, "reveals the gap").await;
    assert_eq!(carols.next().await["seq"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_was_opened_while_redis_was_down_receives_events() {
    Promises::check(async |promises| {
        let mut redis = PrivateRedis::start();
        let mut fixture = Fixture::start(&redis.url(), &promises).await;
        redis.kill();
        let degraded = async || channel_layer(fixture.stage.there()).await == "degraded";
        promises.until_within(AFTER_RETURN, "the outage is noticed", degraded).await;
        fixture.socket = fixture.stage.there().resume(&fixture.bob, 0).await;
        fixture.send().await;
        fixture.receives(DURING_OUTAGE, 1).await;
        redis.restart();
        fixture.send().await;
        fixture.receives(AFTER_RETURN, 2).await;
    })
    .await;
}
