//! A fault run injects faults into a cluster under load, and checks what its clients
//! received.
//!
//! The [senders](sender) know what was acknowledged, the [database] what was committed,
//! the [readers](reader) what arrived. The [checker] compares the three.

pub mod checker;
pub mod clock;
pub mod cluster;
pub mod database;
pub mod fault;
pub mod history;
pub mod injector;
pub mod options;
pub mod proxy;
pub mod reader;
pub mod redis_paths;
pub mod report;
pub mod resume;
pub mod sender;

use crate::people::{self, Person};
use anyhow::{Context, ensure};
use clock::Clock;
use cluster::Cluster;
use database::{Positions, Sample};
use fault::{Fault, FaultKind};
use injector::Injector;
use options::Options;
use proxy::Proxy;
use reader::{Reader, Route};
use redis_paths::RedisPaths;
use report::{Observations, Report};
use sender::{Load, Sender, SharedRequestLog};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Receive buffer of the clients that stop reading: small, so that the server soon cannot
/// write to them.
const PAUSABLE_RECEIVE_BUFFER_BYTES: u32 = 16 * 1024;

/// The minimum time under load before the first fault and between two.
const PAUSE_BETWEEN_FAULTS: Duration = Duration::from_secs(1);

/// Senders that write to everybody after each fault.
const FOLLOWUP_SENDERS: usize = 4;

/// How long to wait for all sockets to be current before the run continues. Far above
/// every permitted delay, so that a delay that is too long is measured in full.
const CURRENT_TIMEOUT_MS: u64 = 45_000;

/// The interval at which the readers are checked while the run waits for them.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Carries out a run and returns its report.
///
/// # Errors
///
/// If the cluster is not found, or its sockets do not open.
pub async fn run(options: &Options) -> anyhow::Result<Report> {
    ensure!(options.people > 1, "--people must be at least 2");
    ensure!(options.sockets_per_person > 2, "--sockets-per-person must be at least 3");
    let cluster = Cluster::find(&options.script, &options.dir)?;
    let state = cluster.state()?;
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    eprintln!("seed {seed}; {} faults on {}", options.faults, cluster.front);

    let redis_paths = if options.kinds().any(FaultKind::needs_redis_paths) {
        Some(RedisPaths::start(&cluster).await?)
    } else {
        None
    };
    let people: Arc<[Person]> = people::sign_up(&cluster.front, options.people).await?.into();
    let ids =
        people.iter().map(|person| Ok(i64::try_from(person.id)?)).collect::<anyhow::Result<Vec<_>>>()?;
    let clock = Clock::start();
    let positions = Positions::watch(state.database_url.clone(), ids.clone(), clock);
    let proxy = Proxy::start(cluster.front.address).await?;
    let readers = start_readers(options, &cluster, &proxy, &people, clock);
    let pausable =
        (0..readers.len()).filter(|index| role(*index, options.people) == Role::Pausable).collect();
    let log = SharedRequestLog::default();
    let load =
        Load { endpoint: cluster.front.clone(), people: Arc::clone(&people), log: Arc::clone(&log), clock };
    let mut run = Run {
        injector: Injector {
            cluster,
            readers,
            pausable,
            proxy,
            redis_paths,
            load: load.clone(),
            positions,
            clock,
            random: fastrand::Rng::with_seed(seed),
            followup_senders: (options.people..options.people + FOLLOWUP_SENDERS)
                .map(|index| Sender::new(index, &load, seed))
                .collect(),
            next_sender: options.people + FOLLOWUP_SENDERS,
            forgotten: Vec::new(),
            broken: Vec::new(),
        },
        faults: Vec::new(),
    };
    run.wait_until_current().await?.context("the sockets did not open")?;

    let started_ms = clock.now_ms();
    let (stop, stopped) = watch::channel(false);
    let mean_interval = Duration::from_secs_f64(options.people as f64 / options.rate);
    let mut senders = tokio::task::JoinSet::new();
    for index in 0..options.people {
        senders.spawn(Sender::new(index, &load, seed).run(mean_interval, stopped.clone()));
    }
    // What was observed until then is evaluated all the same.
    if let Err(error) = run.inject_faults(options).await {
        run.injector.broken.push(format!("the run ended early: {error:#}"));
    }
    stop.send_replace(true);
    senders.join_all().await;
    let seconds = (clock.now_ms() - started_ms) as f64 / 1000.0;
    if run.wait_until_current().await?.is_none() {
        eprintln!("not all sockets are current at the end");
    }

    let injector = run.injector;
    let log = log.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(Report::new(Observations {
        seed,
        seconds,
        instances: state.instances.len(),
        log,
        messages: database::messages(&state.database_url, &ids).await?,
        inboxes: database::inboxes(&state.database_url, &ids).await?,
        histories: injector.readers.iter().map(|reader| (reader.person, reader.history())).collect(),
        samples: injector.positions.samples(),
        faults: run.faults,
        forgotten: injector.forgotten,
        broken: injector.broken,
    }))
}

/// What a reader is used for.
#[derive(PartialEq, Eq)]
enum Role {
    Direct,
    Proxied,
    Pausable,
}

/// Returns the role of a reader. The sockets of each person have the three roles in turn.
fn role(reader: usize, people: usize) -> Role {
    match reader / people % 3 {
        0 => Role::Direct,
        1 => Role::Proxied,
        _ => Role::Pausable,
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
        let route = Route {
            endpoint: cluster.front.clone(),
            proxy: (role == Role::Proxied).then_some(proxy.address),
            receive_buffer_bytes: (role == Role::Pausable).then_some(PAUSABLE_RECEIVE_BUFFER_BYTES),
        };
        let person = index % people.len();
        Reader::start(person, people[person].clone(), route, clock)
    };
    (0..people.len() * options.sockets_per_person).map(start).collect()
}

struct Run {
    injector: Injector,
    faults: Vec<Fault>,
}

impl Run {
    async fn inject_faults(&mut self, options: &Options) -> anyhow::Result<()> {
        let kinds: Vec<_> = options.kinds().collect();
        let schedule = fault::schedule(&kinds, options.faults, &mut self.injector.random);
        let end_ms = self.now_ms() + Duration::from_secs_f64(options.minutes * 60.0).as_millis() as u64;
        for (index, kind) in schedule.iter().enumerate() {
            let remaining = (schedule.len() - index) as u64;
            let pause = Duration::from_millis(end_ms.saturating_sub(self.now_ms()) / remaining);
            let next = tokio::time::Instant::now() + pause;
            tokio::time::sleep(PAUSE_BETWEEN_FAULTS).await;
            let (fault, detail) = self.injector.inject(*kind).await.with_context(|| kind.to_string())?;
            let fault_end_ms = fault.end_ms;
            self.faults.push(fault);
            let delay = match self.wait_until_current().await? {
                Some(at_ms) => format!("{} ms", at_ms.saturating_sub(fault_end_ms)),
                None => "NOT in time".to_owned(),
            };
            self.injector.message_everybody().await;
            self.wait_until_current().await?;
            eprintln!(
                "{:>4}/{} {kind:<18} all sockets current {delay} after its end; {detail}",
                index + 1,
                schedule.len()
            );
            tokio::time::sleep_until(next).await;
        }
        tokio::time::sleep(PAUSE_BETWEEN_FAULTS).await;
        Ok(())
    }

    fn now_ms(&self) -> u64 {
        self.injector.clock.now_ms()
    }

    /// Waits until every socket is open and has all events that its person's inbox held
    /// when the wait began; returns the time, or `None` if the wait timed out.
    async fn wait_until_current(&self) -> anyhow::Result<Option<u64>> {
        let begin_ms = self.now_ms();
        let waiting = async {
            let Sample { last_seqs, .. } = self.injector.positions.after(begin_ms).await?;
            let is_current = |reader: &Arc<Reader>| reader.is_current(last_seqs[reader.person]);
            while !self.injector.readers.iter().all(is_current) {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
            anyhow::Ok(self.now_ms())
        };
        let timeout = Duration::from_millis(CURRENT_TIMEOUT_MS);
        let current = tokio::time::timeout(timeout, waiting).await.ok().transpose()?;
        if current.is_none() {
            self.print_lagging_readers();
        }
        Ok(current)
    }

    fn print_lagging_readers(&self) {
        let Some(sample) = self.injector.positions.samples().pop() else {
            return;
        };
        for reader in &self.injector.readers {
            let last_seq = sample.last_seqs[reader.person];
            if !reader.is_current(last_seq) {
                eprintln!("          {} of {last_seq}", reader.status());
            }
        }
    }
}
