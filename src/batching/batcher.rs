//! The [`Batcher`] queues items and runs them in batches, on tasks of its own.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::job::{Bounds, Job, Size};
use super::turn::Turn;
use crate::error::{Error, Result};

/// Queues items and runs them in batches.
pub struct Batcher<I, O>(Arc<Shared<I, O>>);

type Run<I, O> = dyn Fn(Vec<Job<I, O>>, Turn) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync;

struct Shared<I, O> {
    bounds: Bounds,
    size: fn(&I) -> Size,
    run: Box<Run<I, O>>,
    runtime: Handle,
    /// While held: no await, and no call out of this file but `size`.
    state: Mutex<State<I, O>>,
}

struct State<I, O> {
    waiting: VecDeque<Waiting<I, O>>,
    waiting_bytes: usize,
    /// Whether a batch has its turn.
    is_taken: bool,
    /// The batches that have not ended.
    running: usize,
    /// The number of the next item.
    next: u64,
}

struct Waiting<I, O> {
    number: u64,
    /// When it stops waiting.
    deadline: Instant,
    job: Job<I, O>,
}

impl<I: Send + 'static, O: Send + 'static> Batcher<I, O> {
    /// Returns a batcher that runs batches by `run`, on tasks of `runtime`. The next batch
    /// begins when one has dropped its turn; the outcomes may be given later.
    pub fn new<F, R>(bounds: Bounds, size: fn(&I) -> Size, runtime: Handle, run: F) -> Self
    where
        F: Fn(Vec<Job<I, O>>, Turn) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let run: Box<Run<I, O>> = Box::new(move |jobs, turn| Box::pin(run(jobs, turn)));
        let state =
            State { waiting: VecDeque::new(), waiting_bytes: 0, is_taken: false, running: 0, next: 0 };
        Self(Arc::new(Shared { bounds, size, run, runtime, state: Mutex::new(state) }))
    }

    /// Runs an item in a batch and returns its outcome. An item whose batch has begun is
    /// completed even if the returned future is dropped.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if too much waits, or the item's batch does not begin in time: it
    /// is not run, then. [`Error::Internal`] if its batch panicked.
    pub async fn submit(&self, item: I) -> Result<O> {
        let (sender, mut outcome) = oneshot::channel();
        let deadline = Instant::now() + self.0.bounds.wait;
        let number = self.0.enqueue(Job { item, outcome: sender }, deadline)?;
        let received = match timeout_at(deadline, &mut outcome).await {
            Ok(received) => received,
            Err(_) if self.0.withdraw(number) => {
                return Err(Error::unavailable("too many requests wait for the database"));
            }
            Err(_) => outcome.await,
        };
        received.map_err(|_| Error::internal("a batch ended without an outcome"))
    }
}

impl<I: Send + 'static, O: Send + 'static> Shared<I, O> {
    /// Queues a job, and begins a batch if one may begin. Returns the job's number.
    fn enqueue(self: &Arc<Self>, job: Job<I, O>, deadline: Instant) -> Result<u64> {
        let bytes = (self.size)(&job.item).bytes;
        let mut state = self.state.lock();
        if !state.waiting.is_empty() && state.waiting_bytes + bytes > self.bounds.waiting_bytes {
            return Err(Error::unavailable("too many bytes wait for their batch"));
        }
        let number = state.next;
        state.next += 1;
        state.waiting_bytes += bytes;
        state.waiting.push_back(Waiting { number, deadline, job });
        drop(state);
        self.begin();
        Ok(number)
    }

    /// Begins the next batch, if something waits and one may begin.
    fn begin(self: &Arc<Self>) {
        let Some((batch, deadline)) = self.take() else { return };
        let (shared, running) = (self.clone(), Running(self.clone()));
        let of_turn = self.clone();
        let end = move || {
            of_turn.state.lock().is_taken = false;
            of_turn.begin();
        };
        let turn = Turn::new(deadline, end);
        let mut task = Box::pin(async move {
            (shared.run)(batch, turn).await;
            drop(running);
        });
        // The first step is made at once, by whoever gave the occasion: it hands the batch to a
        // thread of the database, and waiting for a task of the runtime to do so would take longer.
        let _entered = self.runtime.enter();
        let is_unwinding = std::thread::panicking();
        if is_unwinding || task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            self.runtime.spawn(task);
        }
    }

    /// Takes the next batch and its turn, with the deadline of the item that has waited longest.
    fn take(&self) -> Option<(Vec<Job<I, O>>, Instant)> {
        let mut state = self.state.lock();
        if state.is_taken || state.running >= self.bounds.batches {
            return None;
        }
        let deadline = state.waiting.front()?.deadline;
        let (mut batch, mut total_cost) = (Vec::new(), 0);
        while let Some(Waiting { job, .. }) = state.waiting.front() {
            let Size { bytes, cost } = (self.size)(&job.item);
            if total_cost + cost > self.bounds.cost && !batch.is_empty() {
                break;
            }
            total_cost += cost;
            state.waiting_bytes -= bytes;
            batch.extend(state.waiting.pop_front().map(|waiting| waiting.job));
        }
        state.is_taken = true;
        state.running += 1;
        Some((batch, deadline))
    }

    /// Removes a job, if it still waits.
    fn withdraw(&self, number: u64) -> bool {
        let mut state = self.state.lock();
        let Ok(place) = state.waiting.binary_search_by_key(&number, |waiting| waiting.number) else {
            return false;
        };
        let bytes = state.waiting.remove(place).map_or(0, |waiting| (self.size)(&waiting.job.item).bytes);
        state.waiting_bytes -= bytes;
        true
    }
}

/// A batch that has not ended. Dropped at its end, also by a panic.
struct Running<I: Send + 'static, O: Send + 'static>(Arc<Shared<I, O>>);

impl<I: Send + 'static, O: Send + 'static> Drop for Running<I, O> {
    fn drop(&mut self) {
        self.0.state.lock().running -= 1;
        self.0.begin();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::runtime::Handle;
    use tokio::sync::{Semaphore, mpsc};

    use super::{Batcher, Bounds, Job, Size};
    use crate::error::Error;

    const BOUNDS: Bounds = Bounds { batches: 1, cost: 10, waiting_bytes: 50, wait: Duration::from_secs(60) };

    /// A batcher that doubles numbers, whose batches end when they are let; and the sizes of
    /// the batches that began. An item holds as many bytes, and costs as much, as its number says.
    struct Fixture {
        batcher: Arc<Batcher<usize, usize>>,
        ends: Arc<Semaphore>,
        begun: mpsc::Receiver<usize>,
    }

    fn fixture(bounds: Bounds) -> Fixture {
        let ends = Arc::new(Semaphore::new(0));
        let (sender, begun) = mpsc::channel(100);
        let let_go = ends.clone();
        let batcher = Batcher::new(
            bounds,
            |number| Size { bytes: *number, cost: *number },
            Handle::current(),
            move |batch: Vec<Job<usize, usize>>, turn| {
                let (let_go, sender) = (let_go.clone(), sender.clone());
                async move {
                    let _turn = turn;
                    let _ = sender.send(batch.len()).await;
                    if let Ok(permit) = let_go.acquire().await {
                        permit.forget();
                    }
                    assert!(!batch.iter().any(|job| job.item == 13), "a batch that panics");
                    for (item, responder) in batch.into_iter().map(Job::split) {
                        responder.respond(2 * item);
                    }
                }
            },
        );
        Fixture { batcher: Arc::new(batcher), ends, begun }
    }

    impl Fixture {
        /// Submits items that wait, in order.
        async fn submit(&self, items: &[usize]) -> Vec<tokio::task::JoinHandle<Option<usize>>> {
            let mut submitted = Vec::new();
            for item in items {
                let (batcher, item) = (self.batcher.clone(), *item);
                let before = self.batcher.0.state.lock().next;
                submitted.push(tokio::spawn(async move { batcher.submit(item).await.ok() }));
                while self.batcher.0.state.lock().next == before {
                    tokio::task::yield_now().await;
                }
            }
            submitted
        }
    }

    #[tokio::test]
    async fn what_waits_while_one_batch_runs_is_the_next_batch() {
        let mut fixture = fixture(BOUNDS);
        let first = fixture.submit(&[1]).await;
        assert_eq!(fixture.begun.recv().await, Some(1));
        let others = fixture.submit(&[2, 3, 4, 5]).await;
        fixture.ends.add_permits(3);
        let mut outcomes = Vec::new();
        for submitted in first.into_iter().chain(others) {
            outcomes.push(submitted.await.ok().flatten());
        }
        assert_eq!(outcomes, [2, 4, 6, 8, 10].map(Some));
        assert_eq!((fixture.begun.recv().await, fixture.begun.recv().await), (Some(3), Some(1)));
    }

    #[tokio::test]
    async fn a_batch_is_bounded_in_cost_and_an_item_beyond_the_bound_is_alone() {
        let mut fixture = fixture(Bounds { cost: 100, waiting_bytes: 1_000, ..BOUNDS });
        let _submitted = fixture.submit(&[1, 60, 50, 200, 1]).await;
        fixture.ends.add_permits(5);
        for expected in [1, 1, 1, 1, 1] {
            assert_eq!(fixture.begun.recv().await, Some(expected));
        }
    }

    #[tokio::test]
    async fn what_exceeds_the_bytes_that_may_wait_is_rejected() {
        let mut fixture = fixture(BOUNDS);
        let _running = fixture.submit(&[1]).await;
        assert_eq!(fixture.begun.recv().await, Some(1));
        let _waiting = fixture.submit(&[40]).await;
        assert!(matches!(fixture.batcher.submit(11).await, Err(Error::Unavailable(_))));
        let _waiting = fixture.submit(&[10]).await;
    }

    #[tokio::test]
    async fn what_waits_too_long_is_rejected_and_not_run() {
        let mut fixture = fixture(Bounds { wait: Duration::from_millis(50), ..BOUNDS });
        let running = fixture.submit(&[1]).await;
        assert_eq!(fixture.begun.recv().await, Some(1));
        let waiting = fixture.submit(&[2]).await;
        for rejected in waiting {
            assert_eq!(rejected.await.ok().flatten(), None);
        }
        // The one that runs has taken longer by now, and is waited for.
        fixture.ends.add_permits(2);
        for outcome in running {
            assert_eq!(outcome.await.ok().flatten(), Some(2));
        }
        let last = fixture.submit(&[3]).await;
        for outcome in last {
            assert_eq!(outcome.await.ok().flatten(), Some(6));
        }
        assert_eq!((fixture.begun.recv().await, fixture.begun.try_recv().ok()), (Some(1), None));
    }

    #[tokio::test]
    async fn a_batch_that_panics_fails_alone() {
        let mut fixture = fixture(BOUNDS);
        let panics = fixture.submit(&[13]).await;
        assert_eq!(fixture.begun.recv().await, Some(1));
        let next = fixture.submit(&[1]).await;
        fixture.ends.add_permits(2);
        for outcome in panics {
            assert_eq!(outcome.await.ok().flatten(), None);
        }
        for outcome in next {
            assert_eq!(outcome.await.ok().flatten(), Some(2));
        }
    }
}
