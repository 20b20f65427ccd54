-- The newest people are the end of this.
CREATE INDEX CONCURRENTLY IF NOT EXISTS users_newest ON users (date_joined, id);
