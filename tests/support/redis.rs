//! The servers that all tests share, and Redis as other services use it.

/// Returns the URL of a server that the tests share.
pub fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set; scripts/test starts the servers that the tests need and sets it")
    })
}

/// Returns the URL of Redis.
pub fn url() -> String {
    server("TEST_REDIS_URL")
}

fn connect() -> redis::Connection {
    let client = redis::Client::open(url()).expect("TEST_REDIS_URL is a URL");
    client.get_connection().expect("a connection to TEST_REDIS_URL")
}

/// Publishes payloads to a channel, in one pipeline.
pub fn publish<P: AsRef<[u8]>>(channel: &str, payloads: &[P]) {
    let mut pipeline = redis::pipe();
    for payload in payloads {
        pipeline.publish(channel, payload.as_ref()).ignore();
    }
    pipeline.exec(&mut connect()).expect("Redis publishes");
}

/// Returns how many processes subscribe to a channel.
pub fn subscribers(channel: &str) -> i64 {
    let counted: redis::RedisResult<(String, i64)> =
        redis::cmd("PUBSUB").arg("NUMSUB").arg(channel).query(&mut connect());
    counted.expect("a count").1
}

/// Publishes any bytes to a person's group.
pub fn redis_publish(person: &super::Person, payload: &[u8]) {
    publish(&format!("user_{}", person.id), &[payload]);
}
