-- What ends sessions before their tokens expire, and what keeps other services' events
-- from being taken twice. Instances of the version before know none of it and go on:
-- each column has a default.

-- Tokens issued before this second, in Unix time, let nobody in.
ALTER TABLE users ADD COLUMN tokens_valid_from BIGINT NOT NULL DEFAULT 0;

-- Tokens that are used up before they expire, by their `jti`: a refresh token by a
-- logout, a ticket by its socket. The primary key decides between two that use one.
CREATE TABLE spent_tokens (
    jti TEXT PRIMARY KEY,
    expires_at TIMESTAMP NOT NULL
);

CREATE INDEX spent_tokens_expires_at ON spent_tokens (expires_at);

-- What a service was answered, by the key under which it asked: asked again, the
-- same answer is given and nothing is done.
CREATE TABLE idempotency_keys (
    service TEXT NOT NULL,
    key TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    answer TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (service, key)
);

CREATE INDEX idempotency_keys_created_at ON idempotency_keys (created_at);
