//! The port for those who watch, and what is counted there.

use std::collections::{BTreeMap, BTreeSet};

use rstest::rstest;
use serde_json::json;

use crate::support::{Cluster, Instance, Kind, Laptop, until};

const METRICS: (&str, &str) = ("METRICS_ADDRESS", "127.0.0.1:0");

/// Returns the number of a sample, by its name and labels as they are written.
async fn sample(instance: &Instance, name: &str) -> Option<f64> {
    let text = instance.watch("/metrics").await.text;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test]
async fn metrics_have_a_port_of_their_own() {
    let stage = Laptop.stage_with(&[METRICS]);
    stage.here().get("/metrics").await.details(404, "Not found.");
    let answer = stage.here().watch("/metrics").await;
    assert_eq!(answer.status, 200);
    let about = answer.header("content-type").expect("a type");
    assert!(about.starts_with("application/openmetrics-text; version=1.0.0"), "{about}");
    assert!(answer.text.contains("numeneon_sockets 0\n") && answer.text.ends_with("# EOF\n"));
    stage.here().watch("/healthz").await.says(200, json!({ "status": "ok" }));
    assert_eq!(stage.here().watch("/readyz").await.is(200)["status"], "ready");
    stage.here().watch("/api/auth/me/").await.details(404, "Not found.");
}

#[tokio::test]
async fn metrics_are_for_whoever_has_their_token() {
    let stage = Laptop.stage_with(&[METRICS, ("METRICS_TOKEN", "a token for metrics")]);
    let unknown = "Authentication credentials were not provided.";
    stage.here().watch("/metrics").await.details(401, unknown);
    for token in ["", "another", "a token for metric"] {
        let given = format!("Bearer {token}");
        stage.here().watch("/metrics").header("authorization", &given).await.details(401, unknown);
    }
    assert_eq!(stage.here().watch("/metrics").bearer("a token for metrics").await.status, 200);
}

#[tokio::test]
async fn requests_are_counted_by_pattern_and_never_by_path() {
    let stage = Laptop.stage_with(&[METRICS]);
    let ada = stage.person("ada").await;
    for path in ["/api/auth/users/ada/", "/api/auth/users/ada", "/api/auth/users/nobody-of-this-name/"] {
        stage.here().get(path).by(&ada).await;
    }
    stage.here().call("BREW", "/api/auth/me/?secret=1").await;
    stage.here().get("/no/such/path").await;
    let text = stage.here().watch("/metrics").await.text;
    let user = r#"route="/api/auth/users/{username:[^/]+}/",method="GET""#;
    assert!(text.contains(&format!("numeneon_requests_total{{{user},status=\"200\"}} 2\n")), "{text}");
    assert!(text.contains(&format!("numeneon_requests_total{{{user},status=\"404\"}} 1\n")), "{text}");
    assert!(text.contains(&format!("numeneon_request_seconds_count{{{user}}} 3\n")), "{text}");
    assert!(text.contains(r#"route="/api/auth/me/",method="other",status="#), "{text}");
    assert!(text.contains(r#"{route="unknown",method="GET",status="404"} 1"#), "{text}");
    assert!(!text.contains("nobody-of-this-name") && !text.contains("BREW") && !text.contains("secret"));
}

#[rstest]
#[tokio::test]
async fn an_event_is_counted_on_each_step_of_its_way(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage_with(&[METRICS]);
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut sockets = [stage.there().socket(&bob).await, stage.there().socket(&bob).await];
    for number in 1..=3 {
        stage.here().message(&ada, &bob, "hello").await;
        for socket in &mut sockets {
            assert_eq!(socket.next().await["seq"], number);
        }
    }
    let (here, there) = (stage.here(), stage.there());
    assert_eq!(sample(here, r#"numeneon_events_emitted_total{type="new_message"}"#).await, Some(3.0));
    assert!(sample(here, "numeneon_publications_total").await >= Some(3.0));
    assert_eq!(sample(there, "numeneon_payloads_delivered_total").await, Some(6.0));
    // A frame is counted when it has left, which the client may see first.
    until("all are sent", async || sample(there, "numeneon_frames_sent_total").await == Some(6.0)).await;
    let delays = async || sample(there, "numeneon_delivery_delay_seconds_count").await;
    until("all have a delay", async || delays().await == Some(6.0)).await;
    let seconds = sample(there, "numeneon_delivery_delay_seconds_sum").await.expect("a sum");
    assert!((0.0..360.0).contains(&seconds), "{seconds}");
    assert_eq!(sample(there, "numeneon_sockets").await, Some(2.0));
    assert_eq!(sample(there, "numeneon_people_connected").await, Some(1.0));
    assert_eq!(sample(there, "numeneon_channel_layer_whole").await, Some(1.0));
    assert_eq!(sample(there, "numeneon_database_up").await, Some(1.0));

    let [one, other] = sockets;
    one.close().await;
    let people = async || sample(there, "numeneon_people_connected").await;
    until("one is gone", async || sample(there, "numeneon_sockets").await == Some(1.0)).await;
    assert_eq!(people().await, Some(1.0));
    other.close().await;
    until("the person is gone", async || people().await == Some(0.0)).await;

    let mut socket = there.resume(&bob, 1).await;
    socket.next_many(2).await;
    assert_eq!(sample(there, r#"numeneon_events_replayed_total{cause="resume"}"#).await, Some(2.0));
    assert_eq!(sample(there, "numeneon_delivery_delay_seconds_count").await, Some(6.0), "of live ones only");
    assert_eq!(sample(here, "numeneon_password_hash_seconds_count").await, Some(2.0), "two people");
    assert_eq!(sample(here, "numeneon_password_hashes_waiting").await, Some(0.0));
}

/// Returns the rows of a table of all metrics, as an instance tells them.
fn table(text: &str) -> Vec<String> {
    let mut labels = BTreeMap::<&str, BTreeSet<&str>>::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_once(['{', ' ']).expect("a sample");
        let names = rest.split_once('}').map_or("", |(inside, _)| inside).split("\",");
        let known = names.filter_map(|label| label.split_once("=\"")).map(|(label, _)| label);
        labels.entry(name).or_default().extend(known.filter(|label| *label != "le"));
    }
    let about = |word| text.lines().filter_map(move |line| line.strip_prefix(word)?.split_once(' '));
    let helps: BTreeMap<_, _> = about("# HELP ").collect();
    about("# TYPE ")
        .map(|(name, kind)| {
            let full = if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
            let sampled = if kind == "histogram" { format!("{name}_count") } else { full.clone() };
            let labels: Vec<_> = labels[sampled.as_str()].iter().map(|label| format!("`{label}`")).collect();
            let help = helps[name].trim_end_matches('.');
            format!("| `{full}` | {kind} | {} | {help} |", labels.join(", "))
        })
        .collect()
}

#[tokio::test]
async fn the_table_of_operations_is_what_an_instance_tells() {
    let stage = Laptop.stage_with(&[METRICS, ("LIMIT_MESSAGES_BY_PERSON", "1/1h")]);
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    stage.here().message(&ada, &bob, "hello").await;
    let body = json!({ "receiver_id": bob.id, "content": "one too many" });
    stage.here().post("/api/messages/").by(&ada).json(&body).await.is(429);
    let mut socket = stage.here().resume(&bob, 0).await;
    socket.next().await;
    socket.close().await;
    until("the socket is counted", async || {
        sample(stage.here(), r#"numeneon_sockets_closed_total{reason="by_client"}"#).await == Some(1.0)
    })
    .await;
    let told = table(&stage.here().watch("/metrics").await.text);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations/observe.md");
    let page = std::fs::read_to_string(path).expect("docs/operations/observe.md");
    let written = page.lines().skip_while(|line| !line.starts_with("| metric |")).skip(2);
    let written: Vec<_> = written.take_while(|line| line.starts_with('|')).collect();
    assert_eq!(written, told, "an instance tells:\n{}\n", told.join("\n"));
}
