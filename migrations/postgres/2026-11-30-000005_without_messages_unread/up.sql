-- How many messages are unread stands in `conversations`, and the newest of a pair are read
-- until as many are found.
DROP INDEX CONCURRENTLY IF EXISTS messages_unread;
