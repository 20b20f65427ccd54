//! Events that Redis, a connection to it, or an instance took to the grave.
//!
//! The periodical check of positions is an hour away in all of these: what heals is
//! what notices the fault.

use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::time::timeout;

use crate::private_redis::PrivateRedis;
use crate::process::Program;
use crate::proxy::Proxy;
use crate::support::{Answer, Cluster, Database, LIMIT, Person, SECRET_KEY, Socket, Stage};
use crate::wait::within;

/// After the return of Redis every socket is current this soon.
const BACK: Duration = Duration::from_secs(2);

/// While Redis is away events arrive by the check of positions: a round each second.
const AWAY: Duration = Duration::from_millis(2_500);

/// A connection that has gone deaf, or an instance that is dead, is noticed after
/// three seconds of silence, and healed from.
const SILENT: Duration = Duration::from_secs(6);

const METRICS: (&str, &str) = ("METRICS_ADDRESS", "127.0.0.1:0");

/// Waits until an instance compares no positions any more, as it does several times
/// when it starts: what heals later is what notices the fault.
async fn at_rest(metrics: impl AsyncFn() -> Answer) {
    let rounds = async || {
        let text = metrics().await.text;
        let line = text.lines().find_map(|line| line.strip_prefix("numeneon_position_checks_total "));
        line.expect("the number of rounds").to_owned()
    };
    let mut last = (String::new(), Instant::now());
    within(LIMIT, "it compares no positions", async || {
        let now = rounds().await;
        if now != last.0 {
            last = (now, Instant::now());
        }
        last.1.elapsed() > Duration::from_millis(2_500)
    })
    .await;
}

struct Scene {
    stage: Stage,
    ada: Person,
    bob: Person,
    /// Bob's, on the instance to which nobody writes.
    socket: Socket,
    last: i64,
}

impl Scene {
    /// Two instances on this Redis; Ada writes to one, Bob listens on the other.
    async fn set(redis_url: &str) -> Self {
        let hourly = ("POSITION_CHECK_SECONDS", "3600");
        let stage = Cluster.stage_with(&[("REDIS_URL", redis_url), hourly, METRICS]);
        let [ada, bob] = stage.people(["ada", "bob"]).await;
        let socket = stage.there().socket(&bob).await;
        within(LIMIT, "both are ready", async || {
            stage.here().get("/readyz").await.status == 200
                && stage.there().get("/readyz").await.status == 200
        })
        .await;
        Self { stage, ada, bob, socket, last: 0 }
    }

    /// Sends one message, which must be acknowledged whatever Redis does.
    async fn send(&mut self) {
        let started = Instant::now();
        self.stage.here().message(&self.ada, &self.bob, "hello").await;
        assert!(started.elapsed() < Duration::from_secs(2), "acknowledged after {:?}", started.elapsed());
        self.last += 1;
    }

    /// Checks that the next frames are all that was sent since the last ones, in order
    /// and once each, and returns how long that took.
    async fn is_current(&mut self, limit: Duration, from: i64) -> Duration {
        let started = Instant::now();
        for seq in from..=self.last {
            let frame = timeout(limit, self.socket.next()).await;
            let frame = frame.unwrap_or_else(|_| panic!("{seq} is not there after {:?}", started.elapsed()));
            assert_eq!(frame["seq"], seq, "{frame}");
        }
        let took = started.elapsed();
        assert!(took < limit, "{took:?}");
        took
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_while_redis_is_dead_arrives_nonetheless_and_once() {
    let mut redis = PrivateRedis::start();
    let mut scene = Scene::set(&redis.url()).await;
    scene.send().await;
    scene.is_current(LIMIT, 1).await;

    redis.kill();
    scene.send().await;
    println!("with Redis dead an event arrives after {:?}", scene.is_current(AWAY, 2).await);
    for _ in 0..5 {
        scene.send().await;
    }
    scene.is_current(AWAY, 3).await;

    // The last one before the return, with no later one to reveal it.
    scene.send().await;
    redis.start_again();
    println!("after its return the last event arrives after {:?}", scene.is_current(BACK, 8).await);
    let ready = async || scene.stage.there().get("/readyz").await.status == 200;
    within(BACK, "the instance is ready", ready).await;
    for from in 9..12 {
        scene.send().await;
        scene.is_current(LIMIT, from).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_while_redis_is_frozen_arrives_nonetheless_and_once() {
    let redis = PrivateRedis::start();
    let mut scene = Scene::set(&redis.url()).await;
    redis.freeze();
    scene.send().await;
    println!("with Redis frozen an event arrives after {:?}", scene.is_current(AWAY + BACK, 1).await);
    scene.send().await;
    redis.thaw();
    println!("after its thaw the last event arrives after {:?}", scene.is_current(BACK, 2).await);
    for from in 3..6 {
        scene.send().await;
        scene.is_current(LIMIT, from).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_messages_survives_all_that_redis_can_do_to_its_clients() {
    let redis = PrivateRedis::start();
    let mut scene = Scene::set(&redis.url()).await;
    let mut admin = redis.client().get_connection().expect("Redis answers");
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
            scene.send().await;
        }
        let (name, arguments) = command.split_first().expect("a command");
        redis::cmd(name).arg(arguments).exec(&mut admin).expect("Redis obeys");
        let from = scene.last - 9;
        scene.send().await;
        longest = longest.max(scene.is_current(BACK, from).await);
    }
    println!("the longest delay was {longest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_fell_on_deaf_ears_is_healed() {
    let redis = PrivateRedis::start();
    let proxy = Proxy::before(redis.port());
    let mut scene = Scene::set(&redis.url()).await;
    let through = format!("redis://127.0.0.1:{}/", proxy.port());
    let there = scene.stage.start_another(&[("REDIS_URL", &through)]);
    scene.socket = there.socket(&scene.bob).await;
    scene.send().await;
    scene.is_current(LIMIT, 1).await;
    at_rest(async || scene.stage.there().watch("/metrics").await).await;

    assert_eq!(proxy.deafen_subscribers(), 1);
    scene.send().await;
    println!("a deaf instance sends the event after {:?}", scene.is_current(SILENT, 2).await);
    scene.send().await;
    println!("and the next one after {:?}", scene.is_current(BACK, 3).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_whose_instance_died_before_publishing_it_is_healed() {
    let redis = PrivateRedis::start();
    let database = Database::postgres();
    let folder = TempDir::new().expect("a folder");
    let program = Program::within(&folder)
        .with_all(&[("PORT", "0"), ("WORKERS", "1"), ("SECRET_KEY", SECRET_KEY), METRICS])
        .with_all(&[
            ("DATABASE_URL", &database.url()),
            ("REDIS_URL", &redis.url()),
            ("POSITION_CHECK_SECONDS", "3600"),
        ]);
    let (mut dies, lives) = (program.start(), program.start());
    let (ada, bob) = (dies.sign_up("ada").await, dies.sign_up("bob").await);
    let mut socket = lives.dial(&bob).open().await;
    dies.message(&ada, &bob, "published").await.is(201);
    assert_eq!(socket.next().await["seq"], 1);
    at_rest(async || lives.watch("/metrics").await).await;

    // What a commit leaves, without what follows it.
    database.execute(&format!(
        "UPDATE inboxes SET last_seq = 2 WHERE user_id = {0}; \
         INSERT INTO inbox_events (user_id, seq, type, data, created_at) VALUES ({0}, 2, 'new_post', '{{}}', now())",
        bob.id
    ));
    dies.kill();
    let started = Instant::now();
    let frame = timeout(SILENT, socket.next()).await.expect("the event, though nobody published it");
    assert_eq!((&frame["seq"], &frame["data"]), (&2.into(), &serde_json::json!({})));
    println!("the event of a dead instance arrives after {:?}", started.elapsed());
    lives.message(&ada, &bob, "published").await.is(201);
    assert_eq!(socket.next().await["seq"], 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_periodical_check_finds_what_nothing_else_reveals() {
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
        let frame =
            timeout(Duration::from_secs(3), socket.next()).await.expect("the event, within the period");
        assert_eq!(frame["seq"], seq);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_was_opened_while_redis_was_dead_is_served() {
    let mut redis = PrivateRedis::start();
    let mut scene = Scene::set(&redis.url()).await;
    redis.kill();
    let unready = async || scene.stage.there().get("/readyz").await.status == 503;
    within(BACK, "the outage is noticed", unready).await;
    scene.socket = scene.stage.there().resume(&scene.bob, 0).await;
    scene.send().await;
    scene.is_current(AWAY, 1).await;
    redis.start_again();
    scene.send().await;
    scene.is_current(BACK, 2).await;
}
