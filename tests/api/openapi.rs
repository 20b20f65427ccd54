//! `/api/schema/` describes every route, and only those.

use std::collections::{BTreeMap, BTreeSet};

use rstest::rstest;
use serde_json::Value;

use crate::support::*;

/// The methods of each path.
type Operations = BTreeMap<String, BTreeSet<String>>;

/// Pages for browsers, which are not described.
const PAGES: [&str; 4] = ["/api/docs", "/api/docs/{path:.*}", "/demo", "/demo/{path:.*}"];

/// The methods that any route might have.
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "TRACE"];

/// Returns the path with a value for each parameter.
fn filled(path: &str) -> String {
    path.split('/')
        .map(|part| match part {
            "{username}" => "ada",
            "{id}" if path.starts_with("/api/stories/") => "3b241101-e2bb-4255-8caf-4136c566a962",
            part if part.starts_with('{') => "1",
            part => part,
        })
        .collect::<Vec<_>>()
        .join("/")
}

async fn description(stage: &Stage) -> Value {
    stage.here().get("/api/schema/").await.is(200)
}

fn operations(description: &Value) -> Operations {
    let paths = description["paths"].as_object().expect("paths");
    let methods =
        |item: &Value| item.as_object().expect("a path").keys().map(|it| it.to_uppercase()).collect();
    paths.iter().map(|(path, item)| (path.clone(), methods(item))).collect()
}

#[tokio::test]
async fn it_has_exactly_the_methods_of_each_route() {
    let key = "a-service-key-of-this-test-and-of-no-other";
    let stage = Standalone.stage_with(&[("SERVICE_KEYS", &format!("test:{key}"))]);
    let ada = stage.person("ada").await;
    let description = description(&stage).await;
    for (path, methods) in operations(&description) {
        let takes_key =
            description["paths"][&path]["post"]["security"] == serde_json::json!([{ "service": [] }]);
        let token = if takes_key { key } else { ada.access.as_str() };
        let response = stage.here().request("OPTIONS", &filled(&path)).bearer(token).await;
        response.is(200);
        let allow = response.header("allow").expect("Allow");
        let allowed: BTreeSet<_> = allow.split(", ").map(str::to_owned).collect();
        let options = BTreeSet::from(["OPTIONS".to_owned()]);
        assert_eq!(&methods | &options, allowed, "{path}");
        for method in METHODS.into_iter().filter(|method| !methods.contains(*method)) {
            let response = stage.here().request(method, &filled(&path)).bearer(token).await;
            assert_eq!(response.status, 405, "{method} {path}: {response:?}");
        }
    }
}

/// Returns every text in the table of routes that begins as a path does.
fn paths_in_routes() -> BTreeSet<&'static str> {
    let table = include_str!("../../src/api/routes.rs");
    table.split('"').skip(1).step_by(2).filter(|text| text.starts_with('/')).collect()
}

#[test]
fn only_pages_are_routed_without_a_description() {
    assert_eq!(paths_in_routes(), BTreeSet::from(PAGES));
}

#[tokio::test]
async fn it_states_for_each_operation_whether_it_needs_a_token() {
    let stage = Standalone.stage();
    let description = description(&stage).await;
    assert_eq!(description["security"], serde_json::json!([{ "bearer": [] }]));
    for (path, methods) in operations(&description) {
        for method in methods {
            let operation = &description["paths"][&path][method.to_lowercase()];
            let response = stage.here().request(&method, &filled(&path)).await;
            let needs_token = response.header("www-authenticate").is_some();
            // An operation may take its token in the body.
            let security = operation.get("security");
            let is_secured = security.is_none_or(|it| it == &serde_json::json!([{ "service": [] }]));
            assert_eq!(needs_token, is_secured, "{method} {path}: {response:?}");
            let described = operation["responses"].as_object().expect("responses");
            assert!(described.contains_key(&response.status.to_string()), "{method} {path}: {response:?}");
        }
    }
}

#[tokio::test]
async fn it_is_openapi_3_1_and_needs_no_token() {
    let stage = Standalone.stage();
    let response = stage.here().get("/api/schema").header("accept", "application/json").await;
    assert_eq!(response.is(200)["openapi"], "3.1.0");
    stage
        .here()
        .get("/api/schema/")
        .header("accept", "image/png")
        .await
        .has_detail(406, "Could not satisfy the request Accept header.");
}

#[tokio::test]
async fn every_operation_has_a_unique_name_and_a_summary() {
    let stage = Standalone.stage();
    let description = description(&stage).await;
    let mut names = BTreeSet::new();
    for (path, item) in description["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("a path") {
            let name = operation["operationId"].as_str().expect("a name");
            assert!(names.insert(name.to_owned()), "{method} {path}: {name} is not unique");
            let summary = operation["summary"].as_str().unwrap_or_default();
            assert!(summary.ends_with('.'), "{method} {path} has no summary: {summary:?}");
        }
    }
}

#[tokio::test]
async fn it_states_the_range_of_numbers() {
    let stage = Standalone.stage();
    let description = description(&stage).await;
    let bounds = |schema: &Value| (schema["minimum"].as_i64(), schema["maximum"].as_i64());
    for path in ["/api/messages/", "/api/messages/conversation/{user}/", "/api/notifications/"] {
        let parameters = description["paths"][path]["get"]["parameters"].as_array().expect("parameters");
        let before = parameters.iter().find(|it| it["name"] == "before").expect("before");
        assert_eq!(bounds(&before["schema"]), (Some(0), Some(i64::MAX)), "{path}: {before}");
    }
    let up_to = &description["components"]["schemas"]["ReadForm"]["properties"]["up_to"];
    let name = up_to["$ref"].as_str().and_then(|it| it.rsplit('/').next()).expect("a schema of its own");
    assert_eq!(bounds(&description["components"]["schemas"][name]), (Some(0), Some(i64::MAX)), "{up_to}");
}

#[rstest]
#[case("", "text/html")]
#[case("swagger-initializer.js", "text/javascript")]
#[case("swagger-ui-bundle.js", "text/javascript")]
#[case("swagger-ui.css", "text/css")]
#[tokio::test]
async fn its_page_loads_nothing_from_other_hosts(#[case] file: &str, #[case] media_type: &str) {
    let stage = Standalone.stage();
    let response =
        stage.here().get(&format!("/api/docs/{file}")).header("accept", "text/html, */*;q=0.8").await;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type").as_deref(), Some(media_type));
    let policy = response.header("content-security-policy").expect("a policy");
    let sources = policy.split(';').flat_map(|directive| directive.split_whitespace().skip(1));
    let foreign: Vec<_> = sources.filter(|it| !["'none'", "'self'", "data:"].contains(it)).collect();
    assert!(foreign.is_empty(), "{policy}");
}

#[tokio::test]
async fn its_page_has_no_other_files() {
    let stage = Standalone.stage();
    stage.here().get("/api/docs/no-such-file.js").await.has_detail(404, "Not found.");
    let moved = stage.here().get("/api/docs").await;
    assert_eq!((moved.status, moved.header("location").as_deref()), (301, Some("/api/docs/")));
}
