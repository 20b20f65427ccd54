//! The injector carries out faults on a cluster, and repairs what they broke.

use super::clock::Clock;
use super::cluster::Cluster;
use super::database::{self, Positions, Sample};
use super::fault::{Fault, FaultKind, Forgotten};
use super::proxy::Proxy;
use super::reader::{DEAD_AFTER, Reader, Route};
use super::redis_paths::RedisPaths;
use super::resume;
use super::sender::{Load, Sender};
use anyhow::Context;
use std::sync::Arc;
use std::time::Duration;

/// Messages that are sent to a client that does not read. At this length, and in
/// characters of four bytes, they exceed all buffers on the path.
const BURST: usize = 300;

/// Characters of each of these messages: just below the service's limit.
const BURST_CHARACTERS: usize = 9900;

/// Connections that send these messages.
const BURST_SENDERS: usize = 4;

/// Connections that are terminated while they commit.
const KILLED_BACKENDS: i64 = 5;

/// The injector and what it acts on.
#[derive(Debug)]
pub struct Injector {
    /// The cluster under test.
    pub cluster: Cluster,
    /// The clients.
    pub readers: Vec<Arc<Reader>>,
    /// Indexes of the readers that can stop reading; they have a small receive buffer.
    pub pausable: Vec<usize>,
    /// The proxy between some clients and nginx.
    pub proxy: Proxy,
    /// The paths of the instances to Redis, if a kind of fault needs them.
    pub redis_paths: Option<RedisPaths>,
    /// The load, for additional senders.
    pub load: Load,
    /// The positions of the inboxes.
    pub positions: Positions,
    /// The run's clock.
    pub clock: Clock,
    /// The source of all random choices.
    pub random: fastrand::Rng,
    /// The senders that write to everybody after a fault.
    pub followup_senders: Vec<Sender>,
    /// The index of the next additional sender.
    pub next_sender: usize,
    /// The times whose writes are gone, in order.
    pub forgotten: Vec<Forgotten>,
    /// Violations detected so far.
    pub broken: Vec<String>,
}

impl Injector {
    /// Carries out one fault, and repairs what it broke.
    ///
    /// # Errors
    ///
    /// If that fails, for instance if a restarted instance does not become ready.
    pub async fn inject(&mut self, kind: FaultKind) -> anyhow::Result<(Fault, String)> {
        let begin_ms = self.clock.now_ms();
        let (end_ms, detail) = match kind {
            FaultKind::InstanceKill => self.instance_kill().await?,
            FaultKind::InstanceStop => self.instance_stop().await?,
            FaultKind::InstanceFreeze => {
                let name = format!("instance-{}", self.random_instance()?);
                let (end_ms, frozen) = self.freeze(&name).await?;
                (end_ms, format!("{name}, for {frozen}"))
            }
            FaultKind::RollingRestart => (self.command(&["rolling-restart"]).await?, String::new()),
            FaultKind::RedisKill => self.redis_kill(&["redis-start"]).await?,
            FaultKind::RedisKillEmpty => self.redis_kill(&["redis-start", "--empty"]).await?,
            FaultKind::RedisFlush => (self.redis("FLUSHALL").await?, String::new()),
            FaultKind::RedisKillPubsub => (self.redis("CLIENT KILL TYPE pubsub").await?, String::new()),
            FaultKind::RedisFreeze => self.freeze("redis").await?,
            FaultKind::RedisCut => self.redis_cut().await?,
            FaultKind::RedisSplit => self.redis_split().await?,
            FaultKind::RedisFailover => self.redis_failover().await?,
            FaultKind::RedisSlow => self.redis_slow().await?,
            FaultKind::PostgresRestart => (self.command(&["postgres-restart"]).await?, String::new()),
            FaultKind::PostgresKill => self.postgres_kill().await?,
            FaultKind::PostgresFreeze => self.freeze("postgres").await?,
            FaultKind::PostgresRestore => self.postgres_restore().await?,
            FaultKind::PostgresFailover => self.postgres_failover().await?,
            FaultKind::BackendKilled => {
                let url = self.cluster.state()?.database_url;
                let killed = database::kill_committing(&url, KILLED_BACKENDS).await?;
                (self.clock.now_ms(), format!("{killed} connections"))
            }
            FaultKind::ConnectionCut => {
                let count = self.proxy.silence(2, &mut self.random);
                // Until the clients notice, they appear to be current.
                tokio::time::sleep(DEAD_AFTER).await;
                (begin_ms, format!("{count} connections"))
            }
            FaultKind::ReaderStops => self.reader_stops().await?,
            FaultKind::Cursors => self.cursors().await?,
        };
        Ok((Fault { kind, begin_ms, end_ms }, detail))
    }

    /// Writes to everybody once, which reveals a socket that no longer receives although
    /// its client is not behind. To be called only after all sockets are current, because
    /// the next event also reveals a lost one.
    pub async fn message_everybody(&mut self) {
        let people = self.load.people.len();
        let count = self.followup_senders.len();
        let sending = self.followup_senders.iter_mut().enumerate().map(async |(first, sender)| {
            for person in (first..people).step_by(count) {
                sender.message(person, "follow-up").await;
            }
        });
        futures_util::future::join_all(sending).await;
    }

    async fn command(&self, words: &[&str]) -> anyhow::Result<u64> {
        self.cluster.command(words).await?;
        Ok(self.clock.now_ms())
    }

    async fn redis(&self, command: &str) -> anyhow::Result<u64> {
        self.cluster.redis(command).await?;
        Ok(self.clock.now_ms())
    }

    /// Waits for a random time in this range, and describes it.
    async fn wait(&mut self, range_ms: std::ops::Range<u64>) -> String {
        let ms = self.random.u64(range_ms);
        tokio::time::sleep(Duration::from_millis(ms)).await;
        format!("{ms} ms")
    }

    fn random_instance(&mut self) -> anyhow::Result<String> {
        Ok(self.random_number()?.to_string())
    }

    fn random_number(&mut self) -> anyhow::Result<u32> {
        let instances = self.cluster.state()?.instances;
        Ok(self.random.choice(instances).context("no instance")?.number)
    }

    /// The fault ends with the kill: the others must serve the clients while it is down.
    async fn instance_kill(&mut self) -> anyhow::Result<(u64, String)> {
        let number = self.random_instance()?;
        let end_ms = self.command(&["kill-instance", &number]).await?;
        let down = self.wait(200..3000).await;
        self.command(&["start-instance", &number]).await?;
        Ok((end_ms, format!("instance {number}, down for {down}")))
    }

    async fn instance_stop(&mut self) -> anyhow::Result<(u64, String)> {
        let number = self.random_instance()?;
        let end_ms = self.command(&["stop-instance", &number]).await?;
        self.command(&["start-instance", &number]).await?;
        Ok((end_ms, format!("instance {number}")))
    }

    async fn redis_kill(&mut self, start: &[&str]) -> anyhow::Result<(u64, String)> {
        self.command(&["redis-kill"]).await?;
        let down = self.wait(100..4000).await;
        Ok((self.command(start).await?, format!("down for {down}")))
    }

    async fn redis_cut(&mut self) -> anyhow::Result<(u64, String)> {
        let instance = self.random_number()?;
        self.redis_paths()?.cut(instance, true);
        let cut = self.wait(300..8000).await;
        self.redis_paths()?.cut(instance, false);
        Ok((self.clock.now_ms(), format!("instance {instance}, for {cut}")))
    }

    /// Often long enough for the instances to notice.
    async fn redis_split(&mut self) -> anyhow::Result<(u64, String)> {
        let instance = self.random_number()?;
        self.redis_paths()?.separate().await?;
        self.redis_paths()?.split(instance, true);
        let split = self.wait(500..15_000).await;
        self.redis_paths()?.split(instance, false);
        Ok((self.clock.now_ms(), format!("instance {instance}, for {split}")))
    }

    /// The fault ends with the second failover, which leads back.
    async fn redis_failover(&mut self) -> anyhow::Result<(u64, String)> {
        self.redis_paths()?.fail_over(false).await?;
        let between = self.wait(500..8000).await;
        self.redis_paths()?.fail_over(true).await?;
        let end_ms = self.clock.now_ms();
        Ok((end_ms, format!("and back after {between}")))
    }

    fn redis_paths(&self) -> anyhow::Result<&RedisPaths> {
        self.redis_paths.as_ref().context("the instances reach Redis directly")
    }

    /// Each pause is longer than a request waits for its publication, or shorter.
    async fn redis_slow(&mut self) -> anyhow::Result<(u64, String)> {
        let pauses = self.random.u64(3..10);
        for _ in 0..pauses {
            let ms = self.random.u64(50..450);
            self.redis(&format!("CLIENT PAUSE {ms}")).await?;
            self.wait(ms..2 * ms).await;
        }
        Ok((self.clock.now_ms(), format!("{pauses} pauses")))
    }

    async fn postgres_kill(&mut self) -> anyhow::Result<(u64, String)> {
        self.command(&["postgres-kill"]).await?;
        let down = self.wait(100..3000).await;
        Ok((self.command(&["postgres-start"]).await?, format!("down for {down}")))
    }

    /// The instances are down meanwhile, as the guide demands it. The fault ends when they are ready.
    async fn postgres_restore(&mut self) -> anyhow::Result<(u64, String)> {
        let from_ms = self.clock.now_ms();
        self.command(&["postgres-dump"]).await?;
        let older = self.wait(300..2000).await;
        let numbers: Vec<String> =
            self.cluster.state()?.instances.iter().map(|instance| instance.number.to_string()).collect();
        for number in &numbers {
            self.command(&["kill-instance", number]).await?;
        }
        let until_ms = self.command(&["postgres-restore"]).await?;
        self.forgotten.push(Forgotten { from_ms, until_ms });
        for number in &numbers {
            self.command(&["start-instance", number]).await?;
        }
        Ok((self.clock.now_ms(), format!("to a state of {older} before")))
    }

    /// The fault ends with the promotion. The next one finds a new standby.
    async fn postgres_failover(&mut self) -> anyhow::Result<(u64, String)> {
        let from_ms = self.clock.now_ms();
        self.command(&["postgres-cut"]).await?;
        let lost = self.wait(200..1500).await;
        self.command(&["postgres-kill"]).await?;
        let down = self.wait(100..2000).await;
        let until_ms = self.command(&["postgres-promote"]).await?;
        self.forgotten.push(Forgotten { from_ms, until_ms });
        self.command(&["postgres-standby"]).await?;
        Ok((until_ms, format!("without the last {lost}, down for {down}")))
    }

    async fn freeze(&mut self, name: &str) -> anyhow::Result<(u64, String)> {
        self.command(&["freeze", name]).await?;
        let frozen = self.wait(300..5000).await;
        Ok((self.command(&["thaw", name]).await?, frozen))
    }

    /// The fault ends when the client continues to read.
    async fn reader_stops(&mut self) -> anyhow::Result<(u64, String)> {
        let index =
            self.random.choice(self.pausable.iter().copied()).context("no reader can stop reading")?;
        let reader = Arc::clone(&self.readers[index]);
        reader.pause(true);
        let text = "\u{1F600}".repeat(BURST_CHARACTERS);
        let mut burst = tokio::task::JoinSet::new();
        for _ in 0..BURST_SENDERS {
            let mut sender = Sender::new(self.next_sender, &self.load, 0);
            self.next_sender += 1;
            let (text, receiver) = (text.clone(), reader.person);
            burst.spawn(async move {
                for _ in 0..BURST / BURST_SENDERS {
                    sender.message(receiver, &text).await;
                }
            });
        }
        burst.join_all().await;
        let stopped = self.wait(200..2000).await;
        let end_ms = self.clock.now_ms();
        reader.pause(false);
        Ok((end_ms, format!("a socket of person {}, for {stopped} after {BURST} messages", reader.person)))
    }

    async fn cursors(&mut self) -> anyhow::Result<(u64, String)> {
        let begin_ms = self.clock.now_ms();
        let Sample { last_seqs, lift, .. } = self.positions.after(begin_ms).await?;
        let index = self.random.usize(..self.load.people.len());
        let (person, up_to) = (self.load.people[index].clone(), last_seqs[index]);
        let route = Route { endpoint: self.load.endpoint.clone(), proxy: None, receive_buffer_bytes: None };
        let recent = up_to.saturating_sub(self.random.u64(1..50)).max(lift);
        let stale = up_to.saturating_sub(self.random.u64(50..3000)).max(lift);
        let (first, second, old, ahead) = tokio::join!(
            resume::replay(&person, &route, recent, up_to),
            resume::replay(&person, &route, recent, up_to),
            resume::replay(&person, &route, stale, up_to),
            resume::ahead(&person, &route, up_to + 1_000_000),
        );
        let agree = match (&first, &second, &old) {
            (Ok(first), Ok(second), Ok(old)) => first == second && old.ends_with(first),
            _ => true,
        };
        if !agree {
            self.broken.push(format!("cursors: sockets of user {} got different events", person.id));
        }
        let errors = [first.err(), second.err(), old.err(), ahead.err()];
        self.broken.extend(
            errors.into_iter().flatten().map(|error| format!("cursors: user {}: {error:#}", person.id)),
        );
        Ok((begin_ms, format!("user {}: {recent} twice, {stale}, and ahead of {up_to}", person.id)))
    }
}
