//! Request bodies: what a route accepts is within its bounds.

use actix_web::http::header::HeaderValue;
use actix_web::web::Bytes;
use serde_json::Value;

use numeneon::error::{FieldErrors, Result};
use numeneon::fuzzing::{
    Announcement, AnnouncementRequest, Body, Draft, Email, Fields, Password, PasswordChange, PostChange,
    PostDraft, ProfileChange, RawFields, SignIn, SignUp, StoryDraft, refresh_token, up_to,
};

/// A bound that is small enough for short inputs to exceed it.
const MAX_CHARACTERS: usize = 20;

/// A JSON body.
pub fn json(bytes: &[u8]) {
    check(parse(b"application/json", bytes));
}

/// A body in the format of HTML forms.
pub fn form(bytes: &[u8]) {
    let body = parse(b"application/x-www-form-urlencoded", bytes);
    assert!(body.is_ok(), "any bytes are a valid form");
    check(body);
}

/// A multipart body: the boundary on the first line, then the body.
pub fn multipart(bytes: &[u8]) {
    let (boundary, body) = first_line(bytes);
    check(parse(&[b"multipart/form-data; boundary=", boundary].concat(), body));
}

/// A body of any media type: the media type on the first line, then the body.
pub fn media_type(bytes: &[u8]) {
    let (media_type, body) = first_line(bytes);
    check(parse(media_type, body));
}

/// The body of an announcement from an integration.
pub fn announcement(bytes: &[u8]) {
    let media_type = HeaderValue::from_static("application/json");
    let Ok(fields) = RawFields::parse(Some(&media_type), bytes) else { return };
    let Ok(request) = AnnouncementRequest::parse(&fields) else { return };
    assert!((1..=1_000).contains(&request.recipients.len()));
    assert!(request.recipients.is_sorted_by(|one, next| one < next), "sorted and unique");
    let Announcement { name, data } = &request.announcement;
    assert!(name.len() <= 64 && name.starts_with(|first: char| first.is_ascii_lowercase()));
    assert!(name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')));
    assert!(data.len() <= 16 * 1024 && serde_json::from_str::<Value>(data).is_ok());
}

fn first_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (line, rest) = bytes.split_at(end);
    (line, rest.get(1..).unwrap_or_default())
}

fn parse(media_type: &[u8], bytes: &[u8]) -> Result<Body> {
    let media_type = HeaderValue::from_bytes(media_type).ok();
    Body::parse(media_type.as_ref(), Bytes::copy_from_slice(bytes))
}

fn check(body: Result<Body>) {
    let Ok(Ok(fields)) = body.map(Body::fields) else { return };
    check_draft(&fields);
    check_post(&fields);
    check_story(&fields);
    check_sign_up(&fields);
    check_sign_in(&fields);
    check_password_change(&fields);
    check_profile(&fields);
    if let Ok(token) = refresh_token(&fields) {
        assert!(is_trimmed(&token) && !token.is_empty());
    }
    if let Ok(seq) = up_to(&fields) {
        assert!(seq >= 0);
    }
}

fn check_draft(fields: &Fields) {
    if let Ok(draft) = Draft::parse(fields, MAX_CHARACTERS) {
        assert_text(&draft.content, MAX_CHARACTERS);
        assert!(!draft.content.is_empty());
    }
}

fn check_post(fields: &Fields) {
    let draft = PostDraft::parse(fields);
    if draft.errors == FieldErrors::default() {
        assert_text(&draft.content, 500);
        assert!(!draft.content.is_empty() || draft.media_url.is_some());
        assert_media(draft.media_url.as_deref().unwrap_or_default());
        assert!(draft.parent.is_none() || draft.target.is_none());
    }
    if let Ok(change) = PostChange::parse(fields) {
        assert_text(&change.content.unwrap_or_default(), 500);
        assert_media(&change.media_url.flatten().unwrap_or_default());
    }
}

fn check_story(fields: &Fields) {
    let Ok(draft) = StoryDraft::parse(fields) else { return };
    assert!(!draft.media_url.is_empty() && ["image", "video"].contains(&draft.media_type));
    assert_media(&draft.media_url);
    assert_text(&draft.caption.unwrap_or_default(), 200);
}

/// Checks that a link, if there is one, can only be one to a web page.
fn assert_media(link: &str) {
    assert_text(link, 500);
    assert!(
        link.is_empty() || ["http:", "https:"].iter().any(|scheme| link.to_lowercase().starts_with(scheme))
    );
}

fn check_sign_up(fields: &Fields) {
    let Ok(sign_up) = SignUp::parse(fields) else { return };
    let SignUp { username, email, password, first_name, last_name } = sign_up;
    let username = username.as_str();
    assert_text(username, 150);
    assert!(!username.is_empty());
    assert!(!username.contains(|c: char| c.is_whitespace() || "/\\\"<>:".contains(c)));
    assert_text(&first_name, 150);
    assert_text(&last_name, 150);
    assert_email(&email);
    assert_password(&password, 6);
}

fn check_sign_in(fields: &Fields) {
    let Some(SignIn { email, password }) = SignIn::parse(fields) else { return };
    assert_email(&email);
    assert_password(&password, 1);
}

fn check_password_change(fields: &Fields) {
    let Ok(PasswordChange { old, new }) = PasswordChange::parse(fields) else { return };
    assert_password(&old, 1);
    assert_password(&new, 6);
}

fn assert_password(password: &Password, min_characters: usize) {
    let password = std::str::from_utf8(password.expose()).expect("UTF-8");
    assert_text(password, 1_024);
    assert!(password.chars().count() >= min_characters && password.len() <= 1_024);
}

fn assert_email(email: &Email) {
    let text = email.as_str();
    assert_text(text, 254);
    let (local, domain) = text.rsplit_once('@').expect("an address with an @");
    assert!(!local.is_empty() && domain.contains('.'), "{text:?}");
    assert_eq!(domain, domain.to_lowercase(), "the domain is lowercase");
    assert_eq!(Email::parse(text).as_ref(), Some(email), "parsing it again gives the same email");
}

fn check_profile(fields: &Fields) {
    let Ok(change) = ProfileChange::parse(fields) else { return };
    let ProfileChange { bio, avatar, location, website } = change;
    assert_text(&bio.unwrap_or_default(), 500);
    assert_text(&location.unwrap_or_default(), 100);
    for link in [avatar.flatten(), website].into_iter().flatten() {
        assert_text(&link, 500);
        let scheme = link.split(':').next().unwrap_or_default().to_ascii_lowercase();
        assert!(link.is_empty() || scheme == "http" || scheme == "https", "{link:?}");
    }
}

/// Text that can be stored in a column: trimmed, without NUL, within its bound.
#[track_caller]
fn assert_text(text: &str, max_characters: usize) {
    assert!(is_trimmed(text), "{text:?}");
    assert!(!text.contains('\0'), "{text:?}");
    assert!(text.chars().count() <= max_characters, "{text:?}");
}

fn is_trimmed(text: &str) -> bool {
    text.trim() == text
}
