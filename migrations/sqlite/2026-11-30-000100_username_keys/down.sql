DROP INDEX IF EXISTS users_search_key_prefix;
DROP TRIGGER IF EXISTS username_keys_after_insert;
DROP TABLE IF EXISTS username_keys;
