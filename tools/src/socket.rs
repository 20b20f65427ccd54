//! One WebSocket to `/ws/notifications/`.

use crate::http::Endpoint;
use anyhow::{Context, bail};
use futures_util::StreamExt;
use std::net::SocketAddr;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};

/// Bytes of the read buffer. The library's default of 128 KiB would be the most
/// of what ten thousand idle sockets cost this program.
const READ_BUFFER_BYTES: usize = 4096;

/// An open socket.
pub type Socket = WebSocketStream<TcpStream>;

/// How a socket is opened.
#[derive(Debug, Clone)]
pub struct Dial<'a> {
    /// The server, as the `Host` header names it.
    pub endpoint: &'a Endpoint,
    /// Where to connect to instead of the endpoint's own address: a proxy.
    pub through: Option<SocketAddr>,
    /// The access token.
    pub token: &'a str,
    /// The last seq that this client has.
    pub cursor: Option<u64>,
    /// A receive buffer of that size in the kernel instead of its default.
    pub receive_buffer_bytes: Option<u32>,
}

impl Dial<'_> {
    /// Opens the socket; the server's first frame is still to be read.
    ///
    /// # Errors
    /// When there is no connection or the handshake is refused. There is no time
    /// limit in here.
    pub async fn open(&self) -> anyhow::Result<Socket> {
        let address = self.through.unwrap_or(self.endpoint.address);
        let tcp = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(bytes) = self.receive_buffer_bytes {
            tcp.set_recv_buffer_size(bytes)?;
        }
        let stream = tcp.connect(address).await?;
        stream.set_nodelay(true)?;
        let mut url = format!("ws://{}/ws/notifications/?token={}", self.endpoint.authority, self.token);
        if let Some(cursor) = self.cursor {
            url.push_str(&format!("&cursor={cursor}"));
        }
        let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES).write_buffer_size(0);
        match tokio_tungstenite::client_async_with_config(url, stream, Some(config)).await {
            Ok((socket, _)) => Ok(socket),
            Err(tungstenite::Error::Http(answer)) => {
                bail!("the handshake was answered {}", answer.status())
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Reads the first frame of a fresh socket, which must be text.
///
/// # Errors
/// When the socket ends first or sends something else.
pub async fn first_text(socket: &mut Socket) -> anyhow::Result<tungstenite::Utf8Bytes> {
    match socket.next().await.context("no first frame")?? {
        Message::Text(text) => Ok(text),
        other => bail!("the first frame is {other:?}"),
    }
}
