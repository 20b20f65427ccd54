//! `GET /api/auth/me/`, `PATCH /api/auth/profile/` and `PUT /api/auth/profile/<id>/`

use rstest::rstest;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::Mode::{self, Standalone};
use crate::support::{Person, Response, Stage, assert_timestamp, both_modes};

async fn change(stage: &Stage, person: &Person, body: Value) -> Response {
    stage.here().patch("/api/auth/profile/").by(person).json(&body).await
}

#[apply(both_modes)]
async fn me_is_the_user_with_a_profile(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    let me = stage.there().get("/api/auth/me/").by(&ada).await.is(200);
    let profile = &me["profile"];
    let nested = json!({
        "id": ada.id, "username": "ada", "email": "ada@example.com", "first_name": "Ada", "last_name": "Ample",
        "date_joined": profile["user"]["date_joined"], "profile_picture": null,
    });
    let expected = json!({
        "id": ada.id, "username": "ada", "email": "ada@example.com", "first_name": "Ada", "last_name": "Ample",
        "date_joined": profile["user"]["date_joined"], "profile_picture": null, "profile": {
            "id": profile["id"], "user": nested, "bio": "", "avatar": null, "location": "", "website": "",
            "created_at": profile["created_at"], "updated_at": profile["updated_at"],
        },
    });
    assert_eq!(me, expected);
    assert_timestamp(&profile["user"]["date_joined"]);
}

#[apply(both_modes)]
async fn each_field_may_be_changed_alone_or_with_others(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    let all = json!({
        "bio": "Grüße 😀", "location": "London", "website": "https://example.com/a?b=c", "avatar": "http://example.com/a.png",
    });
    let profile = change(&stage, &ada, all.clone()).await.is(200)["profile"].clone();
    for name in ["bio", "location", "website", "avatar"] {
        assert_eq!(profile[name], all[name]);
    }
    assert_eq!(profile["user"]["profile_picture"], all["avatar"]);
    let me = stage.there().get("/api/auth/me/").by(&ada).await.is(200);
    assert_eq!(me["profile_picture"], all["avatar"]);
    let profile = change(&stage, &ada, json!({ "location": " Paris " })).await.is(200)["profile"].clone();
    assert_eq!((&profile["location"], &profile["bio"]), (&json!("Paris"), &all["bio"]));
    let me = stage.there().get("/api/auth/me/").by(&ada).await.is(200);
    assert_eq!(me["profile"], profile);
}

#[apply(both_modes)]
async fn null_and_an_empty_string_clear_a_field(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    let link = "https://example.com";
    for empty in [json!(null), json!("")] {
        change(&stage, &ada, json!({ "bio": "x", "location": "x", "website": link, "avatar": link }))
            .await
            .is(200);
        let body = json!({ "bio": empty, "location": empty, "website": empty, "avatar": empty });
        let profile = change(&stage, &ada, body).await.is(200)["profile"].clone();
        for (name, cleared) in
            [("bio", json!("")), ("location", json!("")), ("website", json!("")), ("avatar", json!(null))]
        {
            assert_eq!(profile[name], cleared, "{name}");
        }
    }
}

#[apply(both_modes)]
async fn every_update_changes_updated_at_and_unknown_fields_are_ignored(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    let before = stage.here().get("/api/auth/me/").by(&ada).await.is(200);
    for body in [
        json!({}),
        json!({ "username": "eve", "id": 7, "email": "x", "user": { "id": 1 }, "is_superuser": true }),
    ] {
        let mut after = change(&stage, &ada, body).await.is(200);
        let (old, new) = (&before["profile"]["updated_at"], after["profile"]["updated_at"].clone());
        assert!(new.as_str() > old.as_str(), "{new} is not after {old}");
        after["profile"]["updated_at"] = old.clone();
        assert_eq!(after, before);
    }
}

#[rstest]
#[case(json!({ "bio": 7 }), json!({ "bio": ["Not a valid string."] }))]
#[case(json!({ "bio": ["x"] }), json!({ "bio": ["Not a valid string."] }))]
#[case(json!({ "location": true }), json!({ "location": ["Not a valid string."] }))]
#[case(json!({ "bio": "a\0b" }), json!({ "bio": ["Null characters are not allowed."] }))]
#[case(json!({ "bio": "x".repeat(501) }), json!({ "bio": ["Ensure this field has no more than 500 characters."] }))]
#[case(json!({ "location": "x".repeat(101) }), json!({ "location": ["Ensure this field has no more than 100 characters."] }))]
#[case(json!({ "website": "javascript:alert(1)" }), json!({ "website": ["Enter a valid URL."] }))]
#[case(json!({ "avatar": "data:image/png;base64,AA" }), json!({ "avatar": ["Enter a valid URL."] }))]
#[case(json!({ "avatar": "x" }), json!({ "avatar": ["Enter a valid URL."] }))]
#[case(
    json!({ "website": format!("https://example.com/{}", "x".repeat(500)) }),
    json!({ "website": ["Ensure this field has no more than 500 characters."] })
)]
#[case(
    json!({ "bio": 7, "location": 7, "website": 7, "avatar": 7 }),
    json!({
        "bio": ["Not a valid string."], "location": ["Not a valid string."],
        "website": ["Not a valid string."], "avatar": ["Not a valid string."],
    })
)]
#[tokio::test]
async fn invalid_fields_are_named_and_nothing_is_changed(#[case] invalid: Value, #[case] errors: Value) {
    let stage = Standalone.stage();
    let ada = stage.person("ada").await;
    let before = stage.here().get("/api/auth/me/").by(&ada).await.is(200);
    let mut body = json!({ "bio": "new", "location": "new" });
    for (name, value) in invalid.as_object().unwrap() {
        body[name] = value.clone();
    }
    change(&stage, &ada, body).await.is_json(400, errors);
    assert_eq!(stage.here().get("/api/auth/me/").by(&ada).await.is(200), before);
}

#[apply(both_modes)]
async fn the_maximum_lengths_are_exact(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    let link = format!("https://example.com/{}", "x".repeat(480));
    assert_eq!(link.len(), 500);
    let body =
        json!({ "bio": "😀".repeat(500), "location": "ü".repeat(100), "website": link, "avatar": link });
    let profile = change(&stage, &ada, body.clone()).await.is(200)["profile"].clone();
    assert_eq!((&profile["bio"], &profile["avatar"]), (&body["bio"], &body["avatar"]));
}

#[apply(both_modes)]
async fn a_body_that_is_not_an_object_is_refused(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    let errors = json!({ "non_field_errors": ["Invalid data. Expected a dictionary, but got list."] });
    change(&stage, &ada, json!([])).await.is_json(400, errors);
}

#[apply(both_modes)]
async fn forms_are_accepted(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    let call = || stage.here().patch("/api/auth/profile/").by(&ada);
    assert_eq!(call().form(&[("bio", "a & b")]).await.is(200)["profile"]["bio"], "a & b");
    assert_eq!(call().multipart(&[("bio", "c")]).await.is(200)["profile"]["bio"], "c");
}

#[apply(both_modes)]
async fn its_owner_may_change_it_by_id(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let me = stage.here().get("/api/auth/me/").by(&ada).await.is(200);
    let path = format!("/api/auth/profile/{}/", me["profile"]["id"]);
    let body = json!({ "bio": "by id" });
    let changed = stage.here().put(&path).by(&ada).json(&body).await.is(200);
    assert_eq!(changed["profile"]["bio"], "by id");
    let status = stage.here().put(&path).by(&bob).json(&json!({ "bio": "not mine" })).await.status;
    assert!(matches!(status, 403 | 404), "{status}");
    let me = stage.here().get("/api/auth/me/").by(&ada).await.is(200);
    assert_eq!(me["profile"]["bio"], "by id");
    for unknown in ["0", "999999", &"9".repeat(40)] {
        let response = stage.here().put(&format!("/api/auth/profile/{unknown}/")).by(&ada).json(&body).await;
        assert!(response.is(404)["detail"].is_string(), "{unknown}");
    }
}
