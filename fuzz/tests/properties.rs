//! Property tests with generated inputs that are nearly valid: a fuzzer has to discover the
//! format of an input, these start from it.

use actix_web::http::header::HeaderValue;
use actix_web::web::Bytes;
use numeneon::fuzzing::{Body, Draft, Fields, PageRequest, Parameters, Pattern, respond, seq};
use numeneon_fuzz::{bodies, heads, sockets, stored, tokens};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Any JSON value, up to some levels deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[ 0-9.eE+-]{0,24}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((any::<String>(), inner), 0..6)
                .prop_map(|pairs| Value::from(pairs.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// A body with the fields that routes read, with values in the expected format or not.
fn any_fields() -> impl Strategy<Value = Value> {
    let names = prop_oneof![
        Just("receiver_id"),
        Just("content"),
        Just("reply_to_story"),
        Just("username"),
        Just("email"),
        Just("password"),
        Just("display_name"),
        Just("bio"),
        Just("avatar"),
        Just("location"),
        Just("website"),
        Just("refresh"),
        Just("up_to"),
    ];
    let values = prop_oneof![
        any_json(),
        "[ -+]{0,2}[0-9]{1,24}(\\.0{0,3})?".prop_map(Value::from),
        "\\s{0,2}\\PC{0,160}\\s{0,2}".prop_map(Value::from),
        "\\PC{1,12}@\\PC{1,12}\\.\\PC{1,6}".prop_map(Value::from),
        "(http|https|javascript|HTTP):/{0,3}\\PC{0,20}".prop_map(Value::from),
    ];
    vec((names, values), 0..8).prop_map(|pairs| {
        Value::from(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
    })
}

fn fields(media_type: &str, body: impl Into<Bytes>) -> Fields {
    let media_type = HeaderValue::from_str(media_type).expect("a valid header value");
    let body = Body::parse(Some(&media_type), body.into()).expect("a valid body");
    body.fields().expect("an object")
}

fn page(parameters: &str) -> Option<PageRequest> {
    PageRequest::parse(&Parameters::parse(parameters)).ok()
}

proptest! {
    // PROPTEST_CASES cases, by default 256. Failing cases are added to the corpus by hand.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_routes_accept_is_within_its_bounds(body in any_fields()) {
        bodies::json(body.to_string().as_bytes());
    }

    #[test]
    fn the_three_body_formats_are_equivalent(pairs in vec(("[a-z_]{1,8}", "[^\r\n-]{0,40}"), 0..6)) {
        let pairs: Map<String, Value> = pairs.into_iter().map(|(name, text)| (name, text.into())).collect();
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        let mut multipart = String::new();
        for (name, text) in &pairs {
            let text = text.as_str().expect("a string");
            form.append_pair(name, text);
            multipart += &format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n");
        }
        let bodies = [
            fields("application/json", Value::from(pairs.clone()).to_string()),
            fields("application/x-www-form-urlencoded", form.finish()),
            fields("multipart/form-data; boundary=x", multipart + "--x--\r\n"),
        ];
        for (name, text) in &pairs {
            for body in &bodies {
                prop_assert_eq!(body.value(name), Some(text));
            }
        }
    }

    #[test]
    fn a_draft_keeps_its_trimmed_content(receiver in 1..i64::MAX, content in "\\PC{1,40}") {
        let body = json!({ "receiver_id": receiver.to_string(), "content": format!(" {content}\n") });
        let draft = Draft::parse(&fields("application/json", body.to_string()), 40);
        match draft {
            Ok(draft) => {
                prop_assert_eq!(draft.receiver.number(), receiver);
                prop_assert_eq!(draft.content, content.trim());
            }
            Err(_) => prop_assert!(content.trim().is_empty()),
        }
    }

    #[test]
    fn a_page_has_the_requested_bounds(limit in 1..=200_i64, before in 0..=i64::MAX) {
        let page = page(&format!("limit={limit}&before={before}")).expect("a valid page");
        prop_assert_eq!(page.limit, Some(limit));
        prop_assert_eq!(page.before, Some(before));
    }

    #[test]
    fn a_page_out_of_bounds_is_rejected(
        limit in prop_oneof![i64::MIN..1, 201..i64::MAX],
        before in prop_oneof![i128::MIN..0, i128::from(i64::MAX) + 1..i128::MAX],
    ) {
        let (limit, before) = (format!("limit={limit}"), format!("before={before}"));
        prop_assert!(page(&limit).is_none() && page(&before).is_none());
    }

    #[test]
    fn json_is_echoed(value in any_json()) {
        sockets::frame(value.to_string().as_bytes());
        if value.get("type").is_none() {
            let expected = format!(r#"{{"type":"echo","data":{value}}}"#);
            prop_assert_eq!(respond(&value.to_string()), expected);
        }
    }

    #[test]
    fn the_seq_of_a_frame_is_extracted(number in any::<i64>(), data in any_json(), name in any::<String>()) {
        let frame = json!({ "type": name, "data": data, "seq": number }).to_string();
        prop_assert_eq!(seq(frame.as_bytes()), Some(Some(number)));
        sockets::payload(frame.as_bytes());
    }

    #[test]
    fn only_valid_claims_are_accepted(claims in any_json(), header in any_json()) {
        tokens::token(format!("c{claims}").as_bytes());
        tokens::token(format!("h{header}\n{claims}").as_bytes());
    }

    #[test]
    fn nearly_valid_claims_are_checked(
        token_type in "access|refresh|ticket|",
        exp in prop_oneof![any_json(), (0..5_000_000_000_u64).prop_map(Value::from)],
        iat in prop_oneof![any_json(), (0..2_000_000_000_u64).prop_map(Value::from)],
        user in prop_oneof![any_json(), "[0-9]{1,24}".prop_map(Value::from)],
    ) {
        let claims = json!({ "token_type": token_type, "exp": exp, "iat": iat, "jti": "a", "user_id": user });
        tokens::token(format!("c{claims}").as_bytes());
    }

    #[test]
    fn a_pattern_matches_by_its_definition(pattern in "[ab.*-]{0,12}", text in "[ab.:/-]{0,16}") {
        stored::pattern(format!("{pattern}\n{text}").as_bytes());
    }

    #[test]
    fn a_pattern_without_a_star_matches_only_itself(text in "[a-z0-9.:/-]{0,40}", other in "[a-z0-9.:/-]{0,40}") {
        prop_assert!(Pattern::new(&text).matches(&text.to_uppercase()));
        prop_assert_eq!(Pattern::new(&text).matches(&other), text == other);
    }

    #[test]
    fn only_allowed_origins_may_read_responses(
        origin in "(https?|HTTP)://(localhost|127\\.0\\.0\\.1|numeneon-frontend[a-z.-]{0,8}\\.vercel\\.app|[a-z.]{1,12})(:[0-9@a-z]{0,6})?(\\.evil\\.com|@evil|/x)?",
        host in "[a-z.@-]{0,12}(localhost|\\.vercel\\.app|\\.onrender\\.com)[:0-9a-z.@/]{0,8}",
    ) {
        heads::head(format!("{host}\n{origin}\n\n").as_bytes());
    }

    #[test]
    fn any_handshake_can_be_parsed(
        query in "(token|cursor)=[^\\s#]{0,20}(&(token|cursor)=[0-9%a-f]{0,24}){0,3}",
        offered in "( ?(numeneon\\.v1|bearer\\.[a-zA-Z0-9._-]{0,30}|[a-z]{0,6}) ?,?){0,4}",
    ) {
        heads::handshake(format!("{query}\n{offered}").as_bytes());
    }

    #[test]
    fn the_cost_of_a_stored_hash_is_bounded(
        algorithm in "argon2(id|i|d|x)?",
        (memory, passes, lanes) in (any::<u32>(), any::<u32>(), any::<u32>()),
        shifts in (0..32_u32, 0..32_u32, 0..32_u32),
        rounds in any::<u64>(),
        rest in "[A-Za-z0-9+/]{0,64}",
    ) {
        let (m, t, p) = (memory >> shifts.0, passes >> shifts.1, lanes >> shifts.2);
        stored::hash(format!("${algorithm}$v=19$m={m},t={t},p={p}$c2FsdHNhbHQ${rest}").as_bytes());
        stored::hash(format!("pbkdf2_sha256${}$salt${rest}", rounds >> shifts.0).as_bytes());
    }

    #[test]
    fn settings_do_not_print_secrets(
        scheme in "(postgres|postgresql|redis|rediss|mysql|)(://|:|//)",
        userinfo in "[a-z%]{0,3}:?![%@:/0-9]{0,3}@?",
        rest in "[\\[\\]a-z0-9.:/?=&%-]{0,24}",
        number in any::<i64>(),
    ) {
        let url = format!("{scheme}{userinfo}{rest}");
        stored::settings(format!("DATABASE_URL={url}\nREDIS_URL=redis://r").as_bytes());
        stored::settings(format!("REDIS_URL={url}\n").as_bytes());
        stored::settings(format!("DATABASE_POOL_SIZE={number}\nMAX_BODY_BYTES={}\n", number >> 40).as_bytes());
    }
}
