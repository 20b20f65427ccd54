//! The middleware of all routes: security headers, CORS, hosts and `Accept`.

use rstest::rstest;
use serde_json::json;

use crate::support::{PASSWORD, Response, Standalone};

const PREFLIGHT: [(&str, &str); 3] = [
    (
        "access-control-allow-headers",
        "accept, authorization, baggage, content-type, idempotency-key, sentry-trace, traceparent, tracestate, \
         user-agent, x-csrftoken, x-request-id, x-requested-with",
    ),
    ("access-control-allow-methods", "DELETE, GET, OPTIONS, PATCH, POST, PUT"),
    ("access-control-max-age", "86400"),
];

/// Returns a response with each of these statuses: 200, 401, 404, 405, 400 and 415.
async fn responses(origin: &str) -> Vec<Response> {
    let stage = Standalone.stage();
    let here = stage.here();
    vec![
        here.get("/").header("origin", origin).await,
        here.get("/api/auth/me/").header("origin", origin).await,
        here.get("/api/auth/users/nobody/").header("origin", origin).await,
        here.get("/nothing/").header("origin", origin).await,
        here.get("/api/auth/login/").header("origin", origin).await,
        here.post("/api/auth/login/").header("origin", origin).body("application/json", "{").await,
        here.post("/api/auth/login/").header("origin", origin).body("text/plain", "x").await,
        here.post("/api/auth/signup/").header("origin", origin).json(&json!({})).await,
        here.post("/api/auth/login/").header("origin", origin).json(&json!({})).await,
    ]
}

fn cross_origin_headers(response: &Response) -> Vec<String> {
    let names = response.headers.keys().map(|name| name.as_str().to_owned());
    let mut names: Vec<_> = names.filter(|name| name.starts_with("access-control-")).collect();
    names.sort_unstable();
    names
}

#[rstest]
#[case("https://numeneon-frontend.vercel.app")]
#[case("https://numeneon-backend.onrender.com")]
#[case("https://numeneon-frontend-git-main-team.vercel.app")]
#[case("http://localhost:3000")]
#[case("http://localhost:5173")]
#[case("http://127.0.0.1:8080")]
#[tokio::test]
async fn pages_of_allowed_origins_may_read_every_response(#[case] origin: &str) {
    for response in responses(origin).await {
        assert_eq!(
            response.header("access-control-allow-origin").as_deref(),
            Some(origin),
            "{}",
            response.text
        );
        assert_eq!(
            cross_origin_headers(&response),
            ["access-control-allow-origin", "access-control-expose-headers"]
        );
        let readable = response.header("access-control-expose-headers");
        assert_eq!(readable.as_deref(), Some("Link, Retry-After, X-Inbox-Seq, X-Request-Id"));
    }
}

#[rstest]
#[case("null")]
#[case("http://localhost")]
#[case("https://evil.example")]
#[case("https://numeneon-frontend.vercel.app.evil.example")]
#[case("https://evil.example/numeneon-frontend.vercel.app")]
#[case("https://numeneon-frontend.evil.vercel.app")]
#[case("http://numeneon-frontend.vercel.app")]
#[case("https://vercel.app")]
#[case("http://localhost:3000.evil.example")]
#[case("http://localhost.evil.example:3000")]
#[case("https://localhost:3000")]
#[tokio::test]
async fn pages_of_other_origins_may_read_no_response(#[case] origin: &str) {
    for response in responses(origin).await {
        assert_eq!(cross_origin_headers(&response), [""; 0], "{}", response.text);
        assert_ne!(response.status, 403);
    }
}

#[rstest]
#[tokio::test]
async fn a_preflight_request_gets_a_response_for_any_path(
    #[values(
        "/api/auth/login/",
        "/api/auth/login",
        "/api/friends/request/1/",
        "/nothing",
        "/",
        "/api/auth/me/"
    )]
    path: &str,
) {
    let stage = Standalone.stage();
    let preflight = |origin| {
        let call = stage.here().request("OPTIONS", path).header("origin", origin);
        call.header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization")
    };
    let response = preflight("http://localhost:5173").await;
    assert_eq!((response.status, response.text.as_str()), (200, ""));
    assert_eq!(response.header("access-control-allow-origin").as_deref(), Some("http://localhost:5173"));
    for (name, value) in PREFLIGHT {
        assert_eq!(response.header(name).as_deref(), Some(value));
    }
    assert_eq!(response.header("vary").as_deref(), Some("origin"));
    assert_eq!(cross_origin_headers(&response).len(), 4);

    let response = preflight("https://evil.example").await;
    assert_eq!((response.status, response.text.as_str()), (200, ""));
    assert_eq!(cross_origin_headers(&response), [""; 0]);
}

#[tokio::test]
async fn the_allowed_origins_are_a_setting() {
    let stage =
        Standalone.stage_with(&[("ALLOWED_ORIGINS", "https://app.example, https://*.preview.example")]);
    for (origin, allowed) in [
        ("https://app.example", true),
        ("https://x.preview.example", true),
        ("https://x.y.preview.example", false),
        ("http://localhost:3000", false),
    ] {
        let response = stage.here().get("/").header("origin", origin).await;
        assert_eq!(response.header("access-control-allow-origin").is_some(), allowed, "{origin}");
    }
}

#[tokio::test]
async fn every_response_has_the_security_headers() {
    for response in responses("https://evil.example").await {
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("content-type", "application/json"),
        ] {
            assert_eq!(response.header(name).as_deref(), Some(value), "{}", response.text);
        }
        for name in [
            "strict-transport-security",
            "server",
            "etag",
            "content-encoding",
            "set-cookie",
            "transfer-encoding",
            "x-powered-by",
        ] {
            assert_eq!(response.header(name), None, "{name}");
        }
        let length = response.header("content-length").and_then(|text| text.parse().ok());
        assert_eq!(length, Some(response.text.len()));
    }
}

#[tokio::test]
async fn responses_of_the_api_are_not_cached() {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    for path in ["/api/auth/me/", "/api/messages/", "/api/auth/users/ada/", "/api/nowhere/"] {
        for response in [stage.here().get(path).by(&ada).await, stage.here().get(path).await] {
            assert_eq!(response.header("cache-control").as_deref(), Some("no-store"), "{path}");
        }
    }
    let body = json!({ "email": ada.email, "password": PASSWORD });
    let tokens = stage.here().post("/api/auth/login/").json(&body).await;
    assert_eq!((tokens.status, tokens.header("cache-control").as_deref()), (200, Some("no-store")));
}

#[rstest]
#[case("0", "https", None)]
#[case("1", "https", Some("max-age=31536000"))]
#[case("1", "http, HTTPS", Some("max-age=31536000"))]
#[case("1", "https, http", None)]
#[case("1", "", None)]
#[tokio::test]
async fn only_a_trusted_proxy_may_declare_that_a_request_came_by_tls(
    #[case] trusted_proxies: &str,
    #[case] protocol: &str,
    #[case] expected: Option<&str>,
) {
    let stage = Standalone.stage_with(&[("TRUSTED_PROXIES", trusted_proxies)]);
    for path in ["/api/auth/me/", "/demo/", "/"] {
        let response = stage.here().get(path).header("x-forwarded-proto", protocol).await;
        assert_eq!(response.header("strict-transport-security").as_deref(), expected, "{path}");
    }
}

#[tokio::test]
async fn the_demo_runs_only_its_own_scripts() {
    let stage = Standalone.stage();
    let policy = stage.here().get("/demo/").await.header("content-security-policy").unwrap();
    for directive in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"]
    {
        assert!(policy.split("; ").any(|it| it == directive), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
}

#[tokio::test]
async fn vary_names_the_headers_that_a_response_depends_on() {
    let stage = Standalone.stage();
    let vary = async |path: &str| stage.here().get(path).await.header("vary").unwrap();
    assert_eq!(vary("/api/auth/users/nobody/").await, "Accept, origin");
    assert_eq!(vary("/api/auth/me/").await, "Accept, origin");
    assert_eq!(vary("/").await, "origin");
}

#[rstest]
#[case("localhost", true)]
#[case("localhost:8000", true)]
#[case("LOCALHOST", true)]
#[case("127.0.0.1", true)]
#[case("127.0.0.1:1", true)]
#[case("numeneon-backend.onrender.com", true)]
#[case("numeneon.vercel.app:443", true)]
#[case("evil.example", false)]
#[case("localhost.evil.example", false)]
#[case("evil.example:8000", false)]
#[case("127.0.0.1.evil.example", false)]
#[case("onrender.com.evil.example", false)]
#[case("evilonrender.com", false)]
#[case("localhost@evil.example", false)]
#[tokio::test]
async fn only_allowed_hosts_are_served(#[case] host: &str, #[case] allowed: bool) {
    let stage = Standalone.stage();
    let response = stage.here().get("/").header("host", host).await;
    assert_eq!(response.status, if allowed { 200 } else { 400 }, "{}", response.text);
    if !allowed {
        assert!(response.json()["detail"].is_string());
        assert_eq!(stage.here().get("/api/auth/me/").header("host", host).await.status, 400);
        assert_eq!(stage.here().get("/nothing").header("host", host).await.status, 400);
    }
}

#[tokio::test]
async fn the_allowed_hosts_are_a_setting() {
    let stage = Standalone.stage_with(&[("ALLOWED_HOSTS", "api.example,127.0.0.1")]);
    for (host, status) in [("api.example", 200), ("127.0.0.1", 200), ("localhost", 400)] {
        assert_eq!(stage.here().get("/").header("host", host).await.status, status, "{host}");
    }
}

#[rstest]
#[case("application/json", 200)]
#[case("application/*", 200)]
#[case("*/*", 200)]
#[case("text/html,application/xhtml+xml,*/*;q=0.8", 200)]
#[case("image/png, application/json;q=0.1", 200)]
#[case("APPLICATION/JSON", 200)]
#[case("", 200)]
#[case("image/png", 406)]
#[case("application/xml", 406)]
#[tokio::test]
async fn only_json_is_acceptable(#[case] accept: &str, #[case] status: u16) {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    let response = stage.here().get("/api/auth/users/ada/").header("accept", accept).await;
    assert_eq!(response.status, status, "{}", response.text);
    assert!(response.json().is_object());
    assert_eq!(stage.here().get("/api/auth/me/").by(&ada).header("accept", accept).await.status, status);
}

#[tokio::test]
async fn a_browser_gets_json() {
    let stage = Standalone.stage();
    stage.person("ada").await;
    let response = stage.here().get("/api/auth/users/ada/").header("accept", "text/html").await;
    assert_eq!(response.is(200)["username"], "ada");
}
