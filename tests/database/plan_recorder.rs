//! A [`PlanRecorder`] stands between the service and PostgreSQL, and records the plan of each
//! statement that is run, those within triggers too.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::Database;

/// What makes the server report each plan to its client, as a notice.
const SETTINGS: &[(&str, &str)] = &[
    ("session_preload_libraries", "auto_explain"),
    ("auto_explain.log_min_duration", "0"),
    ("auto_explain.log_nested_statements", "on"),
    ("auto_explain.log_level", "notice"),
];

/// A proxy that lives as long as the test.
pub struct PlanRecorder {
    url: String,
    plans: Arc<Mutex<Vec<String>>>,
}

impl PlanRecorder {
    pub fn start(database: &Database) -> Self {
        for (name, value) in SETTINGS {
            database.execute(&format!(
                "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET {name} = ''{value}''', current_database()); END $$"
            ));
        }
        let mut url = url::Url::parse(&database.url()).expect("a URL");
        let server = url.port().unwrap_or(5432);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        url.set_port(Some(listener.local_addr().expect("an address").port())).expect("a URL with a host");
        // Otherwise the client requests encryption, and the response to that is not a message.
        url.query_pairs_mut().append_pair("sslmode", "disable").append_pair("gssencmode", "disable");
        let plans = Arc::new(Mutex::new(Vec::new()));
        let recorded = plans.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { return };
                let (to_server, from_client) = (server.try_clone(), client.try_clone());
                thread::spawn(move || {
                    let (Ok(mut to_server), Ok(mut from_client)) = (to_server, from_client) else { return };
                    let _ = std::io::copy(&mut from_client, &mut to_server);
                    let _ = to_server.shutdown(Shutdown::Both);
                });
                let recorded = recorded.clone();
                thread::spawn(move || {
                    // It ends with the connection.
                    let _ = forward(&server, &client, &recorded);
                    let _ = client.shutdown(Shutdown::Both);
                });
            }
        });
        Self { url: url.into(), plans }
    }

    /// The database's URL by way of this proxy.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the plans that were recorded since the last call, each with its statement.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.plans.lock().expect("no panic while locked"))
    }
}

/// Forwards the server's messages, each a byte for its type, four for its length, and that
/// length less four, and records the plans among the notices.
fn forward(
    mut server: &TcpStream,
    mut client: &TcpStream,
    plans: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    loop {
        let mut head = [0; 5];
        server.read_exact(&mut head)?;
        let [kind, length @ ..] = head;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or_default().saturating_sub(4);
        let mut body = vec![0; length];
        server.read_exact(&mut body)?;
        if kind == b'N' {
            // Fields that end with zero; that of the message begins with M.
            let mut fields = body.split(|byte| *byte == 0).map(String::from_utf8_lossy);
            let text = fields.find(|field| field.starts_with('M')).unwrap_or_default();
            if let Some((_, plan)) = text.split_once("plan:\n") {
                plans.lock().expect("no panic while locked").push(plan.to_owned());
            }
        }
        client.write_all(&head)?;
        client.write_all(&body)?;
    }
}
