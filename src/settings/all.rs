//! [`Settings`] are all settings of an instance.

use std::path::Path;
use std::time::Duration;

use secrecy::SecretString;

use super::env_file::EnvFile;
use super::groups::{Access, Auth, Database, Inbox, Requests, Server, Shutdown, SignUps, Socket, Stories};
use super::invalid_setting::InvalidSetting;
use super::place::Place;
use super::rate::Rates;
use super::service_keys::{self, ServiceKey};
use super::source::Source;
use super::telemetry::{self, Telemetry};

/// Everything that an operator configures.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen, and the bounds of the server.
    pub server: Server,
    /// The database.
    pub database: Database,
    /// The Redis between the instances; without one this process is the only instance.
    pub redis_url: Option<SecretString>,
    /// What the names of channels and keys in Redis begin with; may be empty.
    pub redis_prefix: String,
    /// Tokens and passwords.
    pub auth: Auth,
    /// The rules for new accounts.
    pub sign_ups: SignUps,
    /// The integrations that may announce events.
    pub service_keys: Vec<ServiceKey>,
    /// Which origins and hosts may access the service.
    pub access: Access,
    /// The bounds of one request.
    pub requests: Requests,
    /// What stories are bound by.
    pub stories: Stories,
    /// The rates of all limits.
    pub rates: Rates,
    /// The bounds of sockets.
    pub socket: Socket,
    /// How often feeds are compared with their inboxes.
    pub position_check: Duration,
    /// How long events are stored.
    pub inbox: Inbox,
    /// The stages of a graceful stop.
    pub shutdown: Shutdown,
    /// Log lines, metrics and traces.
    pub telemetry: Telemetry,
    /// Whether `/demo/` is served.
    pub demo: bool,
    /// Whether `/api/schema/` and `/api/docs/` are served.
    pub docs: bool,
}

impl Settings {
    /// Reads the environment and the file `.env` of the working folder.
    ///
    /// # Errors
    ///
    /// The first invalid setting.
    pub fn from_environment() -> Result<Self, InvalidSetting> {
        let file = EnvFile::read(Path::new(".env")).map_err(|why| InvalidSetting::new(".env", why))?;
        Self::from_lookup(&|name| {
            let from_environment = std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
            from_environment.or_else(|| file.value(name))
        })
    }

    /// Reads settings by name from `lookup`; an empty value counts as unset.
    ///
    /// # Errors
    ///
    /// The first invalid setting.
    pub fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, InvalidSetting> {
        let source = Source::new(lookup);
        let database = Database::read(&source)?;
        let redis_url = source.redis_url("REDIS_URL")?;
        let server = Server::read(&source)?;
        let place = Place::new(&server.host, &database.url, redis_url.is_some());
        Ok(Self {
            server,
            auth: Auth::read(&source, &database.url, place)?,
            sign_ups: SignUps::read(&source),
            service_keys: service_keys::read(&source)?,
            database,
            redis_url,
            redis_prefix: source.redis_prefix("REDIS_PREFIX")?,
            access: Access::read(&source)?,
            requests: Requests::read(&source)?,
            stories: Stories::read(&source)?,
            rates: Rates::read(&source)?,
            socket: Socket::read(&source)?,
            position_check: source.seconds("POSITION_CHECK_SECONDS", 1..=3_600)?,
            inbox: Inbox::read(&source)?,
            shutdown: Shutdown::read(&source, place.is_standalone())?,
            telemetry: telemetry::read(&source)?,
            demo: source.switch("DEMO", place.is_standalone())?,
            docs: source.switch("DOCS", true)?,
        })
    }
}

/// Returns the host and the port by which the instance on this machine is reached. It reads
/// no other setting, because a health check does not have all of them.
///
/// # Errors
///
/// If `PORT` is invalid.
pub fn local_address() -> Result<(String, u16), InvalidSetting> {
    let lookup = |name: &str| std::env::var(name).ok();
    let source = Source::new(&lookup);
    let host = match source.text("HOST").as_str() {
        "0.0.0.0" | "::" => "127.0.0.1".to_owned(),
        host => host.to_owned(),
    };
    Ok((host, source.number("PORT", 0..=65_535)?))
}
