//! Closing is the end of a socket: what was written in part is completed, and the close frame
//! follows it.
//!
//! The connection is closed in such a way that the client can read the close frame: the kernel
//! resets a connection that is closed while bytes arrive on it, and the client would lose what
//! it has not read yet.

use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::close_reason::CloseReason;
use super::frame::Frame;
use super::outbox::Outbox;
use crate::ids::UserId;
use crate::telemetry::{CloseLabels, Metrics};

/// How long a connection is still read from after the close frame was written.
const LINGER: Duration = Duration::from_secs(1);

/// Counts and logs the end of a socket.
pub(super) fn record(reason: &CloseReason, user: Option<UserId>, metrics: &Metrics) {
    tracing::info!(user.id = user.map(display), reason = reason.label(), "socket closed");
    metrics.sockets_closed.get_or_create(&CloseLabels { reason: reason.label() }).inc();
}

/// Closes a socket, within twice `write_timeout` and [`LINGER`] at most. Of the outbox, what the kernel takes at
/// once is sent, and the rest of a frame that was written in part.
///
/// The kernel ends the connection of a client that reads nothing; the bound is for one that reads
/// a byte now and then.
pub(super) async fn close(
    mut stream: TcpStream,
    outbox: Option<Box<Outbox>>,
    reason: CloseReason,
    write_timeout: Duration,
) {
    if reason == CloseReason::Disconnected {
        return;
    }
    let mut outbox = outbox.unwrap_or_default();
    poll_fn(|context| {
        // A failure is met again below.
        let _ = outbox.poll_write(context, &mut stream, write_timeout);
        Poll::Ready(())
    })
    .await;
    outbox.truncate();
    outbox.push(Frame::close(reason.frame()));
    let written = poll_fn(|context| outbox.poll_write(context, &mut stream, write_timeout));
    if written.await.is_err() {
        return;
    }
    drop(outbox);
    if stream.shutdown().await.is_ok() {
        let _ = timeout(LINGER, read_to_end(&mut stream)).await;
    }
}

/// Reads and discards what arrives, until the client has closed its side.
async fn read_to_end(stream: &mut TcpStream) -> io::Result<()> {
    let mut discarded = [0; 4_096];
    // A read takes from the budget of the task: however fast the client sends, the timeout and
    // the other sockets of the thread have their turn.
    while stream.read(&mut discarded).await? > 0 {}
    Ok(())
}
