//! The [`RedisPaths`] of the instances: each reaches Redis through a proxy of its own, which can
//! refuse connections or lead to a second server.

use super::cluster::{Cluster, redis_command};
use anyhow::{Context, ensure};
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// How long the second server may take to start, or a replica to be current.
const READY_TIMEOUT: Duration = Duration::from_secs(10);

/// The interval at which that is checked.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The paths of all instances to Redis.
#[derive(Debug)]
pub struct RedisPaths {
    /// The cluster's own server.
    main: SocketAddr,
    /// A second server, which runs as long as this.
    spare: SocketAddr,
    password: String,
    /// Each with the number of its instance.
    paths: Vec<(u32, Path)>,
    _server: Child,
}

/// The path of one instance: a proxy.
#[derive(Debug, Clone)]
struct Path {
    address: SocketAddr,
    /// Where new connections lead; nowhere while the path is cut.
    target: Arc<Mutex<Option<SocketAddr>>>,
    /// Changes when all present connections are to be closed.
    cuts: watch::Sender<()>,
}

impl RedisPaths {
    /// Starts a second server and the proxies, and restarts each instance behind its own. The
    /// instances depend on this program from then on.
    ///
    /// # Errors
    ///
    /// If the server or an instance does not start.
    pub async fn start(cluster: &Cluster) -> anyhow::Result<Self> {
        let state = cluster.state()?;
        let (password, main) = state.redis_address()?;
        let (spare, server) = start_server(&password).await?;
        let mut paths = Vec::with_capacity(state.instances.len());
        for instance in &state.instances {
            let path = Path::start(main).await?;
            let setting = format!("REDIS_URL=redis://:{password}@{}/0", path.address);
            let number = instance.number.to_string();
            cluster.command(&["restart-instance", &number, "--set", &setting]).await?;
            paths.push((instance.number, path));
        }
        Ok(Self { main, spare, password, paths, _server: server })
    }

    /// Leads the connections of one instance nowhere, or to the main server again. Those that are
    /// open are closed.
    pub fn cut(&self, instance: u32, is_cut: bool) {
        self.lead(instance, (!is_cut).then_some(self.main));
    }

    /// Leads the connections of one instance to the second server, or to the main one again. Those
    /// that are open are closed.
    pub fn split(&self, instance: u32, is_split: bool) {
        self.lead(instance, Some(if is_split { self.spare } else { self.main }));
    }

    fn lead(&self, instance: u32, target: Option<SocketAddr>) {
        for (_, path) in self.paths.iter().filter(|(number, _)| *number == instance) {
            path.lead(target);
            path.cuts.send_replace(());
        }
    }

    /// Promotes the second server, or the main one again, and demotes the other. New connections
    /// lead to the new master; those that are open stay at the old one.
    ///
    /// # Errors
    ///
    /// If a server does not follow.
    pub async fn fail_over(&self, is_back: bool) -> anyhow::Result<()> {
        let (old, new) = if is_back { (self.spare, self.main) } else { (self.main, self.spare) };
        for server in [old, new] {
            self.command(server, &format!("CONFIG SET masterauth {}", self.password)).await?;
            self.command(server, "CONFIG SET repl-diskless-sync-delay 0").await?;
        }
        self.follow(new, old).await?;
        self.command(new, "REPLICAOF NO ONE").await?;
        for (_, path) in &self.paths {
            path.lead(Some(new));
        }
        self.follow(old, new).await
    }

    /// Makes a server the replica of another.
    async fn follow(&self, replica: SocketAddr, master: SocketAddr) -> anyhow::Result<()> {
        self.command(replica, &format!("REPLICAOF {} {}", master.ip(), master.port())).await?;
        let is_current = async || {
            let info = self.command(replica, "INFO replication").await?;
            anyhow::Ok(info.contains("master_link_status:up"))
        };
        within(READY_TIMEOUT, "the replica is current", is_current).await
    }

    /// Makes the second server independent of the main one.
    ///
    /// # Errors
    ///
    /// If it does not reply.
    pub async fn separate(&self) -> anyhow::Result<()> {
        self.command(self.spare, "REPLICAOF NO ONE").await.map(drop)
    }

    async fn command(&self, server: SocketAddr, command: &str) -> anyhow::Result<String> {
        redis_command(&server.to_string(), &self.password, command).await
    }
}

/// Starts a server without persistence on a free port.
async fn start_server(password: &str) -> anyhow::Result<(SocketAddr, Child)> {
    let address = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let program = if is_installed("redis-server") { "redis-server" } else { "valkey-server" };
    // Its settings come over standard input: the password must not be in the list of processes.
    let mut server = Command::new(program)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let settings = format!(
        "bind 127.0.0.1\nport {}\nrequirepass {password}\nsave \"\"\nappendonly no\ndir {}\n",
        address.port(),
        std::env::temp_dir().display()
    );
    let mut input = server.stdin.take().context("standard input")?;
    input.write_all(settings.as_bytes()).await?;
    drop(input);
    let address_text = address.to_string();
    let replies = async || Ok(redis_command(&address_text, password, "PING").await.is_ok());
    within(READY_TIMEOUT, "the second server replies", replies).await?;
    Ok((address, server))
}

fn is_installed(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

async fn within(
    limit: Duration,
    what: &str,
    mut condition: impl AsyncFnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let started = std::time::Instant::now();
    while !condition().await? {
        ensure!(started.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    Ok(())
}

impl Path {
    async fn start(target: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let path = Self { address, target: Arc::new(Mutex::new(Some(target))), cuts: watch::Sender::new(()) };
        let accepting = path.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let target = *accepting.target.lock().unwrap_or_else(PoisonError::into_inner);
                // Without a target the connection is closed.
                if let Some(target) = target {
                    tokio::spawn(forward(client, target, accepting.cuts.subscribe()));
                }
            }
        });
        Ok(path)
    }

    fn lead(&self, target: Option<SocketAddr>) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }
}

async fn forward(mut client: TcpStream, target: SocketAddr, mut cut: watch::Receiver<()>) {
    let Ok(mut server) = TcpStream::connect(target).await else {
        return;
    };
    // Without this, Nagle's algorithm would add to the measured delays. A failure can be ignored.
    let _ = client.set_nodelay(true).and_then(|()| server.set_nodelay(true));
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = cut.changed() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn a_path_that_leads_elsewhere_keeps_its_connections_until_it_is_cut() -> anyhow::Result<()> {
        let (one, other) = (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
        let path = Path::start(one.local_addr()?).await?;
        let mut first = TcpStream::connect(path.address).await?;
        let (mut at_one, _) = one.accept().await?;
        path.lead(Some(other.local_addr()?));
        first.write_all(b"a").await?;
        assert_eq!(at_one.read_u8().await?, b'a');
        let mut second = TcpStream::connect(path.address).await?;
        let (mut at_other, _) = other.accept().await?;
        second.write_all(b"b").await?;
        assert_eq!(at_other.read_u8().await?, b'b');
        path.lead(None);
        path.cuts.send_replace(());
        for closed in [&mut first, &mut second] {
            assert_eq!(closed.read(&mut [0]).await?, 0);
        }
        assert_eq!(TcpStream::connect(path.address).await?.read(&mut [0]).await?, 0);
        Ok(())
    }
}
