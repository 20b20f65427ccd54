-- Conversations are computed from the whole history again.
DROP TRIGGER messages_keep_their_pair ON messages;
DROP TRIGGER conversations_after_delete ON messages;
DROP TRIGGER conversations_after_update ON messages;
DROP TRIGGER conversations_after_insert ON messages;
DROP FUNCTION messages_keep_their_pair();
DROP FUNCTION conversations_after_delete();
DROP FUNCTION conversations_after_update();
DROP FUNCTION conversations_after_insert();
DROP TABLE conversations;
