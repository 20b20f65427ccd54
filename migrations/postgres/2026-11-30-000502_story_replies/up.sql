-- A message may refer to a story of its receiver. A story that one refers to is kept after it has
-- expired, so that the message can say so; retention deletes the others, which have an index.
ALTER TABLE messages ADD COLUMN reply_to_story_id TEXT REFERENCES stories (id) ON DELETE SET NULL;
ALTER TABLE stories ADD COLUMN is_kept BOOLEAN NOT NULL DEFAULT FALSE;
DROP INDEX stories_expires;
CREATE INDEX stories_expires ON stories (expires_at) WHERE NOT is_kept;
