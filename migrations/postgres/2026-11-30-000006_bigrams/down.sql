-- A search for two letters reads all people again.
ALTER INDEX IF EXISTS users_search_key_trigrams RESET (fastupdate);
DROP FUNCTION bigrams(text);
ALTER TABLE messages RESET (fillfactor);
