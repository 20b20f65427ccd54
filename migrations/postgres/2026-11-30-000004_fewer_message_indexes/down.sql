-- Conversations are read from all messages again.
ALTER INDEX IF EXISTS users_search_key_trigrams RESET (fastupdate);
DROP FUNCTION bigrams(text);
ALTER TABLE messages RESET (fillfactor);
CREATE INDEX messages_unread ON messages (receiver_id, sender_id) WHERE NOT is_read;
CREATE INDEX messages_receiver_sender ON messages (receiver_id, sender_id, id);
