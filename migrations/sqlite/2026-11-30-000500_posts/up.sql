-- The same as in migrations/postgres, in SQLite's words; the reasons stand there.

CREATE TABLE posts (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    author_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    target_profile_id BIGINT REFERENCES users (id) ON DELETE CASCADE,
    type TEXT NOT NULL,
    content TEXT NOT NULL,
    media_url TEXT,
    parent_id BIGINT REFERENCES posts (id) ON DELETE CASCADE,
    reply_to_comment_id BIGINT REFERENCES posts (id) ON DELETE SET NULL,
    mentioned_user_id BIGINT REFERENCES users (id) ON DELETE SET NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    reply_count BIGINT NOT NULL DEFAULT 0,
    likes_count BIGINT NOT NULL DEFAULT 0,
    shares_count BIGINT NOT NULL DEFAULT 0,
    CHECK (parent_id IS NULL OR target_profile_id IS NULL)
);

CREATE INDEX posts_feed ON posts (created_at, id) WHERE parent_id IS NULL AND target_profile_id IS NULL;
CREATE INDEX posts_own ON posts (author_id, created_at, id) WHERE parent_id IS NULL AND target_profile_id IS NULL;
CREATE INDEX posts_wall ON posts (target_profile_id, created_at, id) WHERE target_profile_id IS NOT NULL;
CREATE INDEX posts_replies ON posts (parent_id, created_at, id) WHERE parent_id IS NOT NULL;
CREATE INDEX posts_author ON posts (author_id, parent_id);
CREATE INDEX posts_reply_to_comment ON posts (reply_to_comment_id) WHERE reply_to_comment_id IS NOT NULL;
CREATE INDEX posts_mentioned_user ON posts (mentioned_user_id) WHERE mentioned_user_id IS NOT NULL;

CREATE TABLE post_likes (
    post_id BIGINT NOT NULL REFERENCES posts (id) ON DELETE CASCADE,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (post_id, user_id)
);

CREATE INDEX post_likes_user ON post_likes (user_id);

CREATE TRIGGER posts_reply_added AFTER INSERT ON posts WHEN NEW.parent_id IS NOT NULL BEGIN
    UPDATE posts SET reply_count = reply_count + 1 WHERE id = NEW.parent_id;
END;

CREATE TRIGGER posts_reply_deleted AFTER DELETE ON posts WHEN OLD.parent_id IS NOT NULL BEGIN
    UPDATE posts SET reply_count = reply_count - 1 WHERE id = OLD.parent_id;
END;

CREATE TRIGGER posts_like_added AFTER INSERT ON post_likes BEGIN
    UPDATE posts SET likes_count = likes_count + 1 WHERE id = NEW.post_id;
END;

CREATE TRIGGER posts_like_deleted AFTER DELETE ON post_likes BEGIN
    UPDATE posts SET likes_count = likes_count - 1 WHERE id = OLD.post_id;
END;
