//! The cluster under test, as `scripts/cluster` made it.

use crate::http::Endpoint;
use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

/// Above the longest that any command of the script may take by itself: a rolling
/// restart, with half a minute for each instance.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(180);

/// Longest wait for Redis to carry out a command.
const REDIS_TIMEOUT: Duration = Duration::from_secs(5);

/// `cluster.json`, which the script writes anew at each command.
#[derive(Debug, Deserialize)]
pub struct State {
    /// Where PostgreSQL is reached.
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
    /// Its number, as the script's commands take it.
    pub number: u32,
    /// Its process, when it runs.
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
    /// Finds the cluster in that folder.
    ///
    /// # Errors
    /// When there is none, or it has no nginx or fewer than two instances.
    pub fn find(script: &Path, folder: &Path) -> anyhow::Result<Self> {
        let state = read_state(folder)?;
        let nginx = state.nginx.context("the cluster has no nginx")?;
        ensure!(state.instances.len() > 1, "the cluster has fewer than two instances");
        Ok(Self { script: script.to_owned(), folder: folder.to_owned(), front: nginx.url.parse()? })
    }

    /// Reads what the cluster is made of at this moment.
    ///
    /// # Errors
    /// When the cluster is gone.
    pub fn state(&self) -> anyhow::Result<State> {
        read_state(&self.folder)
    }

    /// Carries out one command of `scripts/cluster`.
    ///
    /// # Errors
    /// When it fails or takes too long.
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
            .with_context(|| format!("{words:?} takes too long"))??;
        if !output.status.success() {
            bail!("{words:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }

    /// Has Redis carry out one command without arguments of more than one word.
    ///
    /// # Errors
    /// When Redis does not answer, or answers with an error.
    pub async fn redis(&self, command: &str) -> anyhow::Result<()> {
        let url = self.state()?.redis_url;
        let (password, rest) = url
            .strip_prefix("redis://:")
            .and_then(|rest| rest.split_once('@'))
            .context("expected redis://:password@host:port/db")?;
        let host = rest.split('/').next().unwrap_or(rest);
        let talk = async {
            let mut stream = TcpStream::connect(host).await?;
            let text = format!("AUTH {password}\r\n{command}\r\nQUIT\r\n");
            stream.write_all(text.as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            anyhow::Ok(answer)
        };
        let answer = tokio::time::timeout(REDIS_TIMEOUT, talk).await.context("Redis does not answer")??;
        ensure!(!answer.contains("\r\n-") && !answer.starts_with('-'), "{command}: {answer}");
        Ok(())
    }
}

fn read_state(folder: &Path) -> anyhow::Result<State> {
    let file = folder.join("cluster.json");
    let text = std::fs::read_to_string(&file).with_context(|| format!("no cluster: {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| file.display().to_string())
}
