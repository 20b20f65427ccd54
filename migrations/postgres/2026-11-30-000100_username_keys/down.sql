DROP TRIGGER IF EXISTS username_keys_after_insert ON users;
DROP FUNCTION IF EXISTS username_keys_after_insert();
DROP TABLE IF EXISTS username_keys;
