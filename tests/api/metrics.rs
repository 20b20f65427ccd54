//! The metrics server and its metrics.

use std::collections::{BTreeMap, BTreeSet};

use rstest_reuse::apply;
use serde_json::json;

use crate::support::{Instance, Mode, Standalone, both_modes, until};

const METRICS: (&str, &str) = ("METRICS_ADDRESS", "127.0.0.1:0");

/// Returns the value of a sample, given its name and labels in the exposition format.
async fn sample(instance: &Instance, name: &str) -> Option<f64> {
    let text = instance.on_metrics_port("/metrics").await.text;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test]
async fn metrics_are_served_on_their_own_port_only() {
    let stage = Standalone.stage_with(&[METRICS]);
    stage.here().get("/metrics").await.has_detail(404, "Not found.");
    let response = stage.here().on_metrics_port("/metrics").await;
    assert_eq!(response.status, 200);
    let content_type = response.header("content-type").expect("a type");
    assert!(content_type.starts_with("application/openmetrics-text; version=1.0.0"), "{content_type}");
    assert!(response.text.contains("numeneon_sockets 0\n") && response.text.ends_with("# EOF\n"));
    stage.here().on_metrics_port("/healthz").await.is_json(200, json!({ "status": "ok" }));
    assert_eq!(stage.here().on_metrics_port("/readyz").await.is(200)["status"], "ready");
    stage.here().on_metrics_port("/api/auth/me/").await.has_detail(404, "Not found.");
}

#[tokio::test]
async fn metrics_require_their_token() {
    let stage = Standalone.stage_with(&[METRICS, ("METRICS_TOKEN", "a token for metrics")]);
    let unknown = "Authentication credentials were not provided.";
    stage.here().on_metrics_port("/metrics").await.has_detail(401, unknown);
    for token in ["", "another", "a token for metric"] {
        let given = format!("Bearer {token}");
        stage
            .here()
            .on_metrics_port("/metrics")
            .header("authorization", &given)
            .await
            .has_detail(401, unknown);
    }
    assert_eq!(stage.here().on_metrics_port("/metrics").bearer("a token for metrics").await.status, 200);
}

#[tokio::test]
async fn requests_are_counted_by_route_pattern_and_never_by_path() {
    let stage = Standalone.stage_with(&[METRICS]);
    let ada = stage.person("ada").await;
    for path in ["/api/auth/users/ada/", "/api/auth/users/ada", "/api/auth/users/nobody-of-this-name/"] {
        stage.here().get(path).by(&ada).await;
    }
    stage.here().request("BREW", "/api/auth/me/?secret=1").await;
    stage.here().get("/no/such/path").await;
    let text = stage.here().on_metrics_port("/metrics").await.text;
    let user = r#"route="/api/auth/users/{username:[^/]+}/",method="GET""#;
    assert!(text.contains(&format!("numeneon_requests_total{{{user},status=\"200\"}} 2\n")), "{text}");
    assert!(text.contains(&format!("numeneon_requests_total{{{user},status=\"404\"}} 1\n")), "{text}");
    assert!(text.contains(&format!("numeneon_request_seconds_count{{{user}}} 3\n")), "{text}");
    assert!(text.contains(r#"route="/api/auth/me/",method="other",status="#), "{text}");
    assert!(text.contains(r#"{route="unknown",method="GET",status="404"} 1"#), "{text}");
    assert!(!text.contains("nobody-of-this-name") && !text.contains("BREW") && !text.contains("secret"));
}

#[apply(both_modes)]
async fn an_event_is_counted_at_each_step(mode: Mode) {
    let stage = mode.stage_with(&[METRICS]);
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
    // A frame is counted after it was sent, so the client may receive it first.
    until("all frames are counted", async || sample(there, "numeneon_frames_sent_total").await == Some(6.0))
        .await;
    let delays = async || sample(there, "numeneon_delivery_delay_seconds_count").await;
    until("all delays are counted", async || delays().await == Some(6.0)).await;
    let seconds = sample(there, "numeneon_delivery_delay_seconds_sum").await.expect("a sum");
    assert!((0.0..360.0).contains(&seconds), "{seconds}");
    assert_eq!(sample(there, "numeneon_sockets").await, Some(2.0));
    assert_eq!(sample(there, "numeneon_people_connected").await, Some(1.0));
    let healthy = async || sample(there, "numeneon_channel_layer_whole").await == Some(1.0);
    until("the channel layer is healthy", healthy).await;
    assert_eq!(sample(there, "numeneon_database_up").await, Some(1.0));

    let [one, other] = sockets;
    one.close().await;
    let people = async || sample(there, "numeneon_people_connected").await;
    until("one socket is gone", async || sample(there, "numeneon_sockets").await == Some(1.0)).await;
    assert_eq!(people().await, Some(1.0));
    other.close().await;
    until("the person is gone", async || people().await == Some(0.0)).await;

    let mut socket = there.resume(&bob, 1).await;
    socket.next_many(2).await;
    assert_eq!(sample(there, r#"numeneon_events_replayed_total{cause="resume"}"#).await, Some(2.0));
    assert_eq!(
        sample(there, "numeneon_delivery_delay_seconds_count").await,
        Some(6.0),
        "replayed events are not counted"
    );
    assert_eq!(
        sample(here, "numeneon_password_hash_seconds_count").await,
        Some(2.0),
        "one for each of the two people"
    );
    assert_eq!(sample(here, "numeneon_password_hashes_waiting").await, Some(0.0));
}

/// Returns the rows of a table of all metrics that are in the exposition of an instance.
fn table(text: &str) -> Vec<String> {
    let mut labels = BTreeMap::<&str, BTreeSet<&str>>::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_once(['{', ' ']).expect("a sample");
        let names = rest.split_once('}').map_or("", |(inside, _)| inside).split("\",");
        let seen = names.filter_map(|label| label.split_once("=\"")).map(|(label, _)| label);
        labels.entry(name).or_default().extend(seen.filter(|label| *label != "le"));
    }
    let comments = |word| text.lines().filter_map(move |line| line.strip_prefix(word)?.split_once(' '));
    let helps: BTreeMap<_, _> = comments("# HELP ").collect();
    comments("# TYPE ")
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
async fn the_documented_table_lists_exactly_the_metrics_of_an_instance() {
    let stage = Standalone.stage_with(&[METRICS, ("LIMIT_MESSAGES_BY_PERSON", "1/1h")]);
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
    let exposed = table(&stage.here().on_metrics_port("/metrics").await.text);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations/observe.md");
    let page = std::fs::read_to_string(path).expect("docs/operations/observe.md");
    let written = page.lines().skip_while(|line| !line.starts_with("| metric |")).skip(2);
    let written: Vec<_> = written.take_while(|line| line.starts_with('|')).collect();
    assert_eq!(written, exposed, "the metrics of an instance:\n{}\n", exposed.join("\n"));
}
