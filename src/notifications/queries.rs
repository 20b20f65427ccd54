//! Reading a page of an inbox, and the state and position of connected users.

use diesel::prelude::*;

use super::model::{AccountPosition, InboxPage};
use crate::auth::EndedSignIns;
use crate::db::schema::{inboxes, users};
use crate::db::{AnyConnection, Lift, Query, among, in_snapshot};
use crate::error::Result;
use crate::events::{Seq, inbox};
use crate::ids::UserId;

/// Returns the page of a user's inbox that has its newest events before a number, at most
/// `limit` of them.
///
/// # Errors
///
/// Those of the database, here and below.
pub(super) fn inbox_page(
    conn: &mut AnyConnection,
    user: UserId,
    before: Seq,
    limit: i64,
) -> Result<InboxPage> {
    let (position, stored) = in_snapshot(conn, |conn| {
        let position = inbox::position(conn, user)?;
        // One more than the limit shows whether there is a next page.
        Ok((position, inbox::before(conn, user, before, limit + 1)?))
    })?;
    InboxPage::new(position, stored, limit)
}

/// Returns the account position of each of these users who exists, in one query.
pub(super) fn account_positions(conn: &mut AnyConnection, users: &[UserId]) -> Query<Vec<AccountPosition>> {
    let known = among(conn, users::id, users.iter().map(|user| user.number()));
    let rows = users::table
        .left_join(inboxes::table)
        .filter(known)
        .select((
            users::id,
            ((inboxes::last_seq, inboxes::read_seq).nullable(), Lift),
            users::is_active,
            users::tokens_valid_from,
            users::ended_sign_ins,
        ))
        .load::<(UserId, (Option<(Seq, Seq)>, Seq), bool, i64, String)>(conn)?;
    let position = |(user, (inbox, lift), is_active, tokens_valid_from, ended)| {
        let (last_seq, read_seq) = Option::unwrap_or_default(inbox);
        let (last_seq, read_seq): (Seq, Seq) = (last_seq + lift, read_seq + lift);
        let ended_sign_ins = EndedSignIns::from(ended);
        AccountPosition { user, last_seq, read_seq, is_active, tokens_valid_from, ended_sign_ins }
    };
    Ok(rows.into_iter().map(position).collect())
}
