//! The [`Description`] is what `docs/asyncapi.yaml` specifies of the socket. Every frame that a
//! test receives or sends, every close and every refused handshake is checked against it.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jsonschema::{Draft, Validator};
use reqwest::header::HeaderMap;
use serde_json::{Map, Value, json};

/// Returns the description. It is parsed once.
pub fn description() -> &'static Description {
    static DESCRIPTION: LazyLock<Description> = LazyLock::new(Description::read);
    &DESCRIPTION
}

/// The document, compiled into validators.
pub struct Description {
    /// The whole document.
    pub document: Value,
    server_frames: Vec<Frame>,
    client_frames: Vec<Frame>,
    closes: BTreeSet<(u16, String)>,
    refusals: Vec<Refusal>,
}

/// A message of the document.
struct Frame {
    name: String,
    is_json: bool,
    payload: Validator,
}

/// A status with which handshakes are refused.
struct Refusal {
    status: u64,
    headers: Vec<String>,
    /// The texts of the body, if the document lists them.
    details: Vec<String>,
    detail: Validator,
}

impl Description {
    fn read() -> Self {
        let text = include_str!("../../docs/asyncapi.yaml");
        let document: Value = serde_saphyr::from_str(text).expect("docs/asyncapi.yaml is YAML");
        let channel = &document["channels"]["notifications"];
        let mut description = Self {
            server_frames: Vec::new(),
            client_frames: Vec::new(),
            closes: closes(channel),
            refusals: list(&channel["x-refusals"]).iter().map(|it| refusal(&document, it)).collect(),
            document: Value::Null,
        };
        for (name, operation) in members(&document["operations"]) {
            let frames = |of: &Value| list(&of["messages"]).iter().map(|it| frame(&document, it)).collect();
            let (by_server, by_client): (Vec<_>, Vec<_>) = match operation["action"].as_str() {
                Some("send") => (frames(operation), Vec::new()),
                Some("receive") => (frames(&operation["reply"]), frames(operation)),
                other => panic!("{name}: the action {other:?} is unknown"),
            };
            description.server_frames.extend(by_server);
            description.client_frames.extend(by_client);
        }
        description.document = document;
        description
    }

    /// Returns the names of all frames that the server sends.
    pub fn server_frame_names(&self) -> BTreeSet<&str> {
        self.server_frames.iter().map(|frame| frame.name.as_str()).collect()
    }

    /// Returns the names of all frames that clients send.
    pub fn client_frame_names(&self) -> BTreeSet<&str> {
        self.client_frames.iter().map(|frame| frame.name.as_str()).collect()
    }

    /// Returns every close code with each of its reasons.
    pub const fn closes(&self) -> &BTreeSet<(u16, String)> {
        &self.closes
    }

    /// Returns every status of a refused handshake with each text that is listed for it.
    pub fn refusals(&self) -> BTreeSet<(u16, String)> {
        let pairs = |it: &Refusal| {
            let status = u16::try_from(it.status).expect("a status");
            it.details.iter().map(|text| (status, text.clone())).collect::<Vec<_>>()
        };
        self.refusals.iter().flat_map(pairs).collect()
    }

    /// Returns the name of a frame that the server has sent; fails if the frame does not match
    /// the document.
    #[track_caller]
    pub fn server_frame(&self, text: &str) -> &str {
        let value: Value = serde_json::from_str(text)
            .unwrap_or_else(|error| panic!("the server sent a frame that is not JSON: {error}: {text}"));
        // A type that is not one of the service's own belongs to an announcement.
        let of_type = |name: &Value| self.server_frames.iter().find(|frame| *name == *frame.name);
        // One that integrations may use too is the service's own if it has its form.
        let is_shared = numeneon::events::SHARED_NAMES.iter().any(|name| value["type"] == *name);
        let own = of_type(&value["type"]).filter(|frame| !is_shared || frame.payload.is_valid(&value));
        let frame = own.or_else(|| of_type(&json!("announcement")));
        let frame = frame.expect("docs/asyncapi.yaml has announcements");
        let faults = faults(&frame.payload, &value);
        assert!(faults.is_empty(), "docs/asyncapi.yaml: {text} is not a valid {}:\n{faults}", frame.name);
        &frame.name
    }

    /// Returns the name of a frame that a client sends; fails if the frame does not match
    /// exactly one of the document's.
    #[track_caller]
    pub fn client_frame(&self, text: &str) -> &str {
        let value = serde_json::from_str(text);
        let is_json = value.is_ok();
        let value = value.unwrap_or_else(|_| json!(text));
        let matches = |frame: &&Frame| frame.is_json == is_json && frame.payload.is_valid(&value);
        let matching: Vec<_> =
            self.client_frames.iter().filter(matches).map(|frame| frame.name.as_str()).collect();
        let [name] = matching[..] else {
            panic!("docs/asyncapi.yaml: {text} matches the client frames {matching:?}");
        };
        name
    }

    /// Fails if the document does not have this close code with this reason.
    #[track_caller]
    pub fn check_close(&self, code: u16, reason: &str) {
        let described = self.closes.contains(&(code, reason.to_owned()));
        assert!(described, "docs/asyncapi.yaml does not have the close code {code} with {reason:?}");
    }

    /// Returns the status and the text of a refused handshake; fails if they do not match the
    /// document.
    #[track_caller]
    pub fn check_refusal(&self, status: u16, headers: &HeaderMap, bytes: &[u8]) -> (u16, String) {
        let body: Value = serde_json::from_slice(bytes).expect("a body of JSON");
        let (text, keys) = (body["detail"].as_str().expect("a text"), members(&body).len());
        let matches = |refusal: &&Refusal| {
            refusal.status == u64::from(status)
                && refusal.detail.is_valid(&body["detail"])
                && refusal.headers.iter().all(|name| headers.contains_key(name))
        };
        let matching = self.refusals.iter().filter(matches).count();
        assert_eq!((matching, keys), (1, 1), "docs/asyncapi.yaml does not have the refusal {status} {body}");
        (status, text.to_owned())
    }

    /// Checks that each example of a message or schema is valid, and returns their number.
    pub fn check_examples(&self) -> usize {
        let mut count = 0;
        let mut check = |place: String, example: &Value| {
            let faults = faults(&validator(&self.document, &json!({ "$ref": place })), example);
            assert!(
                faults.is_empty(),
                "docs/asyncapi.yaml: {place}: the example {example} is invalid:\n{faults}"
            );
            count += 1;
        };
        for (name, message) in members(&self.document["components"]["messages"]) {
            for example in list(&message["examples"]) {
                check(format!("#/components/messages/{name}/payload"), &example["payload"]);
            }
        }
        for (name, schema) in members(&self.document["components"]["schemas"]) {
            for example in schema.get("examples").into_iter().flat_map(list) {
                check(format!("#/components/schemas/{name}"), example);
            }
        }
        count
    }
}

/// Follows a `$ref` within the document, and the one that it may lead to.
fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let Some(place) = value["$ref"].as_str() else { return value };
    let pointer = place.strip_prefix('#').expect("a reference within the document");
    resolve(document, document.pointer(pointer).unwrap_or_else(|| panic!("{place} does not exist")))
}

fn frame(document: &Value, reference: &Value) -> Frame {
    let message = resolve(document, reference);
    let name = message["name"].as_str().expect("a name").to_owned();
    let is_json = message.get("contentType").is_none_or(|it| it == "application/json");
    Frame { name, is_json, payload: validator(document, &message["payload"]) }
}

fn closes(channel: &Value) -> BTreeSet<(u16, String)> {
    let mut closes = BTreeSet::new();
    for entry in list(&channel["x-close-codes"]) {
        let code = entry["code"].as_u64().and_then(|it| u16::try_from(it).ok()).expect("a close code");
        for reason in list(&entry["reasons"]) {
            let is_new = closes.insert((code, text(reason)));
            assert!(is_new, "docs/asyncapi.yaml has {code} {reason} twice");
        }
    }
    closes
}

fn refusal(document: &Value, entry: &Value) -> Refusal {
    let texts = |list_of: Option<&Value>| list_of.into_iter().flat_map(list).map(text).collect();
    Refusal {
        status: entry["status"].as_u64().expect("a status"),
        headers: texts(entry.get("headers")),
        details: texts(entry["detail"].get("enum")),
        detail: validator(document, &entry["detail"]),
    }
}

/// Compiles a schema. AsyncAPI's schemas are those of JSON Schema, draft 7; they refer to each
/// other by their place in the document, so the validator needs its components as well.
fn validator(document: &Value, schema: &Value) -> Validator {
    let schema_in_document = json!({ "allOf": [schema], "components": document["components"] });
    let options = jsonschema::options().with_draft(Draft::Draft7).should_validate_formats(true);
    options
        .build(&schema_in_document)
        .unwrap_or_else(|error| panic!("docs/asyncapi.yaml: {schema} is not a schema: {error}"))
}

fn faults(validator: &Validator, value: &Value) -> String {
    let lines = validator.iter_errors(value).map(|fault| format!("{}: {fault}", fault.instance_path()));
    lines.collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

#[track_caller]
fn members(value: &Value) -> &Map<String, Value> {
    value.as_object().expect("an object")
}

#[track_caller]
fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
