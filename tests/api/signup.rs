//! `POST /api/auth/signup/`

use rstest::rstest;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::Mode::{self, Standalone};
use crate::support::{Stage, assert_timestamp, both_modes};

async fn sign_up(stage: &Stage, body: Value) -> crate::support::Response {
    stage.here().post("/api/auth/signup/").json(&body).await
}

#[apply(both_modes)]
async fn the_response_has_the_new_user_with_a_profile_and_no_tokens(mode: Mode) {
    let stage = mode.stage();
    let body = json!({
        "username": "ada", "email": "Ada@Example.COM", "password": "unheard-of", "display_name": "Ada King Lovelace",
    });
    let response = sign_up(&stage, body).await.is(201);
    let (user, profile) = (&response["user"], &response["user"]["profile"]);
    let nested = json!({
        "id": user["id"], "username": "ada", "email": "Ada@example.com", "first_name": "Ada",
        "last_name": "King Lovelace", "date_joined": profile["user"]["date_joined"], "profile_picture": null,
    });
    let expected = json!({ "message": "User created successfully.", "user": {
        "id": user["id"], "username": "ada", "email": "Ada@example.com", "first_name": "Ada", "last_name": "King Lovelace",
        "date_joined": profile["user"]["date_joined"], "profile_picture": null, "profile": {
            "id": profile["id"], "user": nested, "bio": "", "avatar": null, "location": "", "website": "",
            "created_at": profile["created_at"], "updated_at": profile["updated_at"],
        },
    }});
    assert_eq!(response, expected);
    assert!(user["id"].is_i64() && profile["id"].is_i64());
    for time in [&profile["created_at"], &profile["updated_at"], &profile["user"]["date_joined"]] {
        assert_timestamp(time);
    }
}

#[rstest]
#[case(json!(null), "", "")]
#[case(json!(""), "", "")]
#[case(json!("  "), "", "")]
#[case(json!("Ada"), "Ada", "")]
#[case(json!("Ada Lovelace"), "Ada", "Lovelace")]
#[case(json!("Ada King of Lovelace"), "Ada", "King of Lovelace")]
#[case(json!("Ada\t \tLovelace"), "Ada", "Lovelace")]
#[tokio::test]
async fn a_display_name_is_split_at_its_first_whitespace(
    #[case] name: Value,
    #[case] first: &str,
    #[case] last: &str,
) {
    let stage = Standalone.stage();
    let body = json!({ "username": "ada", "email": "ada@example.com", "password": "unheard-of", "display_name": name });
    let user = sign_up(&stage, body).await.is(201)["user"].clone();
    assert_eq!((&user["first_name"], &user["last_name"]), (&json!(first), &json!(last)));
}

#[apply(both_modes)]
async fn forms_are_accepted(mode: Mode) {
    let stage = mode.stage();
    let fields =
        |name| [("username", name), ("email", name), ("password", "unheard-of"), ("display_name", "A B")];
    let [mut one, mut two] = [fields("ada"), fields("bob")];
    (one[1].1, two[1].1) = ("ada@example.com", "bob@example.com");
    let user = stage.here().post("/api/auth/signup/").form(&one).await.is(201)["user"].clone();
    assert_eq!((&user["username"], &user["last_name"]), (&json!("ada"), &json!("B")));
    stage.here().post("/api/auth/signup/").multipart(&two).await.is(201);
}

#[apply(both_modes)]
async fn missing_fields_are_refused(mode: Mode) {
    let stage = mode.stage();
    let whole = json!({ "username": "ada", "email": "ada@example.com", "password": "unheard-of" });
    for name in ["username", "email", "password"] {
        for absent in [None, Some(json!(null)), Some(json!(""))] {
            let mut body = whole.clone();
            match absent {
                None => drop(body.as_object_mut().unwrap().remove(name)),
                Some(value) => body[name] = value,
            }
            sign_up(&stage, body).await.is_error(400, "Missing required fields.");
        }
    }
    stage.here().post("/api/auth/signup/").await.is_error(400, "Missing required fields.");
}

#[apply(both_modes)]
async fn a_username_or_an_email_that_is_taken_is_refused(mode: Mode) {
    let stage = mode.stage();
    stage.person("ada").await;
    let body = |username, email| json!({ "username": username, "email": email, "password": "unheard-of" });
    sign_up(&stage, body("ada", "other@example.com")).await.is_error(400, "Username already taken.");
    sign_up(&stage, body("ada", "ada@example.com")).await.is_error(400, "Username already taken.");
    for email in ["ada@example.com", "ADA@EXAMPLE.COM", " ada@Example.com "] {
        sign_up(&stage, body("eve", email)).await.is_error(400, "Email already registered.");
    }
}

#[apply(both_modes)]
async fn usernames_are_shown_as_given_in_nfkc(mode: Mode) {
    let stage = mode.stage();
    for (number, (given, kept)) in
        [("Ada", "Ada"), (" BOB ", "BOB"), ("a.d+a@b-c_d", "a.d+a@b-c_d"), ("Ädä", "Ädä"), ("ｅｖｅ", "eve")]
            .into_iter()
            .enumerate()
    {
        let body =
            json!({ "username": given, "email": format!("{number}@example.com"), "password": "unheard-of" });
        assert_eq!(sign_up(&stage, body).await.is(201)["user"]["username"], kept);
    }
}

/// Moved accounts keep their names, also where these differ in case only.
#[apply(both_modes)]
async fn a_username_is_unique_without_regard_to_case_and_to_variants_of_letters(mode: Mode) {
    let stage = mode.stage();
    stage.person("Adä").await;
    stage.import("moved", "", "");
    stage.import("Moved", "", "");
    for (number, taken) in ["adä", "ADÄ", "ａｄä", "ada\u{308}", "MOVED", "ｍoved"].into_iter().enumerate()
    {
        let body =
            json!({ "username": taken, "email": format!("{number}@example.com"), "password": "unheard-of" });
        sign_up(&stage, body).await.is_error(400, "Username already taken.");
    }
    assert_eq!(stage.number("SELECT COUNT(*) FROM users"), 3);
    // Looking a name up stays case-sensitive.
    stage.here().get("/api/auth/users/moved/").await.is(200);
    stage.here().get("/api/auth/users/Moved/").await.is(200);
    stage.here().get("/api/auth/users/MOVED/").await.has_detail(404, "No User matches the given query.");
    // A name is free again when its account is deleted.
    stage.sql("DELETE FROM users WHERE username = 'Adä'");
    let body = json!({ "username": "adä", "email": "again@example.com", "password": "unheard-of" });
    sign_up(&stage, body).await.is(201);
}

#[tokio::test]
async fn a_reserved_username_is_refused_in_any_case() {
    let stage = Standalone.stage_with(&[("RESERVED_USERNAMES", "admin, Support")]);
    for name in ["admin", "ADMIN", "support", "ａdmin"] {
        let body = json!({ "username": name, "email": "ada@example.com", "password": "unheard-of" });
        sign_up(&stage, body).await.is_error(400, "Username already taken.");
    }
    stage.person("administrator").await;
}

#[rstest]
#[tokio::test]
async fn a_common_password_is_refused(
    #[values("secret", "PassWord1", "qwertyuiop", "pppppp")] password: &str,
) {
    let stage = Standalone.stage();
    let body = json!({ "username": "ada", "email": "ada@example.com", "password": password });
    sign_up(&stage, body).await.is_error(400, "password: This password is too common.");
}

#[apply(both_modes)]
async fn the_maximum_lengths_are_exact(mode: Mode) {
    let stage = mode.stage();
    let email = format!("{}@{}.{}.{}.com", "l".repeat(64), "a".repeat(63), "b".repeat(60), "c".repeat(60));
    assert_eq!(email.len(), 254);
    let body = json!({
        "username": "ü".repeat(150), "email": email, "password": "p".repeat(1024),
        "display_name": format!("{} {}", "f".repeat(150), "l".repeat(150)),
    });
    let user = sign_up(&stage, body).await.is(201)["user"].clone();
    assert_eq!(user["email"], email);
    assert_eq!(user["last_name"], "l".repeat(150));
    let body = json!({ "email": email, "password": "p".repeat(1024) });
    stage.here().post("/api/auth/login/").json(&body).await.is(200);
    let body = json!({ "username": "short", "email": "s@example.com", "password": "äöüäöü" });
    sign_up(&stage, body).await.is(201);
}

#[rstest]
#[case::filler(json!({ "username": "\u{3164}" }), "username")]
#[case::zero_width(json!({ "username": "a\u{200b}da" }), "username")]
#[case::bidi(json!({ "username": "a\u{202e}da" }), "username")]
#[case::bidi_in_name(json!({ "display_name": "Ada \u{202e}King" }), "display_name")]
#[case::filler_as_name(json!({ "display_name": "\u{3164}" }), "display_name")]
#[case::space(json!({ "username": "a b" }), "username")]
#[case::slash(json!({ "username": "a/b" }), "username")]
#[case::emoji(json!({ "username": "a😀" }), "username")]
#[case::nul(json!({ "username": "a\0" }), "username")]
#[case::long(json!({ "username": "a".repeat(151) }), "username")]
#[case::number(json!({ "username": 7 }), "username")]
#[case::list(json!({ "username": ["a"] }), "username")]
#[case::boolean(json!({ "username": true }), "username")]
#[case::no_email(json!({ "email": "ada" }), "email")]
#[case::no_domain(json!({ "email": "ada@" }), "email")]
#[case::nul_in_email(json!({ "email": "a\0@example.com" }), "email")]
#[case::long_email(json!({ "email": format!("{}@example.com", "a".repeat(250)) }), "email")]
#[case::number_as_email(json!({ "email": 7 }), "email")]
#[case::short(json!({ "password": "12345" }), "password")]
#[case::long_password(json!({ "password": "p".repeat(1025) }), "password")]
#[case::long_in_bytes(json!({ "password": "ü".repeat(513) }), "password")]
#[case::nul_in_password(json!({ "password": "secret\0" }), "password")]
#[case::number_as_password(json!({ "password": 1_234_567 }), "password")]
#[case::long_first_name(json!({ "display_name": "f".repeat(151) }), "display_name")]
#[case::long_last_name(json!({ "display_name": format!("f {}", "l".repeat(151)) }), "display_name")]
#[case::number_as_name(json!({ "display_name": 7 }), "display_name")]
#[case::nul_in_name(json!({ "display_name": "a\0b" }), "display_name")]
#[tokio::test]
async fn an_invalid_field_is_named(#[case] invalid: Value, #[case] name: &str) {
    let stage = Standalone.stage();
    let mut body = json!({ "username": "ada", "email": "ada@example.com", "password": "unheard-of" });
    for (name, value) in invalid.as_object().unwrap() {
        body[name] = value.clone();
    }
    let response = sign_up(&stage, body).await.is(400);
    assert!(response["error"].as_str().unwrap().contains(name), "{response}");
    assert_eq!(response["detail"], response["error"]);
    assert_eq!(stage.number("SELECT COUNT(*) FROM users"), 0);
}

#[tokio::test]
async fn a_body_that_is_not_an_object_is_refused() {
    let stage = Standalone.stage();
    sign_up(&stage, json!([])).await.is_error(400, "Invalid data. Expected a dictionary, but got list.");
}

#[rstest]
#[case::same_username(
    |n| (String::from(["ada", "Ada", "ADA"][n % 3]), format!("{n}@example.com")),
    "Username already taken."
)]
#[case::same_email(
    |n| (format!("ada{n}"), String::from(["ada@example.com", "ADA@example.com", "Ada@Example.Com"][n % 3])),
    "Email already registered."
)]
#[tokio::test]
async fn of_many_concurrent_sign_ups_one_gets_the_name(
    #[case] names: fn(usize) -> (String, String),
    #[case] refusal: &str,
    #[values(Mode::Standalone, Mode::Cluster)] mode: Mode,
) {
    const CONCURRENT: usize = 8;
    let stage = mode.stage();
    let requests = (0..CONCURRENT).zip(stage.round_robin()).map(|(number, instance)| {
        let (username, email) = names(number);
        let body = json!({ "username": username, "email": email, "password": "unheard-of" });
        instance.post("/api/auth/signup/").json(&body).into_future()
    });
    let responses = futures_util::future::join_all(requests).await;
    let (succeeded, failed): (Vec<_>, Vec<_>) = responses.iter().partition(|response| response.status == 201);
    assert_eq!(succeeded.len(), 1, "{responses:?}");
    for response in failed {
        response.is_error(400, refusal);
    }
    assert_eq!(stage.number("SELECT COUNT(*) FROM users"), 1);
    assert_eq!(stage.number("SELECT COUNT(*) FROM profiles"), 1);
}
