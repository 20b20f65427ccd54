//! Whom a reply mentions.

use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::{Mode, Person, Stage, both_modes};

async fn reply(stage: &Stage, author: &Person, parent: &Value, content: &str) -> Value {
    stage.here().write(author, json!({ "content": content, "parent_id": parent })).await
}

/// Returns whom a reply mentions, and the reply that it responds to.
fn mention(reply: &Value) -> (&Value, &Value) {
    (&reply["mentioned_user"]["username"], &reply["reply_to_comment"])
}

#[apply(both_modes)]
async fn a_name_at_the_beginning_mentions_somebody_who_has_replied(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob, eve] = stage.people(["ada", "bob", "eve"]).await;
    let post = stage.here().write(&ada, json!({ "content": "x" })).await["id"].take();
    reply(&stage, &bob, &post, "first").await;
    let latest = reply(&stage, &bob, &post, "second").await["id"].take();
    let other = stage.here().write(&ada, json!({ "content": "y" })).await["id"].take();
    reply(&stage, &eve, &other, "elsewhere").await;
    for text in ["@bob", "@bob yes", "@bob\nyes", "  @bob yes"] {
        let reply = reply(&stage, &ada, &post, text).await;
        assert_eq!(mention(&reply), (&json!("bob"), &latest), "{text}");
    }
    let none = (&Value::Null, &Value::Null);
    for text in ["yes @bob", "@Bob yes", "@bob, yes", "@bobby yes", "@ bob", "@eve yes", "@nobody yes", "bob"]
    {
        let reply = reply(&stage, &ada, &post, text).await;
        assert_eq!(mention(&reply), none, "{text}");
    }
    let top = stage.here().write(&ada, json!({ "content": "@bob yes" })).await;
    assert_eq!(mention(&top), none);
}

#[apply(both_modes)]
async fn ids_go_before_the_text(mode: Mode) {
    let stage = mode.stage();
    let [ada, bob, eve] = stage.people(["ada", "bob", "eve"]).await;
    let post = stage.here().write(&ada, json!({ "content": "x" })).await["id"].take();
    let first = reply(&stage, &bob, &post, "first").await["id"].take();
    reply(&stage, &bob, &post, "second").await;
    let body = json!({ "content": "@bob yes", "parent_id": post, "mentioned_user_id": eve.id });
    assert_eq!(mention(&stage.here().write(&ada, body).await), (&json!("eve"), &Value::Null));
    let body = json!({ "content": "@bob yes", "parent_id": post, "reply_to_comment_id": first });
    assert_eq!(mention(&stage.here().write(&ada, body).await), (&json!("bob"), &first));
}

#[apply(both_modes)]
async fn a_name_with_spaces_is_found(mode: Mode) {
    let stage = mode.stage();
    let ada = stage.person("ada").await;
    let ann = stage.import("ann", "Ann", "");
    let ann_lee = stage.import("ann lee", "Ann", "Lee");
    let post = stage.here().write(&ada, json!({ "content": "x" })).await["id"].take();
    reply(&stage, &ann, &post, "first").await;
    let response = reply(&stage, &ada, &post, "@ann lee").await;
    assert_eq!(response["mentioned_user"]["username"], "ann");
    reply(&stage, &ann_lee, &post, "second").await;
    let response = reply(&stage, &ada, &post, "@ann lee yes").await;
    assert_eq!(response["mentioned_user"]["username"], "ann lee");
}
