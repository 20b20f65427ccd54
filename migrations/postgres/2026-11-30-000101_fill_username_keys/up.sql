-- The oldest account of a name gets its key. People sign up meanwhile: the trigger is there.
INSERT INTO username_keys (key, user_id)
SELECT CASE getdatabaseencoding() WHEN 'UTF8' THEN lower(normalize(username, NFKC)) ELSE lower(username) END, MIN(id)
FROM users GROUP BY 1
ON CONFLICT (key) DO NOTHING;
