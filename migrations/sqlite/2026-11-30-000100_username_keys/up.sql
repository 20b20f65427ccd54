-- New usernames are unique without regard to case and in NFKC. A key belongs to the first account
-- of this name; accounts that were moved here keep theirs, also where several have one key.
CREATE TABLE username_keys (
    key TEXT NOT NULL PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE
);

CREATE INDEX username_keys_user_id ON username_keys (user_id);

-- For accounts that are inserted by SQL. The service takes keys itself, by its own tables of
-- Unicode: SQLite knows the case of ASCII letters only.
CREATE TRIGGER username_keys_after_insert AFTER INSERT ON users
BEGIN
    INSERT INTO username_keys (key, user_id) VALUES (lower(NEW.username), NEW.id) ON CONFLICT (key) DO NOTHING;
END;

INSERT INTO username_keys (key, user_id)
SELECT lower(username), MIN(id) FROM users WHERE TRUE GROUP BY 1
ON CONFLICT (key) DO NOTHING;

-- Whose username begins with a text, in order: the name itself is the first of its range.
CREATE INDEX users_search_key_prefix ON users (search_key);
