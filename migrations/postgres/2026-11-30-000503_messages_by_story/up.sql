-- The messages that refer to a story, of which its deletion makes them refer to none.
CREATE INDEX CONCURRENTLY IF NOT EXISTS messages_reply_to_story
    ON messages (reply_to_story_id) WHERE reply_to_story_id IS NOT NULL;
