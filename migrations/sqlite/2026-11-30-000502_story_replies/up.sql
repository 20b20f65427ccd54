-- The same as in migrations/postgres, in SQLite's words; the reasons stand there.

ALTER TABLE messages ADD COLUMN reply_to_story_id TEXT REFERENCES stories (id) ON DELETE SET NULL;
CREATE INDEX messages_reply_to_story ON messages (reply_to_story_id) WHERE reply_to_story_id IS NOT NULL;
ALTER TABLE stories ADD COLUMN is_kept BOOLEAN NOT NULL DEFAULT FALSE;
DROP INDEX stories_expires;
CREATE INDEX stories_expires ON stories (expires_at) WHERE NOT is_kept;
