//! A [`Process`] is the built program, run as an operator runs it.

#![allow(dead_code, reason = "each test binary uses its part of this")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use reqwest::Method;
use tempfile::TempDir;

use crate::support::logs;
use crate::support::{Call, Dial, LIMIT, NO_LIMITS, Person};
use crate::wait::{block_until, signal};

/// The program and what it is started with: no limits, these settings, and nothing else.
#[derive(Clone)]
pub struct Program {
    settings: Vec<(String, String)>,
    folder: PathBuf,
}

/// The program as it runs; it is killed when this is dropped.
pub struct Process {
    child: Child,
    port: u16,
    metrics_port: OnceLock<u16>,
    log: Arc<Mutex<Vec<String>>>,
    reading: Option<JoinHandle<()>>,
    client: reqwest::Client,
}

/// Standard error is not read until this is dropped.
pub struct Unread<'a>(#[expect(dead_code, reason = "held")] MutexGuard<'a, Vec<String>>);

impl Program {
    /// The program with its working folder.
    pub fn within(folder: &TempDir) -> Self {
        Self { settings: Vec::new(), folder: folder.path().to_owned() }
    }

    /// Sets a setting.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets several settings.
    pub fn with_all(self, settings: &[(&str, &str)]) -> Self {
        settings.iter().fold(self, |program, (name, value)| program.with(name, value))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_numeneon"));
        command.args(arguments).env_clear();
        command.envs(NO_LIMITS.iter().copied()).envs(self.settings.iter().cloned());
        command.current_dir(&self.folder).stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let output = self.command(arguments).output().expect("the program runs");
        if let Some(mut kept) = logs::file("run") {
            kept.write_all(&output.stdout).expect("a log is kept");
            kept.write_all(&output.stderr).expect("a log is kept");
        }
        output
    }

    /// Starts it, to serve.
    pub fn start(&self) -> Process {
        self.launch().serving()
    }

    /// Starts it and does not wait until it serves.
    pub fn launch(&self) -> Process {
        let mut command = self.command(&["serve"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = BufReader::new(child.stderr.take().expect("standard error"));
        let writing = log.clone();
        let mut kept = logs::file("process");
        let reading = thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                if let Some(kept) = &mut kept {
                    writeln!(kept, "{line}").expect("a log is kept");
                }
                writing.lock().expect("no panic while locked").push(line);
            }
        });
        let client = reqwest::Client::builder().no_proxy().timeout(LIMIT).build().expect("an HTTP client");
        Process { child, port: 0, metrics_port: OnceLock::new(), log, reading: Some(reading), client }
    }
}

impl Process {
    /// Waits until it serves.
    pub fn serving(mut self) -> Self {
        let mut port = None;
        block_until(LIMIT, "the program serves", || {
            let ended = self.child.try_wait().expect("a process");
            port = self.log().iter().find_map(|line| {
                line.split_once("http://127.0.0.1:")?.1.split('"').next()?.trim().parse().ok()
            });
            assert!(port.is_some() || ended.is_none(), "it ended: {:?}", self.log());
            port.is_some()
        });
        self.port = port.expect("a port");
        self
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Returns the port for those who watch, which METRICS_ADDRESS opens.
    pub fn metrics_port(&self) -> u16 {
        *self.metrics_port.get_or_init(|| self.metrics_port_in_log())
    }

    fn metrics_port_in_log(&self) -> u16 {
        let mut port = None;
        block_until(LIMIT, "it says where its metrics are", || {
            port = self.log().iter().find_map(|line| {
                let address = line.split_once("metrics.address")?.1;
                let digits = address.split_once("127.0.0.1:")?.1;
                digits.split(|it: char| !it.is_ascii_digit()).next()?.parse().ok()
            });
            port.is_some()
        });
        port.expect("a port")
    }

    /// Begins a request to that port.
    pub fn watch(&self, path: &str) -> Call {
        Call::new(self.client.get(format!("http://127.0.0.1:{}{path}", self.metrics_port())))
    }

    /// Returns the lines of its log so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().expect("no panic while locked").clone()
    }

    /// Begins a request; it is sent when it is awaited.
    pub fn call(&self, method: &str, path: &str) -> Call {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        Call::new(self.client.request(method, format!("http://127.0.0.1:{}{path}", self.port)))
    }

    /// Signs somebody up.
    pub async fn sign_up(&self, username: &str) -> Person {
        let email = format!("{username}@example.com");
        let body =
            serde_json::json!({ "username": username, "email": email, "password": crate::support::PASSWORD });
        let answer = self.call("POST", "/api/auth/signup/").json(&body).await.is(201);
        Person::known(answer["user"]["id"].as_i64().expect("an id"), username, &email)
    }

    /// Sends a message for somebody.
    pub async fn message(&self, sender: &Person, receiver: &Person, content: &str) -> crate::support::Answer {
        let body = serde_json::json!({ "receiver_id": receiver.id, "content": content });
        self.call("POST", "/api/messages/").by(sender).json(&body).await
    }

    /// Begins a handshake for a socket of somebody.
    pub fn dial(&self, person: &Person) -> Dial {
        Dial::new(self.port).token(&person.access)
    }

    /// Reads no more of its standard error; its log cannot be asked for meanwhile.
    pub fn stop_reading(&self) -> Unread<'_> {
        Unread(self.log.lock().expect("no panic while locked"))
    }

    /// Asks it to stop.
    pub fn terminate(&self) {
        signal(self.pid(), "TERM");
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.ended(LIMIT);
    }

    /// Waits until it has ended, with all of its log read.
    pub fn ended(&mut self, limit: Duration) -> ExitStatus {
        let mut status = None;
        block_until(limit, "the program has ended", || {
            status = self.child.try_wait().expect("a process");
            status.is_some()
        });
        if let Some(reading) = self.reading.take() {
            reading.join().expect("the log is read");
        }
        status.expect("a status")
    }

    /// Returns the bytes that it holds in memory.
    pub fn resident_bytes(&self) -> usize {
        self.status("VmRSS:") * 1024
    }

    pub fn threads(&self) -> usize {
        self.status("Threads:")
    }

    fn status(&self, name: &str) -> usize {
        let path = Path::new("/proc").join(self.pid().to_string()).join("status");
        let status = std::fs::read_to_string(path).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of that name");
        line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
