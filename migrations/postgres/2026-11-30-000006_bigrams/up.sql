-- No index is on `is_read` any more: marking a message as read stays on its page, if there is room.
ALTER TABLE messages SET (fillfactor = 90);

-- The pairs of neighbouring characters of a text, each once: what an index of two letters
-- has. Trigrams cannot serve them. Not parallel: a search ends at its twentieth match, and
-- starting workers takes longer.
CREATE FUNCTION bigrams(text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL UNSAFE AS $$
    SELECT COALESCE(array_agg(DISTINCT substr($1, n, 2)), '{}')
    FROM generate_series(1, char_length($1) - 1) AS n
$$;

-- A search reads the whole list of entries that were not sorted in yet, up to 4 MB.
ALTER INDEX IF EXISTS users_search_key_trigrams SET (fastupdate = off);
