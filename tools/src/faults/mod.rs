//! A fault run torments one cluster and judges what its clients saw of it.
//!
//! Three parties know something: the senders, what was acknowledged; the
//! database, what was committed; the readers, what arrived. [`judge`] holds one
//! against the other.

pub mod account;
pub mod clock;
pub mod cluster;
pub mod inject;
pub mod judge;
pub mod kind;
pub mod options;
pub mod probe;
pub mod proxy;
pub mod reader;
pub mod report;
pub mod sender;
pub mod truth;

use crate::people::{self, Person};
use anyhow::{Context, ensure};
use clock::Clock;
use cluster::Cluster;
use inject::Tormentor;
use judge::Fault;
use kind::Kind;
use options::Options;
use proxy::Proxy;
use reader::{Reader, Way};
use report::{Evidence, Report};
use sender::{Load, Sender, SharedBook};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use truth::{Positions, Sample};

/// Receive buffer of the clients that stop reading, so that the server feels it.
const STOPPING_RECEIVE_BYTES: u32 = 16 * 1024;

/// Load before the first fault and at least between two.
const CALM: Duration = Duration::from_secs(1);

/// Senders that write to everybody after each fault.
const NUDGERS: usize = 4;

/// Longest wait for all sockets to be current before the run goes on. Far above
/// every limit: what takes longer than its limit is to be seen with its length.
const CURRENT_TIMEOUT_MS: u64 = 45_000;

/// How often the readers are looked at while they are waited for.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Carries out a run and returns its report.
///
/// # Errors
/// When the cluster cannot be found or brought back.
pub async fn run(options: &Options) -> anyhow::Result<Report> {
    ensure!(options.people > 1, "--people must be at least 2");
    ensure!(options.sockets_per_person > 2, "--sockets-per-person must be at least 3");
    let cluster = Cluster::find(&options.script, &options.dir)?;
    let state = cluster.state()?;
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    eprintln!("seed {seed}; {} faults on {}", options.faults, cluster.front);

    let people: Arc<[Person]> = people::sign_up(&cluster.front, options.people).await?.into();
    let ids =
        people.iter().map(|person| Ok(i64::try_from(person.id)?)).collect::<anyhow::Result<Vec<_>>>()?;
    let clock = Clock::start();
    let positions = Positions::watch(state.database_url.clone(), ids.clone(), clock);
    let proxy = Proxy::start(cluster.front.address).await?;
    let readers = start_readers(options, &cluster, &proxy, &people, clock);
    let stopping =
        (0..readers.len()).filter(|index| role(*index, options.people) == Role::Stopping).collect();
    let book = SharedBook::default();
    let load =
        Load { endpoint: cluster.front.clone(), people: Arc::clone(&people), book: Arc::clone(&book), clock };
    let mut run = Run {
        tormentor: Tormentor {
            cluster,
            readers,
            stopping,
            proxy,
            load: load.clone(),
            positions,
            clock,
            random: fastrand::Rng::with_seed(seed),
            nudgers: (options.people..options.people + NUDGERS)
                .map(|index| Sender::new(index, &load, seed))
                .collect(),
            next_sender: options.people + NUDGERS,
            broken: Vec::new(),
        },
        faults: Vec::new(),
    };
    run.wait_until_current().await?.context("the sockets do not open")?;

    let started_ms = clock.now_ms();
    let (stop, stopped) = watch::channel(false);
    let distance = Duration::from_secs_f64(options.people as f64 / options.rate);
    let mut senders = tokio::task::JoinSet::new();
    for index in 0..options.people {
        senders.spawn(Sender::new(index, &load, seed).run(distance, stopped.clone()));
    }
    // What was seen until then is judged all the same.
    if let Err(error) = run.torment(options).await {
        run.tormentor.broken.push(format!("the run ended early: {error:#}"));
    }
    stop.send_replace(true);
    senders.join_all().await;
    let seconds = (clock.now_ms() - started_ms) as f64 / 1000.0;
    if run.wait_until_current().await?.is_none() {
        eprintln!("not all sockets have everything at the end");
    }

    let tormentor = run.tormentor;
    let book = book.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(Report::of(Evidence {
        seed,
        seconds,
        instances: state.instances.len(),
        book,
        inboxes: truth::inboxes(&state.database_url, &ids).await?,
        accounts: tormentor.readers.iter().map(|reader| (reader.person, reader.account())).collect(),
        samples: tormentor.positions.samples(),
        faults: run.faults,
        broken: tormentor.broken,
    }))
}

#[derive(PartialEq, Eq)]
enum Role {
    Direct,
    Proxied,
    Stopping,
}

/// What the sockets of each person are for: the first, second and third of each
/// have one of the roles, and so on.
fn role(reader: usize, people: usize) -> Role {
    match reader / people % 3 {
        0 => Role::Direct,
        1 => Role::Proxied,
        _ => Role::Stopping,
    }
}

fn start_readers(
    options: &Options,
    cluster: &Cluster,
    proxy: &Proxy,
    people: &[Person],
    clock: Clock,
) -> Vec<Arc<Reader>> {
    let start = |index: usize| {
        let role = role(index, people.len());
        let way = Way {
            endpoint: cluster.front.clone(),
            through: (role == Role::Proxied).then_some(proxy.address),
            receive_buffer_bytes: (role == Role::Stopping).then_some(STOPPING_RECEIVE_BYTES),
        };
        let person = index % people.len();
        Reader::start(person, people[person].clone(), way, clock)
    };
    (0..people.len() * options.sockets_per_person).map(start).collect()
}

struct Run {
    tormentor: Tormentor,
    faults: Vec<Fault>,
}

impl Run {
    async fn torment(&mut self, options: &Options) -> anyhow::Result<()> {
        let kinds = if options.kinds.is_empty() { &Kind::ALL[..] } else { &options.kinds };
        let schedule = kind::schedule(kinds, options.faults, &mut self.tormentor.random);
        let ends_ms = self.now_ms() + Duration::from_secs_f64(options.minutes * 60.0).as_millis() as u64;
        for (index, kind) in schedule.iter().enumerate() {
            let left = (schedule.len() - index) as u64;
            let pause = Duration::from_millis(ends_ms.saturating_sub(self.now_ms()) / left);
            let next = tokio::time::Instant::now() + pause;
            tokio::time::sleep(CALM).await;
            let (fault, detail) = self.tormentor.inject(*kind).await.with_context(|| kind.to_string())?;
            let end_ms = fault.end_ms;
            self.faults.push(fault);
            let after = match self.wait_until_current().await? {
                Some(at_ms) => format!("{} ms", at_ms.saturating_sub(end_ms)),
                None => "NOT within the wait".to_owned(),
            };
            self.tormentor.nudge().await;
            self.wait_until_current().await?;
            eprintln!(
                "{:>4}/{} {kind:<18} all current {after} after its end; {detail}",
                index + 1,
                schedule.len()
            );
            tokio::time::sleep_until(next).await;
        }
        tokio::time::sleep(CALM).await;
        Ok(())
    }

    fn now_ms(&self) -> u64 {
        self.tormentor.clock.now_ms()
    }

    /// Waits until every socket is open and has what its person's inbox held when
    /// the wait began; returns the moment, or `None` when it takes too long.
    async fn wait_until_current(&self) -> anyhow::Result<Option<u64>> {
        let begin_ms = self.now_ms();
        let waiting = async {
            let Sample { last_seqs, .. } = self.tormentor.positions.after(begin_ms).await?;
            let is_current = |reader: &Arc<Reader>| reader.is_current(last_seqs[reader.person]);
            while !self.tormentor.readers.iter().all(is_current) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            anyhow::Ok(self.now_ms())
        };
        let limit = Duration::from_millis(CURRENT_TIMEOUT_MS);
        let current = tokio::time::timeout(limit, waiting).await.ok().transpose()?;
        if current.is_none() {
            self.say_who_is_behind();
        }
        Ok(current)
    }

    fn say_who_is_behind(&self) {
        let Some(sample) = self.tormentor.positions.samples().pop() else {
            return;
        };
        for reader in &self.tormentor.readers {
            let last_seq = sample.last_seqs[reader.person];
            if !reader.is_current(last_seq) {
                eprintln!("          {} of {last_seq}", reader.standing());
            }
        }
    }
}
