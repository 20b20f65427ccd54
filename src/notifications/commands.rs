//! Marking the inbox as read.

use crate::error::Result;
use crate::events::inbox::{self, Position};
use crate::events::{Notice, Seq, UnitOfWork};
use crate::ids::UserId;

/// Marks everything up to a number as read and notifies the user's sockets.
///
/// # Errors
///
/// Those of the database.
pub(super) fn mark_read(unit: &mut UnitOfWork<'_>, user: UserId, up_to: Seq) -> Result<Position> {
    let position = inbox::mark_read(unit.conn, user, up_to)?;
    let (up_to, unread_count) = (position.read_seq, position.unread());
    unit.notify(user, Notice::NotificationsRead { up_to, unread_count });
    Ok(position)
}
