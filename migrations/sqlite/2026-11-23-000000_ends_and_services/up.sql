-- The same as in migrations/postgres, in SQLite's words; the reasons stand there.

ALTER TABLE users ADD COLUMN tokens_valid_from BIGINT NOT NULL DEFAULT 0;

CREATE TABLE spent_tokens (
    jti TEXT PRIMARY KEY NOT NULL,
    expires_at TIMESTAMP NOT NULL
);

CREATE INDEX spent_tokens_expires_at ON spent_tokens (expires_at);

CREATE TABLE idempotency_keys (
    service TEXT NOT NULL,
    key TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    answer TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (service, key)
);

CREATE INDEX idempotency_keys_created_at ON idempotency_keys (created_at);
