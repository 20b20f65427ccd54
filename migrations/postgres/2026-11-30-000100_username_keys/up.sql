-- New usernames are unique without regard to case and in NFKC. A key belongs to the first account
-- of this name; accounts that were moved here keep theirs, also where several have one key.
CREATE TABLE username_keys (
    key TEXT PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE
);

CREATE INDEX username_keys_user_id ON username_keys (user_id);

-- For accounts that others insert: imports by SQL, and instances of the version before. The
-- service takes keys itself, by its own tables of Unicode. Not all encodings can be normalised.
CREATE FUNCTION username_keys_after_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO username_keys (key, user_id) VALUES (
        CASE getdatabaseencoding() WHEN 'UTF8' THEN lower(normalize(NEW.username, NFKC)) ELSE lower(NEW.username) END,
        NEW.id
    ) ON CONFLICT (key) DO NOTHING;
    RETURN NULL;
END
$$;

CREATE TRIGGER username_keys_after_insert AFTER INSERT ON users
    FOR EACH ROW EXECUTE FUNCTION username_keys_after_insert();
