//! What a request's body may be.

use rstest::rstest;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::Kind::{self, Cluster, Laptop};
use crate::support::{Call, Stage};

/// A route that takes a body and no token; its own answer to no fields is 400.
fn refresh(stage: &Stage) -> Call {
    stage.here().post("/api/auth/token/refresh/")
}

const REQUIRED: &str = r#"{"refresh":["This field is required."]}"#;

#[rstest]
#[case("{")]
#[case("")]
#[case("nonsense")]
#[case("{\"refresh\": NaN}")]
#[case("{\"refresh\": Infinity}")]
#[case("{'refresh': 1}")]
#[case("{\"refresh\": \"\\ud800\"}")]
#[case("{} {}")]
#[case("{\"a\":1,}")]
#[tokio::test]
async fn broken_json_is_refused(#[case] body: &str) {
    let stage = Laptop.stage();
    let answer = refresh(&stage).body("application/json", body).await;
    if body.is_empty() {
        assert_eq!((answer.status, answer.text.as_str()), (400, REQUIRED));
        return;
    }
    let detail = answer.is(400)["detail"].as_str().unwrap_or_default().to_owned();
    assert!(detail.starts_with("JSON parse error - "), "{detail}");
}

#[rstest]
#[case::bad_utf_8(b"{\"refresh\": \"\xff\"}".to_vec())]
#[case::utf_16("{}".encode_utf16().flat_map(u16::to_be_bytes).collect())]
#[case::deep("[".repeat(60_000).into_bytes())]
#[case::deep_object("{\"a\":".repeat(10_000).into_bytes())]
#[tokio::test]
async fn what_no_parser_should_take_is_refused(#[case] body: Vec<u8>) {
    let stage = Laptop.stage();
    let detail =
        refresh(&stage).body("application/json", body).await.is(400)["detail"].as_str().unwrap().to_owned();
    assert!(detail.starts_with("JSON parse error - "), "{detail}");
}

#[rstest]
#[case("application/json; charset=utf-8")]
#[case("application/json;charset=UTF-8")]
#[case("Application/JSON")]
#[tokio::test]
async fn json_is_known_by_its_type_however_spelled(#[case] content_type: &str) {
    let stage = Laptop.stage();
    let answer = refresh(&stage).body(content_type, "{\"refresh\":\"x\"}").await;
    answer.says(401, json!({ "detail": "Token is invalid", "code": "token_not_valid" }));
}

#[rstest]
#[case("text/plain")]
#[case("text/plain; charset=utf-8")]
#[case("application/xml")]
#[case("application/octet-stream")]
#[case("application/jsonp")]
#[case("nonsense")]
#[tokio::test]
async fn other_types_are_refused_by_name(#[case] content_type: &str) {
    let stage = Laptop.stage();
    let answer = refresh(&stage).body(content_type, "{}").await;
    answer.details(415, &format!("Unsupported media type \"{content_type}\" in request."));
}

#[tokio::test]
async fn a_body_without_a_type_is_refused() {
    let stage = Laptop.stage();
    refresh(&stage).untyped("{}").await.details(415, "Unsupported media type \"\" in request.");
}

#[rstest]
#[tokio::test]
async fn an_empty_body_has_no_fields(
    #[values(
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain"
    )]
    content_type: &str,
) {
    let stage = Laptop.stage();
    let answer = refresh(&stage).body(content_type, "").await;
    assert_eq!((answer.status, answer.text.as_str()), (400, REQUIRED));
    assert_eq!(refresh(&stage).await.text, REQUIRED);
}

#[rstest]
#[case("application/x-www-form-urlencoded", "refresh=a%20b+c&x=y")]
#[case("application/x-www-form-urlencoded; charset=utf-8", "refresh=first&refresh=last")]
#[case(
    "multipart/form-data; boundary=b",
    "--b\r\nContent-Disposition: form-data; name=\"refresh\"\r\n\r\nx\r\n--b--\r\n"
)]
#[tokio::test]
async fn forms_are_read_alike(#[case] content_type: &str, #[case] body: &str) {
    let stage = Laptop.stage();
    let answer = refresh(&stage).body(content_type, body).await;
    answer.says(401, json!({ "detail": "Token is invalid", "code": "token_not_valid" }));
}

#[rstest]
#[case("multipart/form-data; boundary=b", "nonsense")]
#[case("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"refresh\"\r\n\r\nx")]
#[case("multipart/form-data", "--b\r\n")]
#[tokio::test]
async fn a_broken_multipart_form_is_the_clients_fault(#[case] content_type: &str, #[case] body: &str) {
    let stage = Laptop.stage();
    let answer = refresh(&stage).body(content_type, body).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    assert!(answer.json().is_object());
}

#[rstest]
#[tokio::test]
async fn a_body_over_64_kib_is_refused(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let small = json!({ "receiver_id": bob.id, "content": "x" }).to_string();
    let send = |bytes: usize| {
        let body = format!("{small}{}", " ".repeat(bytes - small.len()));
        stage.here().post("/api/messages/").by(&ada).body("application/json", body)
    };
    send(65_536).await.is(201);
    for bytes in [65_537, 300_000] {
        assert!(send(bytes).await.is(413)["detail"].is_string());
    }
    let form = format!("refresh={}", "x".repeat(70_000));
    assert_eq!(refresh(&stage).body("application/x-www-form-urlencoded", form).await.status, 413);
    // The connection serves the next request all the same.
    send(1_000).await.is(201);
}

#[tokio::test]
async fn who_is_answered_before_the_body_has_come_may_send_it_to_its_end() {
    const BODY: usize = 1 << 20;
    let stage = Laptop.stage();
    let mut stream = TcpStream::connect(("127.0.0.1", stage.here().port())).await.expect("a connection");
    let head = format!(
        "POST /api/messages/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {BODY}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("it is open");
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(answer, b"HTTP/1.1 401");
    // Bytes that arrive at a closed connection would reset it, and the answer with it.
    stream.write_all(&vec![b' '; BODY]).await.expect("it is taken");
    stream.shutdown().await.expect("it is open still");
    stream.read_to_end(&mut answer).await.expect("the answer to its end, and no reset");
    assert!(answer.ends_with(b"}"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn the_bound_of_a_body_is_a_setting() {
    let stage = Laptop.stage_with(&[("MAX_BODY_BYTES", "1024")]);
    assert_eq!(refresh(&stage).body("application/json", " ".repeat(1_025)).await.status, 413);
    assert_eq!(
        refresh(&stage).body("application/json", format!("{{}}{}", " ".repeat(1_022))).await.status,
        400
    );
}

#[rstest]
#[tokio::test]
async fn the_method_is_looked_at_before_the_body(#[values("GET", "PUT", "DELETE")] method: &str) {
    let stage = Laptop.stage();
    let ada = stage.person("ada").await;
    for path in ["/api/auth/login/", "/api/auth/profile/"] {
        let answer = stage.here().call(method, path).by(&ada).body("text/plain", "{").await;
        answer.details(405, &format!("Method \"{method}\" not allowed."));
    }
}

#[rstest]
#[tokio::test]
async fn routes_without_fields_ignore_the_body(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let here = stage.here();
    let odd = |call: Call| call.body("application/json", "{broken");
    odd(here.post(&format!("/api/friends/request/{}/", bob.id))).by(&ada).await.is(201);
    let pending = here.get("/api/friends/requests/").by(&bob).await.is(200);
    odd(here.post(&format!("/api/friends/accept/{}/", pending[0]["id"]))).by(&bob).await.is(201);
    odd(here.delete(&format!("/api/friends/remove/{}/", bob.id))).by(&ada).await.is(200);
    odd(here.post(&format!("/api/messages/read_all/?user_id={}", bob.id))).by(&ada).await.is(200);
    odd(here.post(&format!("/api/messages/conversation/{}/read/", bob.id))).by(&ada).await.is(200);
    let plain = here.post(&format!("/api/friends/request/{}/", bob.id)).by(&ada).body("text/plain", "x");
    plain.await.is(201);
}
