//! A [`Process`] is the built program, run as an operator runs it.

#![allow(dead_code, reason = "each test binary uses its part of this")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::thread::{self, JoinHandle};

use reqwest::Method;
use tempfile::TempDir;

use crate::support::system::signal;
use crate::support::wait::{TIMEOUT, block_until};
use crate::support::{Handshake, LONG_DATABASE_TIMEOUTS, NO_LIMITS, Person, Request, Response};
use crate::support::{logs, redact_panics};

/// The program with its environment: these settings, no rate limits, timeouts of the database that
/// a busy machine does not reach, and nothing else.
#[derive(Clone)]
pub struct Program {
    settings: Vec<(String, String)>,
    folder: PathBuf,
    /// The soft and the hard limit of open files; none: those of the test.
    open_files: Option<(u32, u32)>,
}

/// The program as it runs; it is killed when this is dropped.
pub struct Process {
    child: Child,
    port: u16,
    metrics_port: OnceLock<u16>,
    log: Arc<Mutex<Vec<String>>>,
    log_reader: Option<JoinHandle<()>>,
    client: reqwest::Client,
}

/// The process's standard error is not read until this is dropped.
pub struct Unread<'a>(#[expect(dead_code, reason = "held")] MutexGuard<'a, Vec<String>>);

impl Program {
    /// The program with its working directory.
    pub fn in_folder(folder: &TempDir) -> Self {
        redact_panics();
        Self { settings: Vec::new(), folder: folder.path().to_owned(), open_files: None }
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

    /// Sets the soft and the hard limit of open files.
    pub fn with_open_files(mut self, soft: u32, hard: u32) -> Self {
        self.open_files = Some((soft, hard));
        self
    }

    fn command(&self, arguments: &[&str]) -> Command {
        const BINARY: &str = env!("CARGO_BIN_EXE_numeneon");
        let mut command = match self.open_files {
            None => Command::new(BINARY),
            Some((soft, hard)) => {
                let mut command = Command::new("/bin/sh");
                let script = format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec \"$0\" \"$@\"");
                command.args(["-c", &script, BINARY]);
                command
            }
        };
        command.args(arguments).env_clear();
        command.envs(NO_LIMITS.iter().copied()).envs(LONG_DATABASE_TIMEOUTS.iter().copied());
        command.envs(self.settings.iter().cloned());
        command.current_dir(&self.folder).stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let output = self.command(arguments).output().expect("the program runs");
        if let Some(mut file) = logs::file("run") {
            file.write_all(&output.stdout).expect("the output is written");
            file.write_all(&output.stderr).expect("the output is written");
        }
        output
    }

    /// Starts the service and waits until it listens.
    pub fn start(&self) -> Process {
        self.launch().listening()
    }

    /// Starts the service without waiting for it.
    pub fn launch(&self) -> Process {
        self.launch_command(&["serve"])
    }

    /// Starts one of the program's commands without waiting for its end.
    pub fn launch_command(&self, arguments: &[&str]) -> Process {
        let mut command = self.command(arguments);
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = child.expect("the program starts");
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = BufReader::new(child.stderr.take().expect("standard error"));
        let lines_read = log.clone();
        let mut file = logs::file("process");
        let log_reader = thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                if let Some(file) = &mut file {
                    writeln!(file, "{line}").expect("the line is written");
                }
                lines_read.lock().expect("no panic while locked").push(line);
            }
        });
        let client = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build().expect("an HTTP client");
        Process { child, port: 0, metrics_port: OnceLock::new(), log, log_reader: Some(log_reader), client }
    }
}

impl Process {
    /// Waits until the process listens.
    pub fn listening(mut self) -> Self {
        let mut port = None;
        block_until(TIMEOUT, "the process listens", || {
            let exited = self.child.try_wait().expect("a process");
            port = self.log().iter().find_map(|line| {
                line.split_once("http://127.0.0.1:")?.1.split('"').next()?.trim().parse().ok()
            });
            assert!(port.is_some() || exited.is_none(), "the process exited: {:?}", self.log());
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

    /// Returns the port of the metrics server, which METRICS_ADDRESS enables.
    pub fn metrics_port(&self) -> u16 {
        *self.metrics_port.get_or_init(|| self.metrics_port_in_log())
    }

    fn metrics_port_in_log(&self) -> u16 {
        let mut port = None;
        block_until(TIMEOUT, "the address of the metrics server is in the log", || {
            port = self.log().iter().find_map(|line| {
                let address = line.split_once("metrics.address")?.1;
                let digits = address.split_once("127.0.0.1:")?.1;
                digits.split(|it: char| !it.is_ascii_digit()).next()?.parse().ok()
            });
            port.is_some()
        });
        port.expect("a port")
    }

    /// Begins a GET request to the metrics server.
    pub fn on_metrics_port(&self, path: &str) -> Request {
        Request::new(self.client.get(format!("http://127.0.0.1:{}{path}", self.metrics_port())))
    }

    /// Returns the lines of the log so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().expect("no panic while locked").clone()
    }

    /// Begins a request; it is sent when it is awaited.
    pub fn request(&self, method: &str, path: &str) -> Request {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        Request::new(self.client.request(method, format!("http://127.0.0.1:{}{path}", self.port)))
    }

    /// Signs a user up.
    pub async fn sign_up(&self, username: &str) -> Person {
        let email = format!("{username}@example.com");
        let body =
            serde_json::json!({ "username": username, "email": email, "password": crate::support::PASSWORD });
        let response = self.request("POST", "/api/auth/signup/").json(&body).await.is(201);
        Person::existing(response["user"]["id"].as_i64().expect("an id"), username, &email)
    }

    /// Sends a message from one person to another.
    pub async fn message(&self, sender: &Person, receiver: &Person, content: &str) -> Response {
        let body = serde_json::json!({ "receiver_id": receiver.id, "content": content });
        self.request("POST", "/api/messages/").by(sender).json(&body).await
    }

    /// Begins a handshake for a socket of a person.
    pub fn handshake(&self, person: &Person) -> Handshake {
        Handshake::new(self.port).token(&person.access)
    }

    /// Stops reading the process's standard error; its log is not available meanwhile.
    pub fn stop_reading(&self) -> Unread<'_> {
        Unread(self.log.lock().expect("no panic while locked"))
    }

    /// Begins the graceful shutdown.
    pub fn terminate(&self) {
        signal(self.pid(), "TERM");
    }

    /// Ends the process as a crash does.
    pub fn kill(&mut self) {
        self.child.kill().expect("the process runs");
        self.exited();
    }

    /// Waits until the process has exited and its whole log has been read.
    pub fn exited(&mut self) -> ExitStatus {
        let mut status = None;
        block_until(TIMEOUT, "the process exits", || {
            status = self.child.try_wait().expect("a process");
            status.is_some()
        });
        if let Some(log_reader) = self.log_reader.take() {
            log_reader.join().expect("the log is read");
        }
        status.expect("a status")
    }

    /// Returns the size of the process in memory.
    pub fn resident_bytes(&self) -> usize {
        self.status("VmRSS:") * 1024
    }

    /// Returns the soft and the hard limit of open files.
    pub fn open_files(&self) -> (String, String) {
        let path = Path::new("/proc").join(self.pid().to_string()).join("limits");
        let limits = std::fs::read_to_string(path).expect("the process runs");
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).expect("a line");
        let mut words = line.split_whitespace().map(str::to_owned);
        (words.next().expect("a soft limit"), words.next().expect("a hard limit"))
    }

    pub fn threads(&self) -> usize {
        self.status("Threads:")
    }

    fn status(&self, name: &str) -> usize {
        let path = Path::new("/proc").join(self.pid().to_string()).join("status");
        let status = std::fs::read_to_string(path).expect("the process runs");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of that name");
        line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
