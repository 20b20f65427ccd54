//! The listener: how a port is opened, how accepted connections are configured, and how new
//! connections are refused without resetting those that are queued.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use socket2::SockRef;

use crate::error::BoxError;

/// Connections that the kernel queues until they are accepted: enough for a thousand clients
/// that reconnect within a second. The client's kernel tries further ones again.
const BACKLOG: i32 = 1_024;

/// Listens on a host's first address.
///
/// # Errors
///
/// One line that names the invalid setting.
pub fn bind(host: &str, port: u16) -> Result<TcpListener, BoxError> {
    let named = |why: &dyn std::fmt::Display| format!("HOST: {host}: {why}");
    let resolved = (host, port).to_socket_addrs().map_err(|error| named(&error))?.next();
    bind_address(resolved.ok_or_else(|| named(&"has no address"))?, "PORT")
}

/// Listens on an address.
///
/// # Errors
///
/// One line that names this setting.
pub fn bind_address(resolved: SocketAddr, setting: &str) -> Result<TcpListener, BoxError> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(resolved), socket2::Type::STREAM, None)?;
    // Otherwise an instance that restarts would have to wait for its old connections to
    // leave the state TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket
        .bind(&resolved.into())
        .map_err(|error| format!("{setting}: cannot listen on {resolved}: {error}"))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Refuses new connections, while those in the kernel's queue are still accepted.
///
/// Closing a listener resets the connections that are queued in the kernel, with the requests
/// on them. So the queue is drained first: a client that connects meanwhile gets no response
/// to its SYN, tries again after a second, and is refused then, after which a load balancer
/// tries another instance.
#[cfg(target_os = "linux")]
pub fn drop_new_connections(listener: &TcpListener) {
    use socket2::SockFilter;
    // Drops every packet with the flag SYN: load the flags of the TCP header; if SYN is set,
    // keep 0 bytes of the packet, else all of them.
    const LOAD_BYTE: u16 = 0x30;
    const JUMP_IF_ANY: u16 = 0x45;
    const RETURN: u16 = 0x06;
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    let drop_syn = [
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(JUMP_IF_ANY, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ];
    if let Err(error) = SockRef::from(listener).attach_filter(&drop_syn) {
        tracing::warn!(cause = %error, "SYN filter not attached; connections may be reset during shutdown");
    }
}

/// Does nothing: only Linux can filter the packets of a listener.
#[cfg(not(target_os = "linux"))]
pub fn drop_new_connections(_: &TcpListener) {}

/// Configures an accepted connection: writes are sent at once, and the kernel ends it when the
/// client reads or acknowledges nothing for `write_timeout`. The dispatcher of actix-http
/// would wait for such a client without a timeout.
pub fn configure(connection: &TcpStream, write_timeout: Duration) {
    let socket = SockRef::from(connection);
    // Both fail if the connection is closed already, and then do not matter.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_user_timeout(Some(write_timeout));
}
