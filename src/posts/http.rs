//! `/api/posts/`: the feed, posts and their replies, likes and shares.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};

use super::commands::{self, no_post};
use super::model::{Change, ChangeForm, Draft, Filter, LikeAction, LikeForm, Page, PostForm};
use super::queries;
use crate::auth::Viewer;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::events::{Events, Post};
use crate::idempotency::{IdempotencyKey, IdempotencyKeyHeader, Requester};
use crate::ids::PostId;
use crate::limits::Limits;
use crate::request::body::Body;
use crate::request::fields::Parameters;
use crate::request::paging::{self, PageRequest};
use crate::request::response::{Detail, FieldErrors, Rejection};
use crate::settings::Requests;

/// Returns the feed, or the posts of one person and those on their wall, newest first.
#[utoipa::path(
    method(get, head),
    path = "/api/posts/",
    tag = "posts",
    params(
        ("username" = inline(Option<String>), Query, description = "The person; without it the feed."),
        PageRequest,
    ),
    responses(
        (
            status = 200,
            description = "Posts, newest first.",
            body = Vec<Post>,
            headers(("Link" = String, description = "The next page, as `<…>; rel=\"next\"`, if there is one.")),
        ),
        (status = 400, description = "Parameters are wrong.", body = FieldErrors),
    ),
)]
pub async fn list(
    viewer: Viewer,
    parameters: Parameters,
    request: HttpRequest,
    bounds: Data<Requests>,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let requested = Requested::parse(&parameters, &bounds)?;
    let filter = match parameters.value("username") {
        None | Some("") => Filter::Feed,
        // PostgreSQL takes no NUL in a text, and no name has one.
        Some(name) => Filter::Person(name.replace('\0', "\u{fffd}")),
    };
    let (viewer, page) = (viewer.id, requested.page);
    let posts = db.read(move |conn| Ok(queries::list(conn, viewer, &filter, page)?)).await?;
    Ok(requested.respond(&request, posts))
}

/// Returns the direct replies to a post, newest first.
#[utoipa::path(
    method(get, head),
    path = "/api/posts/{id}/replies/",
    tag = "posts",
    params(("id" = u64, Path, description = "The post's id."), PageRequest),
    responses(
        (
            status = 200,
            description = "Replies, newest first.",
            body = Vec<Post>,
            headers(("Link" = String, description = "The next page, as `<…>; rel=\"next\"`, if there is one.")),
        ),
        (status = 400, description = "Parameters are wrong.", body = FieldErrors),
        (status = 404, description = "There is no such post.", body = Detail),
    ),
)]
pub async fn replies(
    viewer: Viewer,
    post: Path<String>,
    parameters: Parameters,
    request: HttpRequest,
    bounds: Data<Requests>,
    db: Data<Db>,
) -> Result<HttpResponse> {
    let requested = Requested::parse(&parameters, &bounds)?;
    let (viewer, id, page) = (viewer.id, PostId::from_digits(&post), requested.page);
    let replies = db.read(move |conn| Ok(queries::replies(conn, viewer, id, page)?)).await?;
    Ok(requested.respond(&request, replies.ok_or_else(no_post)?))
}

/// The page of posts that a request is for.
struct Requested {
    /// The limit that the request names.
    limit: Option<i64>,
    /// One more than are returned: it shows whether there is a next page.
    page: Page,
}

impl Requested {
    fn parse(parameters: &Parameters, bounds: &Requests) -> Result<Self> {
        let PageRequest { limit, before } = PageRequest::parse(parameters)?;
        let page =
            Page { limit: limit.unwrap_or(bounds.max_posts_listed) + 1, before: before.map(PostId::new) };
        Ok(Self { limit, page })
    }

    fn respond(&self, request: &HttpRequest, mut posts: Vec<Post>) -> HttpResponse {
        let is_more = i64::try_from(posts.len()).is_ok_and(|count| count >= self.page.limit);
        if is_more {
            posts.pop();
        }
        let next = posts.last().filter(|_| is_more).map(|oldest| oldest.id.number());
        paging::respond(request, &posts, None, self.limit, next)
    }
}

/// Returns a post.
#[utoipa::path(
    method(get, head),
    path = "/api/posts/{id}/",
    tag = "posts",
    params(("id" = u64, Path, description = "The post's id.")),
    responses(
        (status = 200, description = "The post.", body = Post),
        (status = 404, description = "There is none.", body = Detail),
    ),
)]
pub async fn one(viewer: Viewer, post: Path<String>, db: Data<Db>) -> Result<HttpResponse> {
    let (viewer, id) = (viewer.id, PostId::from_digits(&post));
    let post = db.read(move |conn| Ok(queries::one(conn, viewer, id)?)).await?;
    Ok(HttpResponse::Ok().json(post.ok_or_else(no_post)?))
}

/// Writes a post, a reply, or a post on a friend's wall; whom it concerns is notified.
///
/// A post in the feed is an event for each of the author's friends, one on a wall for its owner,
/// and a reply for the author of its parent and for the person whom it mentions.
#[utoipa::path(
    post,
    path = "/api/posts/",
    tag = "posts",
    params(IdempotencyKeyHeader),
    request_body = PostForm,
    responses(
        (status = 201, description = "The post.", body = Post, headers(("Idempotency-Replayed" = String, description = "`true` for a repetition."))),
        (status = 400, description = "Fields are wrong, or name what does not exist.", body = FieldErrors),
        (status = 403, description = "The owner of the wall is not a friend.", body = Rejection),
        (status = 422, description = "The idempotency key was used for something else.", body = Detail),
        (status = 429, description = "The viewer writes too many.", body = Detail),
    ),
)]
pub async fn write(
    viewer: Viewer,
    key: IdempotencyKey,
    body: Body,
    limits: Data<Limits>,
    events: Data<Events>,
) -> Result<HttpResponse> {
    let (author, draft) = (viewer.person(), Draft::parse(&body.into_fields()?));
    let key = key.of(&Requester::User(viewer.id), &("post", draft.content_and_references()))?;
    limits.post(viewer.id).await?;
    let once = events.commit_once(key, move |unit| commands::write(unit, &author, &draft));
    Ok(once.await?.respond(StatusCode::CREATED))
}

/// Changes the viewer's own post; what is not named stays.
#[utoipa::path(
    method(put, patch),
    path = "/api/posts/{id}/",
    tag = "posts",
    params(("id" = u64, Path, description = "The post's id.")),
    request_body = ChangeForm,
    responses(
        (status = 200, description = "The post.", body = Post),
        (status = 400, description = "Fields are wrong.", body = FieldErrors),
        (status = 403, description = "It is another user's.", body = Rejection),
        (status = 404, description = "There is none.", body = Detail),
    ),
)]
pub async fn change(
    viewer: Viewer,
    post: Path<String>,
    body: Body,
    events: Data<Events>,
) -> Result<HttpResponse> {
    let change = match Change::parse(&body.into_fields()?) {
        Ok(change) => Ok(change),
        Err(Error::Fields(errors)) => Err(errors),
        Err(error) => return Err(error),
    };
    let (viewer, id) = (viewer.id, PostId::from_digits(&post));
    let post = events.commit(move |unit| commands::change(unit, viewer, id, change.as_ref())).await?;
    Ok(HttpResponse::Ok().json(post))
}

/// Deletes a post of the viewer or on their wall, with its replies and likes.
#[utoipa::path(
    delete,
    path = "/api/posts/{id}/",
    tag = "posts",
    params(("id" = u64, Path, description = "The post's id.")),
    responses(
        (status = 204, description = "It is deleted."),
        (status = 403, description = "It is another user's.", body = Rejection),
        (status = 404, description = "There is none.", body = Detail),
    ),
)]
pub async fn delete(viewer: Viewer, post: Path<String>, events: Data<Events>) -> Result<HttpResponse> {
    let (viewer, id) = (viewer.id, PostId::from_digits(&post));
    events.commit(move |unit| commands::delete(unit, viewer, id)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Likes a post, or no longer.
#[utoipa::path(
    post,
    path = "/api/posts/{id}/like/",
    tag = "posts",
    params(("id" = u64, Path, description = "The post's id.")),
    request_body = LikeForm,
    responses(
        (status = 200, description = "The post.", body = Post),
        (status = 400, description = "The action is none.", body = FieldErrors),
        (status = 404, description = "There is no such post.", body = Detail),
        (status = 429, description = "Too many likes and shares.", body = Detail),
    ),
)]
pub async fn like(
    viewer: Viewer,
    post: Path<String>,
    body: Body,
    limits: Data<Limits>,
    events: Data<Events>,
) -> Result<HttpResponse> {
    let action = LikeAction::parse(&body.into_fields()?)?;
    limits.reaction(viewer.id).await?;
    let (viewer, id) = (viewer.id, PostId::from_digits(&post));
    let post = events.commit_retrying(move |unit| commands::like(unit, viewer, id, action)).await?;
    Ok(HttpResponse::Ok().json(post))
}

/// Counts that the viewer shares a post.
#[utoipa::path(
    post,
    path = "/api/posts/{id}/share/",
    tag = "posts",
    params(("id" = u64, Path, description = "The post's id."), IdempotencyKeyHeader),
    responses(
        (status = 200, description = "The post.", body = Post, headers(("Idempotency-Replayed" = String, description = "`true` for a repetition."))),
        (status = 404, description = "There is none.", body = Detail),
        (status = 422, description = "The idempotency key was used for something else.", body = Detail),
        (status = 429, description = "Too many likes and shares.", body = Detail),
    ),
)]
pub async fn share(
    viewer: Viewer,
    key: IdempotencyKey,
    post: Path<String>,
    limits: Data<Limits>,
    events: Data<Events>,
) -> Result<HttpResponse> {
    let (viewer, id) = (viewer.id, PostId::from_digits(&post));
    let key = key.of(&Requester::User(viewer), &("share", id))?;
    limits.reaction(viewer).await?;
    let once = events.commit_once(key, move |unit| commands::share(unit, viewer, id));
    Ok(once.await?.respond(StatusCode::OK))
}
