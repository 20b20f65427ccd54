//! Which paths there are, what they allow, and what is answered elsewhere.

use rstest::rstest;
use serde_json::json;

use crate::support::Kind::{self, Cluster, Laptop};

/// Every route: a good path of it, its methods as `Allow` names them, and whether it
/// asks for a token.
const ROUTES: &[(&str, &str, bool)] = &[
    ("/api/auth/signup/", "POST, OPTIONS", false),
    ("/api/auth/login/", "POST, OPTIONS", false),
    ("/api/auth/token/refresh/", "POST, OPTIONS", false),
    ("/api/auth/users/ada/", "GET, OPTIONS", false),
    ("/api/auth/me/", "GET, OPTIONS", true),
    ("/api/auth/profile/", "PATCH, OPTIONS", true),
    ("/api/auth/profile/1/", "PUT, OPTIONS", true),
    ("/api/auth/search/", "GET, OPTIONS", true),
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
    ("/api/notifications/", "GET, OPTIONS", true),
    ("/api/notifications/read/", "POST, OPTIONS", true),
];

#[tokio::test]
async fn every_api_answer_says_what_is_allowed() {
    let stage = Laptop.stage();
    let ada = stage.person("ada").await;
    for (path, allow, closed) in ROUTES {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW"] {
            let answers =
                [stage.here().call(method, path).await, stage.here().call(method, path).by(&ada).await];
            for answer in &answers {
                assert_eq!(
                    answer.header("allow").as_deref(),
                    Some(*allow),
                    "{method} {path} {}",
                    answer.status
                );
                assert!(answer.status < 500, "{method} {path}: {} {}", answer.status, answer.text);
            }
            let [stranger, ada] = answers;
            assert_eq!(
                stranger.status == 401,
                *closed || *path == "/api/auth/login/" && method == "POST",
                "{method} {path}"
            );
            let allowed = allow.split(", ").any(|allowed| allowed == method);
            assert_eq!(ada.status == 405, !allowed, "{method} {path}: {}", ada.status);
            if !allowed && method != "HEAD" {
                ada.details(405, &format!("Method \"{method}\" not allowed."));
            }
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_missing_last_slash_is_forgiven(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    for (path, allow, _) in ROUTES {
        let method = allow.split(", ").next().unwrap();
        let short = path.strip_suffix('/').unwrap();
        let (whole, short) =
            (stage.here().call(method, path).by(&ada).await, stage.here().call(method, short).by(&ada).await);
        assert_eq!(whole.status, short.status, "{path}");
        assert_eq!(short.header("location"), None);
        assert!(!short.text.contains("Not found."), "{path}");
    }
    // The body is not lost.
    let body = json!({ "receiver_id": bob.id, "content": "x" });
    stage.here().post("/api/messages").by(&ada).json(&body).await.is(201);
    let answer = stage.here().post(&format!("/api/messages/read_all?user_id={}", ada.id)).by(&bob).await;
    answer.says(200, json!({ "marked_read": 1 }));
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
#[case("/api/auth/profile/me/")]
#[case("/api/auth/users/a/b/")]
#[tokio::test]
async fn an_unknown_path_is_answered_in_json(#[case] path: &str) {
    let stage = Laptop.stage();
    let ada = stage.person("ada").await;
    for method in ["GET", "POST", "DELETE", "PUT"] {
        stage.here().call(method, path).await.details(404, "Not found.");
        stage.here().call(method, path).by(&ada).await.details(404, "Not found.");
    }
}

#[rstest]
#[tokio::test]
async fn ids_are_digits_of_any_length(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let ada = stage.person("ada").await;
    for id in ["0", "9223372036854775807", "9223372036854775808", "18446744073709551616", &"9".repeat(300)] {
        let here = stage.here();
        here.post(&format!("/api/friends/request/{id}/")).by(&ada).await.refuses(404, "User not found");
        here.delete(&format!("/api/friends/remove/{id}/")).by(&ada).await.refuses(404, "User not found");
        here.delete(&format!("/api/friends/cancel/{id}/")).by(&ada).await.refuses(404, "Request not found");
        here.post(&format!("/api/friends/accept/{id}/")).by(&ada).await.refuses(404, "Request not found");
        here.post(&format!("/api/friends/decline/{id}/")).by(&ada).await.refuses(404, "Request not found");
        here.get(&format!("/api/messages/conversation/{id}/")).by(&ada).await.says(200, json!([]));
        here.post(&format!("/api/messages/conversation/{id}/read/"))
            .by(&ada)
            .await
            .says(200, json!({ "marked_read": 0 }));
        here.post(&format!("/api/messages/read_all/?user_id={id}"))
            .by(&ada)
            .await
            .says(200, json!({ "marked_read": 0 }));
        assert_eq!(here.patch(&format!("/api/messages/{id}/read/")).by(&ada).await.status, 404);
        assert_eq!(here.put(&format!("/api/auth/profile/{id}/")).by(&ada).await.status, 404);
    }
}

#[rstest]
#[tokio::test]
async fn a_leading_nought_changes_no_id(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    stage.here().post(&format!("/api/friends/request/000{}/", bob.id)).by(&ada).await.is(201);
}

#[tokio::test]
async fn options_describes_a_route() {
    let stage = Laptop.stage();
    let ada = stage.person("ada").await;
    for (path, _, _) in ROUTES {
        assert!(stage.here().call("OPTIONS", path).by(&ada).await.is(200)["name"].is_string(), "{path}");
    }
}

#[rstest]
#[tokio::test]
async fn head_answers_the_headers_of_get(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    stage.here().message(&ada, &bob, "hello").await;
    for path in ["/api/messages/", &format!("/api/messages/conversation/{}/", bob.id)] {
        let get = stage.here().get(path).by(&ada).await;
        let head = stage.here().call("HEAD", path).by(&ada).await;
        assert_eq!((head.status, head.text.as_str()), (200, ""));
        for name in ["content-length", "content-type", "allow", "vary"] {
            assert_eq!(head.header(name), get.header(name), "{name}");
        }
    }
    assert_eq!(stage.here().call("HEAD", "/api/auth/me/").by(&ada).await.status, 405);
}

#[rstest]
#[tokio::test]
async fn the_root_is_a_health_check(#[values(Laptop, Cluster)] kind: Kind) {
    let stage = kind.stage();
    let body = json!({ "status": "ok", "service": "numeneon-backend" });
    stage.here().get("/").await.says(200, body.clone());
    stage.there().get("/").bearer("junk").await.says(200, body);
    stage.here().get("/healthz").await.says(200, json!({ "status": "ok" }));
    assert_eq!(stage.here().get("/readyz").await.is(200)["status"], "ready");
}
