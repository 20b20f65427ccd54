//! What `numeneon-load` reports about a server that accepts all messages, or rejects some.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

/// What a failed request counts with, in milliseconds.
const RESPONSE_TIMEOUT_MS: f64 = 30_000.0;

/// A server that responds to every request with 201, but to each `rejected`th with 503.
struct Server {
    url: String,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(rejected: Option<usize>) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let received = Arc::clone(&bodies);
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let received = Arc::clone(&received);
                std::thread::spawn(move || respond(stream, &received, rejected));
            }
        });
        Ok(Self { url, bodies })
    }

    fn receivers(&self) -> Vec<u64> {
        let bodies = self.bodies.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let id = |body: &String| -> Option<u64> {
            serde_json::from_str::<serde_json::Value>(body).ok()?.get("receiver_id")?.as_u64()
        };
        let mut ids: Vec<_> = bodies.iter().filter_map(id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

/// Responds to the requests of one connection until it ends.
fn respond(stream: TcpStream, received: &Mutex<Vec<String>>, rejected: Option<usize>) -> Option<()> {
    let mut output = stream.try_clone().ok()?;
    let mut input = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if input.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(value) = line.strip_prefix("Content-Length: ") {
                length = value.trim().parse().ok()?;
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        input.read_exact(&mut body).ok()?;
        let count = {
            let mut bodies = received.lock().ok()?;
            bodies.push(String::from_utf8(body).ok()?);
            bodies.len()
        };
        let status = match rejected {
            Some(each) if count.is_multiple_of(each) => "503 Service Unavailable",
            _ => "201 Created",
        };
        write!(output, "HTTP/1.1 {status}\r\nContent-Length: 8\r\n\r\n{{\"id\":1}}").ok()?;
    }
}

/// Runs the tool for a short time, without sockets.
fn load(server: &Server, options: &[&str]) -> std::io::Result<(Output, serde_json::Value)> {
    let output = Command::new(env!("CARGO_BIN_EXE_numeneon-load"))
        .args(["--senders", &server.url, "--seconds", "0.3", "--concurrency", "4", "--json"])
        .args(["--ids", "11-20", "--secret-key", "a key that signs nothing", "--sockets-per-person", "0"])
        .args(options)
        .output()?;
    let report = serde_json::from_slice(&output.stdout)?;
    Ok((output, report))
}

#[test]
fn a_run_in_which_requests_fail_has_exit_code_1_and_counts_them_as_the_slowest() -> std::io::Result<()> {
    let server = Server::start(Some(10))?;
    let (output, report) = load(&server, &[])?;
    let messages = &report["messages"];
    let (acknowledged, failed) = (messages["acknowledged"].as_u64(), messages["failed"]["503"].as_u64());
    assert_eq!(output.status.code(), Some(1), "{report}");
    assert!(acknowledged > Some(0) && failed > Some(0), "{report}");
    assert_eq!(messages["post"]["count"].as_u64(), acknowledged.zip(failed).map(|(a, b)| a + b), "{report}");
    assert!(messages["post"]["p99_ms"].as_f64() >= Some(RESPONSE_TIMEOUT_MS), "{report}");
    assert!(messages["post"]["p50_ms"].as_f64() < Some(RESPONSE_TIMEOUT_MS), "{report}");
    Ok(())
}

#[test]
fn a_run_in_which_none_fails_has_exit_code_0() -> std::io::Result<()> {
    let server = Server::start(None)?;
    let (output, report) = load(&server, &[])?;
    assert_eq!(output.status.code(), Some(0), "{report}");
    assert!(report["messages"]["post"]["max_ms"].as_f64() < Some(RESPONSE_TIMEOUT_MS), "{report}");
    assert!(server.receivers().len() > 1);
    Ok(())
}

#[test]
fn a_server_that_rejects_everything_is_no_clean_run() -> std::io::Result<()> {
    let server = Server::start(Some(1))?;
    let (output, report) = load(&server, &[])?;
    assert_eq!(output.status.code(), Some(1), "{report}");
    assert_eq!(report["messages"]["acknowledged"], 0, "{report}");
    Ok(())
}

#[test]
fn one_receiver_gets_everything() -> std::io::Result<()> {
    let server = Server::start(None)?;
    let (output, report) = load(&server, &["--receivers", "1"])?;
    assert_eq!(output.status.code(), Some(0), "{report}");
    assert_eq!(server.receivers(), [11]);
    Ok(())
}
