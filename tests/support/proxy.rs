//! A [`Proxy`] stands between a client and a server on loopback and does to their
//! connections what networks do.

#![allow(dead_code, reason = "each test binary uses its part of this")]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A listener on a port of its own that passes bytes on.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    connections: Mutex<Vec<Arc<Connection>>>,
    accepted: AtomicUsize,
    silent: AtomicBool,
    ended: AtomicBool,
}

/// One connection through the proxy.
struct Connection {
    client: TcpStream,
    server: TcpStream,
    /// Whether the client has sent SUBSCRIBE.
    subscribes: AtomicBool,
    /// Whether what the server sends is thrown away.
    deaf: AtomicBool,
}

impl Proxy {
    /// A proxy in front of this port.
    pub fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared::default());
        let accepting = shared.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.ended.load(Ordering::SeqCst) {
                    return;
                }
                accepting.accepted.fetch_add(1, Ordering::SeqCst);
                // A server that is away: the client finds its connection closed.
                if let Ok(server) = TcpStream::connect(("127.0.0.1", server)) {
                    accepting.take(client, server);
                }
            }
        });
        Self { port, shared }
    }

    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Counts the connections so far.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Throws away from now on what the server sends on the connections of this moment
    /// that have sent SUBSCRIBE. Returns how many those are.
    pub fn deafen_subscribers(&self) -> usize {
        let connections = self.shared.connections.lock().expect("no panic while locked");
        let subscribers = connections.iter().filter(|it| it.subscribes.load(Ordering::SeqCst));
        subscribers.map(|it| it.deaf.store(true, Ordering::SeqCst)).count()
    }

    /// Swallows from now on what either side sends, and accepts connections without a
    /// word, as a server does that hangs.
    pub fn fall_silent(&self) {
        self.shared.silent.store(true, Ordering::SeqCst);
    }

    /// Cuts what has hung, and passes bytes on again.
    pub fn speak_again(&self) {
        self.shared.silent.store(false, Ordering::SeqCst);
        self.cut();
    }

    /// Cuts every connection of this moment.
    pub fn cut(&self) {
        for connection in self.shared.connections.lock().expect("no panic while locked").drain(..) {
            connection.close();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        self.cut();
    }
}

impl Shared {
    fn take(self: &Arc<Self>, client: TcpStream, server: TcpStream) {
        let connection = Arc::new(Connection {
            client,
            server,
            subscribes: AtomicBool::new(false),
            deaf: AtomicBool::new(false),
        });
        self.connections.lock().expect("no panic while locked").push(connection.clone());
        let (other, shared) = (connection.clone(), self.clone());
        thread::spawn(move || {
            pass(&other.client, &other.server, |bytes| {
                if bytes.windows(9).any(|word| word == b"SUBSCRIBE") {
                    other.subscribes.store(true, Ordering::SeqCst);
                }
                !shared.silent.load(Ordering::SeqCst)
            });
            other.close();
        });
        let shared = self.clone();
        thread::spawn(move || {
            let heard = || !connection.deaf.load(Ordering::SeqCst) && !shared.silent.load(Ordering::SeqCst);
            pass(&connection.server, &connection.client, |_| heard());
            connection.close();
        });
    }
}

impl Connection {
    fn close(&self) {
        // Either end may be gone already.
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

/// Passes bytes on as long as both ends live; those that `goes_on` refuses are lost.
fn pass(mut from: &TcpStream, mut to: &TcpStream, goes_on: impl Fn(&[u8]) -> bool) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if goes_on(&buffer[..length]) && to.write_all(&buffer[..length]).is_err() {
            return;
        }
    }
}
