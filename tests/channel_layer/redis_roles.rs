//! Redis servers that are replicas, that forbid commands, or that are not the same for everybody.

use std::time::Duration;

use bytes::Bytes;
use numeneon::channel_layer::Neighbour;
use tokio::time::Instant;

use super::pair::{Side, new_group, received};
use super::private_redis::PrivateRedis;
use super::proxy::Proxy;
use super::wait::until;

/// Executes a command on a server.
fn execute(redis: &PrivateRedis, command: &[&str]) {
    let (name, arguments) = command.split_first().expect("a command");
    redis::cmd(name).arg(arguments).exec(&mut redis.connect()).expect("Redis executes the command");
}

/// Makes one server a replica of the other, and waits until it is one.
async fn replicate(replica: &PrivateRedis, master: &PrivateRedis) {
    execute(replica, &["REPLICAOF", "127.0.0.1", &master.port().to_string()]);
    until("the replica is connected", async || {
        let info: String =
            redis::cmd("INFO").arg("replication").query(&mut replica.connect()).expect("a text");
        info.contains("master_link_status:up")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_that_keeps_connections_open_is_noticed() {
    let (old, new) = (PrivateRedis::start(), PrivateRedis::start());
    replicate(&new, &old).await;
    let proxy = Proxy::to(old.port());
    let url = format!("redis://127.0.0.1:{}/", proxy.port());
    let near = Side::redis(&url).await;
    execute(&new, &["REPLICAOF", "NO", "ONE"]);
    proxy.lead_to(new.port());
    // It publishes to the new master; the others stay with the one that was demoted.
    let far = Side::redis(&url).await;
    let group = new_group();
    let member = far.subscribe(&group).await;
    replicate(&old, &new).await;
    let delivers = async || {
        near.publish(&group, "after the failover").await;
        matches!(member.try_next(), Ok(Some(_)))
    };
    until("payloads reach the others again", delivers).await;
    until("the layer is healthy", async || near.layer.is_healthy()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_counts_as_away_until_it_is_promoted() {
    let (master, replica) = (PrivateRedis::start(), PrivateRedis::start());
    replicate(&replica, &master).await;
    let side = Side::redis_connecting(&replica.url());
    let is_named = async || side.layer.degradation().is_some_and(|cause| cause.contains("role is slave"));
    until("the cause is named", is_named).await;
    execute(&replica, &["REPLICAOF", "NO", "ONE"]);
    until("the layer is healthy", async || side.layer.is_healthy()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_may_not_be_read_by_one_command_is_read_by_another_or_not_at_all() {
    let (master, replica) = (PrivateRedis::start(), PrivateRedis::start());
    replicate(&replica, &master).await;
    execute(&replica, &["ACL", "SETUSER", "default", "-role"]);
    let side = Side::redis_connecting(&replica.url());
    let is_named = async || side.layer.degradation().is_some_and(|cause| cause.contains("role is slave"));
    until("the cause is named", is_named).await;

    execute(&master, &["ACL", "SETUSER", "default", "-role", "-info"]);
    let side = Side::redis(&master.url()).await;
    let group = new_group();
    let member = side.subscribe(&group).await;
    side.publish(&group, "taken for a master").await;
    assert_eq!(received(&member).await, "taken for a master");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_hears_itself_and_not_another_is_degraded() {
    let (one, other) = (PrivateRedis::start(), PrivateRedis::start());
    let proxy = Proxy::to(one.port());
    let near = Side::redis(&format!("redis://127.0.0.1:{}/", proxy.port())).await;
    let far = Side::redis(&other.url()).await;
    // What the database shows to one of another.
    let show = |to: &Side, of: &Side| {
        let (id, publishes) = of.layer.instance().expect("an instance");
        to.layer.compare_neighbours(&[Neighbour { id: id.to_owned(), publishes, age: Duration::ZERO }]);
    };
    until("both are degraded", async || {
        show(&near, &far);
        show(&far, &near);
        let unheard = |side: &Side| side.layer.degradation().is_some_and(|cause| cause.contains("not heard"));
        unheard(&near) && unheard(&far)
    })
    .await;
    assert_eq!(near.metrics.instances_unheard.get(), 1);
    proxy.lead_to(other.port());
    until("both are healthy", async || {
        show(&near, &far);
        show(&far, &near);
        near.layer.is_healthy() && far.layer.is_healthy()
    })
    .await;
    assert_eq!(near.metrics.instances_unheard.get(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_announcement_on_a_slow_network_fails_no_event() {
    const BYTES: usize = 16 << 10;
    const GROUPS: usize = 1_000;
    let redis = PrivateRedis::start();
    let proxy = Proxy::to(redis.port());
    let near = Side::redis(&format!("redis://127.0.0.1:{}/", proxy.port())).await;
    let far = Side::redis(&redis.url()).await;
    let (last, group) = (new_group(), new_group());
    let (announced, member) = (far.subscribe(&last).await, far.subscribe(&group).await);
    // 16 MB take two seconds, four times as long as one pipeline may.
    proxy.throttle(8 << 20);
    let payload = Bytes::from(vec![b'x'; BYTES]);
    let mut payloads: Vec<_> = (1..GROUPS).map(|_| (new_group(), payload.clone().into())).collect();
    payloads.push((last, Bytes::from_static(b"the last one").into()));
    let announcing = tokio::spawn(near.layer.publish_in_bulk(payloads));
    let (before, started) = (near.metrics.publications_failed.get(), Instant::now());
    let mut sent = 0;
    while matches!(announced.try_next(), Ok(None)) {
        near.publish(&group, "an event").await;
        assert_eq!(received(&member).await, "an event");
        sent += 1;
    }
    println!("{sent} events were delivered during the {:?} of the announcement", started.elapsed());
    announcing.await.expect("it was published");
    let of_events = near.metrics.publications_failed.get() - before;
    assert!(of_events == 0 || of_events == GROUPS as u64, "{of_events} failed beside the announcement");
    assert!(sent > 10, "only {sent} events were delivered meanwhile");
}
