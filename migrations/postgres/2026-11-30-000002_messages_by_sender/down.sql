-- Sent messages are sorted for each page again.
DROP INDEX IF EXISTS messages_sender_id;
