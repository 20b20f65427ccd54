-- A page of the messages that a user sent is a range of this. Built while messages are sent,
-- so it must stay one statement, outside a transaction.
CREATE INDEX CONCURRENTLY IF NOT EXISTS messages_sender_id ON messages (sender_id, id);
