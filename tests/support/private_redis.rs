//! A [`PrivateRedis`] is a Redis server of one test, which may kill, freeze and restart it.

#![allow(dead_code, reason = "each test binary uses its part of this")]

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::system::{free_port, signal};
use super::wait::{TIMEOUT, block_until};

/// A Redis server without persistence; it is killed when this is dropped.
pub struct PrivateRedis {
    server: Option<Child>,
    port: u16,
    folder: TempDir,
}

impl PrivateRedis {
    pub fn start() -> Self {
        let folder = TempDir::new().expect("a folder for a server");
        let mut redis = Self { server: None, port: free_port(), folder };
        redis.restart();
        redis
    }

    /// Starts the server after it was killed, and waits until it replies.
    pub fn restart(&mut self) {
        self.launch();
        self.wait_until_ready();
    }

    /// Starts the server without waiting for it.
    pub fn launch(&mut self) {
        let program = if is_installed("redis-server") { "redis-server" } else { "valkey-server" };
        let server = Command::new(program)
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string()])
            .args(["--save", "", "--appendonly", "no", "--maxclients", "5000"])
            .arg("--dir")
            .arg(self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.server = Some(server.expect("redis-server starts; scripts/install servers installs it"));
    }

    pub fn wait_until_ready(&self) {
        block_until(TIMEOUT, "Redis replies", || {
            let conn = self.client().get_connection_with_timeout(Duration::from_secs(1));
            conn.is_ok_and(|mut conn| redis::cmd("PING").exec(&mut conn).is_ok())
        });
    }

    /// Ends the server as a crash does.
    pub fn kill(&mut self) {
        let mut server = self.server.take().expect("Redis runs");
        server.kill().expect("Redis runs");
        server.wait().expect("Redis exits");
    }

    /// Suspends the server's process: the kernel still accepts connections and bytes, but
    /// nothing replies.
    pub fn freeze(&self) {
        signal(self.pid(), "STOP");
    }

    /// Resumes a server that was frozen.
    pub fn thaw(&self) {
        signal(self.pid(), "CONT");
    }

    pub const fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    pub fn client(&self) -> redis::Client {
        redis::Client::open(self.url()).expect("a URL of Redis")
    }

    pub fn connect(&self) -> redis::Connection {
        self.client().get_connection().expect("a connection to Redis")
    }

    fn pid(&self) -> u32 {
        self.server.as_ref().expect("Redis runs").id()
    }
}

impl Drop for PrivateRedis {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            // The server may have exited already.
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

fn is_installed(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}
