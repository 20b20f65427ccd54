//! An [`Instance`] of the service, within this process but with a runtime of its own.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use numeneon::app::App;
use numeneon::settings::Settings;
use reqwest::Method;
use tokio::sync::oneshot;

use super::{Handshake, Person, Request, Socket};

/// One instance; it shuts down gracefully when this is dropped.
pub struct Instance {
    port: u16,
    metrics_port: Option<u16>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    client: reqwest::Client,
}

/// An instance that does not listen yet.
pub struct Starting {
    ports: mpsc::Receiver<(u16, Option<u16>)>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Instance {
    pub fn start(settings: BTreeMap<&'static str, String>) -> Starting {
        super::redact_panics();
        super::logs::capture();
        let (port_sender, ports) = mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::spawn(move || {
            let settings =
                Settings::from_lookup(&|name| settings.get(name).cloned()).expect("valid settings");
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            let runtime = runtime.worker_threads(1).enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let app = App::build(settings).await.expect("the instance starts");
                let metrics_port = app.metrics_address().map(|address| address.port());
                port_sender.send((app.port(), metrics_port)).expect("the test waits for the ports");
                let stop = async { drop(stopped.await) };
                app.run_until_stopped(stop).await.expect("the instance shuts down gracefully");
            });
            runtime.shutdown_timeout(Duration::from_secs(1));
        });
        Starting { ports, stop, thread }
    }

    pub fn wait(starting: Starting) -> Self {
        let Starting { ports, stop, thread } = starting;
        let (port, metrics_port) = ports.recv_timeout(super::TIMEOUT).expect("the instance starts");
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(super::TIMEOUT)
            .build()
            .expect("an HTTP client");
        Self { port, metrics_port, stop: Some(stop), thread: Some(thread), client }
    }

    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Begins a GET request to the metrics server, which METRICS_ADDRESS enables.
    pub fn on_metrics_port(&self, path: &str) -> Request {
        Request::new(self.client.get(self.metrics_url(path)))
    }

    /// Begins a HEAD request to the metrics server.
    pub fn head_on_metrics_port(&self, path: &str) -> Request {
        Request::new(self.client.head(self.metrics_url(path)))
    }

    fn metrics_url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.metrics_port.expect("METRICS_ADDRESS is set"))
    }

    /// Begins a request; it is sent when it is awaited.
    pub fn request(&self, method: &str, path: &str) -> Request {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        Request::new(self.client.request(method, format!("http://127.0.0.1:{}{path}", self.port)))
    }

    pub fn get(&self, path: &str) -> Request {
        self.request("GET", path)
    }

    pub fn post(&self, path: &str) -> Request {
        self.request("POST", path)
    }

    pub fn patch(&self, path: &str) -> Request {
        self.request("PATCH", path)
    }

    pub fn put(&self, path: &str) -> Request {
        self.request("PUT", path)
    }

    pub fn delete(&self, path: &str) -> Request {
        self.request("DELETE", path)
    }

    /// Begins a handshake for a socket.
    pub fn handshake(&self) -> Handshake {
        Handshake::new(self.port)
    }

    /// Opens a socket of a person and receives the greeting.
    pub async fn socket(&self, person: &Person) -> Socket {
        self.handshake().token(&person.access).open().await
    }

    /// Opens a socket of a person who has received every event up to the cursor.
    pub async fn resume(&self, person: &Person, cursor: i64) -> Socket {
        self.handshake().token(&person.access).query("cursor", &cursor.to_string()).open().await
    }

    /// Sends a message from one person to another and returns it.
    pub async fn message(&self, sender: &Person, receiver: &Person, content: &str) -> serde_json::Value {
        let body = serde_json::json!({ "receiver_id": receiver.id, "content": content });
        self.post("/api/messages/").by(sender).json(&body).await.is(201)
    }

    /// Writes a post of a person and returns it.
    pub async fn write(&self, author: &Person, body: serde_json::Value) -> serde_json::Value {
        self.post("/api/posts/").by(author).json(&body).await.is(201)
    }

    /// Begins the graceful shutdown, and does not wait for its end.
    pub fn request_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The instance may have stopped already.
            let _ = stop.send(());
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.request_stop();
        let ended = self.thread.take().map(JoinHandle::join);
        if matches!(ended, Some(Err(_))) && !thread::panicking() {
            panic!("an instance ended in a panic");
        }
    }
}
