//! An [`Instance`] of the service, within this process and with a runtime of its own,
//! as in a process of its own.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use numeneon::app::App;
use numeneon::settings::Settings;
use reqwest::Method;
use tokio::sync::oneshot;

use super::{Call, Dial, Person, Socket};

/// One instance; it stops gracefully when this is dropped.
pub struct Instance {
    port: u16,
    metrics_port: Option<u16>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    client: reqwest::Client,
}

/// An instance that starts.
pub struct Starting {
    ports: mpsc::Receiver<(u16, Option<u16>)>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Instance {
    pub fn start(settings: BTreeMap<&'static str, String>) -> Starting {
        super::logs::keep();
        let (port_sender, ports) = mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::spawn(move || {
            let settings = Settings::from_lookup(&|name| settings.get(name).cloned()).expect("good settings");
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            let runtime = runtime.worker_threads(1).enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let app = App::build(settings).await.expect("the instance starts");
                let metrics_port = app.metrics_address().map(|address| address.port());
                port_sender.send((app.port(), metrics_port)).expect("the test waits for the ports");
                let stop = async { drop(stopped.await) };
                app.run_until_stopped(stop).await.expect("the instance stops gracefully");
            });
            runtime.shutdown_timeout(Duration::from_secs(1));
        });
        Starting { ports, stop, thread }
    }

    pub fn wait(starting: Starting) -> Self {
        let Starting { ports, stop, thread } = starting;
        let (port, metrics_port) = ports.recv_timeout(super::LIMIT).expect("the instance starts");
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(super::LIMIT)
            .build()
            .expect("an HTTP client");
        Self { port, metrics_port, stop: Some(stop), thread: Some(thread), client }
    }

    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Begins a request to the port for those who watch, which METRICS_ADDRESS opens.
    pub fn watch(&self, path: &str) -> Call {
        let port = self.metrics_port.expect("METRICS_ADDRESS is set");
        Call::new(self.client.get(format!("http://127.0.0.1:{port}{path}")))
    }

    /// Begins a request; it is sent when it is awaited.
    pub fn call(&self, method: &str, path: &str) -> Call {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        Call::new(self.client.request(method, format!("http://127.0.0.1:{}{path}", self.port)))
    }

    pub fn get(&self, path: &str) -> Call {
        self.call("GET", path)
    }

    pub fn post(&self, path: &str) -> Call {
        self.call("POST", path)
    }

    pub fn patch(&self, path: &str) -> Call {
        self.call("PATCH", path)
    }

    pub fn put(&self, path: &str) -> Call {
        self.call("PUT", path)
    }

    pub fn delete(&self, path: &str) -> Call {
        self.call("DELETE", path)
    }

    /// Begins a handshake for a socket.
    pub fn dial(&self) -> Dial {
        Dial::new(self.port)
    }

    /// Opens a socket for somebody, who is greeted on it.
    pub async fn socket(&self, person: &Person) -> Socket {
        self.dial().token(&person.access).open().await
    }

    /// Opens a socket for somebody who has everything up to this number.
    pub async fn resume(&self, person: &Person, cursor: i64) -> Socket {
        self.dial().token(&person.access).query("cursor", &cursor.to_string()).open().await
    }

    /// Sends a message for somebody and returns it.
    pub async fn message(&self, sender: &Person, receiver: &Person, content: &str) -> serde_json::Value {
        let body = serde_json::json!({ "receiver_id": receiver.id, "content": content });
        self.post("/api/messages/").by(sender).json(&body).await.is(201)
    }

    /// Asks the instance to stop, and does not wait for it.
    pub fn begin_to_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It may have ended by itself.
            let _ = stop.send(());
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.begin_to_stop();
        let ended = self.thread.take().map(JoinHandle::join);
        if matches!(ended, Some(Err(_))) && !thread::panicking() {
            panic!("an instance ended in a panic");
        }
    }
}
