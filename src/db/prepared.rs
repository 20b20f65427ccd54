//! [`prepared_once`] makes a statement of one's own one that each connection prepares once, which
//! `diesel::sql_query` is not: its text is the same at every call.

/// Implements what Diesel runs a statement by, for types that implement `QueryFragment`.
///
/// After `=>` stands the SQL type of the rows that it returns, if it does. A type with a lifetime
/// names itself once more with `'static`, as the key of the prepared statement.
macro_rules! prepared_once {
    ($($name:ty $(as $key:ty)? $(=> $rows:ty)?;)*) => {
        $(
            impl diesel::query_builder::QueryId for $name {
                type QueryId = prepared_once!(@key $name $(, $key)?);
                const HAS_STATIC_QUERY_ID: bool = true;
            }

            $(impl diesel::query_builder::Query for $name {
                type SqlType = $rows;
            })?

            impl<C> diesel::RunQueryDsl<C> for $name {}
        )*
    };
    (@key $name:ty) => { $name };
    (@key $name:ty, $key:ty) => { $key };
}

pub(crate) use prepared_once;
