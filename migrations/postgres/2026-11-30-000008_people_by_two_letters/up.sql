-- A search for two letters, or for characters that trigrams leave out, reads this.
CREATE INDEX CONCURRENTLY IF NOT EXISTS users_search_key_bigrams
    ON users USING gin (bigrams(search_key)) WITH (fastupdate = off);
