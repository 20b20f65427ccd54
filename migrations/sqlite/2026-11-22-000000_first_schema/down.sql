-- Drops the whole schema, events first: each table before those it refers to.
DROP TABLE inbox_events;
DROP TABLE inboxes;
DROP TABLE messages;
DROP TABLE friendships;
DROP TABLE profiles;
DROP TABLE users;
