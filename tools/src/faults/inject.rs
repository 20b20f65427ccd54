//! Carrying faults out.

use super::clock::Clock;
use super::cluster::Cluster;
use super::judge::Fault;
use super::kind::Kind;
use super::probe;
use super::proxy::Proxy;
use super::reader::{DEAD_AFTER, Reader, Way};
use super::sender::{Load, Sender};
use super::truth::Positions;
use anyhow::Context;
use std::sync::Arc;
use std::time::Duration;

/// Messages that are sent to a client which does not read, at the length limit and
/// in characters of four bytes: more than all buffers on the way hold.
const BURST: usize = 300;

/// Characters of each.
const BURST_CHARACTERS: usize = 9900;

/// Connections that send them.
const BURST_SENDERS: usize = 4;

/// The tormentor.
#[derive(Debug)]
pub struct Tormentor {
    /// What is tormented.
    pub cluster: Cluster,
    /// The clients; those with a small buffer are the ones that stop reading.
    pub readers: Vec<Arc<Reader>>,
    /// Positions in the readers of those that stop reading.
    pub stopping: Vec<usize>,
    /// Between some clients and nginx.
    pub proxy: Proxy,
    /// For the burst.
    pub load: Load,
    /// How far the inboxes reach.
    pub positions: Positions,
    /// The run's clock.
    pub clock: Clock,
    /// Decides everything that is left open.
    pub random: fastrand::Rng,
    /// Those that write to everybody after a fault.
    pub nudgers: Vec<Sender>,
    /// Index of the next sender.
    pub next_sender: usize,
    /// What was seen to be wrong.
    pub broken: Vec<String>,
}

impl Tormentor {
    /// Carries out one fault, and mends what it broke.
    ///
    /// # Errors
    /// When that is not possible: a restarted instance does not become ready, say.
    pub async fn inject(&mut self, kind: Kind) -> anyhow::Result<(Fault, String)> {
        let begin_ms = self.clock.now_ms();
        let (end_ms, detail) = match kind {
            Kind::InstanceKill => self.instance_kill().await?,
            Kind::InstanceStop => self.instance_stop().await?,
            Kind::RollingRestart => (self.command(&["rolling-restart"]).await?, String::new()),
            Kind::RedisKill => self.redis_kill(&["redis-start"]).await?,
            Kind::RedisKillEmpty => self.redis_kill(&["redis-start", "--empty"]).await?,
            Kind::RedisFlush => (self.redis("FLUSHALL").await?, String::new()),
            Kind::RedisKillPubsub => (self.redis("CLIENT KILL TYPE pubsub").await?, String::new()),
            Kind::RedisFreeze => self.freeze("redis").await?,
            Kind::PostgresRestart => (self.command(&["postgres-restart"]).await?, String::new()),
            Kind::PostgresKill => self.postgres_kill().await?,
            Kind::PostgresFreeze => self.freeze("postgres").await?,
            Kind::ConnectionCut => {
                let count = self.proxy.cut(2, &mut self.random);
                // Until the clients have noticed they look as if they were current.
                tokio::time::sleep(DEAD_AFTER).await;
                (begin_ms, format!("{count} connections"))
            }
            Kind::ReaderStops => self.reader_stops().await?,
            Kind::Cursors => self.cursors().await?,
        };
        Ok((Fault { kind, begin_ms, end_ms }, detail))
    }

    /// Writes to everybody once, so that a socket which has gone deaf without
    /// being behind shows. Not before the sockets were current by themselves: the
    /// next event would reveal a lost one.
    pub async fn nudge(&mut self) {
        let people = self.load.people.len();
        let count = self.nudgers.len();
        let nudges = self.nudgers.iter_mut().enumerate().map(async |(first, sender)| {
            for person in (first..people).step_by(count) {
                sender.message(person, "nudge").await;
            }
        });
        futures_util::future::join_all(nudges).await;
    }

    async fn command(&self, words: &[&str]) -> anyhow::Result<u64> {
        self.cluster.command(words).await?;
        Ok(self.clock.now_ms())
    }

    async fn redis(&self, command: &str) -> anyhow::Result<u64> {
        self.cluster.redis(command).await?;
        Ok(self.clock.now_ms())
    }

    /// Waits for a random time within these milliseconds.
    async fn wait(&mut self, range_ms: std::ops::Range<u64>) -> String {
        let ms = self.random.u64(range_ms);
        tokio::time::sleep(Duration::from_millis(ms)).await;
        format!("{ms} ms")
    }

    fn some_instance(&mut self) -> anyhow::Result<String> {
        let instances = self.cluster.state()?.instances;
        let instance = self.random.choice(instances).context("no instance")?;
        Ok(instance.number.to_string())
    }

    /// Its end is the kill: the others must serve its clients while it is down.
    async fn instance_kill(&mut self) -> anyhow::Result<(u64, String)> {
        let number = self.some_instance()?;
        let end_ms = self.command(&["kill-instance", &number]).await?;
        let down = self.wait(200..3000).await;
        self.command(&["start-instance", &number]).await?;
        Ok((end_ms, format!("instance {number}, down for {down}")))
    }

    async fn instance_stop(&mut self) -> anyhow::Result<(u64, String)> {
        let number = self.some_instance()?;
        let end_ms = self.command(&["stop-instance", &number]).await?;
        self.command(&["start-instance", &number]).await?;
        Ok((end_ms, format!("instance {number}")))
    }

    async fn redis_kill(&mut self, start: &[&str]) -> anyhow::Result<(u64, String)> {
        self.command(&["redis-kill"]).await?;
        let down = self.wait(100..4000).await;
        Ok((self.command(start).await?, format!("down for {down}")))
    }

    async fn postgres_kill(&mut self) -> anyhow::Result<(u64, String)> {
        self.command(&["postgres-kill"]).await?;
        let down = self.wait(100..3000).await;
        Ok((self.command(&["postgres-start"]).await?, format!("down for {down}")))
    }

    async fn freeze(&mut self, name: &str) -> anyhow::Result<(u64, String)> {
        self.command(&["freeze", name]).await?;
        let frozen = self.wait(300..5000).await;
        Ok((self.command(&["thaw", name]).await?, frozen))
    }

    /// Its end is the moment when the client reads on.
    async fn reader_stops(&mut self) -> anyhow::Result<(u64, String)> {
        let index = self.random.choice(self.stopping.iter().copied()).context("no such reader")?;
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
        let last_seqs = self.positions.after(begin_ms).await?.last_seqs;
        let index = self.random.usize(..self.load.people.len());
        let (who, up_to) = (self.load.people[index].clone(), last_seqs[index]);
        let way = Way { endpoint: self.load.endpoint.clone(), through: None, receive_buffer_bytes: None };
        let recent = up_to.saturating_sub(self.random.u64(1..50));
        let stale = up_to.saturating_sub(self.random.u64(50..3000));
        let (one, other, old, ahead) = tokio::join!(
            probe::replay(&who, &way, recent, up_to),
            probe::replay(&who, &way, recent, up_to),
            probe::replay(&who, &way, stale, up_to),
            probe::ahead(&who, &way, up_to + 1_000_000),
        );
        let agree = match (&one, &other, &old) {
            (Ok(one), Ok(other), Ok(old)) => one == other && old.ends_with(one),
            _ => true,
        };
        if !agree {
            self.broken.push(format!("cursors: sockets of user {} disagree", who.id));
        }
        let errors = [one.err(), other.err(), old.err(), ahead.err()];
        self.broken
            .extend(errors.into_iter().flatten().map(|error| format!("cursors: user {}: {error:#}", who.id)));
        Ok((begin_ms, format!("user {}: {recent} twice, {stale}, and ahead of {up_to}", who.id)))
    }
}
