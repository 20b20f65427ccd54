//! The defaults of settings, and the sources of their values.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use numeneon::settings::{DatabaseUrl, Rate, SETTINGS, Settings};
use tempfile::TempDir;

use crate::process::Program;
use crate::support::SECRET_KEY;

/// Returns the settings of a cluster with only the required ones set.
fn cluster() -> Settings {
    let lookup = |name: &str| match name {
        "DATABASE_URL" => Some("postgres://somebody@db/numeneon".to_owned()),
        "REDIS_URL" => Some("redis://cache".to_owned()),
        "SECRET_KEY" => Some(SECRET_KEY.to_owned()),
        _ => None,
    };
    Settings::from_lookup(&lookup).expect("valid settings")
}

fn rate(count: u32, seconds: u64) -> Rate {
    let burst = count.try_into().expect("a positive count");
    Rate { burst, period: Duration::from_secs(seconds) }
}

/// Returns the settings of a standalone instance with these set.
fn standalone(folder: &TempDir, given: &[(&str, &str)]) -> Settings {
    let database = format!("sqlite://{}", folder.path().join("numeneon.sqlite3").display());
    let lookup = |name: &str| {
        let given = given.iter().find(|(given, _)| *given == name).map(|(_, value)| (*value).to_owned());
        given.or_else(|| (name == "DATABASE_URL").then(|| database.clone()))
    };
    Settings::from_lookup(&lookup).expect("valid settings")
}

#[test]
fn every_setting_has_its_default() {
    let settings = cluster();
    let cores = std::thread::available_parallelism().expect("cores").get();
    let (seconds, milliseconds) = (Duration::from_secs, Duration::from_millis);
    assert_eq!((settings.server.host.as_str(), settings.server.port), ("127.0.0.1", 8000));
    assert_eq!((settings.server.workers, settings.server.max_connections), (cores, 18_000));

    assert_eq!(settings.server.keep_alive, seconds(75));
    let database = &settings.database;
    assert_eq!((database.pool_size, database.wait_timeout), (16, milliseconds(2_000)));
    assert_eq!(database.connect_timeout, seconds(2));
    assert_eq!(
        (database.statement_timeout, database.lock_timeout),
        (milliseconds(5_000), milliseconds(3_000))
    );

    assert_eq!(settings.requests.max_body_bytes, 65_536);
    assert_eq!(settings.requests.max_message_characters, 10_000);
    assert_eq!(settings.requests.max_posts_listed, 1_000);
    assert_eq!(settings.stories.lifetime, seconds(86_400));
    let rate = |count, seconds| Some(rate(count, seconds));
    let rates = settings.rates;
    assert_eq!(rates.failed_logins_by_email, rate(20, 15 * 60));
    assert_eq!(rates.failed_logins_by_address, rate(100, 15 * 60));
    assert_eq!(rates.logins_by_email_and_address, rate(120, 60 * 60));
    assert_eq!(rates.signups_by_address, rate(20, 60 * 60));
    assert_eq!(rates.messages_by_person, rate(120, 60));
    assert_eq!(rates.friend_requests_by_person, rate(60, 60 * 60));
    assert_eq!(rates.posts_by_person, rate(60, 60));
    assert_eq!(rates.reactions_by_person, rate(300, 60));
    assert_eq!(rates.connects_by_address, rate(300, 60));
    assert_eq!(rates.frames_by_socket, rate(100, 10));
    let credentials = settings.auth;
    assert_eq!((credentials.access_token, credentials.refresh_token), (seconds(3_600), seconds(604_800)));
    assert_eq!(credentials.hashes_at_once, (cores - 1).max(1));

    let socket = settings.socket;
    assert_eq!((socket.max_sockets, socket.max_sockets_by_person), (15_000, 32));
    assert_eq!((socket.queue_events, socket.queue_bytes), (256, 262_144));
    assert_eq!((socket.write_timeout, socket.ping, socket.unanswered_pings), (seconds(10), seconds(25), 2));
    assert_eq!(socket.beyond_token, seconds(12 * 3_600));
    assert_eq!(settings.position_check, seconds(30));
    assert_eq!((settings.inbox.retention_days, settings.inbox.max_events), (30, 10_000));
    let shutdown = settings.shutdown;
    assert_eq!((shutdown.delay, shutdown.spread, shutdown.requests), (seconds(5), seconds(5), seconds(15)));
    assert!(settings.service_keys.is_empty());
    assert!(settings.telemetry.metrics_token.is_none() && settings.telemetry.metrics_address.is_none());
    assert!(!settings.demo && settings.docs);
    let telemetry = &settings.telemetry;
    assert!(telemetry.traces.is_none());
    assert_eq!((telemetry.log.as_str(), telemetry.log_json), ("info", !telemetry.on_a_terminal));
}

#[test]
fn a_standalone_instance_needs_no_settings() {
    let folder = TempDir::new().expect("a folder");
    let settings = standalone(&folder, &[]);
    assert!(matches!(settings.database.url, DatabaseUrl::Sqlite(_)));
    assert!(settings.redis_url.is_none());
    assert!(settings.demo);
    assert_eq!(
        settings.shutdown.delay + settings.shutdown.spread,
        Duration::ZERO,
        "nobody has to be waited for"
    );
}

#[test]
fn the_graceful_shutdown_is_shorter_than_render_allows() {
    let shutdown = cluster().shutdown;
    let render =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/render.yaml")).expect("render.yaml");
    let line = render.lines().find_map(|line| line.trim().strip_prefix("maxShutdownDelaySeconds:"));
    let allowed = line.and_then(|number| number.trim().parse().ok()).expect("maxShutdownDelaySeconds");
    assert!(shutdown.delay + shutdown.spread + shutdown.requests < Duration::from_secs(allowed));
}

#[test]
fn an_empty_value_is_like_none() {
    let folder = TempDir::new().expect("a folder");
    let names: Vec<_> =
        SETTINGS.iter().map(|setting| (setting.name, " ")).filter(|it| it.0 != "DATABASE_URL").collect();
    let settings = standalone(&folder, &names);
    assert_eq!(format!("{settings:?}"), format!("{:?}", standalone(&folder, &[])));
}

#[test]
fn a_value_that_is_set_overrides_the_default() {
    let folder = TempDir::new().expect("a folder");
    let given = [
        ("HOST", "0.0.0.0"),
        ("PORT", "0"),
        ("WORKERS", "3"),
        ("TRUSTED_PROXIES", "2"),
        ("ALLOWED_WS_ORIGINS", "https://a.example.org, https://*.example.net"),
        ("SHUTDOWN_DELAY_SECONDS", "7"),
        (
            "SERVICE_KEYS",
            "posts:the-first-key-has-32-bytes-or-more, stories:the-second-one-has:as-many-of-them,",
        ),
        ("METRICS_ADDRESS", "[::1]:9464"),
        ("METRICS_TOKEN", "a token"),
        ("LIMIT_SIGNUPS_BY_ADDRESS", "7/2h"),
        ("LIMIT_MESSAGES_BY_PERSON", "off"),
        ("DEMO", "off"),
        ("DOCS", "off"),
        ("LOG_FORMAT", "json"),
    ];
    let settings = standalone(&folder, &given);
    assert_eq!(
        (settings.server.host.as_str(), settings.server.port, settings.server.workers),
        ("0.0.0.0", 0, 3)
    );
    assert_eq!(settings.access.trusted_proxies, 2);
    assert_eq!(settings.shutdown.delay, Duration::from_secs(7));
    assert!(!settings.demo && !settings.docs);
    assert!(settings.telemetry.metrics_token.is_some() && settings.telemetry.log_json);
    let address = settings.telemetry.metrics_address.map(|address| address.to_string());
    assert_eq!(address.as_deref(), Some("[::1]:9464"));
    let services: Vec<_> = settings.service_keys.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(services, ["posts", "stories"]);
    assert_eq!(settings.rates.signups_by_address, Some(rate(7, 7_200)));
    assert_eq!(settings.rates.messages_by_person, None);
    let allowed = |origin: &str| settings.access.socket_origins.iter().any(|pattern| pattern.matches(origin));
    assert!(allowed("https://a.example.org") && allowed("https://b.example.net"));
    assert!(!allowed("https://b.example.org"));
}

#[test]
fn settings_that_the_environment_lacks_come_from_a_file() {
    let folder = TempDir::new().expect("a folder");
    std::fs::write(folder.path().join(".env"), "# A comment\nPORT=0\nLOG_FORMAT=\"text\"\nLOG=off\n")
        .expect("a file");
    let process = Program::in_folder(&folder).with("LOG", "info").start();
    let log = process.log();
    assert!(log.iter().all(|line| !line.starts_with('{')), "LOG_FORMAT is from the file: {log:?}");
    assert!(log.iter().any(|line| line.contains("serving")), "LOG is from the environment: {log:?}");
    assert!(folder.path().join("numeneon.sqlite3").exists(), "DATABASE_URL is the default");
}

#[test]
fn port_0_takes_a_free_port_each_time() {
    let folder = TempDir::new().expect("a folder");
    let program = Program::in_folder(&folder).with("PORT", "0");
    let (one, other) = (program.start(), program.start());
    assert_ne!(one.port(), other.port());
}

#[test]
fn the_database_file_is_readable_by_its_owner_only_and_the_log_names_it() {
    let folder = TempDir::new().expect("a folder");
    let process = Program::in_folder(&folder).with("PORT", "0").start();
    for name in ["numeneon.sqlite3", "numeneon.sqlite3-wal", "numeneon.sqlite3-shm"] {
        let file = std::fs::metadata(folder.path().join(name)).expect("the file");
        assert_eq!(file.permissions().mode() & 0o777, 0o600, "{name}");
    }
    let log = process.log();
    assert!(log.iter().any(|line| line.contains("SQLite numeneon.sqlite3")), "{log:?}");
}
