-- Sign-ins that were revoked lately, as `<id>:<second>`, separated by spaces: every request reads
-- this row, and its tokens may be of one of them.
ALTER TABLE users ADD COLUMN ended_sign_ins TEXT NOT NULL DEFAULT '';

-- The sign-ins of each user, for the user to recognise.
CREATE TABLE sign_ins (
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    last_used_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    address TEXT NOT NULL,
    client TEXT NOT NULL,
    PRIMARY KEY (user_id, id)
);
