//! A TCP proxy that can go silent: the connections that it cuts stay open on
//! both sides and carry nothing any more, as when a phone leaves its network.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// How long both halves of a cut connection are held open: longer than the
/// server needs to notice by its own pings, 75 s by default.
const SILENCE: Duration = Duration::from_secs(90);

/// The proxy; its connections end with the program.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    // Never held across an await.
    cuts: Arc<Mutex<Vec<oneshot::Sender<()>>>>,
}

impl Proxy {
    /// Starts a proxy to that address on a free port of loopback.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(target: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let proxy = Self { address: listener.local_addr()?, cuts: Arc::default() };
        let accepting = proxy.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(carry(stream, target, accepting.register()));
            }
        });
        Ok(proxy)
    }

    /// Silences about one in that many of the open connections, at least one if
    /// there is any; returns how many.
    pub fn cut(&self, one_in: usize, random: &mut fastrand::Rng) -> usize {
        let mut cuts = self.cuts.lock().unwrap_or_else(PoisonError::into_inner);
        cuts.retain(|cut| !cut.is_closed());
        random.shuffle(&mut cuts);
        let count = cuts.len().div_ceil(one_in.max(1));
        cuts.drain(..count).filter_map(|cut| cut.send(()).ok()).count()
    }

    fn register(&self) -> oneshot::Receiver<()> {
        let (cut, silenced) = oneshot::channel();
        let mut cuts = self.cuts.lock().unwrap_or_else(PoisonError::into_inner);
        cuts.retain(|cut| !cut.is_closed());
        cuts.push(cut);
        silenced
    }
}

async fn carry(mut client: TcpStream, target: SocketAddr, silenced: oneshot::Receiver<()>) {
    let Ok(mut server) = TcpStream::connect(target).await else {
        return;
    };
    // Without effect on what is tested; a proxy that delays would blur the times.
    let _ = client.set_nodelay(true).and_then(|()| server.set_nodelay(true));
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        Ok(()) = silenced => tokio::time::sleep(SILENCE).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_cut_connection_stays_open_and_silent() -> anyhow::Result<()> {
        let target = TcpListener::bind("127.0.0.1:0").await?;
        let proxy = Proxy::start(target.local_addr()?).await?;
        let mut client = TcpStream::connect(proxy.address).await?;
        let (mut server, _) = target.accept().await?;
        client.write_all(b"a").await?;
        assert_eq!(server.read_u8().await?, b'a');
        assert_eq!(proxy.cut(1, &mut fastrand::Rng::with_seed(1)), 1);
        client.write_all(b"b").await?;
        let read = tokio::time::timeout(Duration::from_millis(200), server.read_u8()).await;
        assert!(read.is_err(), "{read:?}");
        assert_eq!(proxy.cut(1, &mut fastrand::Rng::with_seed(1)), 0);
        Ok(())
    }
}
