-- What instances need to know of their installation, which is all instances on this database.
-- Instances of the version before use neither table.

-- One row: the mark by which instances recognise what others of this installation publish
-- through Redis. A copy of the database has the same mark.
CREATE TABLE installation (
    id BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (id),
    mark TEXT NOT NULL
);

INSERT INTO installation (mark)
    SELECT left(replace(gen_random_uuid()::text, '-', ''), 16);

-- The instances that live. Each writes its row every two seconds, by the clock of the database.
CREATE TABLE instances (
    id TEXT PRIMARY KEY,
    -- Whether the instance publishes through Redis and receives what it publishes.
    publishes BOOLEAN NOT NULL,
    seen_at_ms BIGINT NOT NULL
);
