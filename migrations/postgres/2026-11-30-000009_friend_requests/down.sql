-- Requests are read from all relationships again.
DROP INDEX IF EXISTS friendships_requests;
