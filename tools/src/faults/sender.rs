//! The constant load: people who write to each other, and a log of the outcomes of
//! their requests.

use super::clock::Clock;
use crate::http::{Client, Endpoint, Request, Response};
use crate::people::Person;
use serde::Deserialize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How long to wait for a response: longer than nginx's own timeouts.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(40);

/// One person in this many is quiet: they get so few events that no later event reveals
/// a lost one, so that only the position check can find it.
const QUIET_ONE_IN: usize = 4;

/// How many times fewer messages a quiet person gets.
const QUIET_FACTOR: u32 = 30;

/// One write in this many is a friend request, which is cancelled at once.
const FRIEND_REQUEST_ONE_IN: u32 = 20;

/// How often a message is sent at most: for longer than any fault lasts.
const MAX_ATTEMPTS: usize = 200;

/// The pause before a message is sent again.
const REPEAT_AFTER: Duration = Duration::from_millis(200);

/// A message whose response was 201.
#[derive(Debug, Clone, Copy)]
pub struct Acknowledged {
    /// The index of the sender, which sends its messages one after the other.
    pub sender: usize,
    /// The index of the receiving person.
    pub receiver: usize,
    /// The message's id.
    pub id: u64,
    /// When the response arrived.
    pub at_ms: u64,
}

/// A friend request whose response was 201.
#[derive(Debug, Clone, Copy)]
pub struct Requested {
    /// The requester's id.
    pub requester: u64,
    /// The index of the person to whom it was sent.
    pub addressee: usize,
    /// When the response arrived.
    pub at_ms: u64,
}

/// A request that failed. It may or may not have been carried out.
#[derive(Debug, Clone)]
pub struct FailedRequest {
    /// When it was sent.
    pub sent_ms: u64,
    /// When it failed.
    pub failed_ms: u64,
    /// The status, or how the connection failed.
    pub cause: String,
}

/// The outcomes of the requests of all senders.
#[derive(Debug, Clone, Default)]
pub struct RequestLog {
    /// Messages whose response was 201, those of one sender in the order of sending.
    pub acknowledged: Vec<Acknowledged>,
    /// Friend requests whose response was 201.
    pub friend_requests: Vec<Requested>,
    /// Requests that failed. Messages among them were repeated.
    pub failed: Vec<FailedRequest>,
    /// Messages among those acknowledged that a request had sent that seemed to fail.
    pub replayed: u64,
    /// Messages that were repeated without success.
    pub given_up: u64,
    /// The time of each response that took over 100 ms, and how long it took.
    pub slow: Vec<(u64, u64)>,
}

/// The shared log. While it is locked: no await.
pub type SharedRequestLog = Arc<Mutex<RequestLog>>;

/// Returns the index of the person to whom a message was written.
#[must_use]
pub fn addressee(content: &str) -> Option<usize> {
    content.strip_prefix("for ")?.split(' ').next()?.parse().ok()
}

/// What all senders share.
#[derive(Debug, Clone)]
pub struct Load {
    /// The address of nginx.
    pub endpoint: Endpoint,
    /// All people.
    pub people: Arc<[Person]>,
    /// The outcomes of the requests.
    pub log: SharedRequestLog,
    /// The run's clock.
    pub clock: Clock,
}

/// A connection that sends one request after the other.
#[derive(Debug)]
pub struct Sender {
    index: usize,
    person: usize,
    load: Load,
    client: Client,
    random: fastrand::Rng,
    /// How many messages it has sent.
    sent: u64,
}

#[derive(Deserialize)]
struct Message {
    id: u64,
}

impl Sender {
    /// Returns a sender; each must have an index of its own.
    #[must_use]
    pub fn new(index: usize, load: &Load, seed: u64) -> Self {
        Self {
            index,
            person: index % load.people.len(),
            load: load.clone(),
            client: Client::new(load.endpoint.clone()),
            random: fastrand::Rng::with_seed(seed ^ (index as u64) << 32),
            sent: 0,
        }
    }

    /// Sends requests at random intervals with this mean until it is stopped. A request
    /// in flight is finished first.
    pub async fn run(mut self, mean_interval: Duration, mut stop: watch::Receiver<bool>) {
        loop {
            let wait = mean_interval.mul_f64(self.random.f64() * 2.0);
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(wait) => {}
            }
            if self.random.u32(..FRIEND_REQUEST_ONE_IN) == 0 {
                self.request_friendship_and_cancel().await;
            } else {
                let receiver = self.random_receiver();
                self.message(receiver, "").await;
            }
        }
    }

    fn random_receiver(&mut self) -> usize {
        loop {
            let person = self.random.usize(..self.load.people.len());
            let quiet = person.is_multiple_of(QUIET_ONE_IN);
            if person != self.person && (!quiet || self.random.u32(..QUIET_FACTOR) == 0) {
                return person;
            }
        }
    }

    /// Sends a message that names its receiver and a number of its own before the text, and
    /// repeats it under the same idempotency key until it succeeds. The author is this
    /// sender's person, or the next one if that is the receiver.
    pub async fn message(&mut self, receiver: usize, text: &str) {
        let id = self.load.people[receiver].id;
        let offset = usize::from(receiver == self.person);
        let author = (self.person + offset) % self.load.people.len();
        self.sent += 1;
        let key = format!("{}-{}", self.index, self.sent);
        let body = format!(r#"{{"receiver_id":{id},"content":"for {receiver} {key} {text}"}}"#);
        let request = Request {
            method: "POST",
            path: "/api/messages/",
            idempotency_key: Some(&key),
            body: Some(body.as_bytes()),
            ..Request::default()
        };
        for _ in 0..MAX_ATTEMPTS {
            if let Some(response) = self.request(author, request, &[201]).await {
                self.acknowledged(receiver, &response);
                return;
            }
            tokio::time::sleep(REPEAT_AFTER).await;
        }
        self.record(|log| log.given_up += 1);
    }

    fn acknowledged(&self, receiver: usize, response: &Response) {
        if let Ok(message) = serde_json::from_slice::<Message>(&response.body) {
            let at_ms = self.load.clock.now_ms();
            let acknowledged = Acknowledged { sender: self.index, receiver, id: message.id, at_ms };
            self.record(|log| {
                log.acknowledged.push(acknowledged);
                log.replayed += u64::from(response.replayed);
            });
        }
    }

    // Only to people with a higher index: mutual requests would make a friendship.
    async fn request_friendship_and_cancel(&mut self) {
        if self.person + 1 == self.load.people.len() {
            return;
        }
        let addressee = self.random.usize(self.person + 1..self.load.people.len());
        let id = self.load.people[addressee].id;
        let path = format!("/api/friends/request/{id}/");
        // 400 and 404: an earlier request or cancellation that seemed to fail was carried out.
        let ask = Request { method: "POST", path: &path, ..Request::default() };
        if let Some(response) = self.request(self.person, ask, &[201, 400]).await
            && response.status == 201
        {
            let (requester, at_ms) = (self.load.people[self.person].id, self.load.clock.now_ms());
            self.record(|log| log.friend_requests.push(Requested { requester, addressee, at_ms }));
        }
        let path = format!("/api/friends/cancel/{id}/");
        let cancel = Request { method: "DELETE", path: &path, ..Request::default() };
        self.request(self.person, cancel, &[200, 404]).await;
    }

    /// Sends one request and records its failure, or how long it took.
    async fn request(
        &mut self,
        author: usize,
        request: Request<'_>,
        expected_statuses: &[u16],
    ) -> Option<Response> {
        let sent_ms = self.load.clock.now_ms();
        let token = Arc::clone(&self.load.people[author].token);
        let request = self.client.request(Request { bearer: Some(&token), ..request });
        let response = tokio::time::timeout(RESPONSE_TIMEOUT, request).await;
        let now_ms = self.load.clock.now_ms();
        let cause = match response {
            Ok(Ok(response)) if expected_statuses.contains(&response.status) => {
                let took_ms = now_ms - sent_ms;
                if took_ms > 100 {
                    self.record(|log| log.slow.push((now_ms, took_ms)));
                }
                return Some(response);
            }
            Ok(Ok(response)) => response.status.to_string(),
            Ok(Err(_)) => "cut".to_owned(),
            Err(_) => "timeout".to_owned(),
        };
        self.record(|log| log.failed.push(FailedRequest { sent_ms, failed_ms: now_ms, cause }));
        None
    }

    fn record(&self, edit: impl FnOnce(&mut RequestLog)) {
        edit(&mut self.load.log.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_message_names_its_receiver() {
        assert_eq!(super::addressee("for 12 xyz"), Some(12));
        assert_eq!(super::addressee("for 12"), Some(12));
        assert_eq!(super::addressee("hello"), None);
    }
}
