//! Publishing straight to Redis, as other backends do: no request, no database, no inbox.
//!
//! Without a rate, so many messages are on their way at once as keep the instance busy and its
//! queues short: the next are published when earlier ones have arrived on the sockets.

use super::options::Options;
use super::receipts::Stamp;
use super::senders::{Outcome, micros};
use super::sockets::Measurement;
use crate::people::Person;
use anyhow::{Context, bail, ensure};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// The most messages in one pipeline.
const BATCH: u64 = 64;

/// Without a rate: the most messages for each person that are published and have not arrived
/// on all of the person's sockets.
const WINDOW_PER_PERSON: u64 = 32;

/// How long to pause when nothing may be published yet.
const PAUSE: Duration = Duration::from_micros(200);

/// A server of Redis.
#[derive(Debug, Clone)]
pub struct RedisUrl {
    address: SocketAddr,
    /// The arguments of AUTH, if the server requires a password.
    auth: Option<Vec<String>>,
}

/// Parses `redis://[[USER]:PASSWORD@]ADDRESS:PORT[/…]`.
///
/// # Errors
///
/// If the text is not such a URL.
pub fn parse_url(text: &str) -> anyhow::Result<RedisUrl> {
    let rest = text.strip_prefix("redis://").context("expected redis://")?;
    let rest = rest.split('/').next().unwrap_or_default();
    let (auth, address) = match rest.rsplit_once('@') {
        None => (None, rest),
        Some((credentials, address)) => {
            let (user, password) = credentials.split_once(':').context("expected USER:PASSWORD@")?;
            let arguments = [user, password].into_iter().filter(|it| !it.is_empty());
            (Some(arguments.map(str::to_owned).collect()), address)
        }
    };
    let address = std::net::ToSocketAddrs::to_socket_addrs(address)?.next().context("no address")?;
    Ok(RedisUrl { address, auth })
}

/// Appends a command in the protocol of Redis.
fn command(bytes: &mut Vec<u8>, arguments: &[&str]) {
    bytes.extend_from_slice(format!("*{}\r\n", arguments.len()).as_bytes());
    for argument in arguments {
        bytes.extend_from_slice(format!("${}\r\n{argument}\r\n", argument.len()).as_bytes());
    }
}

struct Connection(BufReader<TcpStream>);

impl Connection {
    async fn open(url: &RedisUrl) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(url.address).await?;
        stream.set_nodelay(true)?;
        let mut connection = Self(BufReader::new(stream));
        if let Some(auth) = &url.auth {
            let mut bytes = Vec::new();
            let arguments: Vec<&str> =
                std::iter::once("AUTH").chain(auth.iter().map(String::as_str)).collect();
            command(&mut bytes, &arguments);
            connection.exchange(&bytes, 1).await?;
        }
        Ok(connection)
    }

    /// Sends commands and reads their replies, none of which may be an error.
    async fn exchange(&mut self, commands: &[u8], replies: u64) -> anyhow::Result<()> {
        self.0.write_all(commands).await?;
        let mut line = String::new();
        for _ in 0..replies {
            line.clear();
            ensure!(self.0.read_line(&mut line).await? > 0, "Redis closed the connection");
            if line.starts_with('-') {
                bail!("Redis: {}", line.trim_end());
            }
        }
        Ok(())
    }
}

/// Publishes messages to all receivers in turn until the time is over. `acknowledged` are those
/// that Redis has accepted.
///
/// # Errors
///
/// If Redis does not accept one, or nobody has a socket.
pub async fn publish(
    options: &Options,
    url: &RedisUrl,
    measurement: &Measurement,
    people: &Arc<[Person]>,
) -> anyhow::Result<Outcome> {
    let mut connection = Connection::open(url).await?;
    let mut outcome = Outcome::new()?;
    let started = measurement.started;
    let end = started + Duration::from_secs_f64(options.seconds);
    let (count, sockets) = (options.receivers(people.len()) as u64, options.sockets_per_person as u64);
    ensure!(sockets > 0, "--publish-redis needs sockets: what they receive sets the pace");
    let mut published = 0_u64;
    let mut commands = Vec::new();
    while Instant::now() < end {
        let due = match options.rate {
            Some(rate) => (started.elapsed().as_secs_f64() * rate) as u64,
            None => measurement.delivered.load(Ordering::Relaxed) / sockets + WINDOW_PER_PERSON * count,
        };
        let batch = due.saturating_sub(published).min(BATCH);
        if batch == 0 {
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        commands.clear();
        let mut stamps = Vec::with_capacity(usize::try_from(batch)?);
        for index in published..published + batch {
            let due_us = options
                .rate
                .map_or_else(|| micros(started.elapsed()), |rate| (index as f64 / rate * 1e6) as u64);
            let receiver = usize::try_from(index % count)?;
            let stamp = Stamp { run: measurement.run, receiver, sender: 0, number: index / count, due_us };
            let content = stamp.text(options.bytes);
            let frame = format!(r#"{{"type":"new_message","data":{{"id":{index},"content":"{content}"}}}}"#);
            command(&mut commands, &["PUBLISH", &format!("user_{}", people[receiver].id), &frame]);
            stamps.push(stamp);
        }
        connection.exchange(&commands, batch).await?;
        for stamp in stamps {
            let (now_us, from_us) = (micros(started.elapsed()), measurement.counted_from_us);
            outcome.record_acknowledged(stamp.receiver, stamp.number, stamp.due_us, now_us, from_us);
        }
        published += batch;
    }
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::parse_url;

    #[test]
    fn a_url_may_have_a_password() -> anyhow::Result<()> {
        assert_eq!(parse_url("redis://127.0.0.1:1/0")?.auth, None);
        assert_eq!(parse_url("redis://:b@127.0.0.1:1")?.auth, Some(vec!["b".to_owned()]));
        let url = parse_url("redis://a:b@127.0.0.1:1/0")?;
        assert_eq!((url.address.port(), url.auth), (1, Some(vec!["a".to_owned(), "b".to_owned()])));
        assert!(parse_url("http://127.0.0.1:1").is_err());
        Ok(())
    }

    #[test]
    fn commands_are_arrays_of_texts() {
        let mut bytes = Vec::new();
        super::command(&mut bytes, &["AUTH", "ä"]);
        assert_eq!(bytes, "*2\r\n$4\r\nAUTH\r\n$2\r\nä\r\n".as_bytes());
    }
}
