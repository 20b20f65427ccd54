//! A [`Socket`] is an open WebSocket to `/ws/notifications/`, as a client holds one. What goes
//! over it must be as the [description](super::asyncapi) says.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{Instance, LIMIT, Person, description};

/// A handshake in the making.
pub struct Dial {
    port: u16,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(&'static str, String)>,
    receive_buffer_bytes: Option<u32>,
}

impl Dial {
    pub fn new(port: u16) -> Self {
        let path = "/ws/notifications/".to_owned();
        Self { port, path, query: Vec::new(), headers: Vec::new(), receive_buffer_bytes: None }
    }

    pub fn path(mut self, path: &str) -> Self {
        self.path = path.to_owned();
        self
    }

    pub fn token(self, token: &str) -> Self {
        self.query("token", token)
    }

    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub fn subprotocols(self, offered: &str) -> Self {
        self.header("sec-websocket-protocol", offered)
    }

    /// Has the kernel hold less for a client that does not read.
    pub fn receive_buffer_bytes(mut self, bytes: u32) -> Self {
        self.receive_buffer_bytes = Some(bytes);
        self
    }

    /// Opens the socket and reads the greeting.
    pub async fn open(self) -> Socket {
        let mut socket = self.upgrade().await.expect("the socket opens");
        socket.greeting = socket.next().await;
        socket
    }

    /// Opens the socket and reads nothing.
    pub async fn upgrade(self) -> Result<Socket, Error> {
        let query: String =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.query).finish();
        let url = format!("ws://127.0.0.1:{}{}?{query}", self.port, self.path);
        let mut request = url.into_client_request()?;
        for (name, value) in self.headers {
            request.headers_mut().insert(name, HeaderValue::from_str(&value).expect("a header's value"));
        }
        let tcp = TcpSocket::new_v4().expect("a TCP socket");
        if let Some(bytes) = self.receive_buffer_bytes {
            tcp.set_recv_buffer_size(bytes).expect("a smaller buffer");
        }
        let tcp = tcp.connect(([127, 0, 0, 1], self.port).into()).await?;
        let opened = tokio_tungstenite::client_async(request, tcp).await;
        if let Err(Error::Http(answer)) = &opened {
            let body = answer.body().as_deref().unwrap_or_default();
            description().refused(answer.status().as_u16(), answer.headers(), body);
        }
        let (stream, answer) = opened?;
        Ok(Socket { stream, headers: answer.headers().clone(), greeting: Value::Null })
    }
}

/// An open socket.
pub struct Socket {
    stream: WebSocketStream<TcpStream>,
    /// What the handshake was answered with.
    pub headers: HeaderMap,
    /// The first frame.
    pub greeting: Value,
}

impl Socket {
    /// Returns the next frame other than pings, pongs included.
    pub async fn frame(&mut self) -> Message {
        loop {
            let frame = timeout(LIMIT, self.stream.next()).await.expect("a frame in time");
            let frame = frame.expect("the socket is open").expect("the connection holds");
            match &frame {
                Message::Ping(_) => continue,
                Message::Text(text) => drop(description().told(text)),
                Message::Close(Some(end)) => description().closed(end.code.into(), &end.reason),
                _ => {}
            }
            return frame;
        }
    }

    /// Returns the next text frame as it is; fails if the socket is closed instead.
    pub async fn text(&mut self) -> String {
        match self.frame().await {
            Message::Text(text) => text.to_string(),
            other => panic!("{other:?} came instead of a text"),
        }
    }

    /// Returns the next text frame's value.
    pub async fn next(&mut self) -> Value {
        let text = self.text().await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text:?} is no JSON: {error}"))
    }

    /// Returns the next so many frames.
    pub async fn next_many(&mut self, count: usize) -> Vec<Value> {
        let mut frames = Vec::with_capacity(count);
        while frames.len() < count {
            frames.push(self.next().await);
        }
        frames
    }

    /// Waits for the server's ping, with everything else an error.
    pub async fn pinged(&mut self) {
        let frame = timeout(LIMIT, self.stream.next()).await.expect("a ping in time");
        assert!(matches!(frame, Some(Ok(Message::Ping(_)))), "{frame:?}");
    }

    /// Returns the code and the reason with which the server closes; frames before it
    /// are passed over.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Message::Close(frame) = self.frame().await {
                let frame = frame.expect("a close code");
                return (frame.code.into(), frame.reason.to_string());
            }
        }
    }

    pub async fn say(&mut self, text: &str) {
        self.send(Message::text(text)).await;
    }

    pub async fn send(&mut self, frame: Message) {
        if let Message::Text(text) = &frame {
            description().said(text);
        }
        timeout(LIMIT, self.stream.send(frame)).await.expect("sent in time").expect("the connection holds");
    }

    /// Says something and returns the answer.
    pub async fn answer(&mut self, text: &str) -> Value {
        self.say(text).await;
        self.next().await
    }

    /// Shows that nothing is on its way to this socket: what happens next is the next
    /// thing that it is told.
    pub async fn has_nothing_before_a_message(
        &mut self,
        instance: &Instance,
        sender: &Person,
        receiver: &Person,
    ) {
        let message = instance.message(sender, receiver, "the next frame").await;
        let frame = self.next().await;
        assert_eq!(
            (&frame["type"], &frame["data"]["id"]),
            (&json!("new_message"), &message["id"]),
            "{frame}"
        );
    }

    /// Reads the bare connection to its end without answering anything, pings
    /// neither, and returns the last so many bytes.
    pub async fn read_silently(self, tail: usize) -> Vec<u8> {
        let mut tcp = self.stream.into_inner();
        let mut bytes = Vec::new();
        // The end may be a reset: the server waits for no farewell.
        let _ = timeout(LIMIT, tcp.read_to_end(&mut bytes)).await.expect("an end in time");
        bytes.split_off(bytes.len().saturating_sub(tail))
    }

    /// Closes from the client's side and waits for the server's answer.
    pub async fn close(mut self) {
        self.stream.close(None).await.expect("closed");
        let over = async { while let Some(Ok(_)) = self.stream.next().await {} };
        timeout(LIMIT, over).await.expect("the server answers");
    }
}

/// Waits until something is so, asking again and again.
pub async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let asking = async {
        while !is_so().await {
            // A pause between questions, not a wait for the answer.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, asking).await.unwrap_or_else(|_| panic!("in {LIMIT:?} it did not come to this: {what}"));
}
