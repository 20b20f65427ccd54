//! [`PrivateServers`] are a PostgreSQL and a Redis server of one test, which may kill, freeze
//! and restart them.

#![allow(dead_code, reason = "each test binary uses its part of this")]

use std::path::PathBuf;
use std::process::Command;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/cluster");

/// Servers started by `scripts/cluster`; they are stopped when this is dropped.
pub struct PrivateServers {
    folder: PathBuf,
    database_url: String,
    redis_url: String,
}

impl PrivateServers {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts PostgreSQL with a standby, to which the URL of the database leads too.
    pub fn start_with_standby() -> Self {
        Self::start_with(&["--standby"])
    }

    fn start_with(options: &[&str]) -> Self {
        // Not in a TempDir, whose mode is 700: PostgreSQL runs as another user.
        let name = format!("numeneon-servers-{}", uuid::Uuid::new_v4().simple());
        let folder = std::env::temp_dir().join(name);
        let mut servers = Self { folder, database_url: String::new(), redis_url: String::new() };
        servers.run(&[&["start", "--instances", "0", "--without-nginx"], options].concat());
        let state = std::fs::read_to_string(servers.folder.join("cluster.json")).expect("the state");
        let state: serde_json::Value = serde_json::from_str(&state).expect("JSON");
        let url = |name: &str| state[name].as_str().expect("a URL").to_owned();
        servers.database_url = url("database_url");
        servers.redis_url = url("redis_url");
        servers
    }

    /// Runs a command of `scripts/cluster` to its end.
    pub fn run(&self, arguments: &[&str]) {
        let output = Command::new(SCRIPT).args(arguments).arg("--dir").arg(&self.folder).output();
        let output = output.expect("scripts/cluster runs");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    pub fn database_url(&self) -> &str {
        &self.database_url
    }

    pub fn redis_url(&self) -> &str {
        &self.redis_url
    }

    pub fn postgres_port(&self) -> u16 {
        url::Url::parse(&self.database_url).expect("a URL of one host").port().expect("a port")
    }

    pub fn redis_port(&self) -> u16 {
        url::Url::parse(&self.redis_url).expect("a URL").port().expect("a port")
    }
}

impl Drop for PrivateServers {
    fn drop(&mut self) {
        // A server that does not stop fails no test.
        let _ = Command::new(SCRIPT).args(["stop", "--dir"]).arg(&self.folder).output();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
