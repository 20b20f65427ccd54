//! Installations that share a Redis with others, and what the service keeps there.

use serde_json::json;
use tempfile::TempDir;

use crate::private_redis::PrivateRedis;
use crate::process::{Process, Program};
use crate::support::SECRET_KEY;
use crate::wait::until;

/// Returns an installation of one instance, with a database of its own.
fn installation(folder: &TempDir, redis_url: &str, settings: &[(&str, &str)]) -> Process {
    Program::in_folder(folder)
        .with_all(&[("PORT", "0"), ("WORKERS", "1"), ("SECRET_KEY", SECRET_KEY), ("REDIS_URL", redis_url)])
        .with_all(settings)
        .start()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn installations_on_one_redis_share_neither_messages_nor_limits_nor_logouts() {
    let redis = PrivateRedis::start();
    let folders = [TempDir::new().expect("a folder"), TempDir::new().expect("a folder")];
    let twice = [("LIMIT_MESSAGES_BY_PERSON", "2/1h")];
    let [ours, theirs] = [0, 1].map(|place| installation(&folders[place], &redis.url(), &twice));
    for process in [&ours, &theirs] {
        until("the layer is healthy", async || {
            process.request("GET", "/readyz").await.is(200)["channel_layer"] == "ok"
        })
        .await;
    }
    let (ada, bob) = (ours.sign_up("ada").await, ours.sign_up("bob").await);
    let (eve, mallory) = (theirs.sign_up("eve").await, theirs.sign_up("mallory").await);
    assert_eq!((ada.id, bob.id), (eve.id, mallory.id), "the same ids in both");
    let mut socket = ours.handshake(&bob).open().await;
    let mut other = theirs.handshake(&mallory).open().await;
    for text in ["one", "two"] {
        theirs.message(&eve, &mallory, text).await.is(201);
    }
    theirs.message(&eve, &mallory, "three").await.is(429);
    // Eve and Ada have the same id, and Ada has sent nothing yet.
    ours.message(&ada, &bob, "private").await.is(201);
    assert_eq!(socket.next().await["data"]["content"], "private");
    for text in ["one", "two"] {
        assert_eq!(other.next().await["data"]["content"], text);
    }
    theirs.request("POST", "/api/auth/logout/all/").by(&mallory).await.is(200);
    assert_eq!(other.closed().await.0, 4001);
    ours.message(&ada, &bob, "still here").await.is(201);
    assert_eq!(socket.next().await["data"]["content"], "still here");
    let warning = "another installation uses this Redis; its payloads are ignored, set REDIS_PREFIX";
    until("each reports the other", async || {
        [&ours, &theirs].iter().all(|it| it.log().iter().filter(|line| line.contains(warning)).count() == 1)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn known_addresses_are_bounded_for_each_person() {
    let (redis, folder) = (PrivateRedis::start(), TempDir::new().expect("a folder"));
    let process = installation(&folder, &redis.url(), &[("TRUSTED_PROXIES", "1"), ("REDIS_PREFIX", "a.")]);
    let ada = process.sign_up("ada").await;
    let log_in = async |address: &str| {
        let body = json!({ "email": ada.email, "password": crate::support::PASSWORD });
        let login = process.request("POST", "/api/auth/login/").header("x-forwarded-for", address);
        login.json(&body).await.is(200);
    };
    for number in 1..=20 {
        log_in(&format!("10.0.0.{number}")).await;
    }
    let mut conn = redis.connect();
    let mut known = || {
        let keys: Vec<String> =
            redis::cmd("KEYS").arg("a.numeneon_limit:*:known_addresses:*").query(&mut conn).expect("keys");
        let count = |key: &String| redis::cmd("ZCARD").arg(key).query::<u64>(&mut conn).expect("a count");
        keys.iter().map(count).collect::<Vec<_>>()
    };
    assert_eq!(known(), [16]);
}
