-- A search finds any twenty again.
DROP INDEX IF EXISTS users_search_key_prefix;
