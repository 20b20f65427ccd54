//! The [`Description`] is what `docs/asyncapi.yaml` says of the socket. Every frame that a
//! test is sent or sends, every close and every refused handshake is held against it.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jsonschema::{Draft, Validator};
use reqwest::header::HeaderMap;
use serde_json::{Map, Value, json};

/// Returns the description. It is read once.
pub fn description() -> &'static Description {
    static READ: LazyLock<Description> = LazyLock::new(Description::read);
    &READ
}

/// What the document says, ready to be held against what happens.
pub struct Description {
    /// All of it.
    pub document: Value,
    told: Vec<Frame>,
    said: Vec<Frame>,
    closes: BTreeSet<(u16, String)>,
    refusals: Vec<Refusal>,
}

/// A message of the document.
struct Frame {
    name: String,
    is_json: bool,
    payload: Validator,
}

/// A way in which handshakes are refused.
struct Refusal {
    status: u64,
    headers: Vec<String>,
    /// The texts that it has, if the document lists them.
    details: Vec<String>,
    detail: Validator,
}

impl Description {
    fn read() -> Self {
        let text = include_str!("../../docs/asyncapi.yaml");
        let document: Value = serde_saphyr::from_str(text).expect("docs/asyncapi.yaml is YAML");
        let channel = &document["channels"]["notifications"];
        let mut description = Self {
            told: Vec::new(),
            said: Vec::new(),
            closes: closes(channel),
            refusals: list(&channel["x-refusals"]).iter().map(|it| refusal(&document, it)).collect(),
            document: Value::Null,
        };
        for (name, operation) in members(&document["operations"]) {
            let frames = |of: &Value| list(&of["messages"]).iter().map(|it| frame(&document, it)).collect();
            let (told, said): (Vec<_>, Vec<_>) = match operation["action"].as_str() {
                Some("send") => (frames(operation), Vec::new()),
                Some("receive") => (frames(&operation["reply"]), frames(operation)),
                other => panic!("{name}: {other:?} is no action"),
            };
            description.told.extend(told);
            description.said.extend(said);
        }
        description.document = document;
        description
    }

    /// Returns the names of all frames of the server, or of clients.
    pub fn names(&self, of_server: bool) -> BTreeSet<&str> {
        let frames = if of_server { &self.told } else { &self.said };
        frames.iter().map(|frame| frame.name.as_str()).collect()
    }

    /// Returns every close code with every reason.
    pub const fn closes(&self) -> &BTreeSet<(u16, String)> {
        &self.closes
    }

    /// Returns every status of a refused handshake with every text that is listed for it.
    pub fn refusals(&self) -> BTreeSet<(u16, String)> {
        let pairs = |it: &Refusal| {
            let status = u16::try_from(it.status).expect("a status");
            it.details.iter().map(|text| (status, text.clone())).collect::<Vec<_>>()
        };
        self.refusals.iter().flat_map(pairs).collect()
    }

    /// Returns which frame of the server this is; fails if it is none, or not as described.
    #[track_caller]
    pub fn told(&self, text: &str) -> &str {
        let value: Value = serde_json::from_str(text)
            .unwrap_or_else(|error| panic!("the server sent what is not JSON: {error}: {text}"));
        // A type that is none of the service's own is another service's.
        let of_type = |name: &Value| self.told.iter().find(|frame| *name == *frame.name);
        let frame = of_type(&value["type"]).or_else(|| of_type(&json!("announcement")));
        let frame = frame.expect("docs/asyncapi.yaml has announcements");
        let faults = faults(&frame.payload, &value);
        assert!(faults.is_empty(), "docs/asyncapi.yaml: {text} is no {}:\n{faults}", frame.name);
        &frame.name
    }

    /// Returns which frame of a client this is; fails if it is none or several.
    #[track_caller]
    pub fn said(&self, text: &str) -> &str {
        let value = serde_json::from_str(text);
        let is_json = value.is_ok();
        let value = value.unwrap_or_else(|_| json!(text));
        let fits = |frame: &&Frame| frame.is_json == is_json && frame.payload.is_valid(&value);
        let fitting: Vec<_> = self.said.iter().filter(fits).map(|frame| frame.name.as_str()).collect();
        let [name] = fitting[..] else {
            panic!("docs/asyncapi.yaml: of a client's frames {text} is {fitting:?}");
        };
        name
    }

    /// Fails if the server does not close so.
    #[track_caller]
    pub fn closed(&self, code: u16, reason: &str) {
        let described = self.closes.contains(&(code, reason.to_owned()));
        assert!(described, "docs/asyncapi.yaml: no close code {code} for {reason:?}");
    }

    /// Returns the status of a refused handshake and its text; fails if none is refused so.
    #[track_caller]
    pub fn refused(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> (u16, String) {
        let whole: Value = serde_json::from_slice(body).expect("a body of JSON");
        let (text, keys) = (whole["detail"].as_str().expect("a text"), members(&whole).len());
        let fits = |refusal: &&Refusal| {
            refusal.status == u64::from(status)
                && refusal.detail.is_valid(&whole["detail"])
                && refusal.headers.iter().all(|name| headers.contains_key(name))
        };
        let fitting = self.refusals.iter().filter(fits).count();
        assert_eq!(
            (fitting, keys),
            (1, 1),
            "docs/asyncapi.yaml: no handshake is refused by {status} {whole}"
        );
        (status, text.to_owned())
    }

    /// Checks that each example of a message or schema is one, and returns how many there are.
    pub fn check_examples(&self) -> usize {
        let mut count = 0;
        let mut check = |place: String, example: &Value| {
            let faults = faults(&validator(&self.document, &json!({ "$ref": place })), example);
            assert!(faults.is_empty(), "docs/asyncapi.yaml: {place}: {example} is no example:\n{faults}");
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

/// Follows `$ref` within the document, also if it leads to another one.
fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let Some(place) = value["$ref"].as_str() else { return value };
    let pointer = place.strip_prefix('#').expect("a place in this document");
    resolve(document, document.pointer(pointer).unwrap_or_else(|| panic!("{place} is not there")))
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
            assert!(is_new, "docs/asyncapi.yaml: {code} {reason} is there twice");
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

/// AsyncAPI's schemas are those of JSON Schema, draft 7. They refer to each other by their
/// places in the document, so it goes along.
fn validator(document: &Value, schema: &Value) -> Validator {
    let whole = json!({ "allOf": [schema], "components": document["components"] });
    let options = jsonschema::options().with_draft(Draft::Draft7).should_validate_formats(true);
    options.build(&whole).unwrap_or_else(|error| panic!("docs/asyncapi.yaml: {schema} is no schema: {error}"))
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
