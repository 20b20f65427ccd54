//! The constant load: people who write to each other, and the book of what was
//! answered.

use super::clock::Clock;
use crate::http::{Answer, Client, Endpoint};
use crate::people::Person;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Longest wait for an answer, above nginx's own.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(40);

/// One person in so many is quiet: they hear so seldom that no later event
/// reveals a lost one, which leaves it to the position check.
const QUIET_ONE_IN: usize = 4;

/// How many times less often a quiet person is written to.
const QUIET_FACTOR: u32 = 30;

/// One write in so many is a friend request, cancelled at once.
const FRIEND_REQUEST_ONE_IN: u32 = 20;

/// A message that was answered 201.
#[derive(Debug, Clone, Copy)]
pub struct Acknowledged {
    /// Which sender sent it; one sends its messages one after the other.
    pub sender: usize,
    /// Index of the person it went to.
    pub receiver: usize,
    /// The message's id.
    pub id: u64,
}

/// A request that was not answered as it should have been. What it asked for may
/// have been carried out or not.
#[derive(Debug, Clone)]
pub struct Failed {
    /// When it was sent.
    pub sent_ms: u64,
    /// When it had failed.
    pub failed_ms: u64,
    /// The status, or what became of the connection.
    pub cause: String,
}

/// All that the senders know.
#[derive(Debug, Clone, Default)]
pub struct Book {
    /// Messages answered 201, those of one sender in the order of sending.
    pub acknowledged: Vec<Acknowledged>,
    /// Friend requests answered 201, by the asker's id and the asked one's index.
    pub friend_requests: BTreeMap<(u64, usize), u64>,
    /// All the others.
    pub failed: Vec<Failed>,
    /// When answers came, and how long they took, for those above 100 ms.
    pub slow: Vec<(u64, u64)>,
}

/// The book, shared; its lock is never held across an await.
pub type SharedBook = Arc<Mutex<Book>>;

/// Returns the index of the person that a message was written to.
#[must_use]
pub fn addressee(content: &str) -> Option<usize> {
    content.strip_prefix("for ")?.split(' ').next()?.parse().ok()
}

/// What all senders share.
#[derive(Debug, Clone)]
pub struct Load {
    /// nginx.
    pub endpoint: Endpoint,
    /// Everybody.
    pub people: Arc<[Person]>,
    /// Where answers are written down.
    pub book: SharedBook,
    /// The run's clock.
    pub clock: Clock,
}

/// One connection that sends one request after the other.
#[derive(Debug)]
pub struct Sender {
    index: usize,
    person: usize,
    load: Load,
    client: Client,
    random: fastrand::Rng,
}

#[derive(Deserialize)]
struct Message {
    id: u64,
}

impl Sender {
    /// Returns a sender; its index must be its own.
    #[must_use]
    pub fn new(index: usize, load: &Load, seed: u64) -> Self {
        Self {
            index,
            person: index % load.people.len(),
            load: load.clone(),
            client: Client::new(load.endpoint.clone()),
            random: fastrand::Rng::with_seed(seed ^ (index as u64) << 32),
        }
    }

    /// Sends at random moments, on average at this distance, until told to stop.
    /// Then a request under way is finished.
    pub async fn run(mut self, distance: Duration, mut stop: watch::Receiver<bool>) {
        loop {
            let wait = distance.mul_f64(self.random.f64() * 2.0);
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(wait) => {}
            }
            if self.random.u32(..FRIEND_REQUEST_ONE_IN) == 0 {
                self.ask_and_cancel().await;
            } else {
                let receiver = self.somebody();
                self.message(receiver, "").await;
            }
        }
    }

    fn somebody(&mut self) -> usize {
        loop {
            let person = self.random.usize(..self.load.people.len());
            let quiet = person.is_multiple_of(QUIET_ONE_IN);
            if person != self.person && (!quiet || self.random.u32(..QUIET_FACTOR) == 0) {
                return person;
            }
        }
    }

    /// Sends one message with that text behind its address; in the name of the
    /// next person when it is for the sender.
    pub async fn message(&mut self, receiver: usize, text: &str) {
        let id = self.load.people[receiver].id;
        let own = usize::from(receiver == self.person);
        let author = (self.person + own) % self.load.people.len();
        let body = format!(r#"{{"receiver_id":{id},"content":"for {receiver} {text}"}}"#);
        let Some(answer) = self.request(author, "POST", "/api/messages/", Some(&body), &[201]).await else {
            return;
        };
        if let Ok(message) = serde_json::from_slice::<Message>(&answer.body) {
            let acknowledged = Acknowledged { sender: self.index, receiver, id: message.id };
            self.note(|book| book.acknowledged.push(acknowledged));
        }
    }

    // Only upwards: two who ask each other would be friends.
    async fn ask_and_cancel(&mut self) {
        if self.person + 1 == self.load.people.len() {
            return;
        }
        let asked = self.random.usize(self.person + 1..self.load.people.len());
        let id = self.load.people[asked].id;
        let path = format!("/api/friends/request/{id}/");
        // 400 and 404: a request or its cancelling that seemed to fail had not.
        if let Some(answer) = self.request(self.person, "POST", &path, None, &[201, 400]).await
            && answer.status == 201
        {
            let pair = (self.load.people[self.person].id, asked);
            self.note(|book| *book.friend_requests.entry(pair).or_default() += 1);
        }
        let path = format!("/api/friends/cancel/{id}/");
        self.request(self.person, "DELETE", &path, None, &[200, 404]).await;
    }

    /// Sends one request and notes its failure, or how long it took.
    async fn request(
        &mut self,
        author: usize,
        method: &str,
        path: &str,
        body: Option<&str>,
        good: &[u16],
    ) -> Option<Answer> {
        let sent_ms = self.load.clock.now_ms();
        let token = Arc::clone(&self.load.people[author].token);
        let request = self.client.request(method, path, Some(&token), body.map(str::as_bytes));
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, request).await;
        let now_ms = self.load.clock.now_ms();
        let cause = match answer {
            Ok(Ok(answer)) if good.contains(&answer.status) => {
                let took_ms = now_ms - sent_ms;
                if took_ms > 100 {
                    self.note(|book| book.slow.push((now_ms, took_ms)));
                }
                return Some(answer);
            }
            Ok(Ok(answer)) => answer.status.to_string(),
            Ok(Err(_)) => "cut".to_owned(),
            Err(_) => "no answer".to_owned(),
        };
        self.note(|book| book.failed.push(Failed { sent_ms, failed_ms: now_ms, cause }));
        None
    }

    fn note(&self, edit: impl FnOnce(&mut Book)) {
        edit(&mut self.load.book.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_message_names_who_it_is_for() {
        assert_eq!(super::addressee("for 12 xyz"), Some(12));
        assert_eq!(super::addressee("for 12"), Some(12));
        assert_eq!(super::addressee("hello"), None);
    }
}
