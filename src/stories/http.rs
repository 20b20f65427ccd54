//! `/api/stories/`: stories of friends and one's own, views and reactions.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use serde::Serialize;
use utoipa::ToSchema;

use super::model::{Draft, Filter, ReactionForm, Story, StoryForm, reaction_type};
use super::{commands, queries};
use crate::auth::Viewer;
use crate::db::Db;
use crate::error::Result;
use crate::events::Events;
use crate::idempotency::{IdempotencyKey, IdempotencyKeyHeader, Requester};
use crate::ids::{StoryId, UserId};
use crate::limits::Limits;
use crate::request::body::Body;
use crate::request::response::{Detail, FieldErrors, Rejection};
use crate::settings::Stories;
use crate::timestamp::Timestamp;

/// Stories, newest first.
#[derive(Serialize, ToSchema)]
struct StoryList {
    stories: Vec<Story>,
}

/// That a story was viewed.
#[derive(Serialize, ToSchema)]
struct Viewed {
    success: bool,
    /// Only for one's own story, of which the view does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    message: Option<&'static str>,
    #[schema(minimum = 0)]
    view_count: i64,
}

/// The viewer's reaction, under three names, and the counts.
#[derive(Serialize, ToSchema)]
struct Reacted {
    success: bool,
    reaction_type: &'static str,
    my_reaction: &'static str,
    user_reaction: &'static str,
    #[schema(minimum = 0)]
    heart_count: i64,
    #[schema(minimum = 0)]
    thunder_count: i64,
}

/// Returns the stories of the viewer and their friends, newest first.
#[utoipa::path(
    get,
    path = "/api/stories/",
    tag = "stories",
    responses((status = 200, description = "Stories.", body = StoryList)),
)]
pub async fn all(viewer: Viewer, db: Data<Db>) -> Result<HttpResponse> {
    list(viewer.id, Filter::All, &db).await
}

/// Returns the viewer's own stories, newest first.
#[utoipa::path(
    get,
    path = "/api/stories/me/",
    tag = "stories",
    responses((status = 200, description = "Stories.", body = StoryList)),
)]
pub async fn own(viewer: Viewer, db: Data<Db>) -> Result<HttpResponse> {
    list(viewer.id, Filter::User(viewer.id), &db).await
}

/// Returns the stories of a friend, or one's own, newest first; none of other users.
#[utoipa::path(
    get,
    path = "/api/stories/user/{user}/",
    tag = "stories",
    params(("user" = u64, Path, description = "The user's id.")),
    responses((status = 200, description = "Stories.", body = StoryList)),
)]
pub async fn of_user(viewer: Viewer, user: Path<String>, db: Data<Db>) -> Result<HttpResponse> {
    list(viewer.id, Filter::User(UserId::from_digits(&user)), &db).await
}

async fn list(viewer: UserId, filter: Filter, db: &Db) -> Result<HttpResponse> {
    let now = Timestamp::now();
    let stories = db.read(move |conn| Ok(queries::list(conn, viewer, &filter, now)?)).await?;
    Ok(HttpResponse::Ok().json(StoryList { stories }))
}

/// Publishes a story, which expires after a day, or as configured.
#[utoipa::path(
    post,
    path = "/api/stories/",
    tag = "stories",
    params(IdempotencyKeyHeader),
    request_body = StoryForm,
    responses(
        (status = 201, description = "The story.", body = Story, headers(("Idempotency-Replayed" = String, description = "`true` for a repetition."))),
        (status = 400, description = "Fields are wrong.", body = FieldErrors),
        (status = 422, description = "The idempotency key was used for something else.", body = Detail),
        (status = 429, description = "The viewer publishes too many.", body = Detail),
    ),
)]
pub async fn publish(
    viewer: Viewer,
    key: IdempotencyKey,
    body: Body,
    bounds: Data<Stories>,
    limits: Data<Limits>,
    events: Data<Events>,
) -> Result<HttpResponse> {
    let draft = Draft::parse(&body.into_fields()?)?;
    let (user, lifetime) = (viewer.id, bounds.lifetime);
    let story = ("story", &draft.media_url, draft.media_type, &draft.caption);
    let key = key.of(&Requester::User(user), &story)?;
    limits.post(user).await?;
    let once = events.commit_once(key, move |unit| commands::publish(unit, user, &draft, lifetime));
    Ok(once.await?.respond(StatusCode::CREATED))
}

/// Deletes the viewer's own story.
#[utoipa::path(
    delete,
    path = "/api/stories/{id}/",
    tag = "stories",
    params(("id" = inline(StoryId), Path, description = "The story's id.")),
    responses(
        (status = 204, description = "It is deleted."),
        (status = 403, description = "It is a friend's.", body = Rejection),
        (status = 404, description = "There is none that the viewer sees.", body = Detail),
    ),
)]
pub async fn delete(viewer: Viewer, story: Path<String>, events: Data<Events>) -> Result<HttpResponse> {
    let (viewer, id) = (viewer.id, StoryId::from_path(&story));
    events.commit(move |unit| commands::delete(unit, viewer, &id)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Counts that the viewer has viewed a story: once, and not their own.
#[utoipa::path(
    post,
    path = "/api/stories/{id}/view/",
    tag = "stories",
    params(("id" = inline(StoryId), Path, description = "The story's id.")),
    responses(
        (status = 200, description = "How many have viewed it.", body = Viewed),
        (status = 404, description = "There is none that the viewer sees.", body = Detail),
        (status = 429, description = "Too many views and reactions.", body = Detail),
    ),
)]
pub async fn view(
    viewer: Viewer,
    story: Path<String>,
    limits: Data<Limits>,
    events: Data<Events>,
) -> Result<HttpResponse> {
    limits.reaction(viewer.id).await?;
    let (viewer, id) = (viewer.id, StoryId::from_path(&story));
    let story = events.commit_retrying(move |unit| commands::view(unit, viewer, &id)).await?;
    let message = (story.user.id() == viewer).then_some("Own views do not count");
    Ok(HttpResponse::Ok().json(Viewed { success: true, message, view_count: story.view_count }))
}

/// Reacts to a story, in place of an earlier reaction; its user is notified.
#[utoipa::path(
    post,
    path = "/api/stories/{id}/react/",
    tag = "stories",
    params(("id" = inline(StoryId), Path, description = "The story's id.")),
    request_body = ReactionForm,
    responses(
        (status = 200, description = "The reaction, and how many there are.", body = Reacted),
        (status = 400, description = "The reaction is none.", body = FieldErrors),
        (status = 404, description = "There is no story that the viewer sees.", body = Detail),
        (status = 429, description = "Too many views and reactions.", body = Detail),
    ),
)]
pub async fn react(
    viewer: Viewer,
    story: Path<String>,
    body: Body,
    limits: Data<Limits>,
    events: Data<Events>,
) -> Result<HttpResponse> {
    let reaction = reaction_type(&body.into_fields()?)?;
    limits.reaction(viewer.id).await?;
    let (viewer, id) = (viewer.person(), StoryId::from_path(&story));
    let story = events.commit_retrying(move |unit| commands::react(unit, &viewer, &id, reaction)).await?;
    Ok(HttpResponse::Ok().json(Reacted {
        success: true,
        reaction_type: reaction,
        my_reaction: reaction,
        user_reaction: reaction,
        heart_count: story.heart_count,
        thunder_count: story.thunder_count,
    }))
}

/// Takes the viewer's reaction to a story back; nobody is notified.
#[utoipa::path(
    delete,
    path = "/api/stories/{id}/react/",
    tag = "stories",
    params(("id" = inline(StoryId), Path, description = "The story's id.")),
    responses(
        (status = 204, description = "There is no reaction any more."),
        (status = 404, description = "There is no reaction, or no story that the viewer sees.", body = Detail),
    ),
)]
pub async fn take_back(viewer: Viewer, story: Path<String>, events: Data<Events>) -> Result<HttpResponse> {
    let (viewer, id) = (viewer.id, StoryId::from_path(&story));
    events.commit(move |unit| commands::take_back(unit, viewer, &id)).await?;
    Ok(HttpResponse::NoContent().finish())
}
