//! The routes: their paths and methods, and the responses for others.

use rstest::rstest;
use rstest_reuse::apply;
use serde_json::json;

use crate::support::Mode::{self, Standalone};
use crate::support::{both_modes, until};

/// Every route: a path of it, its methods as in `Allow`, and whether it requires a token.
const ROUTES: &[(&str, &str, bool)] = &[
    ("/api/auth/signup/", "POST, OPTIONS", false),
    ("/api/auth/login/", "POST, OPTIONS", false),
    ("/api/auth/token/refresh/", "POST, OPTIONS", false),
    ("/api/auth/users/ada/", "GET, OPTIONS", false),
    ("/api/auth/me/", "GET, OPTIONS", true),
    ("/api/auth/profile/", "PATCH, OPTIONS", true),
    ("/api/auth/profile/1/", "PUT, OPTIONS", true),
    ("/api/auth/search/", "GET, OPTIONS", true),
    ("/api/auth/sign-ins/", "GET, OPTIONS", true),
    ("/api/auth/sign-ins/0000000000000000/", "DELETE, OPTIONS", true),
    ("/api/friends/", "GET, OPTIONS", true),
    ("/api/friends/requests/", "GET, OPTIONS", true),
    ("/api/friends/suggestions/", "GET, OPTIONS", true),
    ("/api/friends/request/1/", "POST, OPTIONS", true),
    ("/api/friends/accept/1/", "POST, OPTIONS", true),
    ("/api/friends/decline/1/", "POST, OPTIONS", true),
    ("/api/friends/cancel/1/", "DELETE, OPTIONS", true),
    ("/api/friends/remove/1/", "DELETE, OPTIONS", true),
    ("/api/messages/", "GET, POST, HEAD, OPTIONS", true),
    ("/api/messages/conversations/", "GET, OPTIONS", true),
    ("/api/messages/conversation/1/", "GET, HEAD, OPTIONS", true),
    ("/api/messages/conversation/1/read/", "POST, OPTIONS", true),
    ("/api/messages/read_all/", "POST, OPTIONS", true),
    ("/api/messages/1/read/", "PATCH, OPTIONS", true),
    ("/api/posts/", "GET, POST, HEAD, OPTIONS", true),
    ("/api/posts/1/", "GET, PUT, PATCH, DELETE, HEAD, OPTIONS", true),
    ("/api/posts/1/replies/", "GET, HEAD, OPTIONS", true),
    ("/api/posts/1/like/", "POST, OPTIONS", true),
    ("/api/posts/1/share/", "POST, OPTIONS", true),
    ("/api/stories/", "GET, POST, OPTIONS", true),
    ("/api/stories/me/", "GET, OPTIONS", true),
    ("/api/stories/user/1/", "GET, OPTIONS", true),
    ("/api/stories/3b241101-e2bb-4255-8caf-4136c566a962/", "DELETE, OPTIONS", true),
    ("/api/stories/3b241101-e2bb-4255-8caf-4136c566a962/view/", "POST, OPTIONS", true),
    ("/api/stories/3b241101-e2bb-4255-8caf-4136c566a962/react/", "POST, DELETE, OPTIONS", true),
    ("/api/notifications/", "GET, OPTIONS", true),
    ("/api/notifications/read/", "POST, OPTIONS", true),
];

#[tokio::test]
async fn every_response_of_the_api_names_the_allowed_methods() {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    for (path, allow, requires_token) in ROUTES {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW"] {
            let responses =
                [stage.here().request(method, path).await, stage.here().request(method, path).by(&ada).await];
            for response in &responses {
                assert_eq!(
                    response.header("allow").as_deref(),
                    Some(*allow),
                    "{method} {path} {}",
                    response.status
                );
                assert!(response.status < 500, "{method} {path}: {} {}", response.status, response.text);
            }
            let [without_token, with_token] = responses;
            assert_eq!(
                without_token.status == 401,
                *requires_token || *path == "/api/auth/login/" && method == "POST",
                "{method} {path}"
            );
            let allowed = allow.split(", ").any(|allowed| allowed == method);
            assert_eq!(with_token.status == 405, !allowed, "{method} {path}: {}", with_token.status);
            if !allowed && method != "HEAD" {
                with_token.has_detail(405, &format!("Method \"{method}\" not allowed."));
            }
        }
    }
}

#[apply(both_modes)]
async fn the_trailing_slash_is_optional(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    for (path, allow, _) in ROUTES {
        let method = allow.split(", ").next().unwrap();
        let short = path.strip_suffix('/').unwrap();
        let (with_slash, without_slash) = (
            stage.here().request(method, path).by(&ada).await,
            stage.here().request(method, short).by(&ada).await,
        );
        assert_eq!(with_slash.status, without_slash.status, "{path}");
        assert_eq!(without_slash.header("location"), None);
        assert!(!without_slash.text.contains("Not found."), "{path}");
    }
    // The body is processed too.
    let body = json!({ "receiver_id": bob.id, "content": "x" });
    stage.here().post("/api/messages").by(&ada).json(&body).await.is(201);
    let response = stage.here().post(&format!("/api/messages/read_all?user_id={}", ada.id)).by(&bob).await;
    response.is_json(200, json!({ "marked_read": 1 }));
}

#[rstest]
#[case("/api")]
#[case("/api/")]
#[case("/api/nothing/")]
#[case("/nothing")]
#[case("/admin/")]
#[case("/backup.json")]
#[case("/numeneon/settings.py")]
#[case("/../Cargo.toml")]
#[case("/api/auth/")]
#[case("/api/messages/debug/")]
#[case("//api/messages/")]
#[case("/api//messages/")]
#[case("/api/messages//")]
#[case("/api/auth/me//")]
#[case("/api/friends/request/abc/")]
#[case("/api/friends/request/-1/")]
#[case("/api/friends/request/1.0/")]
#[case("/api/friends/request//")]
#[case("/api/friends/accept/%31x/")]
#[case("/api/friends/remove/+1/")]
#[case("/api/messages/conversation/abc/")]
#[case("/api/messages/conversation/-1/read/")]
#[case("/api/messages/x/read/")]
#[case("/api/posts/1.json/")]
#[case("/api/posts/x/like/")]
#[case("/api/stories/1/")]
#[case("/api/stories/user/me/")]
#[case("/api/auth/profile/me/")]
#[case("/api/auth/users/a/b/")]
#[tokio::test]
async fn an_unknown_path_gets_a_response_in_json(#[case] path: &str) {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    for method in ["GET", "POST", "DELETE", "PUT"] {
        stage.here().request(method, path).await.has_detail(404, "Not found.");
        stage.here().request(method, path).by(&ada).await.has_detail(404, "Not found.");
    }
}

#[apply(both_modes)]
async fn ids_may_have_any_number_of_digits(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    for id in ["0", "9223372036854775807", "9223372036854775808", "18446744073709551616", &"9".repeat(300)] {
        let here = stage.here();
        here.post(&format!("/api/friends/request/{id}/")).by(&ada).await.is_error(404, "User not found");
        here.delete(&format!("/api/friends/remove/{id}/")).by(&ada).await.is_error(404, "User not found");
        here.delete(&format!("/api/friends/cancel/{id}/")).by(&ada).await.is_error(404, "Request not found");
        here.post(&format!("/api/friends/accept/{id}/")).by(&ada).await.is_error(404, "Request not found");
        here.post(&format!("/api/friends/decline/{id}/")).by(&ada).await.is_error(404, "Request not found");
        here.get(&format!("/api/messages/conversation/{id}/")).by(&ada).await.is_json(200, json!([]));
        here.post(&format!("/api/messages/conversation/{id}/read/"))
            .by(&ada)
            .await
            .is_json(200, json!({ "marked_read": 0 }));
        here.post(&format!("/api/messages/read_all/?user_id={id}"))
            .by(&ada)
            .await
            .is_json(200, json!({ "marked_read": 0 }));
        assert_eq!(here.patch(&format!("/api/messages/{id}/read/")).by(&ada).await.status, 404);
        assert_eq!(here.put(&format!("/api/auth/profile/{id}/")).by(&ada).await.status, 404);
        for (method, rest) in [
            ("GET", ""),
            ("PATCH", ""),
            ("DELETE", ""),
            ("GET", "replies/"),
            ("POST", "like/"),
            ("POST", "share/"),
        ] {
            let response = here.request(method, &format!("/api/posts/{id}/{rest}")).by(&ada).await;
            response.has_detail(404, "No Post matches the given query.");
        }
    }
}

#[apply(both_modes)]
async fn leading_zeros_of_an_id_are_ignored(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    stage.here().post(&format!("/api/friends/request/000{}/", bob.id)).by(&ada).await.is(201);
}

#[tokio::test]
async fn options_describes_a_route() {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    for (path, _, _) in ROUTES {
        assert!(stage.here().request("OPTIONS", path).by(&ada).await.is(200)["name"].is_string(), "{path}");
    }
}

#[apply(both_modes)]
async fn head_returns_the_headers_of_get(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    stage.here().message(&ada, &bob, "hello").await;
    let post = stage.here().post("/api/posts/").by(&ada).json(&json!({ "content": "hello" })).await.is(201);
    for path in [
        "/api/messages/",
        &format!("/api/messages/conversation/{}/", bob.id),
        "/api/posts/",
        &format!("/api/posts/{}/", post["id"]),
        &format!("/api/posts/{}/replies/", post["id"]),
    ] {
        let get = stage.here().get(path).by(&ada).await;
        let head = stage.here().request("HEAD", path).by(&ada).await;
        assert_eq!((head.status, head.text.as_str()), (200, ""));
        for name in ["content-length", "content-type", "allow", "vary"] {
            assert_eq!(head.header(name), get.header(name), "{name}");
        }
    }
    assert_eq!(stage.here().request("HEAD", "/api/auth/me/").by(&ada).await.status, 405);
}

/// Load balancers and uptime checks ask by HEAD.
#[tokio::test]
async fn health_checks_respond_to_head_on_both_ports() {
    let stage = Standalone.stage_with(&[("METRICS_ADDRESS", "127.0.0.1:0")]);
    for path in ["/", "/healthz", "/readyz"] {
        let get = stage.here().get(path).await;
        let head = stage.here().request("HEAD", path).await;
        assert_eq!((head.status, head.text.as_str()), (200, ""), "{path}");
        for name in ["content-length", "content-type"] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
        assert_eq!(head.header("allow").as_deref(), Some("GET, HEAD, OPTIONS"), "{path}");
    }
    for path in ["/metrics", "/healthz", "/readyz"] {
        let head = stage.here().head_on_metrics_port(path).await;
        assert_eq!((head.status, head.text.as_str()), (200, ""), "{path}");
    }
}

#[tokio::test]
async fn the_description_and_the_demo_can_be_switched_off() {
    let stage = Standalone.stage_with(&[("DOCS", "off"), ("DEMO", "off")]);
    for path in ["/api/schema/", "/api/schema", "/api/docs", "/api/docs/", "/demo/"] {
        stage.here().get(path).await.has_detail(404, "Not found.");
    }
    stage.here().get("/healthz").await.is(200);
}

#[apply(both_modes)]
async fn the_root_is_a_health_check(mode: Mode) {
    let stage = mode.stage();
    let body = json!({ "status": "ok", "service": "numeneon-backend" });
    stage.here().get("/").await.is_json(200, body.clone());
    stage.there().get("/").bearer("junk").await.is_json(200, body);
    stage.here().get("/healthz").await.is_json(200, json!({ "status": "ok" }));
    until("the instance is ready", async || stage.here().get("/readyz").await.status == 200).await;
    assert_eq!(stage.here().get("/readyz").await.json()["status"], "ready");
}
