//! The schema: as the catalogue of the database describes it, and as `src/db/schema.rs` declares
//! it.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};

use crate::support::Database;

/// A column with its type in Diesel's notation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, QueryableByName)]
pub struct Column {
    #[diesel(sql_type = Text)]
    pub table_name: String,
    #[diesel(sql_type = Text)]
    pub column_name: String,
    #[diesel(sql_type = Text)]
    pub sql_type: String,
    #[diesel(sql_type = Bool)]
    pub is_nullable: bool,
    #[diesel(sql_type = Bool)]
    pub is_key: bool,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

const POSTGRES_COLUMNS: &str = "
SELECT c.table_name::text AS table_name, c.column_name::text AS column_name,
    CASE c.data_type WHEN 'bigint' THEN 'Int8' WHEN 'text' THEN 'Text' WHEN 'boolean' THEN 'Bool'
        WHEN 'timestamp without time zone' THEN 'Timestamp' ELSE c.data_type END AS sql_type,
    c.is_nullable = 'YES' AS is_nullable,
    EXISTS (SELECT FROM information_schema.table_constraints t JOIN information_schema.key_column_usage k
        USING (constraint_schema, constraint_name) WHERE t.constraint_type = 'PRIMARY KEY'
        AND k.table_name = c.table_name AND k.column_name = c.column_name) AS is_key
FROM information_schema.columns c WHERE c.table_schema = 'public' AND c.table_name NOT LIKE '\\_\\_%'
ORDER BY c.table_name, c.ordinal_position";

const SQLITE_COLUMNS: &str = "
SELECT m.name AS table_name, c.name AS column_name,
    CASE c.type WHEN 'BIGINT' THEN 'Int8' WHEN 'INTEGER' THEN 'Int8' WHEN 'TEXT' THEN 'Text'
        WHEN 'BOOLEAN' THEN 'Bool' WHEN 'TIMESTAMP' THEN 'Timestamp' ELSE c.type END AS sql_type,
    c.\"notnull\" = 0 AND c.pk = 0 AS is_nullable, c.pk > 0 AS is_key
FROM sqlite_master m JOIN pragma_table_info(m.name) c
WHERE m.type = 'table' AND m.name NOT LIKE '\\_\\_%' ESCAPE '\\' AND m.name <> 'sqlite_sequence'
ORDER BY m.name, c.cid";

/// The whole schema, sorted: columns of tables, constraints, indexes, sequences.
const POSTGRES_ALL: &str = "
SELECT format('%s.%s %s null=%s default=%s', table_name, column_name, data_type, is_nullable, column_default) AS line
    FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT 'sequence ' || sequencename FROM pg_sequences WHERE schemaname = 'public' ORDER BY 1";

const SQLITE_ALL: &str =
    "SELECT type || ' ' || name || ' ' || coalesce(sql, '') AS line FROM sqlite_master ORDER BY 1";

fn query<T>(database: &Database, postgres: &str, sqlite: &str) -> Vec<T>
where
    T: QueryableByName<diesel::pg::Pg> + QueryableByName<diesel::sqlite::Sqlite> + 'static,
{
    let url = database.url();
    match url.strip_prefix("sqlite://") {
        Some(path) => {
            let mut conn = SqliteConnection::establish(path).expect("a connection to the database");
            conn.batch_execute("PRAGMA busy_timeout = 10000").expect("the pragma is set");
            diesel::sql_query(sqlite).load(&mut conn)
        }
        None => {
            let mut conn = PgConnection::establish(&url).expect("a connection to the database");
            diesel::sql_query(postgres).load(&mut conn)
        }
    }
    .expect("the schema")
}

/// Returns the columns of the service's tables.
pub fn columns(database: &Database) -> Vec<Column> {
    query(database, POSTGRES_COLUMNS, SQLITE_COLUMNS)
}

/// Returns the whole schema as lines that can be compared.
pub fn all(database: &Database) -> Vec<String> {
    query::<Line>(database, POSTGRES_ALL, SQLITE_ALL).into_iter().map(|line| line.line).collect()
}

/// Returns the columns that `src/db/schema.rs` declares.
pub fn declared() -> Vec<Column> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/db/schema.rs");
    let text = std::fs::read_to_string(path).expect("src/db/schema.rs");
    let mut columns = Vec::new();
    let (mut table, mut keys, mut renamed) = (String::new(), Vec::new(), None);
    for line in text.lines().filter(|line| !line.starts_with("diesel::")).map(str::trim) {
        if let Some((name, rest)) = line.split_once(" (").filter(|_| line.ends_with(") {")) {
            table = name.to_owned();
            keys = rest.trim_end_matches(") {").split(", ").map(str::to_owned).collect();
        } else if let Some(name) = line.strip_prefix("#[sql_name = \"") {
            renamed = Some(name.trim_end_matches("\"]").to_owned());
        } else if let Some((name, sql_type)) = line.split_once(" -> ") {
            let name = renamed.take().unwrap_or_else(|| name.to_owned());
            let sql_type = sql_type.trim_end_matches(',');
            let inner = sql_type.strip_prefix("Nullable<").and_then(|inner| inner.strip_suffix('>'));
            columns.push(Column {
                table_name: table.clone(),
                is_key: keys.contains(&name),
                column_name: name,
                sql_type: inner.unwrap_or(sql_type).to_owned(),
                is_nullable: inner.is_some(),
            });
        }
    }
    columns
}
