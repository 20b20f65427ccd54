//! PgBouncer between the service and PostgreSQL: by session it works, by transaction the start fails
//! with one line.

use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::process::Program;
use crate::support::system::free_port;
use crate::support::wait::block_until;
use crate::support::{Database, SECRET_KEY, TIMEOUT};

/// A PgBouncer of one test. It is killed when this is dropped.
struct PgBouncer {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl PgBouncer {
    /// Starts one before the server of this URL.
    fn start(url: &url::Url, pool_mode: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let (port, server) = (free_port(), url.port().expect("a port"));
        let (user, password) = (url.username(), url.password().expect("a password"));
        let users = folder.path().join("users");
        let config = folder.path().join("config");
        std::fs::write(&users, format!("\"{user}\" \"{password}\"\n")).expect("users");
        std::fs::write(
            &config,
            format!(
                "[databases]\n* = host=127.0.0.1 port={server}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
                 listen_port = {port}\nunix_socket_dir =\nauth_type = plain\nauth_file = {}\n\
                 pool_mode = {pool_mode}\n",
                users.display()
            ),
        )
        .expect("a configuration");
        let mut command = Command::new("pgbouncer");
        // Debian has it in a folder that is not in every user's PATH.
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin"));
        // It refuses to run as root, which may read the folder of a test and others may not.
        let owner = std::fs::metadata(folder.path()).expect("a folder");
        if std::os::unix::fs::MetadataExt::uid(&owner) == 0 {
            for (path, mode) in [(folder.path(), 0o755), (&users, 0o644), (&config, 0o644)] {
                std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("permissions");
            }
            command.args(["-u", "nobody"]);
        }
        let child =
            command.arg(&config).stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::null()).spawn();
        let child = child.expect("PgBouncer, which scripts/install servers installs");
        block_until(TIMEOUT, "PgBouncer listens", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Self { child, port, _folder: folder }
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the service's program with its database behind PgBouncer.
fn program(folder: &TempDir, database: &Database, pool_mode: &str) -> (Program, PgBouncer) {
    let mut url = url::Url::parse(&database.url()).expect("a URL");
    let pooler = PgBouncer::start(&url, pool_mode);
    url.set_port(Some(pooler.port)).expect("a port");
    let program = Program::in_folder(folder)
        .with_all(&[("PORT", "0"), ("WORKERS", "1"), ("SECRET_KEY", SECRET_KEY)])
        .with("DATABASE_URL", url.as_str());
    (program, pooler)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_work_behind_a_pooler_by_session() {
    let (folder, database) = (TempDir::new().expect("a folder"), Database::postgres());
    let (program, _pooler) = program(&folder, &database, "session");
    let (one, other) = (program.start(), program.start());
    let (ada, bob) = (one.sign_up("ada").await, one.sign_up("bob").await);
    other.message(&ada, &bob, "hello").await.is(201);
    let mut socket = one.handshake(&bob).query("cursor", "0").open().await;
    assert_eq!(socket.next().await["data"]["content"], "hello");
}

#[test]
fn the_start_fails_in_one_line_behind_a_pooler_by_transaction() {
    let (folder, database) = (TempDir::new().expect("a folder"), Database::postgres());
    let (program, _pooler) = program(&folder, &database, "transaction");
    // The first instance, and those that come after it.
    for _ in 0..3 {
        let output = program.run(&["serve"]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(
            text.starts_with("numeneon: DATABASE_URL: a pooler gives connections out by transaction"),
            "{text}"
        );
        assert_eq!(text.matches('\n').count(), 1, "one line: {text}");
    }
}
