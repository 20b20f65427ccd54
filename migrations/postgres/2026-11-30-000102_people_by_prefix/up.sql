-- Whose username begins with a text, in order: the name itself is the first of its range.
CREATE INDEX CONCURRENTLY IF NOT EXISTS users_search_key_prefix ON users (search_key COLLATE "C");
