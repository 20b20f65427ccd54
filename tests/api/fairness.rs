//! One user's requests leave the instance to others.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use futures_util::future::join_all;
use rstest_reuse::apply;

use crate::support::{Cluster, Mode, both_modes, until};

const TOO_MANY: &str = "Too many attempts. Try again later.";

#[tokio::test]
async fn requests_of_one_user_leave_database_connections_to_others() {
    let stage = Cluster.stage();
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let mut lock = PgConnection::establish(&stage.database_url()).expect("a connection");
    lock.batch_execute("BEGIN; LOCK TABLE conversations IN ACCESS EXCLUSIVE MODE").expect("the lock");
    // More than there are connections, and more than may wait.
    let of_ada: Vec<_> = (0..80)
        .map(|_| tokio::spawn(stage.here().get("/api/messages/conversations/").by(&ada).into_future()))
        .collect();
    let mut refused = None;
    until("hers are refused as soon as too many wait", async || {
        let response = stage.here().get("/api/friends/").by(&ada).await;
        refused = Some(response).filter(|response| response.status == 429);
        refused.is_some()
    })
    .await;
    let refused = refused.expect("a response");
    refused.has_detail(429, TOO_MANY);
    assert_eq!(refused.header("retry-after").as_deref(), Some("1"));
    for _ in 0..20 {
        stage.here().get("/api/friends/").by(&bob).await.is(200);
    }
    lock.batch_execute("ROLLBACK").expect("the lock is released");
    let statuses: Vec<_> =
        join_all(of_ada).await.into_iter().map(|it| it.expect("a response").status).collect();
    assert!(statuses.iter().all(|status| [200, 429].contains(status)), "{statuses:?}");
    assert!(statuses.contains(&200), "{statuses:?}");
    stage.here().get("/api/messages/conversations/").by(&ada).await.is(200);
}

#[apply(both_modes)]
async fn the_requests_of_a_user_are_limited_and_searches_count_as_ten(mode: Mode) {
    let stage = mode.stage_with(&[("LIMIT_REQUESTS_BY_PERSON", "12/1h")]);
    let [ada, bob] = stage.people(["ada", "bob"]).await;
    let get = |path: &str| stage.here().get(path).by(&ada);
    get("/api/friends/").await.is(200);
    get("/api/auth/search/?q=bob").await.is(200);
    get("/api/friends/").await.is(200);
    let refused = get("/api/friends/").await;
    refused.is(429);
    let seconds: u64 = refused.header("retry-after").expect("a header").parse().expect("seconds");
    assert!((1..=Duration::from_secs(3_600).as_secs() / 12).contains(&seconds), "{seconds}");
    stage.here().get("/api/friends/suggestions/").by(&bob).await.is(200);
    // Nobody else is limited, nor what needs no token.
    stage.here().get("/api/auth/users/ada/").await.is(200);
}
