//! The limit of open files: it is raised, and where it is too low the service refuses in words.

use tempfile::TempDir;

use crate::process::Program;
use crate::wait::until;

#[tokio::test]
async fn the_soft_limit_is_raised_to_the_hard_one() {
    let folder = TempDir::new().expect("a folder");
    let process = Program::in_folder(&folder)
        .with("PORT", "0")
        .with("MAX_CONNECTIONS", "100")
        .with_open_files(64, 1_000)
        .start();
    assert_eq!(process.open_files(), ("1000".to_owned(), "1000".to_owned()));
    assert!(!process.log().iter().any(|line| line.contains("limit of open files")));
}

#[tokio::test]
async fn with_too_few_descriptors_sockets_are_refused_in_words_and_health_checks_respond() {
    let folder = TempDir::new().expect("a folder");
    let settings = [
        ("PORT", "0"),
        ("WORKERS", "1"),
        ("DATABASE_POOL_SIZE", "4"),
        ("MAX_SOCKETS_BY_PERSON", "10000"),
        ("SECRET_KEY", crate::support::SECRET_KEY),
    ];
    let process = Program::in_folder(&folder).with_all(&settings).with_open_files(128, 128).start();
    let log = process.log();
    let warning = log.iter().find(|line| line.contains("limit of open files is too low"));
    assert!(warning.is_some_and(|line| line.contains("128")), "{log:?}");
    let ada = process.sign_up("ada").await;
    let mut sockets = Vec::new();
    let mut refused = None;
    until("a socket is refused", async || {
        assert!(sockets.len() < 128, "as many sockets as descriptors");
        match process.handshake(&ada).upgrade().await {
            Ok(socket) => sockets.push(socket),
            Err(error) => refused = Some(error.to_string()),
        }
        refused.is_some()
    })
    .await;
    assert!(refused.as_ref().is_some_and(|error| error.contains("503")), "{refused:?}");
    assert!(sockets.len() > 20, "{}", sockets.len());
    process.request("GET", "/healthz").await.is(200);
    process.request("GET", "/api/auth/me/").by(&ada).await.is(200);
}
