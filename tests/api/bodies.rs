//! Request bodies: formats, sizes, and what happens to malformed ones.

use rstest::rstest;
use rstest_reuse::apply;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::Mode::{self, Standalone};
use crate::support::{Request, Stage, both_modes};

/// A route that takes a body and needs no token. Without fields it responds with 400.
fn refresh(stage: &Stage) -> Request {
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
async fn malformed_json_is_refused(#[case] body: &str) {
    let stage = Standalone.stage();
    let response = refresh(&stage).body("application/json", body).await;
    if body.is_empty() {
        assert_eq!((response.status, response.text.as_str()), (400, REQUIRED));
        return;
    }
    let detail = response.is(400)["detail"].as_str().unwrap_or_default().to_owned();
    assert!(detail.starts_with("JSON parse error - "), "{detail}");
}

#[rstest]
#[case::not_utf_8(b"{\"refresh\": \"\xff\"}".to_vec())]
#[case::utf_16("{}".encode_utf16().flat_map(u16::to_be_bytes).collect())]
#[case::deeply_nested_lists("[".repeat(60_000).into_bytes())]
#[case::deeply_nested_objects("{\"a\":".repeat(10_000).into_bytes())]
#[tokio::test]
async fn hostile_json_is_refused(#[case] body: Vec<u8>) {
    let stage = Standalone.stage();
    let detail =
        refresh(&stage).body("application/json", body).await.is(400)["detail"].as_str().unwrap().to_owned();
    assert!(detail.starts_with("JSON parse error - "), "{detail}");
}

#[rstest]
#[case("application/json; charset=utf-8")]
#[case("application/json;charset=UTF-8")]
#[case("Application/JSON")]
#[tokio::test]
async fn the_content_type_of_json_is_case_insensitive_and_may_have_parameters(#[case] content_type: &str) {
    let stage = Standalone.stage();
    let response = refresh(&stage).body(content_type, "{\"refresh\":\"x\"}").await;
    response.is_json(401, json!({ "detail": "Token is invalid", "code": "token_not_valid" }));
}

#[rstest]
#[case("text/plain")]
#[case("text/plain; charset=utf-8")]
#[case("application/xml")]
#[case("application/octet-stream")]
#[case("application/jsonp")]
#[case("nonsense")]
#[tokio::test]
async fn other_content_types_are_refused_by_name(#[case] content_type: &str) {
    let stage = Standalone.stage();
    let response = refresh(&stage).body(content_type, "{}").await;
    response.has_detail(415, &format!("Unsupported media type \"{content_type}\" in request."));
}

#[tokio::test]
async fn a_body_without_a_content_type_is_refused() {
    let stage = Standalone.stage();
    refresh(&stage).untyped("{}").await.has_detail(415, "Unsupported media type \"\" in request.");
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
    let stage = Standalone.stage();
    let response = refresh(&stage).body(content_type, "").await;
    assert_eq!((response.status, response.text.as_str()), (400, REQUIRED));
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
async fn forms_are_read_like_json(#[case] content_type: &str, #[case] body: &str) {
    let stage = Standalone.stage();
    let response = refresh(&stage).body(content_type, body).await;
    response.is_json(401, json!({ "detail": "Token is invalid", "code": "token_not_valid" }));
}

#[rstest]
#[case("multipart/form-data; boundary=b", "nonsense")]
#[case("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"refresh\"\r\n\r\nx")]
#[case("multipart/form-data", "--b\r\n")]
#[tokio::test]
async fn a_malformed_multipart_form_is_a_client_error(#[case] content_type: &str, #[case] body: &str) {
    let stage = Standalone.stage();
    let response = refresh(&stage).body(content_type, body).await;
    assert_eq!(response.status, 400, "{}", response.text);
    assert!(response.json().is_object());
}

#[apply(both_modes)]
async fn a_body_over_64_kib_is_refused(mode: Mode) {
    let stage = mode.stage();
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
    // The connection is still usable for the next request.
    send(1_000).await.is(201);
}

#[tokio::test]
async fn a_client_that_receives_an_early_response_may_finish_sending_its_body() {
    const BODY: usize = 1 << 20;
    let stage = Standalone.stage();
    let mut stream = TcpStream::connect(("127.0.0.1", stage.here().port())).await.expect("a connection");
    let head = format!(
        "POST /api/messages/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {BODY}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("an open connection");
    let mut response = vec![0; 12];
    stream.read_exact(&mut response).await.expect("a response");
    assert_eq!(response, b"HTTP/1.1 401");
    // Bytes that arrive at a closed connection would reset it, and the client would lose the response.
    stream.write_all(&vec![b' '; BODY]).await.expect("the body is accepted");
    stream.shutdown().await.expect("a connection that is still open");
    stream.read_to_end(&mut response).await.expect("the whole response, and no reset");
    assert!(response.ends_with(b"}"), "{}", String::from_utf8_lossy(&response));
}

#[tokio::test]
async fn the_maximum_size_of_a_body_is_a_setting() {
    let stage = Standalone.stage_with(&[("MAX_BODY_BYTES", "1024")]);
    assert_eq!(refresh(&stage).body("application/json", " ".repeat(1_025)).await.status, 413);
    assert_eq!(
        refresh(&stage).body("application/json", format!("{{}}{}", " ".repeat(1_022))).await.status,
        400
    );
}

#[rstest]
#[tokio::test]
async fn the_method_is_checked_before_the_body(#[values("GET", "PUT", "DELETE")] method: &str) {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    for path in ["/api/auth/login/", "/api/auth/profile/"] {
        let response = stage.here().request(method, path).by(&ada).body("text/plain", "{").await;
        response.has_detail(405, &format!("Method \"{method}\" not allowed."));
    }
}

#[apply(both_modes)]
async fn routes_without_fields_ignore_the_body(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let here = stage.here();
    let malformed = |request: Request| request.body("application/json", "{broken");
    malformed(here.post(&format!("/api/friends/request/{}/", bob.id))).by(&ada).await.is(201);
    let pending = here.get("/api/friends/requests/").by(&bob).await.is(200);
    malformed(here.post(&format!("/api/friends/accept/{}/", pending[0]["id"]))).by(&bob).await.is(201);
    malformed(here.delete(&format!("/api/friends/remove/{}/", bob.id))).by(&ada).await.is(200);
    malformed(here.post(&format!("/api/messages/read_all/?user_id={}", bob.id))).by(&ada).await.is(200);
    malformed(here.post(&format!("/api/messages/conversation/{}/read/", bob.id))).by(&ada).await.is(200);
    let plain = here.post(&format!("/api/friends/request/{}/", bob.id)).by(&ada).body("text/plain", "x");
    plain.await.is(201);
}
