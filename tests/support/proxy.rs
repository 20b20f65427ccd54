//! A [`Proxy`] stands between a client and a server on loopback and makes their connections
//! fail as networks do.

#![allow(dead_code, reason = "each test binary uses its part of this")]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A TCP proxy with a port of its own.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    connections: Mutex<Vec<Arc<Connection>>>,
    accepted: AtomicUsize,
    /// The port of the server to which new connections lead.
    server: AtomicU16,
    /// The bytes that each connection takes from its client in a second; 0: any number.
    bytes_per_second: AtomicUsize,
    hangs: AtomicBool,
    stopped: AtomicBool,
}

/// One connection through the proxy.
struct Connection {
    client: TcpStream,
    server: TcpStream,
    /// Whether the client has sent SUBSCRIBE.
    subscribes: AtomicBool,
    /// Whether what the server sends is discarded.
    muted: AtomicBool,
}

impl Proxy {
    /// A proxy to the server on this port.
    pub fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared::default());
        shared.server.store(server, Ordering::SeqCst);
        let accepting = shared.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.stopped.load(Ordering::SeqCst) {
                    return;
                }
                accepting.accepted.fetch_add(1, Ordering::SeqCst);
                // If the server is down, the client finds its connection closed.
                if let Ok(server) = TcpStream::connect(("127.0.0.1", accepting.server.load(Ordering::SeqCst)))
                {
                    accepting.forward(client, server);
                }
            }
        });
        Self { port, shared }
    }

    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Returns the number of connections accepted so far.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Leads new connections to the server on this port. Those that are open stay where they are, as
    /// with an address that moves to another server.
    pub fn lead_to(&self, server: u16) {
        self.shared.server.store(server, Ordering::SeqCst);
    }

    /// Slows each connection down, as a network of this bandwidth does.
    pub fn throttle(&self, bytes_per_second: usize) {
        self.shared.bytes_per_second.store(bytes_per_second, Ordering::SeqCst);
    }

    /// Discards from now on what the server sends on the present connections that have sent
    /// SUBSCRIBE, and returns the number of these.
    pub fn mute_subscribers(&self) -> usize {
        let connections = self.shared.connections.lock().expect("no panic while locked");
        let subscribers = connections.iter().filter(|it| it.subscribes.load(Ordering::SeqCst));
        subscribers.map(|it| it.muted.store(true, Ordering::SeqCst)).count()
    }

    /// Discards from now on what either side sends, but accepts connections, as a server does
    /// that hangs.
    pub fn hang(&self) {
        self.shared.hangs.store(true, Ordering::SeqCst);
    }

    /// Closes the connections that hang, and forwards bytes again.
    pub fn stop_hanging(&self) {
        self.shared.hangs.store(false, Ordering::SeqCst);
        self.disconnect_all();
    }

    /// Closes every present connection.
    pub fn disconnect_all(&self) {
        for connection in self.shared.connections.lock().expect("no panic while locked").drain(..) {
            connection.close();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        self.disconnect_all();
    }
}

impl Shared {
    /// Forwards bytes between the two, by a thread for each direction.
    fn forward(self: &Arc<Self>, client: TcpStream, server: TcpStream) {
        let connection = Arc::new(Connection {
            client,
            server,
            subscribes: AtomicBool::new(false),
            muted: AtomicBool::new(false),
        });
        self.connections.lock().expect("no panic while locked").push(connection.clone());
        let (upstream, shared) = (connection.clone(), self.clone());
        thread::spawn(move || {
            copy(&upstream.client, &upstream.server, |bytes| {
                if bytes.windows(9).any(|word| word == b"SUBSCRIBE") {
                    upstream.subscribes.store(true, Ordering::SeqCst);
                }
                let bytes_per_second = shared.bytes_per_second.load(Ordering::SeqCst);
                if bytes_per_second > 0 {
                    // This is the network, and no wait for anything.
                    thread::sleep(Duration::from_secs_f64(bytes.len() as f64 / bytes_per_second as f64));
                }
                !shared.hangs.load(Ordering::SeqCst)
            });
            upstream.close();
        });
        let shared = self.clone();
        thread::spawn(move || {
            let passes = || !connection.muted.load(Ordering::SeqCst) && !shared.hangs.load(Ordering::SeqCst);
            copy(&connection.server, &connection.client, |_| passes());
            connection.close();
        });
    }
}

impl Connection {
    fn close(&self) {
        // Either end may have closed already.
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

/// Copies bytes until either end closes; discards those for which `passes` returns false.
fn copy(mut from: &TcpStream, mut to: &TcpStream, passes: impl Fn(&[u8]) -> bool) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if passes(&buffer[..length]) && to.write_all(&buffer[..length]).is_err() {
            return;
        }
    }
}
