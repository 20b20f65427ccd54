//! The routes that are measured, and what their 99th percentile should be at most.

use super::{Options, PARTNERS};

/// Whose list it is.
#[derive(Debug, Clone, Copy)]
pub enum Who {
    /// The first person's, who has a long history.
    First,
    /// That of a random person.
    Anybody,
}

/// One row of the report.
pub struct Route {
    pub name: &'static str,
    pub goal_ms: f64,
    pub who: Who,
    /// Returns a path for this person.
    pub path: fn(&Options, u64) -> String,
}

const fn route(name: &'static str, goal_ms: f64, who: Who, path: fn(&Options, u64) -> String) -> Route {
    Route { name, goal_ms, who, path }
}

fn search(text: &str) -> String {
    format!("/api/auth/search/?q={text}")
}

/// Returns this many random letters: hardly anybody has them.
fn letters(count: usize) -> String {
    (0..count).map(|_| fastrand::lowercase()).collect()
}

fn neighbour(options: &Options, person: u64) -> u64 {
    (person + fastrand::u64(1..=8)) % options.people + 1
}

fn random_message(options: &Options) -> u64 {
    fastrand::u64(1..=options.messages)
}

/// A part of a name that many have.
fn common(count: usize) -> &'static str {
    let names = ["an", "li", "zh", "ma", "so", "he", "wi", "ta"];
    let longer = ["anna", "lin", "zhang", "maria", "son", "hedy", "wirth", "tanaka"];
    let chosen = fastrand::usize(..names.len());
    if count == 2 { names[chosen] } else { longer[chosen] }
}

/// Every list and search.
pub const ALL: &[Route] = &[
    route("conversations, 500 partners, one message in fifty", 15.0, Who::First, |_, _| {
        "/api/messages/conversations/".to_owned()
    }),
    route("conversations of anybody", 10.0, Who::Anybody, |_, _| "/api/messages/conversations/".to_owned()),
    route("search with nothing typed", 5.0, Who::Anybody, |_, _| search("")),
    route("search, two letters that many have", 10.0, Who::Anybody, |_, _| search(common(2))),
    route("search, two random letters", 10.0, Who::Anybody, |_, _| search(&letters(2))),
    route("search, a name", 10.0, Who::Anybody, |_, _| search(common(3))),
    route("search, three random letters", 10.0, Who::Anybody, |_, _| search(&letters(3))),
    route("search, digits of a username", 10.0, Who::Anybody, |_, person| search(&person.to_string())),
    route("newest page of all messages, long history", 5.0, Who::First, |_, _| {
        "/api/messages/?limit=50".to_owned()
    }),
    route("any page of all messages, long history", 5.0, Who::First, |options, _| {
        format!("/api/messages/?limit=50&before={}", random_message(options))
    }),
    route("page of all messages of anybody", 5.0, Who::Anybody, |_, _| "/api/messages/?limit=50".to_owned()),
    route("page of one conversation, long history", 5.0, Who::First, |_, _| {
        format!("/api/messages/conversation/{}/?limit=50", fastrand::u64(2..2 + PARTNERS))
    }),
    route("any page of one conversation, long history", 5.0, Who::First, |options, _| {
        let partner = fastrand::u64(2..2 + PARTNERS);
        format!("/api/messages/conversation/{partner}/?limit=50&before={}", random_message(options))
    }),
    route("page of one conversation of anybody", 5.0, Who::Anybody, |options, person| {
        format!("/api/messages/conversation/{}/?limit=50", neighbour(options, person))
    }),
    route("friends", 10.0, Who::Anybody, |_, _| "/api/friends/".to_owned()),
    route("friend requests", 10.0, Who::Anybody, |_, _| "/api/friends/requests/".to_owned()),
    route("suggestions", 10.0, Who::Anybody, |_, _| "/api/friends/suggestions/".to_owned()),
    route("own profile", 10.0, Who::Anybody, |_, _| "/api/auth/me/".to_owned()),
    route("a user by name", 10.0, Who::Anybody, |options, _| {
        format!("/api/auth/users/person{}/", fastrand::u64(1..=options.people))
    }),
    route("inbox", 10.0, Who::Anybody, |_, _| "/api/notifications/".to_owned()),
];
