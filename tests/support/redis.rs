//! The servers that all tests share, and Redis as another service uses it.

/// Returns the URL of a server that tests share.
pub fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set: scripts/test starts the servers that tests need, and names them there")
    })
}

/// Returns the URL of Redis.
pub fn url() -> String {
    server("TEST_REDIS_URL")
}

/// Publishes payloads to a channel, all in one go.
pub fn publish<P: AsRef<[u8]>>(channel: &str, payloads: &[P]) {
    let client = redis::Client::open(url()).expect("TEST_REDIS_URL is a URL");
    let mut conn = client.get_connection().expect("TEST_REDIS_URL lets nobody in");
    let mut pipeline = redis::pipe();
    for payload in payloads {
        pipeline.publish(channel, payload.as_ref()).ignore();
    }
    pipeline.exec(&mut conn).expect("Redis takes what is published");
}

/// Returns how many processes are subscribed to a channel.
pub fn subscribers(channel: &str) -> i64 {
    let client = redis::Client::open(url()).expect("TEST_REDIS_URL is a URL");
    let mut conn = client.get_connection().expect("TEST_REDIS_URL lets nobody in");
    let counted: redis::RedisResult<(String, i64)> =
        redis::cmd("PUBSUB").arg("NUMSUB").arg(channel).query(&mut conn);
    counted.expect("Redis counts").1
}

/// Publishes whatever it is to a person's group.
pub fn redis_publish(person: &super::Person, payload: &[u8]) {
    publish(&format!("user_{}", person.id), &[payload]);
}
