-- The same schema as migrations/postgres, in SQLite's words; the reasons stand
-- there. AUTOINCREMENT keeps the number of a deleted row from being used again.

CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    username TEXT NOT NULL,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    search_key TEXT NOT NULL,
    is_active BOOLEAN NOT NULL DEFAULT TRUE,
    is_superuser BOOLEAN NOT NULL DEFAULT FALSE,
    date_joined TIMESTAMP NOT NULL,
    -- Of two that are violated SQLite names the last: the username comes first.
    UNIQUE (email_key),
    UNIQUE (username)
);

CREATE TABLE profiles (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    user_id BIGINT NOT NULL UNIQUE REFERENCES users (id) ON DELETE CASCADE,
    bio TEXT NOT NULL DEFAULT '',
    avatar TEXT,
    location TEXT NOT NULL DEFAULT '',
    website TEXT NOT NULL DEFAULT '',
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);

CREATE TABLE friendships (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    low_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    high_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    asked_by BIGINT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    accepted_at TIMESTAMP,
    UNIQUE (low_id, high_id),
    CHECK (low_id < high_id),
    CHECK (asked_by IN (low_id, high_id))
);

CREATE INDEX friendships_high_id ON friendships (high_id);

CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    sender_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    receiver_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    content TEXT NOT NULL,
    is_read BOOLEAN NOT NULL DEFAULT FALSE,
    created_at TIMESTAMP NOT NULL
);

CREATE INDEX messages_sender_receiver ON messages (sender_id, receiver_id, id);
CREATE INDEX messages_receiver_sender ON messages (receiver_id, sender_id, id);
CREATE INDEX messages_unread ON messages (receiver_id, sender_id) WHERE NOT is_read;

CREATE TABLE inboxes (
    user_id BIGINT PRIMARY KEY NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    last_seq BIGINT NOT NULL DEFAULT 0,
    read_seq BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE inbox_events (
    user_id BIGINT NOT NULL REFERENCES inboxes (user_id) ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    type TEXT NOT NULL,
    data TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (user_id, seq)
);

CREATE INDEX inbox_events_created_at ON inbox_events (created_at);
