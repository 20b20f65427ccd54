-- Unread messages are counted again.
CREATE INDEX IF NOT EXISTS messages_unread ON messages (receiver_id, sender_id) WHERE NOT is_read;
