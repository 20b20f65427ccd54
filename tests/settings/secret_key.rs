//! The key with which tokens are signed.

use std::os::unix::fs::PermissionsExt;

use numeneon::settings::Settings;
use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::invalid_settings::refused;
use crate::process::{Process, Program};
use crate::support::{PASSWORD, SECRET_KEY};

/// Logs Ada in and returns her access token.
async fn token(process: &Process) -> String {
    let body = serde_json::json!({ "email": "ada@example.com", "password": PASSWORD });
    let tokens = process.request("POST", "/api/auth/login/").json(&body).await.is(200);
    tokens["access"].as_str().expect("a token").to_owned()
}

#[tokio::test]
async fn a_standalone_instance_generates_a_key_once_in_a_file_that_only_its_owner_may_read() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("numeneon.secret");
    let program = Program::in_folder(&folder).with("PORT", "0");
    let mut process = program.start();
    process.sign_up("ada").await;
    let token = token(&process).await;
    process.kill();

    let key = std::fs::read_to_string(&file).expect("the key is in the folder of the database");
    assert!(key.len() >= 32, "{} bytes", key.len());
    let mode = std::fs::metadata(&file).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let process = program.start();
    process.request("GET", "/api/auth/me/").bearer(&token).await.is(200);
    assert_eq!(std::fs::read_to_string(&file).expect("the key"), key);
}

#[test]
fn each_standalone_instance_generates_a_key_of_its_own() {
    let generate = || {
        let folder = TempDir::new().expect("a folder");
        let database = format!("sqlite://{}", folder.path().join("a.sqlite3").display());
        let lookup = |name: &str| (name == "DATABASE_URL").then(|| database.clone());
        let settings = Settings::from_lookup(&lookup).expect("valid settings");
        settings.auth.secret_key.expose_secret().to_owned()
    };
    assert_ne!(generate(), generate());
}

#[tokio::test]
async fn processes_that_start_at_once_share_the_key() {
    for _ in 0..5 {
        let folder = TempDir::new().expect("a folder");
        let program = Program::in_folder(&folder).with("PORT", "0").with("WORKERS", "1");
        let launched: Vec<Process> = (0..4).map(|_| program.launch()).collect();
        let processes: Vec<Process> = launched.into_iter().map(Process::listening).collect();
        processes[0].sign_up("ada").await;
        let token = token(&processes[0]).await;
        for process in &processes {
            process.request("GET", "/api/auth/me/").bearer(&token).await.is(200);
        }
        let files = std::fs::read_dir(folder.path()).expect("the folder");
        let names: Vec<_> = files.map(|file| file.expect("a file").file_name()).collect();
        assert!(names.iter().all(|name| name.to_string_lossy().starts_with("numeneon.s")), "{names:?}");
    }
}

#[test]
fn an_empty_key_file_is_refused_with_the_name_of_the_file() {
    let folder = TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("numeneon.secret"), "").expect("a file");
    let line = refused(&Program::in_folder(&folder).run(&[]), "SECRET_KEY");
    assert!(line.contains("numeneon.secret"), "{line}");
}

#[test]
fn with_postgres_or_redis_a_missing_or_short_key_is_refused() {
    let folder = TempDir::new().expect("a folder");
    for (name, value) in [("DATABASE_URL", "postgres://somebody@db/numeneon"), ("REDIS_URL", "redis://cache")]
    {
        let program = Program::in_folder(&folder).with("PORT", "0").with(name, value);
        let line = refused(&program.run(&[]), "SECRET_KEY");
        assert!(line.contains("32"), "{line}");
        refused(&program.clone().with("SECRET_KEY", "   ").run(&[]), "SECRET_KEY");
        let short = "31 bytes are one byte too short";
        assert_eq!(short.len(), 31);
        let line = refused(&program.clone().with("SECRET_KEY", short).run(&[]), "SECRET_KEY");
        assert!(line.contains("32") && !line.contains(short), "{line}");
        assert!(!folder.path().join("numeneon.secret").exists(), "no key is generated");
    }
}

#[test]
fn thirty_two_bytes_are_enough_for_a_cluster() {
    let key = "32 bytes are as many as it takes";
    assert_eq!(key.len(), 32);
    let lookup = |name: &str| match name {
        "DATABASE_URL" => Some("postgres://somebody@db/numeneon".to_owned()),
        "SECRET_KEY" => Some(key.to_owned()),
        _ => None,
    };
    let settings = Settings::from_lookup(&lookup).expect("valid settings");
    assert_eq!(settings.auth.secret_key.expose_secret(), key);
}

#[tokio::test]
async fn a_key_that_is_set_signs_the_tokens() {
    let folder = TempDir::new().expect("a folder");
    let process = Program::in_folder(&folder).with("PORT", "0").with("SECRET_KEY", SECRET_KEY).start();
    let ada = process.sign_up("ada").await;
    // Ada's token was signed by the test, with the key that is set.
    process.request("GET", "/api/auth/me/").by(&ada).await.is(200);
    assert!(!folder.path().join("numeneon.secret").exists());
}

/// Whoever reads the old backend's repository has such a key.
#[test]
fn a_public_key_of_django_is_refused_unless_only_this_machine_reaches_the_service() {
    const PUBLIC: &str = "django-insecure-a-key-that-stands-in-a-public-repository";
    let settings = |host: &str, name: &'static str, value: &str| {
        let lookup = |setting: &str| match setting {
            "HOST" => Some(host.to_owned()),
            "DATABASE_URL" => Some("postgres://somebody@db/numeneon".to_owned()),
            _ if setting == name => Some(value.to_owned()),
            "SECRET_KEY" => Some(SECRET_KEY.to_owned()),
            _ => None,
        };
        Settings::from_lookup(&lookup).map_err(|error| error.to_string())
    };
    for name in ["SECRET_KEY", "SECRET_KEY_FALLBACKS"] {
        let list = format!("a-key-that-was-used-before-this-one,{PUBLIC}");
        let value = if name == "SECRET_KEY" { PUBLIC } else { &list };
        for host in ["127.0.0.1", "localhost", "::1"] {
            assert!(settings(host, name, value).is_ok(), "{name} {host}");
        }
        for host in ["0.0.0.0", "::", "10.0.0.1"] {
            let why = settings(host, name, value).expect_err("a refusal");
            assert!(why.starts_with(&format!("{name}: ")) && !why.contains("repository"), "{why}");
        }
    }
}

#[test]
fn an_address_that_others_reach_demands_what_a_cluster_does() {
    let folder = TempDir::new().expect("a folder");
    let database = format!("sqlite://{}", folder.path().join("a.sqlite3").display());
    let settings = |host: &str, key: Option<&str>| {
        let lookup = |name: &str| match name {
            "HOST" => Some(host.to_owned()),
            "DATABASE_URL" => Some(database.clone()),
            "SECRET_KEY" => key.map(str::to_owned),
            _ => None,
        };
        Settings::from_lookup(&lookup).map_err(|error| error.to_string())
    };
    assert!(settings("127.0.0.1", Some("short")).expect("valid settings").demo);
    let why = settings("0.0.0.0", Some("short")).expect_err("a refusal");
    assert!(why.starts_with("SECRET_KEY: has 5 bytes"), "{why}");
    let generated = settings("0.0.0.0", None).expect("valid settings");
    assert!(generated.auth.secret_key.expose_secret().len() >= 32);
    assert!(!generated.demo && !generated.shutdown.delay.is_zero());
}
