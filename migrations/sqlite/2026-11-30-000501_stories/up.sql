-- The same as in migrations/postgres, in SQLite's words; the reasons stand there.

CREATE TABLE stories (
    id TEXT PRIMARY KEY NOT NULL,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    media_url TEXT NOT NULL,
    media_type TEXT NOT NULL,
    caption TEXT,
    created_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    view_count BIGINT NOT NULL DEFAULT 0,
    heart_count BIGINT NOT NULL DEFAULT 0,
    thunder_count BIGINT NOT NULL DEFAULT 0
);

CREATE INDEX stories_user ON stories (user_id, expires_at);
CREATE INDEX stories_expires ON stories (expires_at);

CREATE TABLE story_views (
    story_id TEXT NOT NULL REFERENCES stories (id) ON DELETE CASCADE,
    viewer_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    viewed_at TIMESTAMP NOT NULL,
    PRIMARY KEY (story_id, viewer_id)
);

CREATE INDEX story_views_viewer ON story_views (viewer_id);

-- One reaction of each person. Its type is the name of a column of counts above, less `_count`.
CREATE TABLE story_reactions (
    story_id TEXT NOT NULL REFERENCES stories (id) ON DELETE CASCADE,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    reaction_type TEXT NOT NULL CHECK (reaction_type IN ('heart', 'thunder')),
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (story_id, user_id)
);

CREATE INDEX story_reactions_user ON story_reactions (user_id);

CREATE TRIGGER stories_view_added AFTER INSERT ON story_views BEGIN
    UPDATE stories SET view_count = view_count + 1 WHERE id = NEW.story_id;
END;

CREATE TRIGGER stories_view_deleted AFTER DELETE ON story_views BEGIN
    UPDATE stories SET view_count = view_count - 1 WHERE id = OLD.story_id;
END;

CREATE TRIGGER stories_reaction_added AFTER INSERT ON story_reactions BEGIN
    UPDATE stories SET
        heart_count = heart_count + (NEW.reaction_type = 'heart'),
        thunder_count = thunder_count + (NEW.reaction_type = 'thunder')
    WHERE id = NEW.story_id;
END;

CREATE TRIGGER stories_reaction_changed AFTER UPDATE ON story_reactions BEGIN
    UPDATE stories SET
        heart_count = heart_count + (NEW.reaction_type = 'heart') - (OLD.reaction_type = 'heart'),
        thunder_count = thunder_count + (NEW.reaction_type = 'thunder') - (OLD.reaction_type = 'thunder')
    WHERE id = NEW.story_id;
END;

CREATE TRIGGER stories_reaction_deleted AFTER DELETE ON story_reactions BEGIN
    UPDATE stories SET
        heart_count = heart_count - (OLD.reaction_type = 'heart'),
        thunder_count = thunder_count - (OLD.reaction_type = 'thunder')
    WHERE id = OLD.story_id;
END;
