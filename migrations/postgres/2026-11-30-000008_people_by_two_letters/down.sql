-- A search for two letters reads all people again.
DROP INDEX IF EXISTS users_search_key_bigrams;
