-- A page of the messages that a user received is a range of this, as of those that they sent.
CREATE INDEX CONCURRENTLY IF NOT EXISTS messages_receiver_id ON messages (receiver_id, id);
