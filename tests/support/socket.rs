//! A [`Socket`] is an open WebSocket to `/ws/notifications/`, as a client holds one. Every
//! frame on it is checked against [docs/asyncapi.yaml](super::asyncapi).

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{Instance, Person, TIMEOUT, description, redact_panics};

/// A handshake that has not been sent yet.
pub struct Handshake {
    port: u16,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(&'static str, String)>,
    receive_buffer_bytes: Option<u32>,
}

impl Handshake {
    pub fn new(port: u16) -> Self {
        redact_panics();
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

    /// Has the kernel buffer less for a client that does not read.
    pub fn receive_buffer_bytes(mut self, bytes: u32) -> Self {
        self.receive_buffer_bytes = Some(bytes);
        self
    }

    /// Opens the socket and receives the greeting.
    pub async fn open(self) -> Socket {
        let mut socket = self.upgrade().await.expect("the socket opens");
        socket.greeting = socket.next().await;
        socket
    }

    /// Opens the socket and receives nothing.
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
        if let Err(Error::Http(response)) = &opened {
            let body = response.body().as_deref().unwrap_or_default();
            description().check_refusal(response.status().as_u16(), response.headers(), body);
        }
        let (stream, response) = opened?;
        Ok(Socket { stream, headers: response.headers().clone(), greeting: Value::Null })
    }
}

/// An open socket.
pub struct Socket {
    stream: WebSocketStream<TcpStream>,
    /// The headers of the response to the handshake.
    pub headers: HeaderMap,
    /// The first frame.
    pub greeting: Value,
}

impl Socket {
    /// Receives the next frame other than a ping.
    pub async fn frame(&mut self) -> Message {
        loop {
            let frame = timeout(TIMEOUT, self.stream.next()).await.expect("a frame in time");
            let frame = frame.expect("an open socket").expect("an intact connection");
            match &frame {
                Message::Ping(_) => continue,
                Message::Text(text) => drop(description().server_frame(text)),
                Message::Close(Some(close)) => description().check_close(close.code.into(), &close.reason),
                _ => {}
            }
            return frame;
        }
    }

    /// Receives the next frame, which must be a text frame, and returns its text.
    pub async fn text(&mut self) -> String {
        match self.frame().await {
            Message::Text(text) => text.to_string(),
            other => panic!("received {other:?} instead of a text frame"),
        }
    }

    /// Receives the next frame, which must be a text frame of JSON, and returns its value.
    pub async fn next(&mut self) -> Value {
        let text = self.text().await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text:?} is not JSON: {error}"))
    }

    /// Receives this many text frames of JSON.
    pub async fn next_many(&mut self, count: usize) -> Vec<Value> {
        let mut frames = Vec::with_capacity(count);
        while frames.len() < count {
            frames.push(self.next().await);
        }
        frames
    }

    /// Receives the next frame, which must be a ping, and replies with a pong.
    pub async fn receive_ping(&mut self) {
        let frame = timeout(TIMEOUT, self.stream.next()).await.expect("a ping in time");
        assert!(matches!(frame, Some(Ok(Message::Ping(_)))), "{frame:?}");
    }

    /// Receives frames until the server closes the socket, and returns its code and reason.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Message::Close(frame) = self.frame().await {
                let frame = frame.expect("a close code");
                return (frame.code.into(), frame.reason.to_string());
            }
        }
    }

    pub async fn send_text(&mut self, text: &str) {
        self.send(Message::text(text)).await;
    }

    pub async fn send(&mut self, frame: Message) {
        if let Message::Text(text) = &frame {
            description().client_frame(text);
        }
        let sent = timeout(TIMEOUT, self.stream.send(frame)).await.expect("the frame is sent in time");
        sent.expect("an intact connection");
    }

    /// Sends a text frame and returns the reply.
    pub async fn reply_to(&mut self, text: &str) -> Value {
        self.send_text(text).await;
        self.next().await
    }

    /// Checks that no frame is on its way to this socket: a message that is sent now is the
    /// next frame.
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

    /// Reads the TCP stream to its end without replying to anything, not even to pings, and
    /// returns the last so many bytes.
    pub async fn read_without_replying(self, tail: usize) -> Vec<u8> {
        let mut tcp = self.stream.into_inner();
        let mut bytes = Vec::new();
        // The stream may end in a reset: the server does not wait for the client's close frame.
        let _ = timeout(TIMEOUT, tcp.read_to_end(&mut bytes)).await.expect("the end in time");
        bytes.split_off(bytes.len().saturating_sub(tail))
    }

    /// Closes the socket from the client's side and waits for the server's close frame.
    pub async fn close(mut self) {
        self.stream.close(None).await.expect("the close frame is sent");
        let end = async { while let Some(Ok(_)) = self.stream.next().await {} };
        timeout(TIMEOUT, end).await.expect("the server closes too");
    }
}
