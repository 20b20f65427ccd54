//! The plans that PostgreSQL chooses: no query of the service scans a table that grows.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::plan_recorder::PlanRecorder;
use crate::process::{Process, Program};
use crate::support::{Database, PASSWORD, Person, SECRET_KEY, claims, forge};

const USERS: i64 = 30_000;

/// More calls than PostgreSQL plans anew before it may keep a generic plan.
const CALLS: i64 = 7;

const SERVICE_KEY: &str = "the-key-of-posts-and-of-nothing-else";

/// Enough rows that a scan costs more than an index, as in production: user 1 has 400 partners
/// and a long history, the others a few.
const ROWS: &str = "
INSERT INTO users (username, email, email_key, password_hash, first_name, last_name, search_key, date_joined)
    SELECT 'user' || n, n || '@example.org', n || '@example.org', '!', 'First' || n % 100, 'Last' || n % 1000,
        'user' || n || E'\\nfirst' || n % 100 || E'\\nlast' || n % 1000, timestamp '2026-01-01' + n * interval '1 minute'
    FROM generate_series(1, 30000) AS n;
INSERT INTO profiles (user_id, created_at, updated_at) SELECT id, now(), now() FROM users;
INSERT INTO inboxes (user_id, last_seq) SELECT id, 5 FROM users;
INSERT INTO inbox_events (user_id, seq, type, data, created_at)
    SELECT id, seq, 'new_message', '{\"id\":1}', now() - interval '1 day' FROM users, generate_series(1, 5) AS seq;
INSERT INTO messages (sender_id, receiver_id, content, is_read, created_at)
    SELECT 1 + n % 30000, 1 + (n + 1 + n % 5) % 30000, repeat('some words ', 5), n % 10 <> 0, now()
    FROM generate_series(1, 100000) AS n;
INSERT INTO messages (sender_id, receiver_id, content, is_read, created_at)
    SELECT CASE n % 2 WHEN 0 THEN 1 ELSE 2 + n % 400 END, CASE n % 2 WHEN 0 THEN 2 + n % 400 ELSE 1 END,
        repeat('some words ', 5), n % 10 <> 0, now()
    FROM generate_series(1, 4000) AS n;
INSERT INTO friendships (low_id, high_id, asked_by, created_at, accepted_at)
    SELECT n, n + d, CASE WHEN n % 2 = 0 THEN n ELSE n + d END, now(), CASE WHEN d < 3 THEN now() END
    FROM generate_series(1, 29990) AS n, generate_series(1, 4) AS d;
INSERT INTO posts (author_id, target_profile_id, parent_id, type, content, created_at, updated_at)
    SELECT 1 + n % 30000, CASE WHEN n % 5 = 1 THEN 1 + (n + 1) % 30000 END, CASE WHEN n % 5 > 1 THEN 1 + (n / 10) * 5 END,
        'thoughts', repeat('some words ', 5), now() - n * interval '1 second', now()
    FROM generate_series(0, 49999) AS n;
INSERT INTO post_likes (post_id, user_id, created_at)
    SELECT 1 + n % 50000, 1 + n % 29989, now() FROM generate_series(1, 100000) AS n ON CONFLICT DO NOTHING;
INSERT INTO stories (id, user_id, media_url, media_type, created_at, expires_at)
    SELECT gen_random_uuid()::text, id, 'https://example.com/a', 'image', now(), now() + interval '1 day' FROM users;
INSERT INTO story_views (story_id, viewer_id, viewed_at)
    SELECT id, 1 + user_id % 20000, now() FROM stories;
INSERT INTO story_reactions (story_id, user_id, reaction_type, created_at)
    SELECT id, 1 + user_id % 20000, 'heart', now() FROM stories;
INSERT INTO spent_tokens (jti, expires_at) SELECT 'token' || n, now() + interval '1 day' FROM generate_series(1, 20000) AS n;
INSERT INTO sign_ins (user_id, id, created_at, last_used_at, expires_at, address, client)
    SELECT id, lpad(to_hex(id), 16, '0'), now(), now(), now() + interval '7 days', '', '' FROM users;
INSERT INTO idempotency_keys (service, key, request_hash, answer, created_at)
    SELECT 'posts', 'key' || n, '', '{}', now() FROM generate_series(1, 20000) AS n;
ANALYZE";

/// Routes that read nothing that grows.
const WITHOUT_DATA: &[&str] =
    &["GET /", "HEAD /", "GET /healthz", "HEAD /healthz", "GET /readyz", "HEAD /readyz", "GET /api/schema/"];

/// Statements that may scan, and why.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("SELECT user_id, last_seq FROM inboxes", "retention looks at all inboxes once, when an instance starts"),
    (r#"SELECT "installation"."mark""#, "the table has one row"),
];

/// The service, and the routes that were requested of it.
struct Tour {
    process: Process,
    visited: BTreeSet<String>,
}

impl Tour {
    /// Requests a route; `{}` in its path stands for `id`.
    async fn visit(
        &mut self,
        route: &str,
        id: impl ToString,
        query: &str,
        token: &str,
        body: Value,
        status: u16,
    ) -> Value {
        self.visited.insert(route.to_owned());
        let (method, template) = route.split_once(' ').expect("a method and a path");
        let path = match (template.split_once('{'), template.split_once('}')) {
            (Some((before, _)), Some((_, after))) => format!("{before}{}{after}", id.to_string()),
            _ => template.to_owned(),
        };
        let request = self.process.request(method, &format!("{path}{query}")).bearer(token);
        let response = if body.is_null() { request.await } else { request.json(&body).await };
        assert_eq!(response.status, status, "{route}: {}", response.text);
        serde_json::from_str(&response.text).unwrap_or_default()
    }

    /// Reads every list, as somebody with a long history and as somebody without.
    async fn read(&mut self, call: i64) {
        for person in [1, 5_000 + call] {
            let token = &forge(SECRET_KEY, &claims(person));
            let none = || Value::Null;
            for route in [
                "GET /api/auth/me/",
                "GET /api/friends/",
                "GET /api/friends/requests/",
                "GET /api/friends/suggestions/",
                "GET /api/messages/conversations/",
                "GET /api/notifications/",
            ] {
                self.visit(route, "", "", token, none(), 200).await;
            }
            for query in ["?limit=20", "?limit=200&before=90000", ""] {
                for method in ["GET", "HEAD"] {
                    self.visit(&format!("{method} /api/messages/"), "", query, token, none(), 200).await;
                    let route = format!("{method} /api/messages/conversation/{{user}}/");
                    self.visit(&route, person + 3, query, token, none(), 200).await;
                }
            }
            for query in ["?limit=20", "?limit=200&before=30000", "", "?username=user7&limit=20"] {
                for method in ["GET", "HEAD"] {
                    self.visit(&format!("{method} /api/posts/"), "", query, token, none(), 200).await;
                }
            }
            for query in ["?limit=20", "?before=30000", ""] {
                for method in ["GET", "HEAD"] {
                    let route = format!("{method} /api/posts/{{id}}/replies/");
                    self.visit(&route, person, query, token, none(), 200).await;
                    self.visit(&format!("{method} /api/posts/{{id}}/"), person, "", token, none(), 200).await;
                }
            }
            self.visit("GET /api/stories/", "", "", token, none(), 200).await;
            self.visit("GET /api/stories/me/", "", "", token, none(), 200).await;
            self.visit("GET /api/stories/user/{user}/", person + 1, "", token, none(), 200).await;
            for query in ["", "u", "us", "7\n", "t9", "user1", "first99", "nobody", "%_%", "xq"] {
                let query = format!(
                    "?q={}",
                    url::form_urlencoded::byte_serialize(query.as_bytes()).collect::<String>()
                );
                self.visit("GET /api/auth/search/", "", &query, token, none(), 200).await;
            }
            self.visit("GET /api/auth/users/{username}/", format!("user{person}"), "", token, none(), 200)
                .await;
        }
    }

    /// Sends, reads and announces.
    async fn write(&mut self, call: i64) {
        let (person, other) = (6_000 + 10 * call, 6_003 + 10 * call);
        let token = &forge(SECRET_KEY, &claims(person));
        let none = || Value::Null;
        let others = &forge(SECRET_KEY, &claims(other));
        let message = json!({ "receiver_id": other, "content": "hello" });
        let sent = self.visit("POST /api/messages/", "", "", token, message.clone(), 201).await;
        self.visit("PATCH /api/messages/{id}/read/", &sent["id"], "", others, none(), 200).await;
        self.visit("POST /api/messages/", "", "", token, message.clone(), 201).await;
        self.visit("POST /api/messages/conversation/{user}/read/", person, "", others, none(), 200).await;
        self.visit("POST /api/messages/", "", "", token, message, 201).await;
        self.visit("POST /api/messages/read_all/", "", &format!("?user_id={person}"), others, none(), 200)
            .await;
        self.visit("POST /api/notifications/read/", "", "", others, json!({ "up_to": 6 }), 200).await;
        let body = json!({ "user_ids": [person, other], "type": "new_post", "data": { "id": call } });
        self.visit("POST /api/events/", "", "", SERVICE_KEY, body, 201).await;

        let stranger = person + 9_000;
        for reply in ["POST /api/friends/accept/{request}/", "POST /api/friends/decline/{request}/"] {
            self.visit("POST /api/friends/request/{user}/", stranger, "", token, none(), 201).await;
            let stranger = &forge(SECRET_KEY, &claims(stranger));
            let requests = self.visit("GET /api/friends/requests/", "", "", stranger, none(), 200).await;
            let status = if reply.contains("accept") { 201 } else { 200 };
            self.visit(reply, &requests[0]["id"], "", stranger, none(), status).await;
            self.visit("DELETE /api/friends/remove/{user}/", person, "", stranger, none(), 200).await;
        }
        self.visit("POST /api/friends/request/{user}/", stranger, "", token, none(), 201).await;
        self.visit("DELETE /api/friends/cancel/{user}/", stranger, "", token, none(), 200).await;
    }

    /// Writes, changes, likes and deletes posts and stories.
    async fn post(&mut self, call: i64) {
        // Friends, by the rows above.
        let (person, friend) = (8_000 + 10 * call, 8_001 + 10 * call);
        let (token, friends) = (&forge(SECRET_KEY, &claims(person)), &forge(SECRET_KEY, &claims(friend)));
        let post = self.visit("POST /api/posts/", "", "", token, json!({ "content": "hello" }), 201).await;
        let id = &post["id"];
        let wall = json!({ "content": "hello", "target_profile_id": friend });
        self.visit("POST /api/posts/", "", "", token, wall, 201).await;
        for content in ["yes".to_owned(), format!("@user{friend} no")] {
            let reply = json!({ "content": content, "parent_id": id });
            self.visit("POST /api/posts/", "", "", friends, reply, 201).await;
        }
        for action in [json!({ "action": "like" }), json!({}), json!({ "action": "unlike" })] {
            self.visit("POST /api/posts/{id}/like/", id, "", friends, action, 200).await;
        }
        self.visit("POST /api/posts/{id}/share/", id, "", friends, Value::Null, 200).await;
        for method in ["PUT", "PATCH"] {
            let route = format!("{method} /api/posts/{{id}}/");
            self.visit(&route, id, "", token, json!({ "content": "hi" }), 200).await;
        }
        self.visit("DELETE /api/posts/{id}/", id, "", token, Value::Null, 204).await;

        let body = json!({ "media_url": "https://example.com/a", "media_type": "image" });
        let story = self.visit("POST /api/stories/", "", "", token, body, 201).await;
        let id = story["id"].as_str().expect("an id");
        self.visit("POST /api/stories/{id}/view/", id, "", friends, Value::Null, 200).await;
        let heart = json!({ "reaction_type": "heart" });
        self.visit("POST /api/stories/{id}/react/", id, "", friends, heart, 200).await;
        let reply = json!({ "receiver_id": person, "content": "hello", "reply_to_story": id });
        self.visit("POST /api/messages/", "", "", friends, reply, 201).await;
        self.visit("DELETE /api/stories/{id}/react/", id, "", friends, Value::Null, 204).await;
        self.visit("DELETE /api/stories/{id}/", id, "", token, Value::Null, 204).await;
    }

    /// Signs up, in and out.
    async fn sign_in_and_out(&mut self, call: i64) {
        let none = || Value::Null;
        let (name, password) = (format!("ada{call}"), PASSWORD);
        let email = format!("{name}@example.com");
        let body = json!({ "username": name, "email": email, "password": password });
        let user = self.visit("POST /api/auth/signup/", "", "", "", body, 201).await["user"].take();
        let body = json!({ "email": email, "password": password });
        let pair = self.visit("POST /api/auth/login/", "", "", "", body, 200).await;
        let refresh = json!({ "refresh": pair["refresh"] });
        self.visit("POST /api/auth/token/refresh/", "", "", "", refresh.clone(), 200).await;
        let token = pair["access"].as_str().expect("a token");
        let sign_ins = self.visit("GET /api/auth/sign-ins/", "", "", token, none(), 200).await;
        assert_eq!(sign_ins.as_array().map(Vec::len), Some(1));
        let body = json!({ "email": email, "password": password });
        let second = self.visit("POST /api/auth/login/", "", "", "", body, 200).await;
        let revoking = second["access"].as_str().expect("a token");
        self.visit("GET /api/auth/sign-ins/", "", "", revoking, none(), 200).await;
        let profile = &user["profile"]["id"];
        self.visit("PATCH /api/auth/profile/", "", "", token, json!({ "bio": "hello" }), 200).await;
        self.visit("PUT /api/auth/profile/{id}/", profile, "", token, json!({ "bio": "hello" }), 200).await;
        let ticket = self.visit("POST /api/auth/ws-ticket/", "", "", token, none(), 201).await;
        let ticket = ticket["ticket"].as_str().expect("a ticket").to_owned();
        self.visited.insert("GET /ws/notifications/".into());
        let person = Person::existing(1, "user1", "1@example.org");
        let by_ticket = crate::support::Handshake::new(self.process.port()).query("ticket", &ticket);
        for handshake in [self.process.handshake(&person).query("cursor", "2"), by_ticket] {
            let mut socket = handshake.open().await;
            if call == 0 {
                socket.close().await;
            } else {
                socket.send_text("ping").await;
            }
        }
        self.visit("POST /api/auth/logout/", "", "", "", refresh, 200).await;
        let own = self.visit("GET /api/auth/sign-ins/", "", "", revoking, none(), 200).await;
        let body = json!({ "old_password": password, "new_password": "another horse" });
        let pair = self.visit("POST /api/auth/password/", "", "", revoking, body, 200).await;
        let token = pair["access"].as_str().expect("a token");
        let own_id = &self.visit("GET /api/auth/sign-ins/", "", "", token, none(), 200).await[0]["id"];
        assert_ne!(*own_id, own[0]["id"]);
        let own_id = own_id.as_str().expect("an id");
        self.visit("DELETE /api/auth/sign-ins/{id}/", own_id, "", token, none(), 200).await;
        let token = &forge(SECRET_KEY, &claims(7_000 + call));
        self.visit("POST /api/auth/logout/all/", "", "", token, none(), 200).await;
    }

    /// Checks that every route of the API document was requested.
    async fn assert_complete(&self) {
        let document = self.process.request("GET", "/api/schema/").await.is(200);
        let mut missing = Vec::new();
        for (path, operations) in document["paths"].as_object().expect("paths") {
            for method in operations.as_object().expect("operations").keys() {
                let route = format!("{} {path}", method.to_uppercase());
                if !self.visited.contains(&route) && !WITHOUT_DATA.contains(&route.as_str()) {
                    missing.push(route);
                }
            }
        }
        assert!(missing.is_empty(), "routes whose plans are not checked: {missing:?}");
    }
}

/// Returns the plans that scan a table, except those that may.
fn scans(plans: &[String], tables: &[String]) -> Vec<String> {
    let is_scan = |plan: &&String| {
        let scans = plan.split("Seq Scan on ").skip(1);
        let mut names = scans.filter_map(|rest| rest.split_whitespace().next());
        names.any(|name| tables.iter().any(|table| table == name))
    };
    let excepted = |plan: &&String| EXCEPTIONS.iter().any(|(statement, _)| plan.contains(statement));
    plans.iter().filter(is_scan).filter(|plan| !excepted(plan)).cloned().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_query_of_the_service_scans_a_table_that_grows() {
    let database = Database::postgres();
    let folder = TempDir::new().expect("a folder");
    let program = Program::in_folder(&folder)
        .with_all(&[("PORT", "0"), ("SECRET_KEY", SECRET_KEY), ("DATABASE_POOL_SIZE", "1")])
        .with("SERVICE_KEYS", &format!("posts:{SERVICE_KEY}"))
        .with("POSITION_CHECK_SECONDS", "1");
    assert!(program.clone().with("DATABASE_URL", &database.url()).run(&["migrate"]).status.success());
    database.execute(ROWS);
    assert_eq!(database.number("SELECT count(*) FROM users"), USERS);
    let tables = "SELECT string_agg(relname, ' ') FROM pg_stat_user_tables WHERE relname NOT LIKE '\\_\\_%' \
                  AND relname <> 'generation'";
    let tables: Vec<String> = database.text(tables).split(' ').map(str::to_owned).collect();

    let recorder = PlanRecorder::start(&database);
    let process = program.with("DATABASE_URL", recorder.url()).start();
    let mut tour = Tour { process, visited: BTreeSet::new() };
    for call in 0..CALLS {
        tour.read(call).await;
        tour.write(call).await;
        tour.post(call).await;
        // Passwords take long to hash.
        if call < 2 {
            tour.sign_in_and_out(call).await;
        }
    }
    tour.assert_complete().await;
    let plans = recorder.take();
    assert!(plans.len() > 500, "only {} plans were recorded", plans.len());
    for (statement, _) in
        [("INSERT INTO conversations", "a trigger's"), ("FROM users ORDER BY", "a search's")]
    {
        assert!(plans.iter().any(|plan| plan.contains(statement)), "{statement}");
    }
    let scans = scans(&plans, &tables);
    assert!(
        scans.is_empty(),
        "{} of {} plans scan a table that grows:\n{}",
        scans.len(),
        plans.len(),
        scans.join("\n")
    );
}
