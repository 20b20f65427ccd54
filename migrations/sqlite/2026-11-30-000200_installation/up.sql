-- The same as in migrations/postgres, in SQLite's words; the reasons stand there.

CREATE TABLE installation (
    id BOOLEAN PRIMARY KEY NOT NULL DEFAULT TRUE CHECK (id),
    mark TEXT NOT NULL
);

INSERT INTO installation (mark) VALUES (lower(hex(randomblob(8))));

CREATE TABLE instances (
    id TEXT PRIMARY KEY NOT NULL,
    publishes BOOLEAN NOT NULL,
    seen_at_ms BIGINT NOT NULL
);
