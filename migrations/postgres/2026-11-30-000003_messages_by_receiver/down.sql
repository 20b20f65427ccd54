-- Received messages are sorted for each page again.
DROP INDEX IF EXISTS messages_receiver_id;
