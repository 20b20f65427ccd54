DROP INDEX IF EXISTS messages_reply_to_story;
