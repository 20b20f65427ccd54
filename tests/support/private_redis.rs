//! A [`PrivateRedis`] is a server of one test, to be killed, frozen and restarted.

#![allow(dead_code, reason = "each test binary uses its part of this")]

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::wait::{block_until, free_port, signal};

/// A Redis server that keeps nothing; it ends when this is dropped.
pub struct PrivateRedis {
    server: Option<Child>,
    port: u16,
    folder: TempDir,
}

impl PrivateRedis {
    pub fn start() -> Self {
        let folder = TempDir::new().expect("a folder for a server");
        let mut redis = Self { server: None, port: free_port(), folder };
        redis.start_again();
        redis
    }

    pub fn start_again(&mut self) {
        self.launch();
        self.wait_ready();
    }

    /// Starts the server without waiting for it.
    pub fn launch(&mut self) {
        let program = if which("redis-server") { "redis-server" } else { "valkey-server" };
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

    pub fn wait_ready(&self) {
        block_until(Duration::from_secs(20), "Redis answers", || {
            let conn = self.client().get_connection_with_timeout(Duration::from_secs(1));
            conn.is_ok_and(|mut conn| redis::cmd("PING").exec(&mut conn).is_ok())
        });
    }

    /// Ends the server as a crash would.
    pub fn kill(&mut self) {
        let mut server = self.server.take().expect("Redis runs");
        server.kill().expect("Redis runs");
        server.wait().expect("Redis ends");
    }

    /// Stops the server's clock: it accepts connections and bytes, and answers nothing.
    pub fn freeze(&self) {
        signal(self.pid(), "STOP");
    }

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

    fn pid(&self) -> u32 {
        self.server.as_ref().expect("Redis runs").id()
    }
}

impl Drop for PrivateRedis {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            // It may have ended by itself.
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

fn which(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}
