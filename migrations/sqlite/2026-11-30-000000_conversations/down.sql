-- Lists are computed from the whole history again.
DROP INDEX friendships_requests;
DROP INDEX users_newest;
CREATE INDEX messages_unread ON messages (receiver_id, sender_id) WHERE NOT is_read;
CREATE INDEX messages_receiver_sender ON messages (receiver_id, sender_id, id);
DROP INDEX messages_receiver_id;
DROP INDEX messages_sender_id;
DROP TRIGGER messages_keep_their_pair;
DROP TRIGGER conversations_after_delete;
DROP TRIGGER conversations_after_update;
DROP TRIGGER conversations_after_insert;
DROP TABLE conversations;
