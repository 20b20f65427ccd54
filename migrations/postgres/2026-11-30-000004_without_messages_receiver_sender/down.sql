-- The messages from a user to another are read from those to that user again.
CREATE INDEX IF NOT EXISTS messages_receiver_sender ON messages (receiver_id, sender_id, id);
