//! The listener is the port's own side of a socket: how it is opened, how connections
//! are tuned, and how its door is shut without losing anybody.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use socket2::SockRef;

use crate::error::BoxError;

/// Connections that the kernel holds until they are accepted: a second's worth, should a
/// thousand clients come back at once. Further ones are tried again by the client's
/// kernel.
const BACKLOG: i32 = 1_024;

/// Listens on a host's first address.
///
/// # Errors
///
/// One line that names the setting which does not fit.
pub fn bind(host: &str, port: u16) -> Result<TcpListener, BoxError> {
    let named = |why: &dyn std::fmt::Display| format!("HOST: {host}: {why}");
    let resolved = (host, port).to_socket_addrs().map_err(|error| named(&error))?.next();
    bind_address(resolved.ok_or_else(|| named(&"names no address"))?, "PORT")
}

/// Listens on an address.
///
/// # Errors
///
/// One line that names this setting.
pub fn bind_address(resolved: SocketAddr, setting: &str) -> Result<TcpListener, BoxError> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(resolved), socket2::Type::STREAM, None)?;
    // An instance that restarts must not wait for its old connections to be forgotten.
    socket.set_reuse_address(true)?;
    socket
        .bind(&resolved.into())
        .map_err(|error| format!("{setting}: cannot listen on {resolved}: {error}"))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Lets no further connection be made, while those that were made are still accepted.
///
/// Closing a listener resets the connections that wait in the kernel to be accepted,
/// requests and all. So their queue is let run dry first: whoever connects meanwhile
/// is not answered, tries again after a second, and is refused then, which a load
/// balancer answers by trying another instance.
#[cfg(target_os = "linux")]
pub fn refuse_new_connections(listener: &TcpListener) {
    use socket2::SockFilter;
    // Drops every packet that asks for a connection: load the flags of the TCP header;
    // is SYN set? then keep 0 bytes of the packet, else all of them.
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
        tracing::warn!(cause = %error, "the last connections may be reset");
    }
}

#[cfg(not(target_os = "linux"))]
pub fn refuse_new_connections(_: &TcpListener) {}

/// Sends frames at once, and has the kernel end a connection whose client takes
/// nothing: HTTP's own dispatcher waits for it forever.
pub fn tune(connection: &TcpStream, stall: Duration) {
    let socket = SockRef::from(connection);
    // A connection that is gone already cannot be tuned, and need not be.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_user_timeout(Some(stall));
}
