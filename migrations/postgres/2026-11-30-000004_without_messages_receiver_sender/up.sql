-- Each index on `messages` costs every message, and both directions of a conversation are
-- ranges of `messages_sender_receiver`. Dropped while messages are sent: without CONCURRENTLY
-- it would wait for the longest reader of the table, such as a dump, and everybody behind it.
DROP INDEX CONCURRENTLY IF EXISTS messages_receiver_sender;
