//! A [`Timestamp`] is a point in time in UTC, to the microsecond: the resolution that both
//! databases store and that is sent to clients.

use std::time::Duration;

use chrono::{DateTime, DurationRound, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use diesel::deserialize::FromSqlRow;
use diesel::expression::AsExpression;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// The latest timestamp, which both databases can store; later times become this one.
const LATEST: NaiveDateTime = match NaiveDate::from_ymd_opt(9999, 12, 31) {
    Some(day) => NaiveDateTime::new(day, NaiveTime::MIN),
    None => NaiveDateTime::MAX,
};

/// A point in time in UTC, to the microsecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, AsExpression, FromSqlRow, ToSchema)]
#[diesel(sql_type = diesel::sql_types::Timestamp)]
#[schema(value_type = String, format = DateTime, example = "2026-11-22T20:27:54.035641Z")]
pub struct Timestamp(NaiveDateTime);

impl Timestamp {
    /// Returns the present time, truncated to the microsecond, so that a value reads back from
    /// a database as it was written.
    pub fn now() -> Self {
        let now = Utc::now().naive_utc();
        Self(now.duration_trunc(TimeDelta::microseconds(1)).unwrap_or(now))
    }

    /// Returns the time of a second in Unix time, or the latest timestamp.
    pub fn of_unix_seconds(seconds: i64) -> Self {
        Self(DateTime::from_timestamp(seconds, 0).map_or(LATEST, |time| time.naive_utc().min(LATEST)))
    }

    /// Returns the time of a microsecond in Unix time, or the latest timestamp.
    pub fn of_unix_micros(micros: i64) -> Self {
        Self(DateTime::from_timestamp_micros(micros).map_or(LATEST, |time| time.naive_utc().min(LATEST)))
    }

    /// Returns the time this many minutes later, or the latest timestamp.
    pub fn minutes_later(self, minutes: i64) -> Self {
        let later = TimeDelta::try_minutes(minutes).and_then(|time| self.0.checked_add_signed(time));
        Self(later.unwrap_or(LATEST).min(LATEST))
    }

    /// Returns the time this much later, or the latest timestamp.
    pub fn later(self, time: Duration) -> Self {
        let later = TimeDelta::from_std(time).ok().and_then(|time| self.0.checked_add_signed(time));
        Self(later.unwrap_or(LATEST).min(LATEST))
    }

    /// Returns the time this many minutes earlier, or the earliest timestamp.
    pub fn minutes_before(self, minutes: u32) -> Self {
        let earlier = self.0.checked_sub_signed(TimeDelta::minutes(minutes.into()));
        Self(earlier.unwrap_or(NaiveDateTime::MIN))
    }

    /// Returns how many seconds this is after another time; less than zero if it is before.
    pub fn seconds_since(self, earlier: Self) -> i64 {
        (self.0 - earlier.0).num_seconds()
    }

    /// Returns the time this many days earlier, or the earliest timestamp.
    pub fn days_before(self, days: u32) -> Self {
        let earlier = self.0.checked_sub_signed(TimeDelta::days(days.into()));
        Self(earlier.unwrap_or(NaiveDateTime::MIN))
    }
}

/// RFC 3339 with microseconds and `Z`.
impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.format("%Y-%m-%dT%H:%M:%S%.6fZ").fmt(f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<DB> diesel::serialize::ToSql<diesel::sql_types::Timestamp, DB> for Timestamp
where
    DB: diesel::backend::Backend,
    NaiveDateTime: diesel::serialize::ToSql<diesel::sql_types::Timestamp, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut diesel::serialize::Output<'b, '_, DB>) -> diesel::serialize::Result {
        self.0.to_sql(out)
    }
}

impl<DB> diesel::deserialize::FromSql<diesel::sql_types::Timestamp, DB> for Timestamp
where
    DB: diesel::backend::Backend,
    NaiveDateTime: diesel::deserialize::FromSql<diesel::sql_types::Timestamp, DB>,
{
    fn from_sql(value: DB::RawValue<'_>) -> diesel::deserialize::Result<Self> {
        NaiveDateTime::from_sql(value).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn is_formatted_with_microseconds_and_z() {
        let text = Timestamp::now().to_string();
        assert_eq!(text.len(), "2026-11-22T20:27:54.035641Z".len(), "{text}");
        assert!(text.ends_with('Z'), "{text}");
    }
}
