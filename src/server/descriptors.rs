//! File descriptors: one for each connection, and some for everything else.
//!
//! Systems start processes with a low soft limit, often 1,024, for the sake of programs that use
//! `select`. Any process may raise its own up to the hard limit.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::settings::Settings;

/// Descriptors beside those of connections and of the database: listeners, Redis, logs, and some
/// for each thread.
const OTHERS: u64 = 64;
const OTHERS_BY_THREAD: u64 = 4;

/// Raises the soft limit of open files to the hard one, and lowers the bounds of connections and
/// sockets to what fits. Without a descriptor a connection cannot be accepted, nor can a file or a
/// connection to the database be opened.
pub fn fit(settings: &mut Settings) {
    let Some(limit) = raise() else { return };
    let own = OTHERS + OTHERS_BY_THREAD * settings.server.workers as u64 + settings.database.pool_size as u64;
    let connections = usize::try_from(limit.saturating_sub(own).max(1)).unwrap_or(usize::MAX);
    if settings.server.max_connections <= connections {
        return;
    }
    // The rest is for requests and handshakes, so that these get a response when there are too many
    // sockets.
    let sockets = (connections - connections / 6).min(settings.socket.max_sockets);
    tracing::warn!(
        limit,
        connections,
        sockets,
        "limit of open files is too low for MAX_CONNECTIONS; accepting fewer connections"
    );
    (settings.server.max_connections, settings.socket.max_sockets) = (connections, sockets);
}

/// Returns the soft limit after raising it; none if there is none.
fn raise() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // It may be refused; the present limit holds then.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    getrlimit(Resource::Nofile).current.or(current)
}
