//! A minimal HTTP/1.1 client, so that the load tool does not become the bottleneck.
//!
//! One [`Client`] is one keep-alive connection with one request in flight. It
//! supports plain `http://` and responses with `Content-Length` or in chunks, but
//! no redirects, compression or TLS.

use anyhow::{Context, bail};
use std::fmt;
use std::io::Write as _;
use std::net::SocketAddr;
use std::str::FromStr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Largest response head that is accepted.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// The address of a server: an `http://` URL, resolved once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `host:port`, as sent in the `Host` header.
    pub authority: String,
    /// The first address of that host.
    pub address: SocketAddr,
}

impl FromStr for Endpoint {
    type Err = anyhow::Error;

    fn from_str(url: &str) -> anyhow::Result<Self> {
        let rest =
            url.strip_prefix("http://").with_context(|| format!("{url}: only http:// URLs are supported"))?;
        let host = rest.split('/').next().unwrap_or(rest);
        let authority = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
        let address = std::net::ToSocketAddrs::to_socket_addrs(&authority)
            .with_context(|| format!("{authority} has no address"))?
            .next()
            .with_context(|| format!("{authority} has no address"))?;
        Ok(Self { authority, address })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority)
    }
}

/// A request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'a> {
    /// The method, in upper case.
    pub method: &'a str,
    /// The path and query.
    pub path: &'a str,
    /// The token or key that authenticates it.
    pub bearer: Option<&'a str>,
    /// The `Idempotency-Key`.
    pub idempotency_key: Option<&'a str>,
    /// The body, as JSON.
    pub body: Option<&'a [u8]>,
}

/// A complete response.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Whether an earlier request with the same idempotency key was carried out.
    pub replayed: bool,
    /// The whole body.
    pub body: Vec<u8>,
}

/// One connection to one server, opened at the first request and again after
/// any failure or `Connection: close`.
#[derive(Debug)]
pub struct Client {
    endpoint: Endpoint,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

impl Client {
    /// Returns a client that has not connected yet.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, stream: None, buffer: Vec::with_capacity(4096) }
    }

    /// Sends one request and returns the response.
    ///
    /// There is no timeout. Dropping the future midway closes the connection, so
    /// that the next request cannot read this request's response.
    ///
    /// # Errors
    ///
    /// If the connection cannot be opened or ends before the response is complete.
    /// The server may have carried out the request in either case.
    pub async fn request(&mut self, request: Request<'_>) -> anyhow::Result<Response> {
        let Request { method, path, bearer, idempotency_key, body } = request;
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(self.endpoint.address).await?;
                stream.set_nodelay(true)?;
                stream
            }
        };
        self.buffer.clear();
        write!(self.buffer, "{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.endpoint.authority)?;
        if let Some(token) = bearer {
            write!(self.buffer, "Authorization: Bearer {token}\r\n")?;
        }
        if let Some(key) = idempotency_key {
            write!(self.buffer, "Idempotency-Key: {key}\r\n")?;
        }
        if let Some(body) = body {
            write!(self.buffer, "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len())?;
            self.buffer.extend_from_slice(body);
        } else {
            self.buffer.extend_from_slice(b"\r\n");
        }
        stream.write_all(&self.buffer).await?;
        let (response, keep_alive) = read_response(&mut stream, &mut self.buffer).await?;
        if keep_alive {
            self.stream = Some(stream);
        }
        Ok(response)
    }
}

enum Length {
    Known(usize),
    Chunked,
}

struct Head {
    status: u16,
    replayed: bool,
    length: Length,
    keep_alive: bool,
    bytes: usize,
}

async fn read_response(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<(Response, bool)> {
    buffer.clear();
    let head = loop {
        read_more(stream, buffer).await?;
        if let Some(head) = parse_head(buffer)? {
            break head;
        }
        if buffer.len() > MAX_HEAD_BYTES {
            bail!("the response head is over {MAX_HEAD_BYTES} bytes");
        }
    };
    let body = match head.length {
        Length::Known(length) => {
            while buffer.len() < head.bytes + length {
                read_more(stream, buffer).await?;
            }
            buffer[head.bytes..head.bytes + length].to_vec()
        }
        Length::Chunked => read_chunks(stream, buffer, head.bytes).await?,
    };
    Ok((Response { status: head.status, replayed: head.replayed, body }, head.keep_alive))
}

async fn read_more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<()> {
    buffer.reserve(4096);
    if stream.read_buf(buffer).await? == 0 {
        bail!("the connection ended before the response was complete");
    }
    Ok(())
}

fn parse_head(buffer: &[u8]) -> anyhow::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; 48];
    let mut parsed = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(bytes) = parsed.parse(buffer)? else {
        return Ok(None);
    };
    let status = parsed.code.unwrap_or(0);
    let mut head = Head { status, replayed: false, length: Length::Known(0), keep_alive: true, bytes };
    for header in parsed.headers.iter() {
        let value = std::str::from_utf8(header.value).unwrap_or("").trim();
        if header.name.eq_ignore_ascii_case("content-length") {
            head.length = Length::Known(value.parse().context("Content-Length")?);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            head.length = Length::Chunked;
        } else if header.name.eq_ignore_ascii_case("connection") {
            head.keep_alive = !value.eq_ignore_ascii_case("close");
        } else if header.name.eq_ignore_ascii_case("idempotency-replayed") {
            head.replayed = value == "true";
        }
    }
    Ok(Some(head))
}

async fn read_chunks(stream: &mut TcpStream, buffer: &mut Vec<u8>, mut at: usize) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        match httparse::parse_chunk_size(&buffer[at..]) {
            Ok(httparse::Status::Complete((line, size))) => {
                let size = usize::try_from(size)?;
                while buffer.len() < at + line + size + 2 {
                    read_more(stream, buffer).await?;
                }
                if size == 0 {
                    return Ok(body);
                }
                body.extend_from_slice(&buffer[at + line..at + line + size]);
                at += line + size + 2;
            }
            Ok(httparse::Status::Partial) => read_more(stream, buffer).await?,
            Err(error) => bail!("invalid chunk: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn response_to(raw: &'static [u8]) -> anyhow::Result<(Response, bool)> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await?;
            stream.write_all(raw).await
        });
        let mut stream = TcpStream::connect(address).await?;
        let response = read_response(&mut stream, &mut Vec::new()).await;
        server.await??;
        response
    }

    #[tokio::test]
    async fn a_body_with_content_length_is_read_whole() -> anyhow::Result<()> {
        let raw = b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello";
        let (response, keep_alive) = response_to(raw).await?;
        assert_eq!((response.status, response.body, keep_alive), (201, b"hello".to_vec(), true));
        Ok(())
    }

    #[tokio::test]
    async fn chunks_are_joined_and_connection_close_is_respected() -> anyhow::Result<()> {
        let raw = b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        let (response, keep_alive) = response_to(raw).await?;
        assert_eq!((response.body, keep_alive), (b"abcde".to_vec(), false));
        Ok(())
    }

    #[tokio::test]
    async fn a_truncated_response_is_an_error() {
        assert!(response_to(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel").await.is_err());
    }

    #[test]
    fn only_plain_http_is_supported() {
        assert!("https://127.0.0.1:1".parse::<Endpoint>().is_err());
        assert!("http://127.0.0.1:1/x".parse::<Endpoint>().is_ok());
    }
}
