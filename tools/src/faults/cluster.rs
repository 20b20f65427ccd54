//! The cluster under test, which `scripts/cluster` started.

use crate::http::Endpoint;
use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

/// How long a command of the script may take: longer than the script's own timeouts,
/// of which a rolling restart has the longest, half a minute for each instance.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(180);

/// How long Redis may take for a command.
const REDIS_TIMEOUT: Duration = Duration::from_secs(5);

/// The contents of `cluster.json`, which the script rewrites with each command.
#[derive(Debug, Deserialize)]
pub struct State {
    /// The URL of PostgreSQL.
    pub database_url: String,
    redis_url: String,
    nginx: Option<Nginx>,
    /// The instances, running or not.
    pub instances: Vec<Instance>,
}

#[derive(Debug, Deserialize)]
struct Nginx {
    url: String,
}

/// One instance of the service.
#[derive(Debug, Clone, Deserialize)]
pub struct Instance {
    /// Its number in the script's commands.
    pub number: u32,
    /// Its process, if it is running.
    pub pid: Option<u32>,
}

/// A running cluster.
#[derive(Debug, Clone)]
pub struct Cluster {
    script: PathBuf,
    folder: PathBuf,
    /// nginx, in front of the instances.
    pub front: Endpoint,
}

impl Cluster {
    /// Returns the cluster whose state is in this folder.
    ///
    /// # Errors
    ///
    /// If there is none, or it has no nginx or fewer than two instances.
    pub fn find(script: &Path, folder: &Path) -> anyhow::Result<Self> {
        let state = read_state(folder)?;
        let nginx = state.nginx.context("the cluster has no nginx")?;
        ensure!(state.instances.len() > 1, "the cluster has fewer than two instances");
        Ok(Self { script: script.to_owned(), folder: folder.to_owned(), front: nginx.url.parse()? })
    }

    /// Returns the current state of the cluster.
    ///
    /// # Errors
    ///
    /// If the cluster no longer exists.
    pub fn state(&self) -> anyhow::Result<State> {
        read_state(&self.folder)
    }

    /// Runs a command of `scripts/cluster`.
    ///
    /// # Errors
    ///
    /// If it fails or times out.
    pub async fn command(&self, words: &[&str]) -> anyhow::Result<()> {
        let child = Command::new(&self.script)
            .args(words)
            .arg("--dir")
            .arg(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| self.script.display().to_string())?;
        let output = tokio::time::timeout(COMMAND_TIMEOUT, child.wait_with_output())
            .await
            .with_context(|| format!("{words:?} timed out"))??;
        if !output.status.success() {
            bail!("{words:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }

    /// Sends a command to Redis, inline: its arguments cannot contain spaces.
    ///
    /// # Errors
    ///
    /// If Redis does not reply, or replies with an error.
    pub async fn redis(&self, command: &str) -> anyhow::Result<()> {
        let (password, server) = self.state()?.redis_address()?;
        redis_command(&server.to_string(), &password, command).await.map(drop)
    }
}

impl State {
    /// Returns the password and the address of Redis.
    ///
    /// # Errors
    ///
    /// If its URL has another form.
    pub fn redis_address(&self) -> anyhow::Result<(String, SocketAddr)> {
        let (password, rest) = self
            .redis_url
            .strip_prefix("redis://:")
            .and_then(|rest| rest.split_once('@'))
            .context("expected redis://:password@host:port/db")?;
        Ok((password.to_owned(), rest.split('/').next().unwrap_or(rest).parse()?))
    }
}

/// Sends a command to a Redis server, inline, and returns its replies.
///
/// # Errors
///
/// If it does not reply, or replies with an error.
pub async fn redis_command(server: &str, password: &str, command: &str) -> anyhow::Result<String> {
    let exchange = async {
        let mut stream = TcpStream::connect(server).await?;
        let text = format!("AUTH {password}\r\n{command}\r\nQUIT\r\n");
        stream.write_all(text.as_bytes()).await?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await?;
        anyhow::Ok(reply)
    };
    let reply = tokio::time::timeout(REDIS_TIMEOUT, exchange).await.context("Redis did not reply")??;
    let name = command.split(' ').next().unwrap_or(command);
    ensure!(!reply.contains("\r\n-") && !reply.starts_with('-'), "{name}: {reply}");
    Ok(reply)
}

fn read_state(folder: &Path) -> anyhow::Result<State> {
    let file = folder.join("cluster.json");
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("no cluster: cannot read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| file.display().to_string())
}
