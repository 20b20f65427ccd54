//! WebSockets to `/ws/notifications/`.

use crate::http::Endpoint;
use anyhow::{Context, bail};
use futures_util::StreamExt;
use std::net::SocketAddr;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};

/// Size of the read buffer. With the library's default of 128 KiB, the buffers would
/// be most of the memory that ten thousand idle sockets take in this program.
const READ_BUFFER_BYTES: usize = 4096;

/// An open socket.
pub type Socket = WebSocketStream<TcpStream>;

/// Options for opening a socket.
#[derive(Debug, Clone)]
pub struct Dial<'a> {
    /// The server, as named in the `Host` header.
    pub endpoint: &'a Endpoint,
    /// A proxy to connect to instead of the endpoint's own address.
    pub proxy: Option<SocketAddr>,
    /// The access token.
    pub token: &'a str,
    /// The last `seq` that this client has.
    pub cursor: Option<u64>,
    /// Size of the kernel's receive buffer, if not the default.
    pub receive_buffer_bytes: Option<u32>,
}

impl Dial<'_> {
    /// Opens the socket, without reading the server's first frame.
    ///
    /// There is no timeout.
    ///
    /// # Errors
    ///
    /// If the connection fails or the handshake is rejected.
    pub async fn open(&self) -> anyhow::Result<Socket> {
        let address = self.proxy.unwrap_or(self.endpoint.address);
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
            Err(tungstenite::Error::Http(response)) => {
                bail!("the handshake was rejected with {}", response.status())
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Reads the next frame of a socket, which must be text.
///
/// # Errors
///
/// If the socket closes or the frame is not text.
pub async fn next_text(socket: &mut Socket) -> anyhow::Result<tungstenite::Utf8Bytes> {
    match socket.next().await.context("the socket closed")?? {
        Message::Text(text) => Ok(text),
        other => bail!("expected a text frame, got {other:?}"),
    }
}
