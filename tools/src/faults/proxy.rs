//! A TCP proxy that can silence connections: they stay open on both sides and carry
//! nothing any more, as when a phone leaves its network.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// How long both sides of a silenced connection are held open: longer than the server
/// needs to notice by its own pings, 75 s by default.
const SILENT_FOR: Duration = Duration::from_secs(90);

/// A running proxy; its connections end with the program.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// The address on which it listens.
    pub address: SocketAddr,
    /// While locked: no await.
    switches: Arc<Mutex<Vec<oneshot::Sender<()>>>>,
}

impl Proxy {
    /// Starts a proxy to the target on a free port of the loopback interface.
    ///
    /// # Errors
    ///
    /// If no port is available.
    pub async fn start(target: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let proxy = Self { address: listener.local_addr()?, switches: Arc::default() };
        let accepting = proxy.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(forward(stream, target, accepting.register()));
            }
        });
        Ok(proxy)
    }

    /// Silences one in `one_in` of the open connections, rounded up; returns how many.
    pub fn silence(&self, one_in: usize, random: &mut fastrand::Rng) -> usize {
        let mut switches = self.switches.lock().unwrap_or_else(PoisonError::into_inner);
        switches.retain(|switch| !switch.is_closed());
        random.shuffle(&mut switches);
        let count = switches.len().div_ceil(one_in.max(1));
        switches.drain(..count).filter_map(|switch| switch.send(()).ok()).count()
    }

    fn register(&self) -> oneshot::Receiver<()> {
        let (switch, silenced) = oneshot::channel();
        let mut switches = self.switches.lock().unwrap_or_else(PoisonError::into_inner);
        switches.retain(|switch| !switch.is_closed());
        switches.push(switch);
        silenced
    }
}

async fn forward(mut client: TcpStream, target: SocketAddr, silenced: oneshot::Receiver<()>) {
    let Ok(mut server) = TcpStream::connect(target).await else {
        return;
    };
    // Without this, Nagle's algorithm would add to the measured delays. A failure can be ignored.
    let _ = client.set_nodelay(true).and_then(|()| server.set_nodelay(true));
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        Ok(()) = silenced => tokio::time::sleep(SILENT_FOR).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_silenced_connection_stays_open_and_carries_nothing() -> anyhow::Result<()> {
        let target = TcpListener::bind("127.0.0.1:0").await?;
        let proxy = Proxy::start(target.local_addr()?).await?;
        let mut client = TcpStream::connect(proxy.address).await?;
        let (mut server, _) = target.accept().await?;
        client.write_all(b"a").await?;
        assert_eq!(server.read_u8().await?, b'a');
        assert_eq!(proxy.silence(1, &mut fastrand::Rng::with_seed(1)), 1);
        client.write_all(b"b").await?;
        let read = tokio::time::timeout(Duration::from_millis(200), server.read_u8()).await;
        assert!(read.is_err(), "{read:?}");
        assert_eq!(proxy.silence(1, &mut fastrand::Rng::with_seed(1)), 0);
        Ok(())
    }
}
