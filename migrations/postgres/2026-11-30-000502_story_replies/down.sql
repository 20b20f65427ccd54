ALTER TABLE messages DROP COLUMN reply_to_story_id;
DROP INDEX stories_expires;
ALTER TABLE stories DROP COLUMN is_kept;
CREATE INDEX stories_expires ON stories (expires_at);
